"""ImageNet VID and DET (ILSVRC 2015) as training sets: Annotations/{VID,DET}/train beside Data/{VID,DET}/train.

Corners are inclusive 0-based pixels, so a box is xmax - xmin + 1 wide (as the challenge's own overlap and the got10k
package have it).
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, cast
from xml.etree import ElementTree

import numpy as np

from siamrcr.datasets.coco import still
from siamrcr.datasets.images import numbered, select
from siamrcr.datasets.sequence import Sequence
from siamrcr.errors import InputError
from siamrcr.progress import progress

ABSENT = (np.nan,) * 4


class Annotation(NamedTuple):
    """One file: width and height of its image, and for every object the track id (empty in DET) and x, y, w, h."""

    stem: str
    size: tuple[int, int] | None
    objects: list[tuple[str, tuple[float, float, float, float]]]


def read_vid(root: Path) -> list[Sequence]:
    """The tracks of VID's training snippets, named {snippet}-{track id}.

    A sequence goes from the first to the last frame with its object; between them, where the object is not annotated,
    it is absent and its box NaN. Raises InputError naming a missing folder or frame, or a malformed file.
    """
    sequences = []
    for images, annotations in _folders(root, "VID"):
        found = numbered(images)
        tracks: dict[str, dict[int, tuple[float, float, float, float]]] = {}
        for annotation in annotations:
            for track, box in annotation.objects:
                tracks.setdefault(track, {})[int(annotation.stem)] = box
        for track, known in tracks.items():
            first, last = min(known), max(known)
            boxes = np.array([known.get(number, ABSENT) for number in range(first, last + 1)], dtype=np.float64)
            files = select(images, found, first, len(boxes), surplus=True)
            # Files behave as the tuple that they stand for.
            frames, visible = cast(tuple[Path, ...], files), ~np.isnan(boxes[:, 0])
            sequences.append(Sequence(f"{images.name}-{track}", frames, boxes, visible, size=annotations[0].size))
    return sequences


def read_det(root: Path) -> list[Sequence]:
    """The objects of DET's training images, each a sequence of one frame named {image}-{number from 1}.

    Raises InputError naming a missing folder or a malformed file.
    """
    return [
        still(f"{annotation.stem}-{number}", frames, np.array([box], dtype=np.float64), annotation.size)
        for images, annotations in _folders(root, "DET")
        for annotation in annotations
        for frames in [(images / f"{annotation.stem}.JPEG",)]
        for number, (_, box) in enumerate(annotation.objects, start=1)
    ]


def _folders(root: Path, task: str) -> Iterator[tuple[Path, list[Annotation]]]:
    """Folders of images, in order, with their annotations."""
    base, data = root / "Annotations" / task / "train", root / "Data" / task / "train"
    for folder in (base, data):
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder. Run: `siamrcr download {task.lower()}`")
    empty = True
    with progress(f"read {task}", 0, "annotations") as bar:
        for place, folders, entries in os.walk(base, followlinks=True):
            folders.sort()
            files = [Path(place, name) for name in sorted(entries) if name.endswith(".xml")]
            if files:
                empty = False
                yield data / Path(place).relative_to(base), [_parse(path) for path in files]
                bar.advance(len(files))
    if empty:
        raise InputError(f"{base}: no annotations (*.xml). Run: `siamrcr download {task.lower()}`")


def _parse(path: Path) -> Annotation:
    try:
        tree = ElementTree.parse(path).getroot()
        objects = []
        for entry in tree.iterfind("object"):
            x0, y0, x1, y1 = (float(entry.findtext(f"bndbox/{name}", "")) for name in ("xmin", "ymin", "xmax", "ymax"))
            objects.append((entry.findtext("trackid", ""), (x0, y0, x1 - x0 + 1, y1 - y0 + 1)))
        width, height = int(tree.findtext("size/width", "0")), int(tree.findtext("size/height", "0"))
    except (OSError, ValueError, ElementTree.ParseError) as error:
        raise InputError(f"{path}: not an ILSVRC annotation ({error}): unpack the archive again") from None
    return Annotation(path.stem, (width, height) if width and height else None, objects)
