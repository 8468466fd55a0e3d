"""From names to trackers: OpenCV's, a user's own class, trained weights, and what cannot run."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from moving_square import boxes, prepared, settings, trained

from siamrcr import baselines, datasets, engine, results
from siamrcr.config import Run
from siamrcr.errors import InputError
from siamrcr.files import sha256
from siamrcr.geometry import iou
from siamrcr.opencv import OPENCV, OpenCV, whole_pixels


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    monkeypatch.chdir(tmp_path)
    with prepared(tmp_path) as run:
        yield run


@pytest.mark.parametrize(
    ("tracker", "message"),
    [
        ("nobody", "small-s0, stay, raw, random"),
        ("raw", "raw results"),
        ("opencv:KFC", "opencv:KCF"),
        ("small-s0", "siamrcr train small --seed 0"),
        ("absent.safetensors", "absent.safetensors"),
        ("nowhere:Thing", "No module named 'nowhere'"),
        ("own:Nothing", "no attribute 'Nothing'"),
        ("own:Silent", "no update"),
    ],
)
def test_what_cannot_run_is_said_in_one_line(run: Run, tracker: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        baselines.source(run, tracker)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_users_checkpoint_takes_the_place_of_training(run: Run) -> None:
    elsewhere = Path("mine.safetensors")
    trained(run).rename(elsewhere)
    own = settings(models={"small": {"checkpoint": str(elsewhere)}})
    assert baselines.source(own, "small-s0").settings["weights_sha256"] == sha256(elsewhere)
    elsewhere.unlink()
    with pytest.raises(InputError, match=r"models\.small\.checkpoint"):
        baselines.source(own, "small-s0")


@pytest.mark.usefixtures("run")
def test_an_unusable_device_is_named() -> None:
    elsewhere = settings(device="abacus")
    trained(elsewhere)
    with pytest.raises(InputError, match="device 'abacus'"):
        baselines.source(elsewhere, "small-s0")


def test_a_build_of_opencv_without_the_tracker_names_what_it_has(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(cv2, "TrackerKCF_create")
    monkeypatch.delattr(cv2.legacy, "TrackerKCF_create")
    with pytest.raises(InputError, match="opencv:CSRT, opencv:MIL, opencv:MOSSE, opencv:MedianFlow"):
        baselines.source(run, "opencv:KCF")


@pytest.mark.parametrize("name", ["CSRT", "KCF", "MIL", "MOSSE", "MedianFlow"])
def test_opencv_follows_a_moving_square(run: Run, name: str) -> None:
    folder = engine.track(run, f"opencv:{name}", "otb2015")
    sequences = datasets.load("otb2015", Path("data/real/otb2015"))
    overlaps = [iou(boxes(folder, s.name), s.boxes).mean() for s in sequences]
    stays = [iou(s.boxes[0], s.boxes).mean() for s in sequences]
    assert np.mean(overlaps) > np.mean(stays) + 0.1


def test_mil_depends_on_the_sequence_and_repetition_alone(run: Run) -> None:
    make = baselines.source(run, "opencv:MIL").make
    sequences = datasets.load("otb2015", Path("data/real/otb2015"))
    images = [sequences[0].image(index) for index in range(5)]

    def track(sequence: str, repetition: int) -> list[list[float]]:
        tracker = make(sequence, repetition)
        assert not tracker.deterministic
        tracker.init(images[0], sequences[0].boxes[0])
        return [tracker.update(image).tolist() for image in images[1:]]

    first = track("Alpha", 1)
    others = [track("Alpha", 2), track("Beta", 1)]
    assert track("Alpha", 1) == first
    assert first not in others


def test_opencv_keeps_the_box_with_no_confidence_where_it_finds_nothing() -> None:
    image = np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8)
    tracker = OpenCV("KCF")
    tracker.init(image, (30.4, 20, 40, 30))
    assert np.isnan(tracker.confidence)
    tracker.update(image)
    assert tracker.confidence == 1
    before = tracker.update(image)
    assert np.array_equal(tracker.update(np.zeros_like(image)), before)
    assert tracker.confidence == 0


def test_opencv_sees_bgr(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    class Looks:
        def init(self, image: np.ndarray, box: tuple[int, ...]) -> None:
            seen.append((image[0, 0].tolist(), box))

        def update(self, image: np.ndarray) -> tuple[bool, tuple[int, ...]]:
            seen.append(image[0, 0].tolist())
            return True, (1, 2, 3, 4)

    monkeypatch.setattr(cv2, "TrackerKCF_create", Looks)
    tracker = OpenCV("KCF")
    image = np.tile(np.array([1, 2, 3], dtype=np.uint8), (50, 60, 1))
    tracker.init(image, (10.6, 9.5, 20.2, 11))
    assert tracker.update(image).tolist() == [1, 2, 3, 4]
    assert seen == [([3, 2, 1], (11, 10, 20, 10)), [3, 2, 1]]


def test_a_network_of_opencv_takes_the_users_files_and_tells_its_score(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[dict[str, str]] = []

    class Params:
        backbone = neckhead = "default.onnx"

    class Nano:
        def __init__(self, params: Params) -> None:
            given.append(vars(params))
            if "broken" in params.backbone:
                raise cv2.error("cannot parse")

        def init(self, *_: object) -> None: ...

        def update(self, _: object) -> tuple[bool, tuple[int, ...]]:
            return True, (1, 2, 3, 4)

        def getTrackingScore(self) -> float:  # noqa: N802 (OpenCV's name)
            return 0.75

    monkeypatch.setattr(cv2, "TrackerNano_Params", Params)
    monkeypatch.setattr(cv2, "TrackerNano_create", Nano)
    files = {"backbone": "one.onnx", "neckhead": "two.onnx"}

    def with_files(**chosen: str) -> Run:
        return settings(trackers={"nano": {"command": "opencv:Nano", "files": chosen}})

    with pytest.raises(InputError, match=r"files: \{backbone: PATH, neckhead: PATH\}"):
        baselines.source(run, "opencv:Nano")
    with pytest.raises(InputError, match=r"one\.onnx: no such file"):
        baselines.source(with_files(**files), "nano")
    for name in ("one", "two", "broken"):
        Path(f"{name}.onnx").write_text(name)
    with pytest.raises(InputError, match=r"broken\.onnx.*: not its networks"):
        baselines.source(with_files(**{**files, "backbone": "broken.onnx"}), "nano")
    source = baselines.source(with_files(**files), "nano")
    assert given[-1] == files
    assert source.settings["files_sha256"] == {key: sha256(Path(name)) for key, name in files.items()}
    tracker = source.make("Alpha", 1)
    image = np.zeros((50, 60, 3), dtype=np.uint8)
    tracker.init(image, (10, 9, 20, 11))
    assert tracker.update(image).tolist() == [1, 2, 3, 4]
    assert tracker.confidence == 0.75
    with pytest.raises(InputError, match="leave out files"):
        baselines.source(settings(trackers={"kcf": {"command": "opencv:KCF", "files": {"net": "one.onnx"}}}), "kcf")


@pytest.mark.parametrize("name", OPENCV)
@pytest.mark.parametrize(
    "box", [(50, 50, 1, 1), (50, 50, 1, 40), (-5, -5, 20, 20), (150, 110, 20, 20), (0, 0, 160, 120)]
)
def test_opencv_bears_any_box(name: str, box: tuple[float, ...]) -> None:
    image = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8), (5, 5), 0)
    tracker = OpenCV(name)
    tracker.init(image, box)
    assert tracker.update(image).shape == (4,)


@pytest.mark.parametrize(
    ("box", "wanted"),
    [
        ((10.4, 9.6, 20, 11), (10, 10, 20, 11)),
        ((50, 50, 1, 40), (50, 50, 5, 40)),
        ((-5, -8, 20, 20), (0, 0, 15, 12)),
        ((158, 118, 9, 9), (155, 115, 5, 5)),
        ((-10, -10, 300, 300), (0, 0, 160, 120)),
        ((-4.0, 20, 4.2, 9), (0, 20, 5, 9)),
    ],
)
def test_whole_pixels(box: tuple[float, ...], wanted: tuple[int, ...]) -> None:
    assert whole_pixels(np.array(box), 160, 120) == wanted


def test_opencv_beats_a_box_that_stays_on_a_real_sequence(real_data: Path, tmp_path: Path) -> None:
    root = tmp_path / "otb"
    root.mkdir()
    (root / "Crossing").symlink_to(real_data / "sequences" / "otb" / "Crossing")
    (sequence,) = datasets.load("otb2015", root)
    means = {}
    for tracker in ("opencv:CSRT", "opencv:KCF", "static"):
        folder = engine.track(settings(), tracker, "otb2015", root=root, out=tmp_path / tracker)
        (result,) = results.read(folder, "otb2015", [sequence])["Crossing"]
        means[tracker] = iou(result.boxes, sequence.boxes).mean()
    # OpenCV's KCF gives up early here: it is better than nothing, and no more.
    assert means["opencv:CSRT"] > means["opencv:KCF"] > means["static"]
