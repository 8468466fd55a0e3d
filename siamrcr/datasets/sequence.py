"""What every reader gives: a sequence of frames with its ground truth."""

import hashlib
from collections import abc
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from siamrcr import integrity
from siamrcr.errors import InputError
from siamrcr.files import settings_hash, sha256


@dataclass(frozen=True, eq=False)
class Sequence:
    """One target in one video. Frames are decoded one at a time, on demand, so memory never grows with length.

    Attributes:
        name: the benchmark's own name of the sequence, unique within it.
        frames: image files in order, as a tuple or made on demand; empty when only the ground truth was given.
        boxes: (N, 4) float64 x, y, w, h, 0-based; rows that the benchmark hides are NaN; row 0 is always known.
        visible: (N,) bool, False where the benchmark flags the target as absent.
        regions: the N ground-truth regions as the benchmark stores them (VOT polygons, flat float64 arrays of 8, or of
            4 for boxes, 0-based as on disk), or None where the boxes are the ground truth.
        cover: (N,) int visible ratio in eighths (GOT-10k), or None.
        size: width, height of the frames, or None when not known without decoding one.
        attributes: tag -> (N,) bool per frame (VOT), or tag -> (1,) bool for the whole sequence (OTB, LaSOT, GOT-10k).
    """

    name: str
    frames: abc.Sequence[Path]
    boxes: NDArray[np.float64]
    visible: NDArray[np.bool_]
    regions: abc.Sequence[NDArray[np.float64]] | None = None
    cover: NDArray[np.int64] | None = None
    size: tuple[int, int] | None = None
    attributes: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.frames and len(self.frames) != len(self.boxes):
            raise InputError(f"{self.name}: {len(self.frames)} frames but {len(self.boxes)} ground-truth lines")

    def __len__(self) -> int:
        return len(self.boxes)

    @property
    def hidden(self) -> bool:
        """True where a server keeps the ground truth after the first frame."""
        return len(self) > 1 and bool(np.isnan(self.boxes[1:]).all())

    def fingerprint(self) -> str:
        """Changes with the number of frames, the known ground truth, and the first frame."""
        known = hashlib.sha256(np.ascontiguousarray(self.boxes).tobytes()).hexdigest()
        try:
            first = sha256(self.frames[0]) if self.frames else ""
        except OSError:
            first = ""  # the decoder will name the file, once what comes before it is tracked
        return settings_hash([len(self), known, first])

    def image(self, index: int) -> NDArray[np.uint8]:
        """Frame `index` as (H, W, 3) uint8 RGB. Raises InputError naming the file when it is missing or unreadable."""
        return read_image(self.frames[index])

    def frame_size(self) -> tuple[int, int]:
        """Width and height: as stored, else from the first frame."""
        if self.size is not None:
            return self.size
        height, width = self.image(0).shape[:2]
        return width, height


def read_image(path: Path) -> NDArray[np.uint8]:
    """An image file as (H, W, 3) uint8 RGB. Raises InputError naming the file when it is missing or unreadable."""
    import cv2  # deferred: analysis imports this module and decodes nothing

    image = decode(path)
    rgb: NDArray[np.uint8] = cv2.cvtColor(image, cv2.COLOR_BGR2RGB, dst=image)  # type: ignore[assignment]
    return rgb


def decode(path: Path, reduction: int = 1) -> NDArray[np.uint8]:
    """An image file as (H, W, 3) uint8 BGR, its sides divided by 1, 2, 4 or 8, as a JPEG decoder does at less cost.

    Raises InputError naming the file when it is missing, unreadable, or not what was recorded.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot read the image ({error.strerror}): download the dataset again") from None
    integrity.check(path, data)
    image = _jpeg(data, reduction) if data.startswith(JPEG) else None
    if image is None:
        image = _any(data, reduction)
    if image is None:
        raise InputError(f"{path}: not a readable image: download the dataset again")
    return image


JPEG = b"\xff\xd8\xff"


def _jpeg(data: bytes, reduction: int) -> NDArray[np.uint8] | None:
    """None for what the fast decoder does not take, as a file with a flaw that OpenCV may read past."""
    import simplejpeg  # deferred: analysis imports this module and decodes nothing

    try:
        height, width, _, _ = simplejpeg.decode_jpeg_header(data)
        smallest = {"min_height": -(-height // reduction), "min_width": -(-width // reduction)} if reduction > 1 else {}
        image: NDArray[np.uint8] = simplejpeg.decode_jpeg(data, "BGR", **smallest)
    except ValueError:
        return None
    return image


def _any(data: bytes, reduction: int) -> NDArray[np.uint8] | None:
    import cv2  # deferred: analysis imports this module and decodes nothing

    scales = {1: cv2.IMREAD_COLOR, 2: cv2.IMREAD_REDUCED_COLOR_2, 4: cv2.IMREAD_REDUCED_COLOR_4}
    flags = scales.get(reduction, cv2.IMREAD_REDUCED_COLOR_8) | cv2.IMREAD_IGNORE_ORIENTATION
    return cv2.imdecode(np.frombuffer(data, dtype=np.uint8), flags) if data else None  # type: ignore[return-value]
