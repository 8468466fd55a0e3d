"""got10k's and vot-toolkit's own experiments, run with our trackers, write what `siamrcr track` writes."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from moving_square import settings, trained

from siamrcr import regions
from siamrcr.config import Mini
from siamrcr.errors import InputError
from siamrcr.toolkits import got10k, parity, vot

CONFIGURATION = Path("run.yaml")
FRAMES = 20
MINI = Mini(frames=FRAMES, **parity.MINI)
# Both wander off the pixel grid, and how depends on where they start; one knows no place at its fourth frame.
OWN = """
import numpy as np

class Steady:
    deterministic = True

    def init(self, image, box):
        self.box, self.frame = np.array(box, dtype=float), 0
        self.confidence = float(image[0, 0, 0]) / 255

    def update(self, image):
        self.frame += 1
        self.confidence = float(image[0, 0, 0]) / 255
        return self.box + self.frame * np.array([self.box[0] / 100, -1 / 7, 1 / 11, 0.00004])

class Wandering(Steady):
    def update(self, image):
        box = super().update(image)
        return np.full(4, np.nan) if self.frame == 4 else box

class Broken(Steady):
    def update(self, image):
        raise ValueError("no idea")
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mini")
    for benchmark in ("got10k-val", "otb2015"):
        parity.small(benchmark, folder, MINI)
    parity.small("vot2018", folder, MINI.model_copy(update={"sequences": 2}))
    return folder


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: a configuration, and a module with trackers."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("time.sleep", lambda _: None)  # got10k waits after its warnings
    CONFIGURATION.write_text("{run: toolkits, source: mini, device: cpu}")
    Path("own.py").write_text(OWN)
    return tmp_path


def files(folder: Path) -> dict[str, bytes]:
    """Contents of the files of boxes by their names, in the form that we give the names."""
    found = [path for path in sorted(folder.rglob("*.txt")) if not path.stem.endswith("_time")]
    return {path.name.replace("Jogging.", "Jogging-"): path.read_bytes() for path in found}


def marks(results: Path, sequence: str) -> str:
    """The codes of a VOT result, and a dash for a region."""
    lines = (results / "baseline" / sequence / f"{sequence}_001.txt").read_text().split()
    return "".join(line if len(line) == 1 else "-" for line in lines)


@pytest.mark.parametrize("tracker", ["own:Steady", "opencv:KCF"])
@pytest.mark.parametrize(
    ("benchmark", "root", "count"), [("got10k-val", "got10k", 4), ("got10k-test", "got10k", 4), ("otb2015", "otb", 3)]
)
def test_got10k_writes_the_same_bytes(
    here: Path, data: Path, tracker: str, benchmark: str, root: str, count: int
) -> None:
    (row,) = parity.compare(CONFIGURATION, tracker, benchmark, data / root, here / "work")
    theirs = files(next((here / "work").glob("*/theirs")))
    assert len(theirs) == count
    assert theirs == files(here / "work" / "track")
    assert (row.equal, row.difference, row.sequences, row.frames) == (True, 0, count, count * FRAMES)


@pytest.mark.usefixtures("here")
def test_a_tracker_never_sees_that_otb_counts_from_one() -> None:
    tracker = got10k.Got10kTracker("own:Steady", CONFIGURATION, one_based=True)
    image = np.zeros((60, 80, 3), dtype=np.uint8)
    tracker.init(image, np.array([11, 21, 30, 20]))
    assert tracker.update(image) == pytest.approx([11.1, 21 - 1 / 7, 30 + 1 / 11, 20.00004])
    assert (tracker.name, tracker.is_deterministic) == ("own:Steady", True)


