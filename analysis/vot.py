"""VOT-2018 and VOT-2019, reset-based: accuracy, robustness and expected average overlap (EAO)."""

import numpy as np

from analysis.benchmarks import frame_size
from analysis.overlap import Flags
from analysis.statistics import Curve, Metric, Scores, mean_weights, stack
from siamrcr import regions
from siamrcr.datasets.sequence import Sequence
from siamrcr.errors import InputError
from siamrcr.geometry import Array
from siamrcr.regions import Convention
from siamrcr.results import FAILURE, INIT, REGION, Result

BURN_IN = 10  # frames from an initialisation on that do not count for accuracy
SKIP = 5  # frames from a failure to the next initialisation
# First and last sequence length of the expected overlap's mean (stacks of VOT-2018 and VOT-2019).
INTERVALS = {"vot2018": (100, 356), "vot2019": (46, 291)}


class Measured:
    """The overlaps of all runs: computed once, then aggregated over all frames or those of a tag."""

    def __init__(self, sequences: list[Sequence], runs: list[list[Result]], convention: Convention) -> None:
        self.sequences, self.runs = sequences, runs
        pairs = [_overlaps(s, several, convention) for s, several in zip(sequences, runs, strict=True)]
        self.accuracy = [pair[0] for pair in pairs]
        self.expected = [pair[1] for pair in pairs]

    def scores(self, interval: tuple[int, int], tag: str | None = None) -> Scores:
        """Accuracy, robustness (100 x failures / frames) and EAO, on the frames of a tag or on all.

        `interval` is the first and last length of EAO's mean. Raises InputError where no sequence is as long as the
        first.
        """
        longest = max(len(sequence) for sequence in self.sequences)
        low, high = interval
        if low > longest:
            raise InputError(
                f"eao_interval {low} to {high}: the longest sequence has {longest} frames: set benchmarks.BENCHMARK."
                f"eao_interval in the configuration to lengths that occur"
            )
        masks = [_mask(sequence, tag) for sequence in self.sequences]
        accuracy = stack([_accuracy(o, r, m) for o, r, m in zip(self.accuracy, self.runs, masks, strict=True)])
        failures = stack([_failures(r, m) for r, m in zip(self.runs, masks, strict=True)])
        expected = [_expected(o, r, m, longest) for o, r, m in zip(self.expected, self.runs, masks, strict=True)]
        curve = Curve(np.arange(1.0, longest + 1), stack([e[0] for e in expected]), stack([e[1] for e in expected]))
        inside = ((curve.x >= low) & (curve.x <= high)).astype(np.float64)
        metrics = {
            "EAO": Metric(curve, inside / inside.sum()),
            "accuracy": Metric(_single(accuracy), mean_weights(1)),
            "robustness": Metric(_single(failures), mean_weights(1)),
        }
        return Scores(metrics, {"expected_overlap": curve})


def _single(table: Array) -> Curve:
    return Curve(np.zeros(1), table[:, :1], table[:, 1:])


def _mask(sequence: Sequence, tag: str | None) -> Flags:
    every = np.ones(len(sequence), dtype=bool)
    return every if tag is None else np.broadcast_to(sequence.attributes.get(tag, ~every), every.shape)


def _overlaps(sequence: Sequence, runs: list[Result], convention: Convention) -> tuple[list[Array], list[Array]]:
    """Overlaps of each run, NaN where it gives no region: inside W, H for accuracy and W - 1, H - 1 for EAO."""
    width, height = frame_size(sequence)
    truth = regions.polygons(sequence.regions if sequence.regions is not None else sequence.boxes, convention)
    accuracy, expected = [], []
    for run in runs:
        frames = np.flatnonzero(run.codes == REGION)
        found = run.boxes[frames] if run.regions is None else [run.regions[frame] for frame in frames]
        wide = np.full(len(run), np.nan)
        narrow = np.full(len(run), np.nan)
        if len(frames):
            tracked, true = regions.polygons(found, convention), truth[frames]
            wide[frames] = regions.overlaps(tracked, true, (width, height))
            # Only what reaches the last column or row differs between the two limits.
            reach = np.maximum(tracked.max(axis=1), true.max(axis=1))
            edge = (reach > (width - 1, height - 1)).any(axis=1)
            narrow[frames] = wide[frames]
            narrow[frames[edge]] = regions.overlaps(tracked[edge], true[edge], (width - 1, height - 1))
        accuracy.append(wide)
        expected.append(narrow)
    return accuracy, expected


def _accuracy(overlaps: list[Array], runs: list[Result], mask: Flags) -> Array:
    """Sum of the overlaps, each the mean over runs, and number of frames that have one."""
    table = np.full((len(runs), len(mask)), np.nan)
    for row, overlap, run in zip(table, overlaps, runs, strict=True):
        row[: len(run)] = overlap
        for start in np.flatnonzero(run.codes == INIT):
            row[start : start + BURN_IN] = np.nan
    known = np.count_nonzero(~np.isnan(table), axis=0)
    used = mask & (known > 0)
    return np.array([np.sum(np.nansum(table, axis=0)[used] / known[used]), np.count_nonzero(used)])


def _failures(runs: list[Result], mask: Flags) -> Array:
    """100 x failures, the mean over runs, and number of frames."""
    counts = [np.count_nonzero((run.codes == FAILURE) & mask[: len(run)]) for run in runs]
    return np.array([100 * np.mean(counts), np.count_nonzero(mask)])


def _expected(overlaps: list[Array], runs: list[Result], mask: Flags, longest: int) -> tuple[Array, Array]:
    """Weighted sum of the fragments' mean overlaps up to each length (longest,), and sum of their weights.

    A fragment runs from an initialisation to the next one, and counts as lost from there on; the last of a run ends
    with the sequence, and longer lengths do not see it.
    """
    total, weight = np.zeros(longest), np.zeros(longest)
    for overlap, run in zip(overlaps, runs, strict=True):
        frames, tagged = len(run), mask[: len(run)]
        failures = np.flatnonzero(run.codes == FAILURE)
        starts = [0, *(int(start) for start in failures + SKIP if start < frames)]
        stops = [*(start + 1 for start in starts[1:]), frames]
        filled = np.nan_to_num(overlap) if len(failures) else overlap
        for start, stop in zip(starts, stops, strict=True):
            last = start == starts[-1]
            # A run that was cut short weighs its last fragment by the part of the sequence that it saw.
            span = (len(mask) if last and len(failures) else stop) - start
            share = np.count_nonzero(tagged[start:stop]) / span / len(runs)
            means = _running_mean(filled[start:stop], longest, padded=not last)
            defined = ~np.isnan(means)
            total[defined] += share * means[defined]
            weight[defined] += share
    # The first length has no overlap to average: it is 1 by definition.
    total[0] = weight[0]
    return total, weight


def _running_mean(fragment: Array, longest: int, padded: bool) -> Array:
    """Mean overlap (longest,) of frames 2 to each length; past the fragment's end NaN, or as if zero where `padded`."""
    means = np.full(longest, np.nan)
    means[0] = 1
    sums, lengths = np.cumsum(fragment[1:]), np.arange(1, longest)
    means[1 : len(fragment)] = sums / lengths[: len(sums)]
    if padded:
        means[len(fragment) :] = sums[-1] / lengths[len(sums) :]
    return means
