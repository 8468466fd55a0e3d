"""The index of a training set: what it holds, when it is built again, how it is shared."""

import multiprocessing
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import layouts
import numpy as np
import pytest

from siamrcr import datasets
from siamrcr.config import Training
from siamrcr.datasets.images import FrameFiles
from siamrcr.datasets.sequence import Sequence
from siamrcr.errors import InputError
from siamrcr.training import index

BOX = [0.0, 0.0, 20.0, 10.0]


def video(root: Path, name: str, boxes: np.ndarray, visible: np.ndarray, cover: np.ndarray | None = None) -> Sequence:
    return Sequence(name, FrameFiles(root / name, 7, len(boxes), 8, ".jpg"), boxes, visible, cover=cover)


def built(root: Path, sequences: list[Sequence], settings: Training | None = None) -> index.Index:
    path = root / "index.safetensors"
    index.build(path, root, sequences, settings or Training(), "test")
    found = index.load(path, root, "test")
    assert found is not None
    return found


def test_unusable_frames_are_left_out_and_counted(tmp_path: Path) -> None:
    boxes = np.tile(BOX, (7, 1))
    boxes[1, 2] = 1.5
    boxes[2, 2:] = 44.0, 4.0
    boxes[3] = np.nan
    visible = np.array([True] * 4 + [False] + [True] * 2)
    cover = np.array([8, 8, 8, 8, 8, 0, 1])
    hidden = video(tmp_path, "hidden", np.tile(BOX, (3, 1)), np.zeros(3, dtype=bool))
    found = built(tmp_path, [hidden, video(tmp_path, "b", boxes, visible, cover)], Training(min_side=2, max_aspect=10))
    assert len(found) == 1
    assert found.frames(0).tolist() == [0, 6]
    np.testing.assert_array_equal(found.box, [BOX, BOX])
    assert found.path(0, 6) == tmp_path / "b" / "00000013.jpg"
    reasons = {"smaller than min_side": 1, "slimmer than max_aspect": 1, "no box": 1, "invisible": 2 + 3}
    assert found.left_out == {**reasons, "sequences": 1}


def test_targets_are_the_same_however_many_are_looked_at_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(0)
    sequences = [
        video(tmp_path, f"v{n}", random.uniform(1, 50, (n % 5 + 1, 4)), random.random(n % 5 + 1) < 0.7)
        for n in range(23)
    ]
    whole = built(tmp_path, sequences)
    monkeypatch.setattr(index, "CHUNK", 4)
    parts = built(tmp_path, sequences)
    for name in index.COLUMNS:
        np.testing.assert_array_equal(getattr(parts, name), getattr(whole, name))
    assert parts.left_out == whole.left_out


def test_a_set_without_a_usable_frame_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no usable frame to train on"):
        built(tmp_path, [video(tmp_path, "s", np.zeros((3, 4)), np.ones(3, dtype=bool))])


@pytest.mark.parametrize(
    ("name", "write"),
    [("coco", layouts.coco), ("vid", layouts.vid), ("det", layouts.det)],
)
def test_every_usable_box_of_an_official_layout_is_in_the_index(
    name: str, write: Callable[..., None], tmp_path: Path
) -> None:
    clips = layouts.clips(tmp_path / "clips", count=2, frames=3)
    root = tmp_path / name
    write(root, clips)
    sequences = datasets.load(f"{name}-train", root)
    found = built(root, sequences)
    there = {
        (found.path(t, int(f)), tuple(found.box[found.start[t] + i]))
        for t in range(len(found))
        for i, f in enumerate(found.frames(t))
    }
    wanted = {
        (s.frames[i], tuple(np.float32(s.boxes[i])))
        for s in sequences
        for i in range(len(s))
        if s.visible[i] and min(s.boxes[i, 2:]) >= 2
    }
    assert there == wanted
    assert all(path.is_file() for path, _ in there)


def test_an_annotation_without_its_image_is_left_out_and_counted(tmp_path: Path) -> None:
    clips = layouts.clips(tmp_path / "clips", count=2, frames=3)
    layouts.det(tmp_path / "det", clips)
    sequences = datasets.load("det-train", tmp_path / "det")
    whole = built(tmp_path / "det", sequences)
    gone = sequences[0].frames[0]
    gone.unlink()
    lost = sum(s.frames[0] == gone for s in sequences)
    found = built(tmp_path / "det", sequences)
    assert found.left_out["image missing"] == lost
    assert len(found) == len(whole) - lost


def test_it_is_built_once_and_again_when_the_dataset_or_the_bounds_change(tmp_path: Path) -> None:
    root = tmp_path / "set"
    (root / "train").mkdir(parents=True)
    reads = []

    def read() -> list[Sequence]:
        reads.append(1)
        return [video(root, "s", np.tile(BOX, (3, 1)), np.ones(3, dtype=bool))]

    def opened(settings: Training) -> index.Index:
        return index.opened(tmp_path / "index", "set-train", root, settings, read)

    assert len(opened(Training())) == len(opened(Training())) == 1
    assert len(reads) == 1
    opened(Training(min_side=5))
    opened(Training())
    assert len(reads) == 2
    os.utime(root / "train", (1, 1))
    opened(Training())
    assert len(reads) == 3


def test_a_damaged_index_is_built_again(tmp_path: Path) -> None:
    root = tmp_path / "set"
    root.mkdir()
    read = lambda: [video(root, "s", np.tile(BOX, (3, 1)), np.ones(3, dtype=bool))]  # noqa: E731
    index.opened(tmp_path / "index", "set-train", root, Training(), read)
    file = next((tmp_path / "index").glob("*.safetensors"))
    for content in (b"", file.read_bytes()[:-5], b"\x08" * 200):
        file.write_bytes(content)
        assert index.opened(tmp_path / "index", "set-train", root, Training(), read).frames(0).tolist() == [0, 1, 2]


def _private_bytes() -> int:
    with open("/proc/self/smaps_rollup") as stream:
        return sum(int(line.split()[1]) * 1024 for line in stream if line.startswith("Private_"))


def _growth(found: index.Index, queue: "multiprocessing.Queue[tuple[int, int]]") -> None:
    before = _private_bytes()
    total = sum(int(found.frames(target)[-1]) for target in range(0, len(found), 7))
    queue.put((_private_bytes() - before, total))


def test_another_process_maps_the_same_file(tmp_path: Path) -> None:
    boxes = np.tile(BOX, (2000, 1))
    found = built(tmp_path, [video(tmp_path, f"s{n}", boxes, np.ones(2000, dtype=bool)) for n in range(500)])
    size = (tmp_path / "index.safetensors").stat().st_size
    assert size > 18_000_000
    assert len(pickle.dumps(found)) < 1000
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    process = context.Process(target=_growth, args=(found, queue))
    process.start()
    growth, total = queue.get(timeout=60)
    process.join()
    assert total == 1999 * len(range(0, 500, 7))
    assert growth < size / 4
