"""The generated benchmarks: exact ground truth, official layouts, the same files from the same settings."""

from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

from siamrcr import datasets
from siamrcr.config import Mini
from siamrcr.datasets import mini, scene
from siamrcr.errors import InputError
from siamrcr.geometry import bounding_box, corners, iou

SIZE = (256, 192)
SETTINGS = Mini(frames=12, train_sequences=2, val_sequences=3, sequences=4)
ALL = tuple(mini.WRITERS)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mini")
    for dataset in ALL:
        mini.generate(dataset, folder, SETTINGS)
    return folder


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


def blob(seed: int, frames: int = 5, **more: bool) -> scene.Blob:
    white = np.full((200, 200, 3), 255, np.uint8)
    return scene.Blob(np.random.default_rng(seed), SIZE, frames, white, **more)


@pytest.mark.parametrize("seed", range(6))
def test_a_box_is_the_extent_of_what_is_drawn(seed: int) -> None:
    target = blob(seed)
    for index in range(5):
        image = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
        target.draw(image, index, exposure=0)
        rows, columns = np.nonzero(image[..., 0])
        low, high = np.array([columns.min(), rows.min()]), np.array([columns.max(), rows.max()]) + 1
        edges = corners(bounding_box(target.outlines[index]))
        # Every pixel that the outline enters is painted, and none further than a quarter of a pixel away.
        assert (edges >= 0).all()
        assert ((edges[:2] >= low) & (edges[:2] < low + 1.25)).all()
        assert ((edges[2:] <= high) & (edges[2:] > high - 1.25)).all()


def test_shape_and_motion_change_in_every_frame() -> None:
    target = blob(1, frames=20)
    relative = target.outlines - target.path[:, None]
    assert np.linalg.norm(np.diff(target.path, axis=0), axis=1).min() > 0.05
    assert np.abs(np.diff(relative, axis=0)).max(axis=(1, 2)).min() > 0.1
    box = np.array([bounding_box(outline) for outline in target.outlines])
    polygon_area = [cv2.contourArea(outline[: scene.CORNERS].astype(np.float32)) for outline in target.outlines]
    assert (np.array(polygon_area) < 0.85 * box[:, 2] * box[:, 3]).all()


@pytest.mark.parametrize("frames", [1, 2, 40])
def test_what_hides_the_target_hides_it_wholly_but_not_at_first(frames: int) -> None:
    for seed in range(5):
        events = scene.Events(hidden=True)
        shown = [frame.visible[0] for frame in scene.render(np.random.default_rng(seed), "test", SIZE, frames, events)]
        assert shown[0] > 0.95
        assert frames < 3 or min(shown) == 0


def test_a_target_that_leaves_comes_back() -> None:
    target = blob(3, frames=40, leaves=True)
    left = target.outlines[..., 0].min(axis=1) > SIZE[0]
    assert left.any()
    assert not left[[0, -1]].any()


def test_the_cover_of_a_blob_is_the_area_that_others_leave() -> None:
    front, behind = blob(0), blob(4)
    assert scene._visible(behind, [], 0, SIZE) == 1
    assert scene._visible(behind, [behind], 0, SIZE) == 0
    behind.outlines = behind.outlines - [behind.path[0, 0], 0]  # its centre on the left edge
    assert 0.2 < scene._visible(behind, [], 0, SIZE) < 0.8
    front.outlines = front.outlines + 1000
    assert scene._visible(front, [], 0, SIZE) == 0


def test_training_and_test_photographs_have_nothing_in_common() -> None:
    train, test = (set(scene.PHOTOGRAPHS[side]) for side in ("train", "test"))
    assert not train & test
    assert {"motorcycle_left", "motorcycle_right"} <= train  # two views of one scene
    for name in train | test:
        assert max(scene.photograph(name).shape) <= scene.LONGEST
    with pytest.raises(InputError, match="nothing: photograph not found"):
        scene.photograph("nothing")


def test_the_first_box_neither_wins_nor_is_hopeless() -> None:
    scores = []
    for seed in range(24):
        frames = scene.render(np.random.default_rng(seed), "test", SIZE, 40, scene.Events(hidden=seed % 5 == 1))
        seen = [(bounding_box(frame.outlines[0]), frame.visible[0]) for frame in frames]
        boxes = np.array([box for box, _ in seen])
        assert 15 < np.median(boxes[:, 2]) < 90
        scores.append(iou(boxes[0], boxes[1:])[np.array([share for _, share in seen[1:]]) > 0])
    assert 0.2 < np.concatenate(scores).mean() < 0.4


