"""A training set as one file of columns: which targets it has, in which frames they are usable, and where they are.

Built once from the official annotations, checked against the image files, and mapped into memory from then on: opening
it takes no time at any size, and the loader's processes share its pages.
"""

import fcntl
import json
import os
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from siamrcr.config import Training
from siamrcr.datasets.images import FrameFiles
from siamrcr.datasets.sequence import Sequence
from siamrcr.errors import InputError
from siamrcr.files import atomic, settings_hash
from siamrcr.training.checkpoint import writing

VERSION = 2  # of the columns: another number builds every index anew
CHUNK = 4096  # sequences looked at together


@dataclass(frozen=True, eq=False)
class Index:
    """The usable frames of S targets, F in all; the arrays are views of the file.

    Attributes:
        root: the dataset's folder.
        start: (S + 1,) int64, where each target's frames begin in the two columns of length F.
        frame: (F,) int32 place of a frame in its target's video, ascending within a target.
        box: (F, 4) float32 x, y, w, h, 0-based.
        number: (S,) int32 number in the file name of a video's first frame.
        digits: (S,) int8 digits of that number; 0 where a target has one image, whose name is no number.
        text: (T,) uint8 UTF-8 of each target's path relative to `root`, a line feed where the number stands.
        text_start: (S + 1,) int64, where each target's text begins.
        left_out: reason -> frames (or sequences) that are never drawn.
        origin: what `load` needs to open it again, in another process.
    """

    root: Path
    start: NDArray[np.int64]
    frame: NDArray[np.int32]
    box: NDArray[np.float32]
    number: NDArray[np.int32]
    digits: NDArray[np.int8]
    text: NDArray[np.uint8]
    text_start: NDArray[np.int64]
    left_out: dict[str, int]
    origin: tuple[Path, Path, Any]

    def __reduce__(self) -> tuple[Any, ...]:
        return load, self.origin

    def __len__(self) -> int:
        return len(self.number)

    def frames(self, target: int) -> NDArray[np.int32]:
        """The usable frames (n,) of a target."""
        return self.frame[self.start[target] : self.start[target + 1]]

    def path(self, target: int, frame: int) -> Path:
        """The image of a frame, by its place in the target's video."""
        text = self.text[self.text_start[target] : self.text_start[target + 1]].tobytes().decode()
        number = f"{self.number[target] + frame:0{self.digits[target]}d}" if self.digits[target] else ""
        return self.root / text.replace("\n", number)


COLUMNS = ("start", "frame", "box", "number", "digits", "text", "text_start")


def usable(
    boxes: NDArray[np.float64], seen: NDArray[np.bool_], settings: Training
) -> tuple[NDArray[np.bool_], Counter[str]]:
    """Which boxes (N, 4) are worth learning from, and how many are not for which reason (the first that holds)."""
    width, height = boxes[:, 2], boxes[:, 3]
    short, long = np.minimum(width, height), np.maximum(width, height)
    reasons = {
        "invisible": ~seen,
        "no box": ~np.isfinite(boxes).all(axis=1),
        "smaller than min_side": short < settings.min_side,
        "slimmer than max_aspect": long > settings.max_aspect * short,
    }
    good = np.ones(len(boxes), dtype=bool)
    left_out: Counter[str] = Counter()
    for reason, wrong in reasons.items():
        left_out[reason] += int((good & wrong).sum())
        good &= ~wrong
    return good, left_out


def build(path: Path, root: Path, sequences: Iterable[Sequence], settings: Training, identity: Any) -> None:
    """Write the index of a training set; `identity` is what `load` must be given to accept it.

    Raises InputError where no frame is usable, or the file cannot be written.
    """
    parts: dict[str, list[NDArray[Any]]] = {name: [] for name in ("frame", "box", "count", "number", "digits")}
    texts: list[bytes] = []
    left_out: Counter[str] = Counter()
    listings: dict[Path, set[str]] = {}
    for chunk in _chunks(sequences):
        lengths = np.array([len(one) for one in chunk])
        boxes = np.concatenate([one.boxes for one in chunk])
        seen = np.concatenate([_seen(one, listings, left_out) for one in chunk])
        good, reasons = usable(boxes, seen, settings)
        left_out += reasons
        counts = np.add.reduceat(good, np.cumsum(lengths) - lengths)
        kept = [one for one, count in zip(chunk, counts, strict=True) if count]
        left_out["sequences"] += len(chunk) - len(kept)
        frames = np.concatenate([np.arange(length) for length in lengths])
        templates = [_template(one, root) for one in kept]
        texts += [text for text, _, _ in templates]
        parts["frame"].append(frames[good].astype(np.int32))
        parts["box"].append(boxes[good].astype(np.float32))
        parts["count"].append(counts[counts > 0])
        parts["number"].append(np.array([number for _, number, _ in templates], dtype=np.int32))
        parts["digits"].append(np.array([digits for _, _, digits in templates], dtype=np.int8))
    if not texts:
        raise InputError(f"{root}: no usable frame to train on: check its files, training.min_side and max_aspect")
    columns = {name: np.concatenate(arrays) for name, arrays in parts.items()}
    columns["start"] = _starts(columns.pop("count"))
    columns["text"] = np.frombuffer(b"".join(texts), dtype=np.uint8)
    columns["text_start"] = _starts(np.array([len(text) for text in texts]))
    about = {"identity": json.dumps(identity), "left_out": json.dumps(dict(+left_out)), "crc32": _crc32(columns)}
    with writing(path, "the index"), atomic(path) as temporary:
        save_file(columns, temporary, metadata=about)


