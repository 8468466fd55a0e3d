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

# Width and height of the frames of VOT-2018 and VOT-2019, for ground truth that comes without frames: their masks end
# where the frame does.
_SIZES_TEXT = """
    1280x720 ball1 ball2 birds1 conduction1 crabs1 drone1 drone_across drone_flip flamingo1 gymnastics2
    gymnastics3 leaves motocross2 soldier, 960x540 dribble hand2 lamb marathon monkey nature polo rabbit2 rowing
    surfing wheel, 640x480 book butterfly car1 fernando girl glove rabbit racing tiger wiper, 640x360 bolt1 fish2
    fish3 motocross1 soccer1, 320x240 blanket dinosaur hand pedestrian1, 1210x681 crossing road traffic, 480x270
    bolt2 iceskater1, 480x360 bag sheep, 624x352 shaking singer2, 854x480 agility singer3, 1024x1024 ants1 ants3,
    1920x1080 frisbee zebrafish1, 320x180 gymnastics1, 384x288 handball1, 432x240 godfather, 460x345 fish1,
    480x810 ball3, 560x240 graduate, 576x432 basketball, 640x352 iceskater2, 768x576 handball2, 800x336 matrix,
    848x480 helicopter, 1201x681 soccer2, 1280x692 bmx
"""
SIZES: dict[str, tuple[int, int]] = {
    name: (int(size.partition("x")[0]), int(size.partition("x")[2]))
    for size, *names in map(str.split, _SIZES_TEXT.split(","))
    for name in names
}
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
    boxes = np.empty((len(regions), 4))
    plain, polygons = np.flatnonzero(regions.sizes == 4), np.flatnonzero(regions.sizes == 8)
    boxes[plain] = regions.rows(plain, 4)
    points = regions.rows(polygons, 8).reshape(-1, 4, 2)
    low, high = points.min(axis=1), points.max(axis=1)
    boxes[polygons] = np.concatenate([low, high - low], axis=1)
    return Truth(boxes, regions=regions)


def _place(folder: Path) -> Path:
    return folder / "color" if (folder / "color").is_dir() else folder


def _size(path: Path) -> tuple[int, int] | None:
    text = read_text(path) if path.is_file() else ""
    found = [re.search(rf"^{key}\s*=\s*(\d+)", text, re.MULTILINE) for key in ("width", "height")]
    return (int(found[0][1]), int(found[1][1])) if found[0] and found[1] else None
