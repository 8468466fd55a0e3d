"""The official rules of the box benchmarks, one function a benchmark.

Words are shared, numbers are not: LaSOT's precision is a value at 20 pixels, TrackingNet's an area, and so on; hence no
function serves two benchmarks. All take the sequences and their runs, and give `Scores`.
"""

import numpy as np

from analysis import overlap
from analysis.statistics import Curve, Metric, Scores, area_weights, mean_weights, point_weight, stack
from siamrcr.datasets.sequence import Sequence
from siamrcr.errors import InputError
from siamrcr.geometry import Array
from siamrcr.results import Result

Runs = list[list[Result]]  # of each sequence its repetitions
# OTB's and LaSOT's validity of a true box is that of its numbers on disk, which count from 1.
FROM_ONE = np.array([1.0, 1.0, 0.0, 0.0])

GOT10K_GRID = np.linspace(0, 1, 101)
# MATLAB's 0:0.05:1 counts up to the middle and down from the end; other grids differ in the last bit.
OTB_OVERLAPS = np.array([k * 0.05 if k <= 10 else 1 - (20 - k) * 0.05 for k in range(21)])
OTB_PIXELS = np.arange(51.0)
LASOT_OVERLAPS = OTB_OVERLAPS.copy()
LASOT_PIXELS = np.arange(51.0)
LASOT_NORMALIZED = np.arange(51.0) / 100
TRACKINGNET_OVERLAPS = np.linspace(0, 1, 21)
TRACKINGNET_PIXELS = np.linspace(0, 50, 21)
TRACKINGNET_NORMALIZED = np.linspace(0, 0.5, 21)


def got10k(sequences: list[Sequence], runs: Runs) -> Scores:
    """GOT-10k: AO, SR0.5 and SR0.75 over the frames of all sequences and runs pooled.

    As got10k's toolkit, SR0.75 as video_analyst: the first frame and frames whose target is not visible (cover 0) are
    left out; IoU inside the frame; success is `>`. Raises InputError for a box with a NaN, which leaves the toolkit
    without an AO.
    """
    rows = []
    for sequence, several in zip(sequences, runs, strict=True):
        size = frame_size(sequence)
        seen = np.ones(len(sequence), dtype=bool) if sequence.cover is None else sequence.cover > 0
        ious = [overlap.clipped_iou(run.boxes[1:], sequence.boxes[1:], size)[seen[1:]] for run in several]
        iou = np.concatenate(ious)
        if np.isnan(iou).any():
            line = np.tile(np.flatnonzero(seen[1:]) + 2, len(several))[np.argmax(np.isnan(iou))]
            raise InputError(f"{sequence.name}: line {line} holds a NaN: GOT-10k has no score for it: track it again")
        sums = [iou.sum(), *overlap.above(iou, np.array([0.5, 0.75])), len(iou)]
        rows.append(np.concatenate([sums, overlap.above(iou, GOT10K_GRID)]))
    table = stack(rows)
    frames = table[:, 3:4]
    means = Curve(np.arange(3.0), table[:, :3], frames)
    metrics = {name: Metric(means, point_weight(3, k)) for k, name in enumerate(("AO", "SR0.5", "SR0.75"))}
    return Scores(metrics, {"success": Curve(GOT10K_GRID, table[:, 4:], frames)})


def otb(sequences: list[Sequence], runs: Runs) -> Scores:
    """OTB-2015: mean of the success curve, value of the precision curve at 20 pixels, means over sequences.

    As the MATLAB toolkit (calcSeqErrRobust, genPerfMat, plotDrawSave): a box without size or all NaN repeats the one
    before; the first box is the true one and counts; frames whose truth is not four positive numbers miss in success
    and hit in precision; frames that a short result lacks have an unknown box; sequences whose whole curve is zero are
    left out.
    """
    success, precision = [], []
    for sequence, several in zip(sequences, runs, strict=True):
        rates = [_otb_run(sequence.boxes + FROM_ONE, run.boxes + FROM_ONE) for run in several]
        success.append(np.mean([rate[0] for rate in rates], axis=0))
        precision.append(np.mean([rate[1] for rate in rates], axis=0))
    curves = {
        "success": _over_sequences(OTB_OVERLAPS, success),
        "precision": _over_sequences(OTB_PIXELS, precision),
    }
    metrics = {
        "success": Metric(curves["success"], mean_weights(21)),
        "precision": Metric(curves["precision"], point_weight(51, 20)),
    }
    return Scores(metrics, curves)


def _otb_run(truth: Array, boxes: Array) -> tuple[Array, Array]:
    """Success (21,) and precision (51,) of one run; coordinates as on disk, from 1."""
    frames = len(truth)
    lost = np.isnan(boxes).all(axis=1) | (boxes[:, 2:] <= 0).any(axis=1)
    boxes = overlap.carried(boxes, lost & ~np.isnan(truth[: len(boxes)]).any(axis=1))
    boxes = np.concatenate([truth[:1], boxes[1:], np.full((frames - len(boxes), 4), np.nan)])
    valid = (truth > 0).all(axis=1)
    iou = np.where(valid, overlap.inclusive_iou(boxes, truth), -1)
    error = np.where(valid, overlap.center_error(boxes, truth), -1)
    return overlap.above(iou, OTB_OVERLAPS) / frames, overlap.within(error, OTB_PIXELS) / frames