def load(path: Path, root: Path, identity: Any, checked: bool = False) -> Index | None:
    """The index in a file, mapped; None where there is none, or one of another state of the dataset or settings.

    Where `checked`, it is read from end to end, and None where it is damaged.
    """
    try:
        # Its tensors are views of the mapped file; NumPy's own form would copy them.
        with safe_open(path, framework="pt") as stored:
            about = stored.metadata() or {}
            if json.loads(about.get("identity", "null")) != json.loads(json.dumps(identity)):
                return None
            columns = {name: stored.get_tensor(name).numpy() for name in COLUMNS}
        if checked and about.get("crc32") != _crc32(columns):
            return None
    except (OSError, SafetensorError, ValueError):
        return None
    return Index(root, **columns, left_out=json.loads(about["left_out"]), origin=(path, root, identity))


def opened(
    folder: Path,
    name: str,
    root: Path,
    settings: Training,
    read: Callable[[], Iterable[Sequence]],
    elsewhere: Path | None = None,
) -> Index:
    """The index of a training set, built by the first that asks for it while the others wait.

    Args:
        folder: where indices are kept.
        name: of the training set.
        root: the dataset's folder.
        settings: whose bounds on boxes hold.
        read: gives the set's sequences.
        elsewhere: a folder that may hold the index already, and cannot be written.
    """
    bounds = {"min_side": settings.min_side, "max_aspect": settings.max_aspect, "root": str(root.resolve())}
    identity = {"version": VERSION, **bounds, "state": state(root)}
    path = folder / f"{name}-{settings_hash(bounds)[:8]}.safetensors"
    found = load(path, root, identity, checked=True)
    if found is None and elsewhere is not None:
        found = load(elsewhere / path.name, root, identity, checked=True)
    if found is not None:
        return found
    folder.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = load(path, root, identity, checked=True)
        if found is None:
            build(path, root, read(), settings, identity)
            found = load(path, root, identity)
    assert found is not None
    return found


def state(root: Path) -> str:
    """A checksum that changes when the dataset does: its folders' and annotation files' dates, two levels deep."""
    dates = []
    for outer in _entries(root):
        dates.append(outer)
        dates += _entries(Path(outer[0])) if Path(outer[0]).is_dir() else []
    return settings_hash([(os.path.relpath(path, root), date) for path, date in dates])


def _entries(folder: Path) -> list[tuple[str, int]]:
    with os.scandir(folder) as entries:
        wanted = [entry for entry in entries if entry.name.endswith((".json", ".txt")) or entry.is_dir()]
        return sorted((entry.path, entry.stat().st_mtime_ns) for entry in wanted)


def _crc32(columns: Mapping[str, NDArray[Any]]) -> str:
    """Checksum of the columns; it reads 280 MB of 14 million boxes in a tenth of a second."""
    value = 0
    for name in COLUMNS:
        value = zlib.crc32(np.ascontiguousarray(columns[name]).view(np.uint8).data, value)
    return f"{value:08x}"


def _chunks(sequences: Iterable[Sequence]) -> Iterator[list[Sequence]]:
    iterator = iter(sequences)
    while chunk := list(islice(iterator, CHUNK)):
        yield chunk


def _seen(one: Sequence, listings: dict[Path, set[str]], left_out: Counter[str]) -> NDArray[np.bool_]:
    """Frames (N,) whose target is visible and whose image is there; a reader has looked for those of a video."""
    if not one.frames:
        return np.zeros(len(one), dtype=bool)
    if not isinstance(one.frames, FrameFiles):
        path = one.frames[0]
        if path.parent not in listings:
            listings[path.parent] = set(_names(path.parent))
        if path.name not in listings[path.parent]:
            left_out["image missing"] += 1
            return np.zeros(len(one), dtype=bool)
    return one.visible if one.cover is None else one.visible & (one.cover > 0)


def _names(folder: Path) -> Iterator[str]:
    return (path.name for path in folder.iterdir()) if folder.is_dir() else iter(())


def _template(one: Sequence, root: Path) -> tuple[bytes, int, int]:
    """Path below the root with a line feed for the number, the first number, and its digits."""
    frames = one.frames
    if isinstance(frames, FrameFiles):
        return os.fsencode(f"{frames.folder.relative_to(root)}/\n{frames.suffix}"), frames.first, frames.width
    return os.fsencode(frames[0].relative_to(root)), 0, 0


def _starts(counts: NDArray[Any]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
