"""VOT-2018 and VOT-2019, reset-based: accuracy, robustness and expected average overlap (EAO)."""

from dataclasses import dataclass
from typing import Literal

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
REPETITIONS = 15  # of a tracker that draws random numbers; pysot takes the first run where there are more or fewer
# The challenge's own rule with the corners x + w of the published tables, or x + w - 1; and pysot's.
Rule = Literal["published", "matlab7", "pysot"]


@dataclass(frozen=True, eq=False)
class Fragment:
    """A part of a run from an initialisation on, as the expected overlap sees it.

    Attributes:
        start: its first frame.
        stop: the frame after its last one.
        span: how many frames its weight is the tagged share of.
        means: (L,) mean overlap of frames 2 to each length, 0 where the fragment does not count.
        counts: (L,) whether it counts at each length.
    """

    start: int
    stop: int
    span: int
    means: Array
    counts: Flags


class Measured:
    """The overlaps of all runs: computed once, then aggregated over all frames or those of a tag."""

    def __init__(self, sequences: list[Sequence], runs: list[list[Result]], rule: Rule) -> None:
        self.sequences, self.pysot = sequences, rule == "pysot"
        self.runs = [several[: None if len(several) == REPETITIONS else 1] for several in runs] if self.pysot else runs
        corners: Convention = "matlab7" if rule == "matlab7" else "published"
        pairs = [_overlaps(s, several, corners) for s, several in zip(sequences, self.runs, strict=True)]
        self.accuracy = [pair[0] for pair in pairs]
        self.expected = [pair[1] for pair in pairs]
        lengths = [len(sequence) for sequence in sequences]
        self.longest = max(lengths)
        # What does not change from tag to tag.
        self.means = [_frame_means(o, r, n) for o, r, n in zip(self.accuracy, self.runs, lengths, strict=True)]
        self.fragments = [
            [f for o, run in zip(each, r, strict=True) for f in _fragments(o, run, n, self.longest, self.pysot)]
            for each, r, n in zip(self.expected, self.runs, lengths, strict=True)
        ]

    def scores(self, interval: tuple[int, int], tag: str | None = None) -> Scores:
        """Accuracy, robustness (100 x failures / frames) and EAO, on the frames of a tag or on all.

        `interval` is the first and last length of EAO's mean. Raises InputError where no sequence is as long as the
        first.
        """
        longest = self.longest
        low, high = interval
        if low > longest:
            raise InputError(
                f"eao_interval {low} to {high}: the longest sequence has {longest} frames: set benchmarks.BENCHMARK."
                f"eao_interval in the configuration to lengths that occur"
            )
        masks = [_mask(sequence, tag) for sequence in self.sequences]
        accuracy = stack([_accuracy(means, mask) for means, mask in zip(self.means, masks, strict=True)])
        failures = stack([_failures(r, m, self.pysot) for r, m in zip(self.runs, masks, strict=True)])
        several = zip(self.fragments, self.runs, masks, strict=True)
        expected = [_expected(fragments, len(runs), mask, longest) for fragments, runs, mask in several]
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
    inner = (width - 1, height - 1)
    beyond: Flags = np.any(truth > inner, axis=(1, 2))
    accuracy, expected = [], []
    for run in runs:
        frames = np.flatnonzero(run.codes == REGION)
        wide = np.full(len(run), np.nan)
        narrow = np.full(len(run), np.nan)
        if len(frames):
            found = run.boxes if run.regions is None else run.regions
            tracked, true = regions.polygons(found, convention, frames), truth[frames]
            wide[frames] = regions.overlaps(tracked, true, (width, height))
            # Only what reaches the last column or row differs between the two limits.
            edge = (tracked > inner).any(axis=(1, 2)) | beyond[frames]
            narrow[frames] = wide[frames]
            narrow[frames[edge]] = regions.overlaps(tracked[edge], true[edge], inner)
        accuracy.append(wide)
        expected.append(narrow)
    return accuracy, expected


def _frame_means(overlaps: list[Array], runs: list[Result], frames: int) -> Array:
    """Mean overlap over the runs of each frame (frames,), those after an initialisation left out; NaN where none is."""
    table = np.full((len(runs), frames), np.nan)
    for row, overlap, run in zip(table, overlaps, runs, strict=True):
        row[: len(run)] = overlap
        for start in np.flatnonzero(run.codes == INIT):
            row[start : start + BURN_IN] = np.nan
    known = np.count_nonzero(~np.isnan(table), axis=0)
    return np.nansum(table, axis=0) / np.where(known > 0, known, np.nan)


def _accuracy(means: Array, mask: Flags) -> Array:
    """Sum of the frames' mean overlaps, and number of frames that have one."""
    used = mask & ~np.isnan(means)
    return np.array([np.sum(means[used]), np.count_nonzero(used)])


def _failures(runs: list[Result], mask: Flags, pysot: bool) -> Array:
    """100 x failures, the mean over runs, and number of frames: for pysot those that the files reach."""
    counts = [np.count_nonzero((run.codes == FAILURE) & mask[: len(run)]) for run in runs]
    reached = max(len(run) for run in runs) if pysot else len(mask)
    return np.array([100 * np.mean(counts), np.count_nonzero(mask[:reached])])


def _fragments(overlap: Array, run: Result, length: int, longest: int, pysot: bool) -> list[Fragment]:
    """The fragments of one run over a sequence of `length` frames.

    A fragment runs from an initialisation to the next one, and counts as lost from there on; the last of a run ends
    with the sequence, and longer lengths do not see it. Where a run without failure has an unknown overlap, the means
    are NaN from there on, and such lengths do not count.
    """
    frames = len(run)
    failures = np.flatnonzero(run.codes == FAILURE)
    # A failure five frames before the end opens for pysot an empty fragment: the one before it counts as lost.
    starts = [0, *(int(start) for start in failures + SKIP if start < frames + pysot)]
    stops = [*(start + 1 for start in starts[1:]), frames]
    filled = np.nan_to_num(overlap) if len(failures) else overlap
    found = []
    for start, stop in zip(starts, stops, strict=True):
        if start == frames:
            continue
        last = start == starts[-1]
        part = filled[start:stop]
        counts = np.full(longest, not last)
        counts[: len(part)] = ~np.isnan(part)
        counts[0] = True
        means = np.where(counts, _running_mean(part, longest, padded=not last), 0)
        # A run that was cut short weighs its last fragment by the part of the sequence that it saw.
        span = (length if last and len(failures) else stop) - start
        found.append(Fragment(start, start + len(part), span, means, counts))
    return found


def _expected(fragments: list[Fragment], runs: int, mask: Flags, longest: int) -> tuple[Array, Array]:
    """Weighted sum of the fragments' mean overlaps up to each length (longest,), and sum of their weights."""
    total, weight = np.zeros(longest), np.zeros(longest)
    for fragment in fragments:
        share = np.count_nonzero(mask[fragment.start : fragment.stop]) / fragment.span / runs
        total += share * fragment.means
        weight += share * fragment.counts
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
