"""Overlap of masks as region.c of the VOT toolkits draws them, compiled by Numba.

Only `siamrcr.regions` imports this module, and only once a mask is needed: Numba takes a fifth of a second to import.
The first call ever compiles for some seconds; the machine code is then kept in __pycache__ or, where that cannot be
written, in the user's own cache.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

from siamrcr.geometry import Array

F = TypeVar("F", bound=Callable[..., Any])
Corners = NDArray[np.float32]  # (K, 2)
# NumPy's float32 constants: beside a Python number the compiler would go on in float64.
ZERO, ONE, TINY = np.float32(0), np.float32(1), np.float32(1e-10)


def compiled(function: F) -> F:
    """A function to be compiled at its first call; its code is cached where any folder for it can be written."""
    try:
        compiler = numba.njit(cache=True, nogil=True, error_model="numpy")(function)
    except RuntimeError:
        compiler = numba.njit(nogil=True, error_model="numpy")(function)
    return cast(F, compiler)


@compiled
def overlaps(first: NDArray[np.float32], second: NDArray[np.float32], limit: Corners) -> Array:
    """Intersection over union (N,) of polygons (N, K, 2) and (N, M, 2) inside `limit` (2,): `regions.overlaps`."""
    result = np.empty(len(first))
    for frame in range(len(first)):
        result[frame] = _overlap(first[frame], second[frame], limit)
    return result


@compiled
def _overlap(first: Corners, second: Corners, limit: Corners) -> float:
    if not (_known(first) and _known(second)):
        return np.nan
    area_first = area_second = common = least = ONE
    origin, extent = np.empty(2, np.float32), np.empty(2, np.float32)
    for axis in range(2):
        low_first, high_first = _range(first, axis, limit)
        low_second, high_second = _range(second, axis, limit)
        area_first *= high_first - low_first
        area_second *= high_second - low_second
        common *= min(high_first, high_second) - max(low_first, low_second)
        origin[axis] = min(low_first, low_second)
        extent[axis] = np.trunc(max(high_first, high_second) - origin[axis]) + ONE
        least = min(least, extent[axis])
    apart = common / (area_first + area_second - common) <= ZERO
    apart |= area_first / area_second < TINY or area_second / area_first < TINY
    if apart or least < ONE:
        return 0.0
    return _mask_overlap(_moved(first, origin), _moved(second, origin), int(extent[0]), int(extent[1]))


# Loops rather than array expressions: each of those would add half a second to the first call.


@compiled
def _known(corners: Corners) -> bool:
    for x, y in corners:  # noqa: SIM110 (all() takes seconds to compile)
        if not (np.isfinite(x) and np.isfinite(y)):
            return False
    return True


@compiled
def _range(corners: Corners, axis: int, limit: Corners) -> tuple[np.float32, np.float32]:
    """Lowest and highest column or row of a polygon's bounding box, inside 0 and `limit`."""
    low = high = corners[0, axis]
    for k in range(1, len(corners)):
        low, high = min(low, corners[k, axis]), max(high, corners[k, axis])
    return max(np.floor(low), ZERO), min(np.ceil(high), limit[axis])


@compiled
def _moved(corners: Corners, origin: Corners) -> Array:
    """Corners (K, 2) from an origin, halves rounded away from zero: exactly so, since the half is added in float64."""
    moved = np.empty(corners.shape)
    for k in range(len(corners)):
        for axis in range(2):
            value = np.float64(corners[k, axis] - origin[axis])
            moved[k, axis] = np.trunc(value + (0.5 if value >= 0 else -0.5))
    return moved


