"""Every rule by which a box benchmark can be scored: the official one, and those of other toolkits.

The others serve comparisons with numbers made by those toolkits. Each differs from the official rule in the points that
its docstring names; all take means over sequences.
"""

from collections.abc import Callable

import numpy as np

from analysis import benchmarks, overlap
from analysis.benchmarks import FROM_ONE, LASOT_NORMALIZED, OTB_PIXELS, Runs
from analysis.overlap import Flags
from analysis.statistics import Curve, Metric, Scores, mean_weights, point_weight, stack
from siamrcr.datasets.sequence import Sequence
from siamrcr.errors import InputError
from siamrcr.geometry import Array

# 0, 0.05, ... by multiplication, as numpy and torch make it; benchmarks.OTB_OVERLAPS is MATLAB's.
OVERLAPS = np.linspace(0, 1, 21)
HALF_SIZE = np.linspace(0, 0.5, 51)
EPS = float(np.finfo(float).eps)
# True boxes and boxes, as on disk, visible frames and name of one run -> each curve's rate of frames at each threshold.
Rule = Callable[[Array, Array, Flags, str], list[Array]]
# Name -> thresholds and the weights that read the metric from the curve.
Readings = dict[str, tuple[Array, Array]]

SUCCESS = (OVERLAPS, mean_weights(21))
PRECISION = (OTB_PIXELS, point_weight(51, 20))
OTB_READINGS = {"success": SUCCESS, "precision": PRECISION}
LASOT_READINGS = OTB_READINGS | {"normalized_precision": (LASOT_NORMALIZED, point_weight(51, 20))}
GOT10K_READINGS = OTB_READINGS | {"normalized_precision": (HALF_SIZE, mean_weights(51))}


def otb_pysot(sequences: list[Sequence], runs: Runs) -> Scores:
    """OTB-2015 by pysot: no box is repeated, and the first is not replaced by the true one.

    A frame is invalid for success where the true box has no size, for precision where its centre is not positive.
    Raises InputError for a short result, which stops the toolkit.
    """
    return _scores(sequences, runs, lambda *run: _pysot(*run)[:2], OTB_READINGS)


def lasot_pysot(sequences: list[Sequence], runs: Runs) -> Scores:
    """LaSOT by pysot: as on OTB; absent frames miss everywhere.

    Raises InputError for a short result, which stops the toolkit.
    """
    return _scores(sequences, runs, _pysot, LASOT_READINGS)


def _pysot(truth: Array, boxes: Array, visible: Flags, name: str) -> list[Array]:
    frames = len(truth)
    if len(boxes) < frames:
        raise InputError(f"{name}: {len(boxes)} lines for {frames} frames: pysot needs them all: track it again")
    truth, boxes = truth[visible], boxes[visible]
    sized = (truth[:, 2:] > 0).all(axis=1)
    centers, size = overlap.centers(truth), truth[:, 2:] + 1e-16
    iou = np.where(sized, overlap.continuous_iou(boxes, truth), -1)
    error = np.where((centers > 0).all(axis=1), overlap.center_error(boxes, truth), -1)
    normalized = np.where((centers / size > 0).all(axis=1), overlap.scaled_error(boxes, truth, size), -1)
    return _rates(frames, (iou, OVERLAPS), (error, OTB_PIXELS), (normalized, LASOT_NORMALIZED))


def otb_pytracking(sequences: list[Sequence], runs: Runs) -> Scores:
    """OTB-2015 by pytracking: true boxes without size miss in precision too, others count wherever they lie.

    A short result goes on with empty boxes. A box without width or height repeats the one before. Raises InputError for
    a NaN or a negative size.
    """
    return _scores(sequences, runs, lambda *run: _pytracking(*_completed(*run))[:2], OTB_READINGS)


def lasot_pytracking(sequences: list[Sequence], runs: Runs) -> Scores:
    """LaSOT by pytracking: as on OTB; absent frames miss everywhere, visible ones without a true size hit normalized.

    Raises InputError for a NaN, a negative size, or a short result.
    """
    return _scores(sequences, runs, _pytracking, LASOT_READINGS)


def _completed(truth: Array, boxes: Array, visible: Flags, name: str) -> tuple[Array, Array, Flags, str]:
    """A run on OTB, with empty boxes where it ends early; every frame there is visible."""
    # Boxes without size repeat only inside the result, so the empty ones are marked and stay.
    more = np.full((len(truth) - len(boxes), 4), [0, 0, np.inf, np.inf])
    return truth, np.concatenate([boxes, more]), np.ones_like(visible), name


