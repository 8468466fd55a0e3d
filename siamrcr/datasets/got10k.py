"""GOT-10k: {train,val,test}/list.txt, and a folder a sequence with its images and labels together.

Boxes are continuous and count from 0. The test split shows its first box only.
"""

import re
from pathlib import Path

from siamrcr.datasets.images import FrameFiles, image_size, numbered, select
from siamrcr.datasets.truth import Truth, any_of, flags, integers, listed, read_text, rows
from siamrcr.errors import InputError


def sequences(root: Path, split: str) -> dict[str, Path]:
    """Name -> folder of a split's sequences, in the order of its list. `root` may be the split's folder itself."""
    folder = root / split if (root / split).is_dir() else root
    found = listed(folder)
    if not found:
        raise InputError(f"{folder}: no sequence of GOT-10k {split} there: expected {split}/<sequence>/groundtruth.txt")
    return found


def truth(folder: Path, name: str) -> Truth:
    """Ground truth of a sequence's folder."""
    given = parse(read_text(folder / "groundtruth.txt"), folder / "groundtruth.txt", name)
    count = len(given.boxes)
    labels = {stem: folder / f"{stem}.label" for stem in ("absence", "cover", "cut_by_image")}
    found = {stem: read_text(path) for stem, path in labels.items() if path.is_file()}
    cover = integers(found["cover"], labels["cover"], count) if "cover" in found else None
    absent = flags(found["absence"], labels["absence"], count) if "absence" in found else None
    tags = {} if absent is None else {"absence": any_of(absent)}
    if cover is not None:
        tags["occlusion"] = any_of(cover < 8)
    if "cut_by_image" in found:
        tags["cut_by_image"] = any_of(flags(found["cut_by_image"], labels["cut_by_image"], count))
    visible = None if absent is None else ~absent
    return Truth(
        given.boxes, visible, cover=cover, size=_size(folder / "meta_info.ini") or image_size(folder), attributes=tags
    )


def images(folder: Path, name: str, count: int | None) -> FrameFiles:  # noqa: ARG001 (the layouts' common form)
    """The sequence's frames."""
    return select(folder, numbered(folder), 1, count)


def parse(text: str, origin: object, name: str) -> Truth:  # noqa: ARG001 (the layouts' common form)
    """Ground truth of a file of boxes."""
    return Truth(rows(text, origin))


def _size(path: Path) -> tuple[int, int] | None:
    found = re.search(r"^resolution:\s*\((\d+),\s*(\d+)\)", read_text(path), re.MULTILINE) if path.is_file() else None
    return (int(found[1]), int(found[2])) if found else None
