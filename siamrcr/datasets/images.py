"""Frames on disk: found by listing their folder, named by counting, decoded by nobody here."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

from siamrcr.errors import InputError

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp")
REMEDY = "unpack the sequence again"


@dataclass(frozen=True)
class FrameFiles(Sequence[Path]):
    """Image files that count up: a path is made when it is asked for, so a million frames take no memory."""

    folder: Path
    first: int
    length: int
    width: int  # digits
    suffix: str

    def __len__(self) -> int:
        return self.length

    @overload
    def __getitem__(self, index: int) -> Path: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Path, ...]: ...
    def __getitem__(self, index: int | slice) -> Path | tuple[Path, ...]:
        """One path, or a tuple of them."""
        numbers = range(self.first, self.first + self.length)[index]
        if isinstance(numbers, range):
            return tuple(self.folder / self.name(number) for number in numbers)
        return self.folder / self.name(numbers)

    def name(self, number: int) -> str:
        """File name of the image with a number."""
        return f"{number:0{self.width}d}{self.suffix}"


def numbered(folder: Path) -> dict[int, str]:
    """Number -> file name of the images in a folder. Raises InputError where there are none."""
    try:
        with os.scandir(folder) as entries:
            parts = [(entry.name, *os.path.splitext(entry.name)) for entry in entries]  # noqa: PTH122 (millions)
    except OSError:
        parts = []
    found = {int(stem): name for name, stem, suffix in parts if stem.isdecimal() and suffix.lower() in SUFFIXES}
    if not found:
        raise InputError(f"{folder}: no frames there: {REMEDY}")
    return found


def image_size(folder: Path) -> tuple[int, int] | None:
    """Width and height of a folder's first image, from its header; None where there is none that can be read."""
    from PIL import Image  # deferred: only datasets that do not say how large their images are need it

    try:
        found = numbered(folder)
        with Image.open(folder / found[min(found)]) as image:
            return image.size
    except (InputError, OSError):
        return None


def select(folder: Path, found: dict[int, str], first: int, count: int | None, surplus: bool = False) -> FrameFiles:
    """The images `first` .. `first + count - 1` among those found in a folder; without `count`, all from `first` on.

    Raises InputError naming the first missing file, or where there are more images and `surplus` does not allow it.
    """
    wanted = max(found) - first + 1 if count is None else count
    model = Path(found[min(found)])
    files = FrameFiles(folder, first, wanted, len(model.stem), model.suffix)
    missing = [number for number in range(first, first + wanted) if found.get(number) != files.name(number)]
    if missing:
        path = folder / files.name(missing[0])
        raise InputError(f"{path}: frame missing ({len(missing)} of {wanted} frames are): {REMEDY}")
    if len(found) > wanted and not surplus:
        raise InputError(f"{folder}: {len(found)} images for {wanted} ground-truth boxes: {REMEDY}")
    return files