def test_a_pixel_between_the_two_is_found(here: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(got10k, "FROM_CORNER", np.zeros(4))
    (row,) = parity.compare(CONFIGURATION, "own:Steady", "otb2015", data / "otb", here / "work")
    assert not row.equal
    assert row.difference == pytest.approx(0.19, abs=0.0015)  # 19 frames, a hundredth of a pixel each


def test_vot_toolkit_fails_and_starts_in_the_same_frames(here: Path, data: Path) -> None:
    same, published = parity.compare(CONFIGURATION, "own:Wandering", "vot2018", data / "vot2018", here / "work")
    assert (same.equal, same.sequences, same.frames, same.failures_theirs, same.failures_ours) == (True, 2, 40, 4, 4)
    assert same.difference < 1e-4
    # Here no box just touches the target, so the rules agree.
    assert published.equal
    assert same.toolkit == "vot-toolkit 0.7.4"
    theirs, ours = here / "work" / "workspace" / "results" / "own-Wandering", here / "work" / "track"
    found = marks(theirs, "mini1")
    assert found == "1---20000" * 2 + "1-"
    confidences = [
        (side / "baseline" / "mini1" / "mini1_001_confidence.value").read_text().splitlines() for side in (theirs, ours)
    ]
    for mark, confidence, own in zip(found, *confidences, strict=True):
        assert mark != "-" or float(confidence) == float(own) > 0


def test_a_box_that_just_touches_fails_by_the_toolkits_rule_and_not_by_the_published_one(
    here: Path, data: Path
) -> None:
    folder = here / "vot" / "leaving"
    folder.mkdir(parents=True)
    for name in ("color", "sequence"):
        (folder / name).symlink_to(data / "vot2018" / "mini1" / name)
    (here / "vot" / "list.txt").write_text("leaving\n")
    # Four frames after a start the target's left edge is 19.68 pixels from the box's, which is 20 wide.
    (folder / "groundtruth.txt").write_text("".join(f"{100 + 4.92 * frame:.2f},60,20,20\n" for frame in range(FRAMES)))
    same, published = parity.compare(CONFIGURATION, "static", "vot2018", here / "vot", here / "work")
    assert (same.equal, same.expected, published.equal, published.expected) == (True, True, False, False)
    assert marks(here / "work" / "workspace" / "results" / "static", "leaving") == "1---20000" * 2 + "1-"
    assert marks(here / "work" / "track", "leaving") == "1----20000" * 2


# vot-toolkit 0.7.4 counts the pixels itself; MATLAB's and the published rule follow region.c.
@pytest.mark.parametrize(
    ("box", "truth", "toolkit", "matlab7", "published"),
    [
        ([29.6, 10, 20, 20], [10, 10, 20, 20], 0, 0, 21 / 861),
        ([130, 51, 34, 39], [146.02, 135.96, 121.34, 124.24, 137.95, 89.27, 162.62, 100.98], 1 / 2452, 0, 4 / 2521),
        ([10, 10, 20, 20], [10, 10, 20, 20], 1, 1, 1),
    ],
)
def test_toolkits_differ_on_boxes_that_just_touch(
    box: list[float], truth: list[float], toolkit: float, matlab7: float, published: float
) -> None:
    bounds = (255.0, 191.0)
    assert vot.overlap(np.array(box, float), np.array(truth), bounds) == pytest.approx(toolkit)
    assert regions.overlap(box, truth, bounds, "matlab7") == pytest.approx(matlab7)
    assert regions.overlap(box, truth, bounds) == pytest.approx(published)


def test_a_tracker_that_breaks_in_vot_toolkit_is_named_with_its_words(here: Path, data: Path) -> None:
    with pytest.raises(InputError, match=r"vot-toolkit could not run own:Broken: .*no idea"):
        parity.vot_toolkit(CONFIGURATION, "own:Broken", "vot2018", data / "vot2018", here / "work")


def test_the_entry_of_trackers_ini(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert vot.main(["opencv:KCF", "--configfile", "run.yaml", "--entry"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "[opencv-KCF]",
        "label = opencv:KCF",
        "protocol = trax",
        "timeout = 120",
        f"command = {sys.executable} -m siamrcr.toolkits.vot --folder {here} --configfile run.yaml opencv:KCF",
    ]
    assert vot.main(["nobody", "--configfile", "run.yaml"]) == 2
    assert "no tracker 'nobody'" in capsys.readouterr().err


@pytest.mark.usefixtures("here")
def test_what_parity_prints_and_writes(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(parity, "BENCHMARKS", ("otb2015",))
    assert parity.main(["static", "--configfile", "run.yaml", "--json", "parity.json"]) == 0
    row = "| otb2015 | got10k 0.1.3 | static |  | 3 | 120 | 0.00000 |  | yes |"
    assert capsys.readouterr().out.splitlines()[2] == row
    assert json.loads(Path("parity.json").read_text())["comparisons"][0]["equal"]
    monkeypatch.setattr(got10k, "FROM_CORNER", np.zeros(4))
    assert parity.main(["own:Steady", "--configfile", "run.yaml", "--json", "parity.json"]) == 1
    assert parity.main(["nobody", "--configfile", "run.yaml", "--json", "parity.json"]) == 2


@pytest.mark.slow
def test_a_network_in_both_toolkits(here: Path, data: Path) -> None:
    weights = str(trained(settings()))
    for benchmark, root in (("got10k-val", "got10k"), ("otb2015", "otb"), ("vot2018", "vot2018")):
        assert parity.compare(CONFIGURATION, weights, benchmark, data / root, here / benchmark)[0].equal
