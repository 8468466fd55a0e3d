"""OTB-2015: <Name>/img/0001.jpg and <Name>/groundtruth_rect.txt, or groundtruth_rect.<n>.txt for several targets.

Boxes are whole pixels that count from 1 on disk; commas, tabs or spaces separate them.
"""

import re
from pathlib import Path

from siamrcr.datasets.images import FrameFiles, numbered, select
from siamrcr.datasets.names import canonical, natural
from siamrcr.datasets.truth import YES, Truth, from_one, read_text, rows
from siamrcr.errors import InputError

# First image and number of boxes where the folder holds more (configSeqs.m; for Tiger1 initOmit, which leaves the first
# five frames out of the evaluation).
RANGES = {
    "David": (300, 471),
    "BlurCar1": (247, 742),
    "BlurCar3": (3, 357),
    "BlurCar4": (18, 380),
    "Football1": (1, 74),
    "Freeman3": (1, 460),
    "Freeman4": (1, 283),
    "Diving": (1, 215),
    "Tiger1": (6, 349),
}
OMITTED = {"Tiger1": 5}  # boxes at the start of the annotation that are not evaluated


def sequences(root: Path, split: str) -> dict[str, Path]:  # noqa: ARG001 (the layouts' common form)
    """Name -> folder of the sequences; a folder with two targets stands for two."""
    folders = [path for path in root.glob("*") if path.is_dir()]
    found = {name: folder for folder in folders for name in _targets(folder)}
    if not found:
        raise InputError(f"{root}: no sequence of OTB there: expected <Name>/groundtruth_rect.txt")
    return dict(sorted(found.items(), key=lambda item: natural(item[0].lower())))


def truth(folder: Path, name: str) -> Truth:
    """Ground truth of one target of a sequence's folder."""
    path = _targets(folder)[name]
    given = parse(read_text(path), path, name)
    attributes = folder / "attrs.txt"
    tags = re.split(r"[,\s]+", read_text(attributes).strip()) if attributes.is_file() else []
    return Truth(given.boxes, attributes={tag: YES for tag in tags if tag})


def images(folder: Path, name: str, count: int | None) -> FrameFiles:
    """The frames that have boxes; those before and after are left out.

    Some copies hold just these frames, counted from another number.
    """
    found = numbered(folder / "img")
    first = RANGES.get(name, (1, 0))[0]
    if len(found) == count and max(found) - min(found) + 1 == count:
        first = min(found)
    return select(folder / "img", found, first, count, surplus=True)


def parse(text: str, origin: object, name: str) -> Truth:
    """Ground truth of a file of boxes, without those that are not evaluated."""
    boxes = from_one(rows(text, origin))
    if name in RANGES:
        wanted, omitted = RANGES[name][1], OMITTED.get(name, 0)
        boxes = (boxes[omitted:] if len(boxes) == wanted + omitted else boxes)[:wanted]
    return Truth(boxes)


def _targets(folder: Path) -> dict[str, Path]:
    """Sequence -> file of ground truth in one folder."""
    # Human4's first file is empty; Jogging has a third one without a number, a copy of the first.
    numbered = {path.name[-5]: path for path in folder.glob("groundtruth_rect.[0-9].txt") if read_text(path)}
    if not numbered:
        plain = folder / "groundtruth_rect.txt"
        return {canonical("otb2015", folder.name): plain} if plain.is_file() else {}
    # Some copies repeat the folder for each target, with its number in the name.
    own = folder.name.rpartition("-")[2]
    if own in numbered:
        return {canonical("otb2015", folder.name): numbered[own]}
    return {canonical("otb2015", f"{folder.name}-{number}"): path for number, path in numbered.items()}