def test_equal_settings_give_equal_files_and_another_seed_others(root: Path, tmp_path: Path) -> None:
    mini.generate("vot2018", tmp_path / "same", SETTINGS)
    assert content(tmp_path / "same" / "vot2018") == content(root / "vot2018")
    mini.generate("vot2018", tmp_path / "other", SETTINGS.model_copy(update={"seed": 1}))
    ours, theirs = content(tmp_path / "other" / "vot2018"), content(root / "vot2018")
    assert ours.keys() == theirs.keys()
    assert not any(ours[name] == theirs[name] for name in ours if name.endswith((".jpg", "groundtruth.txt")))


def test_a_folder_made_with_the_same_settings_is_kept_and_another_replaced(tmp_path: Path) -> None:
    settings = Mini(frames=2, sequences=1)
    mini.generate("trackingnet", tmp_path, settings)
    mark = next((tmp_path / "trackingnet" / "TEST" / "anno").glob("*.txt"))
    written = mark.stat().st_mtime_ns
    mini.generate("trackingnet", tmp_path, settings)
    assert mark.stat().st_mtime_ns == written
    mini.generate("trackingnet", tmp_path, settings.model_copy(update={"frames": 3}))
    assert mark.stat().st_mtime_ns != written
    assert len(lines(next((tmp_path / "server" / "trackingnet").glob("*.txt")))) == 3
    assert {path.name for path in tmp_path.iterdir()} == {"trackingnet", "server"}


