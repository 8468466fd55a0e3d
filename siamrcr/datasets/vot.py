"""VOT-2018 and VOT-2019: list.txt, and <sequence>/ with groundtruth.txt, <tag>.tag files, and the frames.

The frames lie in color/ (vot-toolkit) or in the sequence's folder itself (got10k). Regions are polygons of four corners
or boxes, and count from 0.
"""

import re
from pathlib import Path

import numpy as np

from siamrcr.datasets.images import FrameFiles, image_size, numbered, select
from siamrcr.datasets.truth import Truth, flags, listed, ragged, read_text
from siamrcr.errors import InputError
from siamrcr.geometry import bounding_box

TAGS = ("camera_motion", "illum_change", "motion_change", "occlusion", "size_change")


def sequences(root: Path, split: str) -> dict[str, Path]:  # noqa: ARG001 (the layouts' common form)
    """Name -> folder of the sequences, in the order of the list."""
    found = listed(root)
    if not found:
        raise InputError(f"{root}: no sequence of VOT there: expected <sequence>/groundtruth.txt")
    return found


def truth(folder: Path, name: str) -> Truth:
    """Ground truth of a sequence's folder."""
    given = parse(read_text(folder / "groundtruth.txt"), folder / "groundtruth.txt", name)
    tags = {}
    for tag in TAGS:
        path = next((path for path in (folder / f"{tag}.tag", folder / f"{tag}.label") if path.is_file()), None)
        if path is not None:
            # Some files end before the sequence does (graduate in 2019); a tag that is not there is not set.
            tags[tag] = flags(read_text(path), path, len(given.boxes), short=True)
    size = _size(folder / "sequence") or image_size(_place(folder))
    return Truth(given.boxes, regions=given.regions, size=size, attributes=tags)


def images(folder: Path, name: str, count: int | None) -> FrameFiles:  # noqa: ARG001 (the layouts' common form)
    """The sequence's frames."""
    place = _place(folder)
    return select(place, numbered(place), 1, count)


def parse(text: str, origin: object, name: str) -> Truth:  # noqa: ARG001 (the layouts' common form)
    """Ground truth of a file of regions."""
    regions = ragged(text, origin, (4, 8))
    boxes = [bounding_box(region) if len(region) > 4 else region for region in regions]
    return Truth(np.array(boxes), regions=tuple(regions))


def _place(folder: Path) -> Path:
    return folder / "color" if (folder / "color").is_dir() else folder


def _size(path: Path) -> tuple[int, int] | None:
    text = read_text(path) if path.is_file() else ""
    found = [re.search(rf"^{key}\s*=\s*(\d+)", text, re.MULTILINE) for key in ("width", "height")]
    return (int(found[0][1]), int(found[1][1])) if found[0] and found[1] else None
