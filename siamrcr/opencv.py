"""OpenCV's own trackers: without a model, and those whose network the user supplies."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike

from siamrcr.crops import Image
from siamrcr.errors import InputError
from siamrcr.geometry import Array
from siamrcr.protocols import initial_box

OPENCV = ("CSRT", "KCF", "MIL", "MOSSE", "MedianFlow")
# The files that each of these wants, by OpenCV's names of its parameters.
NETWORKS = {"DaSiamRPN": ("model", "kernel_cls1", "kernel_r1"), "Nano": ("backbone", "neckhead"), "Vit": ("net",)}
# Below this many pixels a side CSRT and MOSSE refuse to start and MIL may never return.
SMALLEST_SIDE = 5


class OpenCV:
    """One of OpenCV's own trackers, with its default parameters.

    A failure to find the target, or to start on it, keeps the previous box with confidence 0; otherwise it is 1, or the
    network's score.
    """

    deterministic = True

    def __init__(self, name: str, files: Mapping[str, Path] | None = None) -> None:
        self.name, self._files = name, files or {}
        self.confidence = float("nan")
        self._tracker: Any = None

    def init(self, image: Image, box: ArrayLike) -> None:
        """Start on a box (4,), rounded to whole pixels inside the image (H, W, 3) uint8 RGB."""
        self._box = initial_box(image, box)
        self.confidence = float("nan")
        self._tracker = made(self.name, self._files)
        try:
            self._tracker.init(_bgr(image), whole_pixels(self._box, image.shape[1], image.shape[0]))
        except cv2.error:
            self._tracker = None

    def update(self, image: Image) -> Array:
        """Box (4,) in the next frame."""
        found, box = False, None
        if self._tracker is not None:
            try:
                found, box = self._tracker.update(_bgr(image))
            except cv2.error:
                found = False
        if found:
            self._box = np.asarray(box, dtype=np.float64)
        scored = found and self.name in NETWORKS
        self.confidence = float(self._tracker.getTrackingScore()) if scored else float(found)
        return self._box.copy()


def available() -> list[str]:
    """What this build of OpenCV offers."""
    return [name for name in (*OPENCV, *NETWORKS) if _constructor(name) is not None]


def made(name: str, files: Mapping[str, Path]) -> Any:
    """OpenCV's tracker of a name. Raises InputError where the files are not its networks, or there is no such name."""
    if name not in available():
        offered = ", ".join(f"opencv:{each}" for each in available())
        raise InputError(f"opencv:{name}: this build of OpenCV offers {offered}")
    wanted = NETWORKS.get(name, ())
    if set(files) != set(wanted):
        what = f"needs its networks: files: {{{', '.join(f'{key}: PATH' for key in wanted)}}}"
        raise InputError(f"opencv:{name} {what if wanted else 'has no networks: leave out files'}")
    if not wanted:
        return _constructor(name)()
    for path in files.values():
        if not path.is_file():
            raise InputError(f"{path}: no such file: download the networks of opencv:{name}, or correct the path")
    settings = getattr(cv2, f"Tracker{name}_Params")()
    for key, path in files.items():
        setattr(settings, key, str(path))
    try:
        return _constructor(name)(settings)
    except cv2.error as error:
        words = " ".join(str(error).split())[:200]
        raise InputError(f"opencv:{name}: {', '.join(map(str, files.values()))}: not its networks ({words})") from None


def whole_pixels(box: Array, width: int, height: int) -> tuple[int, int, int, int]:
    """The part of a box inside a width x height image in whole pixels, no side under SMALLEST_SIDE."""
    limit = np.array([width, height])
    low = np.clip(np.rint(box[:2]), 0, limit - 1)
    high = np.clip(np.rint(box[:2] + box[2:]), low + 1, limit)
    size = np.minimum(np.maximum(high - low, SMALLEST_SIDE), limit)
    x, y = np.minimum(low, limit - size).astype(int)
    return int(x), int(y), int(size[0]), int(size[1])


def _constructor(name: str) -> Any:
    owners = (cv2, getattr(cv2, "legacy", None))
    return next(
        (getattr(owner, f"Tracker{name}_create") for owner in owners if hasattr(owner, f"Tracker{name}_create")), None
    )


def _bgr(image: Image) -> Image:
    return np.ascontiguousarray(np.asarray(image)[..., ::-1])
