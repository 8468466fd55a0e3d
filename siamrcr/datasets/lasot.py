"""LaSOT: <class>/<class>-<n>/img/00000001.jpg (some releases leave the class out), groundtruth.txt and flags.

Boxes count from 1 on disk. A target is absent where it is fully occluded or out of view. The benchmark is Protocol II:
the 280 test sequences.
"""

import importlib.util
import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from siamrcr.datasets.images import FrameFiles, numbered, select
from siamrcr.datasets.names import natural
from siamrcr.datasets.truth import Flags, Truth, any_of, flags, from_one, read_text, rows
from siamrcr.errors import InputError

ABSENT = {"full_occlusion": "FOC", "out_of_view": "OV"}  # flag file -> the attribute's name


def sequences(root: Path, split: str) -> dict[str, Path]:
    """Name -> folder of a split's sequences."""
    outer = sorted(path for path in root.iterdir() if path.is_dir()) if root.is_dir() else []
    inner = [path.parent for folder in outer for path in folder.glob("*/groundtruth.txt")]
    flat = [folder for folder in outer if (folder / "groundtruth.txt").is_file()]
    present = {folder.name: folder for folder in (*flat, *inner)}
    found = {name: present[name] for name in chosen(present, split, root / "testing_set.txt")}
    if not found:
        raise InputError(f"{root}: no {split} sequence of LaSOT there: expected <class>/<class>-<n>/groundtruth.txt")
    return found


def chosen(names: Iterable[str], split: str, listing: Path | None = None) -> list[str]:
    """Those names that belong to a split, in its order; the test split is the official one, or as a file lists it."""
    present = set(names)
    test = tuple(read_text(listing).split()) if listing and listing.is_file() else official("test")
    if split == "test":
        return [name for name in test if name in present]
    return sorted(present - set(test), key=natural)


def truth(folder: Path, name: str) -> Truth:
    """Ground truth of a sequence's folder."""
    boxes = parse(read_text(folder / "groundtruth.txt"), folder / "groundtruth.txt", name).boxes
    given = {stem: folder / f"{stem}.txt" for stem in ABSENT if (folder / f"{stem}.txt").is_file()}
    absent = {ABSENT[stem]: flags(read_text(path), path, len(boxes)) for stem, path in given.items()}
    tags = {tag: any_of(values) for tag, values in absent.items()}
    visible: Flags | None = None
    for values in absent.values():
        visible = ~values if visible is None else visible & ~values
    return Truth(boxes, visible, attributes=tags)


def images(folder: Path, name: str, count: int | None) -> FrameFiles:  # noqa: ARG001 (the layouts' common form)
    """The sequence's frames; those after the last box (monkey-17 has one) are left out."""
    return select(folder / "img", numbered(folder / "img"), 1, count, surplus=True)


def parse(text: str, origin: object, name: str) -> Truth:  # noqa: ARG001 (the layouts' common form)
    """Ground truth of a file of boxes."""
    return Truth(from_one(rows(text, origin)))


@cache
def official(split: str) -> tuple[str, ...]:
    """The names of the 1,120 `train` or 280 `test` sequences, as the got10k package lists them."""
    package = importlib.util.find_spec("got10k")
    if package is None or package.origin is None:
        raise InputError("got10k: not installed, but its list of LaSOT's splits is needed: run `make setup`")
    return tuple(json.loads((Path(package.origin).parent / "datasets" / "lasot.json").read_text())[split])
