"""Per-frame measures of boxes against ground truth: arrays in, arrays out.

Boxes are (N, 4) float64 x, y, w, h. Each benchmark's floating-point arithmetic is kept, since a frame that lies exactly
on a threshold flips with the last bit.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from siamrcr.geometry import Array

Flags = NDArray[np.bool_]


def inclusive_iou(boxes: Array, truth: Array) -> Array:
    """IoU (N,) in [0, 1] with corners x and x + w - 1 that both belong to the box (OTB, LaSOT, TrackingNet).

    Equal to the continuous IoU but for the last bits. NaN for boxes with a NaN and where both boxes are empty.
    """
    low = np.maximum(boxes[:, :2], truth[:, :2])
    high = np.minimum(boxes[:, :2] + boxes[:, 2:] - 1, truth[:, :2] + truth[:, 2:] - 1)
    common = np.prod(np.maximum(high - low + 1, 0), axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return common / (boxes[:, 2] * boxes[:, 3] + truth[:, 2] * truth[:, 3] - common)


def clipped_iou(boxes: Array, truth: Array, size: tuple[int, int]) -> Array:
    """IoU (N,) in [0, 1] inside a frame of `size` W, H, as GOT-10k's toolkit measures it (got10k/utils/metrics.py).

    Its clipping moves a corner left of or above the frame to the border and keeps the width and height. 0 for a
    box with a NaN.
    """
    a, b = (_clip(each, size) for each in (boxes, truth))
    low = np.maximum(a[:, :2], b[:, :2])
    high = np.minimum(a[:, :2] + a[:, 2:], b[:, :2] + b[:, 2:])
    common = np.prod(np.maximum(high - low, 0), axis=1)
    union = np.prod(a[:, 2:], axis=1) + np.prod(b[:, 2:], axis=1) - common
    return np.nan_to_num(np.clip(common / (union + np.finfo(float).eps), 0, 1))


def _clip(boxes: Array, size: tuple[int, int]) -> Array:
    limit = np.array(size, dtype=np.float64)
    corner = np.clip(boxes[:, :2], 0, limit)
    return np.concatenate([corner, np.clip(boxes[:, 2:], 0, limit - corner)], axis=1)


def center_error(boxes: Array, truth: Array) -> Array:
    """Distance (N,) in pixels between centres x + (w - 1) / 2 (OTB, LaSOT)."""
    return np.sqrt(np.sum((_centers(boxes) - _centers(truth)) ** 2, axis=1))


def normalized_error(boxes: Array, truth: Array, least: float = 0) -> Array:
    """Distance (N,) between centres, each axis in units of the true width or height or of `least` pixels (LaSOT)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        apart = (_centers(boxes) - _centers(truth)) / np.maximum(truth[:, 2:], least)
        return np.sqrt(np.sum(apart**2, axis=1))


def _centers(boxes: Array) -> Array:
    return boxes[:, :2] + (boxes[:, 2:] - 1) / 2


def carried(boxes: Array, invalid: ArrayLike) -> Array:
    """Boxes with every invalid row but the first replaced by the row before it (OTB, LaSOT)."""
    rows = np.arange(len(boxes))
    source = np.maximum.accumulate(np.where(np.asarray(invalid) & (rows > 0), 0, rows))
    return boxes[source]


def above(values: Array, thresholds: Array) -> Array:
    """How many values (N,) exceed each threshold (K,); NaN exceeds none."""
    return np.count_nonzero(values[:, None] > thresholds, axis=0).astype(np.float64)


def within(values: Array, thresholds: Array) -> Array:
    """How many values (N,) do not exceed each threshold (K,); NaN is within none."""
    return np.count_nonzero(values[:, None] <= thresholds, axis=0).astype(np.float64)
