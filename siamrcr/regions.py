"""Polygons and the overlap that the VOT toolkits measure on their masks.

A region is a flat float64 array in the pixels that VOT files use: 4 numbers x, y, w, h, or 2k numbers x, y per corner.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from siamrcr.geometry import Array, bounding_box
from siamrcr.ragged import Regions

# Where a box's right and bottom corners lie: x + w (the published tables) or x + w - 1 (VOT's MATLAB toolkit 7).
Convention = Literal["published", "matlab7"]


def polygons(
    regions: Sequence[Array] | Array, convention: Convention = "published", frames: NDArray[np.intp] | None = None
) -> NDArray[np.float32]:
    """Corners (N, K, 2) of N regions, boxes and polygons mixed; K is the largest number of corners.

    A polygon with fewer corners repeats its last one, which adds an edge of no height and so changes no mask. The
    values are float32, as the toolkits keep them. `frames` (N,) chooses among the regions.
    """
    given = _gathered(regions)
    chosen = np.arange(len(given)) if frames is None else frames
    sizes = given.sizes[chosen]
    count = int(np.where(sizes == 4, 4, sizes // 2).max(initial=0))
    corners = np.empty((len(chosen), count, 2), dtype=np.float32)
    for size in np.flatnonzero(np.bincount(sizes)).tolist():
        places = np.flatnonzero(sizes == size)
        flat = given.rows(chosen[places], size)
        points = _box_corners(flat, convention) if size == 4 else flat.reshape(len(flat), -1, 2)
        corners[places, : points.shape[1]] = points
        corners[places, points.shape[1] :] = points[:, -1:]
    return corners


def overlap(
    first: ArrayLike, second: ArrayLike, bounds: tuple[float, float], convention: Convention = "published"
) -> float:
    """Overlap of two regions: `overlaps` for one frame. A run of VOT fails where there is none inside W - 1, H - 1."""
    pair = [polygons([np.asarray(region, dtype=np.float64)], convention) for region in (first, second)]
    return float(overlaps(pair[0], pair[1], bounds)[0])


def overlaps(first: ArrayLike, second: ArrayLike, bounds: tuple[float, float]) -> Array:
    """Intersection over union (N,) in [0, 1] of the masks of polygons first (N, K, 2) and second (N, M, 2).

    `bounds` are the last column and row that count, W, H for VOT's accuracy and W - 1, H - 1 for its failures and
    expected overlap; columns and rows before 0 never count. NaN where a corner is NaN or both masks are empty. Follows
    region.c of the VOT toolkits: corners shifted to the common origin in float32 and rounded half away from zero, a
    scan line's nodes cut to integers, horizontal edges ignored, spans filled up to and including their last column.
    """
    from siamrcr import raster  # deferred: Numba takes a fifth of a second to import

    a, b = (np.ascontiguousarray(corners, dtype=np.float32) for corners in (first, second))
    if len(a) != len(b):  # compiled code does not look
        raise ValueError(f"{len(a)} regions against {len(b)}")
    return raster.overlaps(a, b, np.array(bounds, dtype=np.float32))


def axis_aligned(region: ArrayLike) -> Array:
    """Axis-aligned box (4,) with a region's mean corner as centre, its area, and the shape of its bounding box.

    A tracker that knows boxes only is initialised on it. A region of no area gives its bounding box.
    """
    flat = np.asarray(region, dtype=np.float64)
    if flat.size == 4:
        return flat.copy()
    points = flat.reshape(-1, 2)
    around = bounding_box(points)
    x, y = points.T
    area = abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2
    if area == 0:
        return around
    size = around[2:] * np.sqrt(area / np.prod(around[2:]))
    return np.concatenate([points.mean(axis=0) - size / 2, size])


def _gathered(regions: Sequence[Array] | Array) -> Regions:
    if isinstance(regions, Regions):
        return regions
    sizes = [len(region) for region in regions]
    return Regions(np.concatenate([*regions, np.empty(0)]), np.concatenate([[0], np.cumsum(sizes, dtype=np.intp)]))


def _box_corners(boxes: Array, convention: Convention) -> Array:
    inset = 1 if convention == "matlab7" else 0
    x0, y0 = boxes[:, 0], boxes[:, 1]
    x1, y1 = x0 + boxes[:, 2] - inset, y0 + boxes[:, 3] - inset
    return np.stack([x0, y0, x1, y0, x1, y1, x0, y1], axis=1).reshape(-1, 4, 2)