def lasot(sequences: list[Sequence], runs: Runs) -> Scores:
    """LaSOT: mean of the success curve, value of the precision curve at 20 pixels, of the normalized one at 0.2.

    As LaSOT's evaluation toolkit: a box with a NaN or without size repeats the one before; the first box is the true
    one and counts; frames where the target is absent miss everywhere, since they stay in the denominator; visible
    frames whose truth is not four positive numbers miss in success and hit in precision; sequences whose whole curve is
    zero are left out. Raises InputError for a short result, which stops the toolkit.
    """
    rows = []
    for sequence, several in zip(sequences, runs, strict=True):
        for run in several:
            check_length(sequence, run, "LaSOT's toolkit")
        truth = sequence.boxes + FROM_ONE
        rows.append(np.mean([_lasot_run(truth, run.boxes + FROM_ONE, sequence.visible) for run in several], axis=0))
    table = stack(rows)
    curves = {
        "success": _over_sequences(LASOT_OVERLAPS, list(table[:, :21])),
        "precision": _over_sequences(LASOT_PIXELS, list(table[:, 21:72])),
        "normalized_precision": _over_sequences(LASOT_NORMALIZED, list(table[:, 72:])),
    }
    metrics = {
        "success": Metric(curves["success"], mean_weights(21)),
        "precision": Metric(curves["precision"], point_weight(51, 20)),
        "normalized_precision": Metric(curves["normalized_precision"], point_weight(51, 20)),
    }
    return Scores(metrics, curves)


def _lasot_run(truth: Array, boxes: Array, visible: overlap.Flags) -> Array:
    """The three curves (21 + 51 + 51,) of one run; coordinates as on disk, from 1."""
    frames = len(truth)
    lost = np.isnan(boxes).any(axis=1) | (boxes[:, 2:] <= 0).any(axis=1)
    boxes = overlap.carried(boxes, lost & ~np.isnan(truth).any(axis=1))
    boxes[0] = truth[0]
    boxes, truth = boxes[visible], truth[visible]
    valid = (truth > 0).all(axis=1)
    iou = np.where(valid, overlap.inclusive_iou(boxes, truth), -1)
    error = np.where(valid, overlap.center_error(boxes, truth), -1)
    normalized = np.where(valid, overlap.normalized_error(boxes, truth), -1)
    counts = [
        overlap.above(iou, LASOT_OVERLAPS),
        overlap.within(error, LASOT_PIXELS),
        overlap.within(normalized, LASOT_NORMALIZED),
    ]
    return np.concatenate(counts) / frames


def trackingnet(sequences: list[Sequence], runs: Runs) -> Scores:
    """TrackingNet: areas under 21-point curves, means over sequences.

    As the devkit's metrics.py, which the server runs: coordinates are rounded to integers, halves to even; the first
    box is the true one; success is `>=`, so its first point is always met by a known box; precision runs to 50 pixels
    and normalized precision to half the target's size; unknown boxes miss everywhere.
    """
    rows = []
    for sequence, several in zip(sequences, runs, strict=True):
        truth = np.round(sequence.boxes)
        rows.append(np.mean([_trackingnet_run(truth, np.round(run.boxes)) for run in several], axis=0))
    table, every = stack(rows), np.ones((len(rows), 1))
    curves = {
        "success": Curve(TRACKINGNET_OVERLAPS, table[:, :21], every),
        "precision": Curve(TRACKINGNET_PIXELS, table[:, 21:42], every),
        "normalized_precision": Curve(TRACKINGNET_NORMALIZED, table[:, 42:], every),
    }
    return Scores({name: Metric(curve, area_weights(21)) for name, curve in curves.items()}, curves)


def _trackingnet_run(truth: Array, boxes: Array) -> Array:
    """The three curves (3 x 21,) of one run of integer boxes."""
    boxes = boxes.copy()
    boxes[0] = truth[0]
    apart = (truth[:, :2] + (truth[:, 2:] + 1) / 2) - (boxes[:, :2] + (boxes[:, 2:] + 1) / 2)
    with np.errstate(invalid="ignore", divide="ignore"):
        normalized = np.sqrt(np.sum(apart / truth[:, 2:] * apart / truth[:, 2:], axis=1))
    iou = overlap.inclusive_iou(boxes, truth)
    counts = [
        np.count_nonzero(iou[:, None] >= TRACKINGNET_OVERLAPS, axis=0),
        overlap.within(np.sqrt(np.sum(apart * apart, axis=1)), TRACKINGNET_PIXELS),
        overlap.within(normalized, TRACKINGNET_NORMALIZED),
    ]
    return np.concatenate(counts) / len(truth)


def _over_sequences(x: Array, rates: list[Array]) -> Curve:
    """Mean over sequences, those left out whose whole curve is zero (plotDrawSave of OTB, plot_draw_save of LaSOT)."""
    table = stack(rates)
    return Curve(x, table, np.asarray((table > np.finfo(float).eps).any(axis=1, keepdims=True), dtype=np.float64))


def check_length(sequence: Sequence, run: Result, who: str) -> None:
    """Raise InputError where a run has fewer frames than the sequence, and the rule of `who` needs them all."""
    if len(run) < len(sequence):
        raise InputError(
            f"{sequence.name}: {len(run)} lines for {len(sequence)} frames: {who} needs them all: track it again"
        )


def frame_size(sequence: Sequence) -> tuple[int, int]:
    """Width and height of a sequence's frames. Raises InputError where neither a file nor a frame tells them."""
    if sequence.size is None and not sequence.frames:
        raise InputError(f"{sequence.name}: frame size unknown: give the dataset's folder as root, not the boxes alone")
    return sequence.frame_size()