@compiled
def _mask_overlap(first: Array, second: Array, width: int, height: int) -> float:
    """Mask IoU of rounded corners (K, 2) and (M, 2) in a window; NaN where both masks are empty."""
    low_first, high_first, nodes_first = _scan(first, height)
    low_second, high_second, nodes_second = _scan(second, height)
    nodes = np.empty(max(len(first), len(second)))
    spans_first, spans_second = np.empty((len(first), 2)), np.empty((len(second), 2))
    pixels_first = pixels_second = pixels_both = 0.0
    last = width - 1.0
    for row in range(height):
        if nodes_first[row] <= 2 and nodes_second[row] <= 2:
            a, b = _span(low_first[row], high_first[row], last)
            c, d = _span(low_second[row], high_second[row], last)
            pixels_first += _size(a, b)
            pixels_second += _size(c, d)
            pixels_both += _size(max(a, c), min(b, d))
            continue
        number_first = _spans(first, float(row), last, nodes, spans_first)
        number_second = _spans(second, float(row), last, nodes, spans_second)
        for k in range(number_first):
            a, b = spans_first[k]
            pixels_first += _size(a, b)
            for m in range(number_second):
                c, d = spans_second[m]
                pixels_both += _size(max(a, c), min(b, d))
        for m in range(number_second):
            c, d = spans_second[m]
            pixels_second += _size(c, d)
    both = np.float32(pixels_both)
    return float(both / (np.float32(pixels_first) + np.float32(pixels_second) - both))


@compiled
def _scan(corners: Array, height: int) -> tuple[Array, Array, Array]:
    """Of each scan line (height,): its lowest and its highest node, inf and -inf without one, and how many it has."""
    low, high, nodes = np.full(height, np.inf), np.full(height, -np.inf), np.zeros(height)
    lines = np.arange(float(height))
    for edge in range(len(corners)):
        x, y = corners[edge]
        x_before, y_before = corners[edge - 1]
        top, bottom = max(min(y, y_before), 0.0), min(max(y, y_before), height - 1.0)
        if y == y_before or top > bottom:
            continue
        start, stop = int(top), int(bottom) + 1
        # Slices of floats alone: only so does the compiler work on several lines at once.
        lows, highs, counts, rows = low[start:stop], high[start:stop], nodes[start:stop], lines[start:stop]
        for k in range(len(rows)):
            node = _node(x, y, x_before, y_before, rows[k])
            lows[k] = node if node < lows[k] else lows[k]
            highs[k] = node if node > highs[k] else highs[k]
            counts[k] += 1.0
    return low, high, nodes


@compiled
def _node(x: float, y: float, x_before: float, y_before: float, row: float) -> float:
    """Column where an edge meets a scan line."""
    return np.trunc(x + (row - y) / (y_before - y) * (x_before - x))


@compiled
def _span(low: float, high: float, last: float) -> tuple[float, float]:
    """First and last column of the span between two nodes; nothing is drawn between equal ones."""
    return (max(low, 0.0), min(high, last)) if low < high else (0.0, -1.0)


@compiled
def _spans(corners: Array, row: float, last: float, nodes: Array, spans: Array) -> int:
    """Write first and last columns of the spans between a scan line's nodes to `spans`, and give how many there are.

    Of two equal nodes the first is passed over. `nodes` is room to work in.
    """
    count = number = place = 0
    for edge in range(len(corners)):
        x, y = corners[edge]
        x_before, y_before = corners[edge - 1]
        if y != y_before and min(y, y_before) <= row <= max(y, y_before):
            node, place = _node(x, y, x_before, y_before, row), count
            while place > 0 and nodes[place - 1] > node:
                nodes[place] = nodes[place - 1]
                place -= 1
            nodes[place] = node
            count += 1
    place, covered = 0, -np.inf
    while place < count - 1:
        if nodes[place] < nodes[place + 1]:
            spans[number, 0], spans[number, 1] = max(nodes[place], covered + 1, 0.0), min(nodes[place + 1], last)
            covered = nodes[place + 1]
            number += 1
            place += 1
        place += 1
    return number


@compiled
def _size(low: float, high: float) -> float:
    return max(high - low + 1, 0.0)
