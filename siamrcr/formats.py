"""The files of raw results that the field's toolkits write, one run over one sequence each, as bytes to arrays.

Text of every toolkit; binary trajectories of VOT's Python toolkit; MATLAB and JSON files of OTB's toolkits. Coordinates
stay as they are on disk.
"""

import json
import struct
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siamrcr import matfile, parsing
from siamrcr.errors import InputError
from siamrcr.geometry import Array
from siamrcr.parsing import Counts
from siamrcr.ragged import Regions

REGION, INIT, FAILURE, SKIPPED = 0, 1, 2, 3
# What a VOT file holds in place of a region, by number.
_CODES = {1: INIT, 2: FAILURE, 0: SKIPPED}
Rows = tuple[Array, NDArray[np.int8], Regions | None]  # boxes (N, 4), codes (N,), and regions where some are polygons


def read(data: bytes, origin: str, benchmark: str) -> Rows:
    """One run's boxes (N, 4) and codes (N,), as `results.Result` has them, and regions where some are polygons.

    The suffix of `origin` says which format it is. Raises InputError naming `origin` and the line.
    """
    suffix = PurePosixPath(origin).suffix
    if benchmark.startswith("vot"):
        return _vot_rows(*(_vot_binary(data, origin) if suffix == ".bin" else _vot_text(data, origin)), origin)
    if suffix == ".mat":
        boxes = _matlab(data, origin)
    elif suffix == ".json":
        boxes = _json(data, origin)
    else:
        boxes = _text(parsing.without_complex(data) if benchmark == "lasot" else data, origin)
    return boxes, np.zeros(len(boxes), dtype=np.int8), None


def _text(data: bytes, origin: str) -> Array:
    values, counts = parsing.numbers(data, origin)
    _check_counts(counts, counts == 4, "4", origin)
    return values.reshape(-1, 4)


def _check_counts(counts: Counts, right: NDArray[np.bool_], wanted: str, origin: str) -> None:
    if not counts.any():
        raise InputError(f"{origin}: is empty: track the sequence again")
    if not right.all():
        line = int(np.argmin(right))
        raise InputError(f"{origin}: line {line + 1} has {counts[line]} numbers instead of {wanted}")


def _vot_text(data: bytes, origin: str) -> tuple[Array, Counts]:
    try:
        return parsing.numbers(data, origin)
    except InputError as error:
        mask = next((n for n, line in enumerate(data.split(b"\n"), start=1) if line.lstrip().startswith(b"m")), None)
        if mask is None:
            raise
        raise InputError(f"{origin}: line {mask} is a mask: only boxes and polygons are scored") from error


def _vot_binary(data: bytes, origin: str) -> tuple[Array, Counts]:
    """A trajectory as vot-toolkit stores it by default (vot.region.io): codes, float32 boxes and polygons."""
    try:
        version, length = struct.unpack_from("<hI", data)
        values: list[float] = []
        counts: list[int] = []
        place = 6
        while len(counts) < length and version == 1:
            kind, place = data[place], place + 1
            if kind == 0:
                form = "<I"
            elif kind == 1:
                form = "<4f"
            elif kind == 2:
                form, place = f"<{2 * struct.unpack_from('<H', data, place)[0]}f", place + 2
            else:
                what = "a mask: only boxes and polygons are scored" if kind == 3 else "no region: download it again"
                raise InputError(f"{origin}: frame {len(counts) + 1} is {what}")
            region = struct.unpack_from(form, data, place)
            place += struct.calcsize(form)
            values += region
            counts.append(len(region))
    except (struct.error, IndexError):
        raise InputError(f"{origin}: ends within a trajectory: download it again") from None
    if version != 1 or place != len(data):
        raise InputError(f"{origin}: not a trajectory of vot-toolkit: download it again")
    return np.array(values, dtype=np.float64), np.array(counts, dtype=np.intp)


def _vot_rows(values: Array, counts: Counts, origin: str) -> Rows:
    """Boxes, codes, and the regions where some are polygons. A region with a NaN is a frame without one, as in TraX."""
    right = (counts == 1) | (counts == 4) | ((counts >= 6) & (counts % 2 == 0))
    _check_counts(counts, right, "1, 4, or 6 and more in pairs", origin)
    starts = np.concatenate([[0], np.cumsum(counts)])
    regions = Regions(values, starts)
    codes = np.full(len(counts), REGION, dtype=np.int8)
    single = np.flatnonzero(counts == 1)
    marks = values[starts[single]]
    for mark, code in _CODES.items():
        codes[single[marks == mark]] = code
    unknown = ~np.isin(marks, list(_CODES))
    if unknown.any():
        first = int(np.argmax(unknown))
        raise InputError(f"{origin}: line {single[first] + 1} is {marks[first]:g}: a code is 0, 1 or 2")
    boxes = np.full((len(counts), 4), np.nan)
    for size in np.flatnonzero(np.bincount(counts)).tolist():
        lines = np.flatnonzero(counts == size)
        if size == 4:
            boxes[lines] = regions.rows(lines, 4)
        elif size > 4:
            points = regions.rows(lines, size).T.reshape(-1, 2, len(lines))
            low, high = points.min(axis=0), points.max(axis=0)
            boxes[lines] = np.concatenate([low, high - low]).T
    codes[(codes == REGION) & np.isnan(boxes).any(axis=1)] = SKIPPED
    boxes[codes != REGION] = np.nan
    return boxes, codes, regions if (counts > 4).any() else None


def _matlab(data: bytes, origin: str) -> Array:
    """Boxes of a file of OTB's MATLAB toolkit: `results{1}` with `res` and its `type`."""
    try:
        results = matfile.variables(data).get("results")
    except ValueError as error:
        raise InputError(f"{origin}: cannot be read ({error}): save it again with -v7") from None
    return _run(results if isinstance(results, list) else [results], "type", origin)


def _json(data: bytes, origin: str) -> Array:
    """Boxes of a file of OTB's Python toolkit: a list of one run with `res` and its `resType`."""
    try:
        runs = json.loads(data)
    except (ValueError, RecursionError):
        raise InputError(f"{origin}: not valid JSON: download it again") from None
    return _run(runs if isinstance(runs, list) else [runs], "resType", origin)


def _run(runs: list[Any], key: str, origin: str) -> Array:
    """Boxes of the one run that a one-pass evaluation has."""
    if len(runs) != 1:
        raise InputError(f"{origin}: holds {len(runs)} runs: give results of one-pass evaluation (OPE), which has one")
    run = runs[0]
    if not isinstance(run, dict) or "res" not in run:
        raise InputError(f"{origin}: holds no boxes `res`: download it again")
    if run.get(key) != "rect":
        raise InputError(
            f"{origin}: its boxes are of type {str(run.get(key))[:20]!r}: only 'rect' (x, y, w, h) is read"
        )
    try:
        boxes = np.atleast_2d(np.array(run["res"]))
    except ValueError:
        boxes = np.empty((0, 0))
    if boxes.ndim != 2 or boxes.shape[1] != 4 or boxes.dtype.kind not in "iuf":
        raise InputError(f"{origin}: `res` is not rows of 4 real numbers: download it again")
    return boxes.astype(np.float64)