def _pytracking(truth: Array, boxes: Array, visible: Flags, name: str) -> list[Array]:
    frames = len(truth)
    if len(boxes) < frames:
        raise InputError(f"{name}: {len(boxes)} lines for {frames} frames: pytracking needs them all: track it again")
    wrong = np.isnan(boxes).any(axis=1) | (boxes[:, 2:] < 0).any(axis=1)
    if wrong.any():
        line = int(np.argmax(wrong)) + 1
        raise InputError(f"{name}: line {line} has a NaN or a negative size, which pytracking refuses: track it again")
    boxes = overlap.carried(boxes, (boxes[:, 2:] == 0).any(axis=1))
    boxes = np.where(np.isinf(boxes), 0, boxes)
    boxes[0] = truth[0]
    valid = (truth[:, 2:] > 0).all(axis=1) & visible
    iou = np.where(valid, overlap.inclusive_iou(boxes, truth), -1)
    error = np.where(valid, overlap.center_error(boxes, truth), np.inf)
    normalized = overlap.scaled_error(boxes, truth, truth[:, 2:])
    normalized = np.where(valid, normalized, np.where(visible, -1, np.inf))
    return _rates(frames, (iou, OVERLAPS), (error, OTB_PIXELS), (normalized, LASOT_NORMALIZED))


def otb_got10k(sequences: list[Sequence], runs: Runs) -> Scores:
    """OTB-2015 by got10k's toolkit: every frame is valid, no box is repeated, a short result cuts the truth.

    Tiger1 begins at its sixth frame here and at its first there, which moves a mean over 100 sequences by 1.4e-4 at
    most.
    """
    return _scores(sequences, runs, lambda *run: _got10k(*run)[:2], OTB_READINGS)


def lasot_got10k(sequences: list[Sequence], runs: Runs) -> Scores:
    """LaSOT by got10k's toolkit: as on OTB; frames without a visible target count as any other.

    Normalized precision is the mean of its curve from 0 to 0.5; true sides below one pixel count as one there.
    """
    return _scores(sequences, runs, _got10k, GOT10K_READINGS)


def _got10k(truth: Array, boxes: Array, _: Flags, __: str) -> list[Array]:
    boxes, truth = np.concatenate([truth[:1], boxes[1:]]), truth[: len(boxes)]
    known = ~np.isnan(truth).any(axis=1)
    boxes, truth = boxes[known], truth[known]
    iou, error = overlap.continuous_iou(boxes, truth, EPS), overlap.center_error(boxes, truth)
    normalized = overlap.normalized_error(boxes, truth, least=1)
    return _rates(len(truth), (iou, OVERLAPS), (error, OTB_PIXELS), (normalized, HALF_SIZE))


def _rates(frames: int, success: tuple[Array, Array], *errors: tuple[Array, Array]) -> list[Array]:
    counts = [overlap.above(*success), *(overlap.within(*error) for error in errors)]
    return [count / frames for count in counts]


def _scores(sequences: list[Sequence], runs: Runs, rule: Rule, readings: Readings) -> Scores:
    """Means over sequences of a rule's curves, each the mean over the sequence's runs."""
    rows: list[list[Array]] = [[] for _ in readings]
    for sequence, several in zip(sequences, runs, strict=True):
        truth = sequence.boxes + FROM_ONE
        rates = [rule(truth, run.boxes + FROM_ONE, sequence.visible, sequence.name) for run in several]
        for row, curve in zip(rows, zip(*rates, strict=True), strict=True):
            row.append(np.mean(curve, axis=0))
    every = np.ones((len(sequences), 1))
    curves = {name: Curve(readings[name][0], stack(row), every) for name, row in zip(readings, rows, strict=True)}
    return Scores({name: Metric(curve, readings[name][1]) for name, curve in curves.items()}, curves)


CONVENTIONS: dict[str, dict[str, Callable[[list[Sequence], Runs], Scores]]] = {
    "got10k-val": {"official": benchmarks.got10k},
    "got10k-test": {"official": benchmarks.got10k},
    "otb2015": {"official": benchmarks.otb, "got10k": otb_got10k, "pysot": otb_pysot, "pytracking": otb_pytracking},
    "lasot": {
        "official": benchmarks.lasot,
        "got10k": lasot_got10k,
        "pysot": lasot_pysot,
        "pytracking": lasot_pytracking,
    },
    "trackingnet": {"official": benchmarks.trackingnet},
}
