"""Boxes, overlap and the score map's grid (NumPy only).

A box is x, y, w, h in pixels: 0-based, continuous, top-left corner, float64. Corners are x0, y0, x1, y1 = x + w, y + h.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from siamrcr.errors import InputError

Array = NDArray[np.float64]


def corners(boxes: ArrayLike) -> Array:
    """Corners (..., 4) as x0, y0, x1, y1 of boxes (..., 4) as x, y, w, h."""
    box = np.asarray(boxes, dtype=np.float64)
    return np.concatenate([box[..., :2], box[..., :2] + box[..., 2:]], axis=-1)


def from_corners(corner: ArrayLike) -> Array:
    """Boxes (..., 4) as x, y, w, h of corners (..., 4)."""
    c = np.asarray(corner, dtype=np.float64)
    return np.concatenate([c[..., :2], c[..., 2:] - c[..., :2]], axis=-1)


def centers(boxes: ArrayLike) -> Array:
    """Centres (..., 2) as x, y of boxes (..., 4)."""
    box = np.asarray(boxes, dtype=np.float64)
    return box[..., :2] + box[..., 2:] / 2


def iou(a: ArrayLike, b: ArrayLike) -> Array:
    """Intersection over union in [0, 1] of boxes a and b, broadcast over leading axes; 0 where the union is empty."""
    p, q = corners(a), corners(b)
    sides = np.clip(np.minimum(p[..., 2:], q[..., 2:]) - np.maximum(p[..., :2], q[..., :2]), 0, None)
    intersection = sides[..., 0] * sides[..., 1]
    areas = [np.prod(np.clip(c[..., 2:] - c[..., :2], 0, None), axis=-1) for c in (p, q)]
    union = areas[0] + areas[1] - intersection
    return np.divide(intersection, union, out=np.zeros_like(union), where=union > 0)


def bounding_box(polygon: ArrayLike) -> Array:
    """Smallest axis-aligned box (4,) around a polygon's corners, given flat (2n,) or as (n, 2)."""
    points = np.asarray(polygon, dtype=np.float64).reshape(-1, 2)
    low, high = points.min(axis=0), points.max(axis=0)
    return np.concatenate([low, high - low])


def context_side(size: ArrayLike, context: float) -> Array:
    """Side (...) in frame pixels of the square exemplar crop around targets of size (..., 2) as w, h (from SiamFC)."""
    wh = np.asarray(size, dtype=np.float64)
    padding = context * wh.sum(axis=-1, keepdims=True)
    return np.sqrt(np.prod(wh + padding, axis=-1))


def score_offset(search_size: int, score_size: int, stride: int) -> float:
    """Pixel of the search image under score cell 0, for a grid symmetric about the image's centre."""
    return (search_size - 1 - (score_size - 1) * stride) / 2


def score_grid(search_size: int, score_size: int, stride: int) -> Array:
    """Pixel coordinates (S, S, 2) as x, y of the score map's cells in the search image."""
    axis = score_offset(search_size, score_size, stride) + stride * np.arange(score_size)
    return np.stack(np.meshgrid(axis, axis), axis=-1)


def score_map_size(exemplar_size: int, search_size: int, stride: int, exemplar_cells: int) -> int:
    """Side S of the score map from the crops' sizes, the total stride and the exemplar cells kept (Section 3.2).

    A padded backbone gives ceil(size / stride) cells a side, all shifted alike, so the shift cancels in the
    correlation: the score cell that a centred target excites must be the centre cell. Raises InputError where the sizes
    break this.
    """
    exemplar, search = -(-exemplar_size // stride), -(-search_size // stride)
    if exemplar_cells > exemplar or (exemplar - exemplar_cells) % 2:
        raise InputError(
            f"network.exemplar_cells {exemplar_cells} cannot be cut from the centre of {exemplar} cells "
            f"(exemplar_size {exemplar_size}, stride {stride}): choose an equal or smaller number of the same parity"
        )
    size = search - exemplar_cells + 1
    first = (exemplar_size - 1) / 2 - stride * (exemplar - exemplar_cells) / 2
    if size < 1 or first != score_offset(search_size, size, stride):
        raise InputError(
            f"network sizes exemplar {exemplar_size}, search {search_size}, stride {stride} and {exemplar_cells} "
            f"exemplar cells put the score map off the search image's centre: keep both sizes one less than a multiple "
            f"of {2 * stride}, as 127 and 255 are"
        )
    return size
