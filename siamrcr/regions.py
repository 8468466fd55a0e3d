"""Polygons and the overlap that the VOT toolkits measure on their masks (NumPy only).

A region is a flat float64 array in the pixels that VOT files use: 4 numbers x, y, w, h, or 2k numbers x, y per corner.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from siamrcr.geometry import Array, bounding_box

# Where a box's right and bottom corners lie: x + w (the published tables) or x + w - 1 (VOT's MATLAB toolkit 7).
Convention = Literal["published", "matlab7"]

CHUNK = 32_768  # mask rows worked on at once: they stay in the processor's cache


def polygons(regions: Sequence[Array] | Array, convention: Convention = "published") -> NDArray[np.float32]:
    """Corners (N, K, 2) of N regions, boxes and polygons mixed; K is the largest number of corners.

    A polygon with fewer corners repeats its last one, which adds an edge of no height and so changes no mask. The
    values are float32, as the toolkits keep them.
    """
    if len({len(region) for region in regions}) == 1:
        flat = np.concatenate(regions).reshape(len(regions), -1)
        corners = _box_corners(flat, convention) if flat.shape[1] == 4 else flat.reshape(len(flat), -1, 2)
        return corners.astype(np.float32)
    single = [polygons([region], convention)[0] for region in regions]
    count = max((len(corners) for corners in single), default=0)
    full = [np.concatenate([c, np.repeat(c[-1:], count - len(c), axis=0)]) for c in single]
    return np.array(full, dtype=np.float32).reshape(len(single), count, 2)


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
    shapes = [np.asarray(p, dtype=np.float32) for p in (first, second)]
    limit = np.array(bounds, dtype=np.float32)
    known = np.all([np.isfinite(p).all(axis=(1, 2)) for p in shapes], axis=0)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        low = [np.maximum(np.floor(p.min(axis=1)), 0) for p in shapes]
        high = [np.minimum(np.ceil(p.max(axis=1)), limit) for p in shapes]
        origin = np.minimum(*low)
        extent = np.trunc(np.maximum(*high) - origin) + 1
        area = [np.prod(h - lo, axis=1) for lo, h in zip(low, high, strict=True)]
        common = np.prod(np.minimum(*high) - np.maximum(*low), axis=1)
        apart = common / (area[0] + area[1] - common) <= 0
        apart |= (area[0] / area[1] < 1e-10) | (area[1] / area[0] < 1e-10) | (extent < 1).any(axis=1)
    result = np.where(known, 0.0, np.nan)
    todo = np.flatnonzero(known & ~apart)
    for part in _chunks(todo, extent[todo, 1]):
        moved = [_round(p[part] - origin[part, None]) for p in shapes]
        result[part] = _mask_overlap(moved[0], moved[1], extent[part].astype(np.int64))
    return result


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


def _box_corners(boxes: Array, convention: Convention) -> Array:
    inset = 1 if convention == "matlab7" else 0
    x0, y0 = boxes[:, 0], boxes[:, 1]
    x1, y1 = x0 + boxes[:, 2] - inset, y0 + boxes[:, 3] - inset
    return np.stack([x0, y0, x1, y0, x1, y1, x0, y1], axis=1).reshape(-1, 4, 2)


def _round(values: NDArray[np.float32]) -> Array:
    """Round half away from zero, exactly: the sum with a half is made in float64."""
    wide = values.astype(np.float64)
    return np.trunc(wide + np.copysign(0.5, wide))


def _chunks(frames: NDArray[np.intp], rows: NDArray[np.float32]) -> list[NDArray[np.intp]]:
    """Frames cut into runs of about `CHUNK` mask rows."""
    total = np.cumsum(rows, dtype=np.float64)
    return np.split(frames, np.flatnonzero(np.diff(total // CHUNK)) + 1) if frames.size else []


def _mask_overlap(first: Array, second: Array, extent: NDArray[np.int64]) -> Array:
    """Mask IoU (n,) of rounded corners (n, K, 2) and (n, M, 2) in windows (n, 2) of width, height."""
    starts = np.cumsum(extent[:, 1]) - extent[:, 1]
    frame = np.repeat(np.arange(len(extent)), extent[:, 1])
    row = (np.arange(len(frame)) - starts[frame]).astype(np.float64)
    last = (extent[:, 0] - 1).astype(np.float64)[frame]
    counts = _row_counts([_nodes(first, frame, row), _nodes(second, frame, row)], last)
    pixels = np.add.reduceat(counts, starts, axis=1).astype(np.float32)
    with np.errstate(invalid="ignore"):
        return (pixels[2] / (pixels[0] + pixels[1] - pixels[2])).astype(np.float64)


def _nodes(corners: Array, frame: NDArray[np.intp], row: Array) -> Array:
    """Columns (K, n) where each edge meets a scan line, NaN where it does not."""
    nodes = np.full((corners.shape[1], len(row)), np.nan)
    for edge in range(corners.shape[1]):
        (x, y), (x_before, y_before) = corners[:, edge].T, corners[:, edge - 1].T
        rise = np.where(y == y_before, np.nan, y_before - y)
        if np.isnan(rise).all():
            continue
        share = (row - y[frame]) / rise[frame]
        node = np.trunc(x[frame] + share * (x_before - x)[frame])
        nodes[edge] = np.where((share >= 0) & (share <= 1), node, np.nan)
    return nodes


def _row_counts(nodes: list[Array], last: Array) -> Array:
    """Pixels (3, n) of the first mask, of the second, and of both, in each row whose last column is `last`."""
    crowded = np.any([np.count_nonzero(~np.isnan(each), axis=0) > 2 for each in nodes], axis=0)
    counts = _count([[_span(np.fmin.reduce(each), np.fmax.reduce(each))] for each in nodes], last)
    if crowded.any():
        counts[:, crowded] = _count([_spans(np.sort(each[:, crowded], axis=0)) for each in nodes], last[crowded])
    return counts


def _span(lo: Array, hi: Array) -> tuple[Array, Array]:
    drawn = lo < hi
    return np.where(drawn, lo, 0), np.where(drawn, hi, -1)


def _spans(nodes: Array) -> list[tuple[Array, Array]]:
    """First and last columns of the spans between sorted nodes (K, n): of two equal nodes the first is passed over."""
    place = np.zeros(nodes.shape[1])
    covered = np.full(nodes.shape[1], -np.inf)
    spans = []
    for index in range(len(nodes) - 1):
        here = place == index
        lo, hi = nodes[index], nodes[index + 1]
        drawn = here & (lo < hi)
        place = np.where(drawn, index + 2, np.where(here, index + 1, place))
        spans.append((np.where(drawn, np.maximum(lo, covered + 1), 0.0), np.where(drawn, hi, -1.0)))
        covered = np.where(drawn, hi, covered)
    return spans


def _count(spans: list[list[tuple[Array, Array]]], last: Array) -> Array:
    clipped = [[(np.maximum(lo, 0), np.minimum(hi, last)) for lo, hi in each] for each in spans]
    sizes = [np.sum([_size(lo, hi) for lo, hi in each], axis=0) for each in clipped]
    both = [_size(np.maximum(a, c), np.minimum(b, d)) for a, b in clipped[0] for c, d in clipped[1]]
    return np.stack([*sizes, np.sum(both, axis=0)])


def _size(lo: Array, hi: Array) -> Array:
    return np.maximum(hi - lo + 1, 0)
