"""COCO 2017 as a training set: every object of the training images is a sequence of one frame."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siamrcr.datasets.sequence import Sequence
from siamrcr.errors import InputError

REMEDY = "Run: `siamrcr download coco`"
# Shared by all sequences of one frame, of which a training set has a million.
VISIBLE = np.ones(1, dtype=np.bool_)
NOTHING: dict[str, NDArray[np.bool_]] = {}


def read(root: Path) -> list[Sequence]:
    """The objects of annotations/instances_train2017.json, named {image}-{object}; crowds are left out.

    Boxes are as stored, 0-based and continuous, degenerate ones too. The images lie in train2017/ or images/train2017/.
    Raises InputError naming a missing folder or a malformed file.
    """
    path = root / "annotations" / "instances_train2017.json"
    folder = next((root / name for name in ("train2017", "images/train2017") if (root / name).is_dir()), None)
    if not path.is_file():
        raise InputError(f"{path}: no such file. {REMEDY}")
    if folder is None:
        raise InputError(f"{root / 'train2017'}: the images of COCO are missing. {REMEDY}")
    try:
        with path.open() as stream:
            content = json.load(stream, object_hook=_without_outline)
        images = {image["id"]: image for image in content["images"]}
        frames = {key: (folder / image["file_name"],) for key, image in images.items()}
        sizes = {key: (int(image["width"]), int(image["height"])) for key, image in images.items()}
        objects = [(entry["image_id"], entry["id"]) for entry in content["annotations"] if not entry["iscrowd"]]
        corners = [entry["bbox"] for entry in content["annotations"] if not entry["iscrowd"]]
        boxes = np.array(corners, dtype=np.float64).reshape(-1, 4)
        return [
            still(f"{frames[key][0].stem}-{number}", frames[key], boxes[index : index + 1], sizes[key])
            for index, (key, number) in enumerate(objects)
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: not COCO's list of objects ({error!r}): unpack the archive again") from None


def still(name: str, frames: tuple[Path, ...], boxes: NDArray[np.float64], size: tuple[int, int] | None) -> Sequence:
    """An object of one image as a sequence of one frame; `boxes` is (1, 4), `size` width and height."""
    return Sequence(name, frames, boxes, VISIBLE, size=size, attributes=NOTHING)


def _without_outline(entry: dict[str, Any]) -> dict[str, Any]:
    # Outlines are most of the file, and boxes are all that is wanted.
    entry.pop("segmentation", None)
    return entry
