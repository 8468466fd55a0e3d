"""Every rule by which a box benchmark can be scored: the official one, and those of other toolkits.

The others serve comparisons with numbers made by those toolkits. Each differs from the official rule in the points that
its docstring names; all take means over sequences.
"""

from collections.abc import Callable

import numpy as np

from analysis import benchmarks, overlap
from analysis.benchmarks import FROM_ONE, OTB_PIXELS, Runs
from analysis.statistics import Curve, Metric, Scores, mean_weights, point_weight, stack
from siamrcr.datasets.sequence import Sequence
from siamrcr.errors import InputError
from siamrcr.geometry import Array

OVERLAPS = np.linspace(0, 1, 21)
PYSOT_OVERLAPS = np.arange(0, 1.05, 0.05)
HALF_SIZE = np.linspace(0, 0.5, 51)
# True boxes and boxes, as on disk, of one run -> the rate of frames at each threshold, curve by curve.
Rule = Callable[[Array, Array, str], list[Array]]
# Name -> thresholds and the weights that read the metric from the curve.
Readings = dict[str, tuple[Array, Array]]

PRECISION = (OTB_PIXELS, point_weight(51, 20))


def otb_pysot(sequences: list[Sequence], runs: Runs) -> Scores:
    """OTB-2015 by pysot: no box is repeated, and the first is not replaced by the true one.

    A frame is invalid for success where the true box has no size, for precision where its centre is not positive.
    Raises InputError for a short result.
    """
    return _scores(sequences, runs, _pysot, {"success": (PYSOT_OVERLAPS, mean_weights(21)), "precision": PRECISION})


def _pysot(truth: Array, boxes: Array, name: str) -> list[Array]:
    if len(boxes) < len(truth):
        raise InputError(f"{name}: {len(boxes)} lines for {len(truth)} frames: pysot's rule needs them all")
    sized = (truth[:, 2] > 0) & (truth[:, 3] > 0)
    centers = truth[:, :2] + (truth[:, 2:] - 1) / 2
    iou = np.where(sized, np.clip(overlap.inclusive_iou(boxes, truth), 0, 1), -1)
    error = np.where((centers > 0).all(axis=1), overlap.center_error(boxes, truth), -1)
    return _rates(truth, (iou, PYSOT_OVERLAPS), (error, OTB_PIXELS))


def otb_got10k(sequences: list[Sequence], runs: Runs) -> Scores:
    """OTB-2015 by got10k's toolkit: every frame is valid, no box is repeated, a short result cuts the truth.

    Tiger1 begins at its sixth frame here and at its first there.
    """
    return _scores(sequences, runs, _got10k, {"success": (OVERLAPS, mean_weights(21)), "precision": PRECISION})


def _got10k(truth: Array, boxes: Array, _: str) -> list[Array]:
    truth, boxes = truth[: len(boxes)], np.concatenate([truth[:1], boxes[1:]])
    iou, error = np.clip(overlap.inclusive_iou(boxes, truth), 0, 1), overlap.center_error(boxes, truth)
    return _rates(truth, (iou, OVERLAPS), (error, OTB_PIXELS))


def otb_pytracking(sequences: list[Sequence], runs: Runs) -> Scores:
    """OTB-2015 by pytracking: frames without a valid true box miss in precision too.

    A short result goes on with empty boxes. A box without width or height repeats the one before. Raises InputError for
    a NaN or a negative size.
    """
    return _scores(sequences, runs, _pytracking, {"success": (OVERLAPS, mean_weights(21)), "precision": PRECISION})


def _pytracking(truth: Array, boxes: Array, name: str) -> list[Array]:
    if np.isnan(boxes).any() or (boxes[:, 2:] < 0).any():
        raise InputError(f"{name}: a box with a NaN or a negative size: pytracking's rule refuses it")
    boxes = overlap.carried(boxes, (boxes[:, 2] == 0) | (boxes[:, 3] == 0))
    boxes = np.concatenate([truth[:1], boxes[1:], np.zeros((len(truth) - len(boxes), 4))])
    valid = (truth > 0).all(axis=1)
    iou = np.where(valid, overlap.inclusive_iou(boxes, truth), -1)
    error = np.where(valid, overlap.center_error(boxes, truth), np.inf)
    return _rates(truth, (iou, OVERLAPS), (error, OTB_PIXELS))


def lasot_got10k(sequences: list[Sequence], runs: Runs) -> Scores:
    """LaSOT by got10k's toolkit: frames without a visible target count as any other, and no box is repeated.

    Normalized precision is the mean of its curve from 0 to 0.5; true sides below one pixel count as one there.
    """
    readings = {"success": (OVERLAPS, mean_weights(21)), "precision": PRECISION}
    return _scores(sequences, runs, _got10k_lasot, readings | {"normalized_precision": (HALF_SIZE, mean_weights(51))})


def _got10k_lasot(truth: Array, boxes: Array, _: str) -> list[Array]:
    boxes = np.concatenate([truth[:1], boxes[1:]])
    iou, error = np.clip(overlap.inclusive_iou(boxes, truth), 0, 1), overlap.center_error(boxes, truth)
    normalized = overlap.normalized_error(boxes, truth, least=1)
    return _rates(truth, (iou, OVERLAPS), (error, OTB_PIXELS), (normalized, HALF_SIZE))


def _rates(truth: Array, success: tuple[Array, Array], *errors: tuple[Array, Array]) -> list[Array]:
    counts = [overlap.above(*success), *(overlap.within(*error) for error in errors)]
    return [count / len(truth) for count in counts]


def _scores(sequences: list[Sequence], runs: Runs, rule: Rule, readings: Readings) -> Scores:
    """Means over sequences of a rule's curves, each the mean over the sequence's runs."""
    rows: list[list[Array]] = [[] for _ in readings]
    for sequence, several in zip(sequences, runs, strict=True):
        rates = [rule(sequence.boxes + FROM_ONE, run.boxes + FROM_ONE, sequence.name) for run in several]
        for row, curve in zip(rows, zip(*rates, strict=True), strict=True):
            row.append(np.mean(curve, axis=0))
    every = np.ones((len(sequences), 1))
    curves = {name: Curve(readings[name][0], stack(row), every) for name, row in zip(readings, rows, strict=True)}
    return Scores({name: Metric(curve, readings[name][1]) for name, curve in curves.items()}, curves)


CONVENTIONS: dict[str, dict[str, Callable[[list[Sequence], Runs], Scores]]] = {
    "got10k-val": {"official": benchmarks.got10k},
    "got10k-test": {"official": benchmarks.got10k},
    "otb2015": {"official": benchmarks.otb, "got10k": otb_got10k, "pysot": otb_pysot, "pytracking": otb_pytracking},
    "lasot": {"official": benchmarks.lasot, "got10k": lasot_got10k},
    "trackingnet": {"official": benchmarks.trackingnet},
}
