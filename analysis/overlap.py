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

    Equal to the continuous IoU but for the last bits. As MATLAB's and pandas' extrema, an unknown corner gives way to
    the known one of the other box; NaN where a width or height is, and where both boxes are empty.
    """
    low = np.fmax(boxes[:, :2], truth[:, :2])
    high = np.fmin(boxes[:, :2] + boxes[:, 2:] - 1, truth[:, :2] + truth[:, 2:] - 1)
    common = np.prod(np.maximum(high - low + 1, 0), axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return common / (boxes[:, 2] * boxes[:, 3] + truth[:, 2] * truth[:, 3] - common)


def continuous_iou(boxes: Array, truth: Array, eps: float = 0) -> Array:
    """IoU (N,) in [0, 1] with corners x and x + w, `eps` added to the union (pysot 0, got10k's toolkit 2.2e-16).

    NaN for boxes with a NaN and, without `eps`, where both boxes are empty.
    """
    low = np.maximum(boxes[:, :2], truth[:, :2])
    high = np.minimum(boxes[:, :2] + boxes[:, 2:], truth[:, :2] + truth[:, 2:])
    common = np.prod(np.maximum(high - low, 0), axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.clip(common / (np.prod(boxes[:, 2:], axis=1) + np.prod(truth[:, 2:], axis=1) - common + eps), 0, 1)


def clipped_iou(boxes: Array, truth: Array, size: tuple[int, int]) -> Array:
    """IoU (N,) in [0, 1] inside a frame of `size` W, H, as GOT-10k's toolkit measures it (got10k/utils/metrics.py).

    Its clipping moves a corner left of or above the frame to the border and keeps the width and height. NaN for a
    box with a NaN.
    """
    return continuous_iou(_clip(boxes, size), _clip(truth, size), float(np.finfo(float).eps))


def _clip(boxes: Array, size: tuple[int, int]) -> Array:
    limit = np.array(size, dtype=np.float64)
    corner = np.clip(boxes[:, :2], 0, limit)
    return np.concatenate([corner, np.clip(boxes[:, 2:], 0, limit - corner)], axis=1)


def center_error(boxes: Array, truth: Array) -> Array:
    """Distance (N,) in pixels between centres x + (w - 1) / 2 (OTB, LaSOT)."""
    return np.sqrt(np.sum((centers(boxes) - centers(truth)) ** 2, axis=1))


def normalized_error(boxes: Array, truth: Array, least: float = 0) -> Array:
    """Distance (N,) between centres, each axis in units of the true width or height or of `least` pixels (LaSOT)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        apart = (centers(boxes) - centers(truth)) / np.maximum(truth[:, 2:], least)
        return np.sqrt(np.sum(apart**2, axis=1))


def scaled_error(boxes: Array, truth: Array, size: Array) -> Array:
    """Distance (N,) between centres that are divided by `size` (N, 2) before they are subtracted (pysot, pytracking).

    Differs from `normalized_error` in the last bits, which decide where a whole-pixel box lies on a threshold.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.sqrt(np.sum((centers(boxes) / size - centers(truth) / size) ** 2, axis=1))


def centers(boxes: Array) -> Array:
    """Centres (N, 2) of boxes whose pixels x and x + w - 1 both belong to them."""
    return boxes[:, :2] + (boxes[:, 2:] - 1) / 2


def carried(boxes: Array, invalid: ArrayLike) -> Array:
    """Boxes with every invalid row but the first replaced by the row before it (OTB, LaSOT)."""
    rows = np.arange(len(boxes))
    source = np.maximum.accumulate(np.where(np.asarray(invalid) & (rows > 0), 0, rows))
    return boxes[source]


def above(values: Array, thresholds: Array) -> Array:
    """How many values (N,) exceed each threshold (K,), which rise; NaN exceeds none."""
    return float(np.count_nonzero(~np.isnan(values))) - within(values, thresholds)


def within(values: Array, thresholds: Array) -> Array:
    """How many values (N,) do not exceed each threshold (K,), which rise; NaN is within none."""
    # Of each value the first threshold that it does not exceed: beyond the last for NaN.
    first = np.searchsorted(thresholds, values)
    return np.cumsum(np.bincount(first, minlength=len(thresholds) + 1)[:-1], dtype=np.float64)