@pytest.mark.parametrize("kind", ["trackingnet/TEST/anno/*.txt", "trackingnet/**/*.jpg", "server/trackingnet/*.txt"])
def test_a_damaged_file_is_told_by_its_reader_and_made_again(tmp_path: Path, kind: str) -> None:
    settings = Mini(frames=3, sequences=2)
    mini.generate("trackingnet", tmp_path, settings)
    one, other = sorted(tmp_path.glob(kind))[:2]
    whole = (one.read_bytes(), other.read_bytes())

    def read() -> None:
        for sequence in datasets.load("trackingnet", tmp_path / "trackingnet", tmp_path / "server" / "trackingnet"):
            [sequence.image(index) for index in range(len(sequence))]

    read()
    exchanged, flipped = (whole[1], whole[0]), (whole[0][:20] + bytes([whole[0][20] ^ 1]) + whole[0][21:], whole[1])
    for damage in (exchanged, flipped, (whole[0][: len(whole[0]) // 2], whole[1])):
        one.write_bytes(damage[0])
        other.write_bytes(damage[1])
        with pytest.raises(InputError, match=r"damaged or exchanged\): run `siamrcr mini trackingnet`"):
            read()
        mini.generate("trackingnet", tmp_path, settings)
        assert (one.read_bytes(), other.read_bytes()) == whole
        read()


def test_a_target_whose_file_was_emptied_is_missed(tmp_path: Path) -> None:
    """An empty file of a target is known from OTB's own, and passed over there."""
    mini.generate("otb2015", tmp_path, Mini(frames=3, sequences=3))
    path = next(tmp_path.glob("otb2015/*/groundtruth_rect.2.txt"))
    path.write_bytes(b"")
    with pytest.raises(InputError, match=r"groundtruth_rect\.2\.txt: is not the file that was recorded"):
        datasets.load("otb2015", tmp_path / "otb2015")


def test_an_interrupted_dataset_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> list[str]:
        raise KeyboardInterrupt

    monkeypatch.setattr(mini, "_meta", fails)
    with pytest.raises(KeyboardInterrupt):
        mini.generate("got10k", tmp_path, SETTINGS)
    assert list(tmp_path.iterdir()) == []


def test_what_was_not_generated_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "lasot").mkdir()
    with pytest.raises(InputError, match="lasot: exists and was not generated"):
        mini.generate("lasot", tmp_path, SETTINGS)
    with pytest.raises(InputError, match="'coco' has no miniature: choose one of got10k"):
        mini.generate("coco", tmp_path, SETTINGS)


def test_got10k_has_its_three_splits_and_labels(root: Path) -> None:
    for split, count in (("train", 2), ("val", 3), ("test", 4)):
        names = lines(root / "got10k" / split / "list.txt")
        assert names == [f"GOT-10k_{split.title()}_{number:06d}" for number in range(1, count + 1)]
        folder = root / "got10k" / split / names[0]
        assert [path.name for path in sorted(folder.glob("*.jpg"))] == [f"{n:08d}.jpg" for n in range(1, 13)]
        assert "resolution: (256, 192)" in lines(folder / "meta_info.ini")
        assert len(lines(folder / "groundtruth.txt")) == (1 if split == "test" else 12)
        assert [len(number.partition(".")[2]) for number in lines(folder / "groundtruth.txt")[0].split(",")] == [4] * 4
    folder = root / "got10k" / "val" / "GOT-10k_Val_000002"
    cover = np.loadtxt(folder / "cover.label", dtype=int)
    assert cover[0] == 8
    assert cover.min() == 0
    assert set(np.diff(cover)) > {0}
    assert (np.loadtxt(folder / "absence.label") == (cover == 0)).all()
    assert set(lines(folder / "cut_by_image.label")) <= {"0", "1"}


def test_the_server_keeps_what_the_test_splits_hide(root: Path) -> None:
    for benchmark, dataset in (("got10k-test", "got10k"), ("trackingnet", "trackingnet")):
        hidden = datasets.load(benchmark, root / dataset)
        told = datasets.load(benchmark, root / dataset, root / "server" / benchmark)
        assert all(sequence.hidden for sequence in hidden)
        assert not any(np.isnan(sequence.boxes).any() for sequence in told)
        assert [s.name for s in hidden] == [s.name for s in told]
        for before, after in zip(hidden, told, strict=True):
            assert np.abs(before.boxes[0] - after.boxes[0]).max() < 0.0051
    alone = datasets.load("got10k-test", None, root / "server" / "got10k-test")
    assert all(sequence.size == SIZE and sequence.cover is not None for sequence in alone)


def test_otb_has_both_delimiters_two_targets_and_surplus_images(root: Path) -> None:
    folders = [root / "otb2015" / f"Mini{number}" for number in (1, 2, 3)]
    assert ["," in (folder / "groundtruth_rect.txt").read_text() for folder in folders[:2]] == [True, False]
    assert "\t" in (folders[1] / "groundtruth_rect.txt").read_text()
    assert len(list((folders[1] / "img").iterdir())) == 12 + mini.SURPLUS
    sequences = datasets.load("otb2015", root / "otb2015")
    assert [s.name for s in sequences] == ["Mini1", "Mini2", "Mini3-1", "Mini3-2"]
    assert {len(s) for s in sequences} == {12}
    assert sequences[2].frames == sequences[3].frames
    assert (sequences[2].boxes != sequences[3].boxes).any()
    first = [int(number) for number in lines(folders[0] / "groundtruth_rect.txt")[0].split(",")]
    np.testing.assert_array_equal(sequences[0].boxes[0], np.subtract(first, (1, 1, 0, 0)))


def test_lasot_flags_the_absent_and_blanks_those_out_of_view(root: Path) -> None:
    sequences = datasets.load("lasot", root / "lasot")
    assert [s.name for s in sequences] == lines(root / "lasot" / "testing_set.txt")
    occluded, left = sequences[1], sequences[2]
    assert not occluded.visible.all()
    assert (occluded.boxes[~occluded.visible, 2:] > 0).all()
    assert not left.visible.all()
    assert (left.boxes[~left.visible] == [-1, -1, 0, 0]).all()
    folder = left.frames[0].parents[1]
    assert folder.parent.name == left.name.rpartition("-")[0]
    assert "0,0,0,0" in lines(folder / "groundtruth.txt")
    assert len(lines(folder / "out_of_view.txt")) == 1


def test_trackingnet_counts_from_zero_without_padding(root: Path) -> None:
    folder = root / "trackingnet" / "TEST"
    sequence = datasets.load("trackingnet", root / "trackingnet")[0]
    assert [path.name for path in sequence.frames] == [f"{number}.jpg" for number in range(12)]
    assert len(lines(folder / "anno" / f"{sequence.name}.txt")) == 1


def test_vot_has_rotated_rectangles_tags_and_properties(root: Path) -> None:
    for sequence in datasets.load("vot2018", root / "vot2018"):
        assert sequence.size == SIZE
        assert len(sequence.attributes) == 5
        assert sequence.regions is not None
        for region, box in zip(sequence.regions, sequence.boxes, strict=True):
            points = region.reshape(4, 2)
            sides = np.roll(points, -1, axis=0) - points
            lengths = np.linalg.norm(sides, axis=1)
            # Written with two digits, the corners stay right angles to about a hundredth of a pixel.
            assert all(abs(a @ b) < 0.03 * max(lengths) for a, b in pairwise([*sides, sides[0]]))
            np.testing.assert_array_equal(box, bounding_box(region))
        text = lines(sequence.frames[0].parents[1] / "groundtruth.txt")[0]
        assert [len(number.partition(".")[2]) for number in text.split(",")] == [2] * 8


def test_two_years_of_vot_share_sequences(root: Path) -> None:
    years = [lines(root / year / "list.txt") for year in ("vot2018", "vot2019")]
    shared = [name for name in years[0] if name in years[1]]
    assert len(shared) == 3
    for name in shared:
        assert content(root / "vot2018" / name) == content(root / "vot2019" / name)
