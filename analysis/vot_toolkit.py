"""VOT-2018 and VOT-2019 by vot-toolkit, the Python toolkit of later challenges (`vot.analysis.supervised` of 0.7.4).

Its numbers are not those of the published tables: accuracy is a mean per sequence, weighted by length; robustness is
failures a sequence, weighted by length; a fragment ends before its failure; the window of EAO is shifted by a frame.
The overlaps are the toolkit's own; the sums are made here, since its own hold no sequence apart from the others.
"""

import numpy as np

from analysis.benchmarks import check_length, frame_size
from analysis.statistics import Curve, Metric, Scores, mean_weights, stack
from analysis.vot import BURN_IN
from siamrcr.datasets.sequence import Sequence
from siamrcr.errors import InputError
from siamrcr.geometry import Array
from siamrcr.results import FAILURE, INIT, REGION, Result


def scores(sequences: list[Sequence], runs: list[list[Result]], interval: tuple[int, int]) -> Scores:
    """Accuracy, robustness (failures a sequence) and EAO over `interval`, first and last index of its curve from 0.

    Raises InputError for a short result, and where no fragment reaches the interval.
    """
    overlaps = [[_overlaps(each, run) for run in several] for each, several in zip(sequences, runs, strict=True)]
    fragments = [_fragments(*pair) for pair in zip(overlaps, runs, strict=True)]
    longest = max(len(fragment) for several in fragments for fragment, _ in several)
    low, high = interval
    if low >= longest:
        raise InputError(f"eao_interval {low} to {high}: no fragment has more than {longest} frames: choose others")
    sums = [_expected(several, longest) for several in fragments]
    curve = Curve(np.arange(float(longest)), stack([each[0] for each in sums]), stack([each[1] for each in sums]))
    inside = ((curve.x >= low) & (curve.x <= high)).astype(np.float64)
    lengths = np.array([[float(len(sequence))] for sequence in sequences])
    accuracy = np.array([[_accuracy(*pair)] for pair in zip(overlaps, runs, strict=True)])
    failures = np.array([[np.mean([np.count_nonzero(run.codes == FAILURE) for run in several])] for several in runs])
    metrics = {"EAO": Metric(curve, inside / inside.sum())}
    for name, values in (("accuracy", accuracy), ("robustness", failures)):
        metrics[name] = Metric(Curve(np.zeros(1), values * lengths, lengths), mean_weights(1))
    return Scores(metrics, {"expected_overlap": curve})


def _overlaps(sequence: Sequence, run: Result) -> Array:
    """The toolkit's overlap (N,) of each frame; 0 where the run gives no region."""
    from vot.region.io import parse_region
    from vot.region.raster import calculate_overlap

    check_length(sequence, run, "vot-toolkit")
    true = sequence.regions if sequence.regions is not None else sequence.boxes
    found = run.regions if run.regions is not None else run.boxes
    overlaps = np.zeros(len(run))
    for frame in np.flatnonzero(run.codes == REGION).tolist():
        pair = [parse_region(",".join(map(repr, each[frame].tolist()))) for each in (found, true)]
        overlaps[frame] = calculate_overlap(*pair, frame_size(sequence))
    return overlaps


def _accuracy(overlaps: list[Array], runs: list[Result]) -> float:
    """Mean over runs of the mean overlap, ten frames from each start left out; a run without others counts as 0."""
    means = []
    for overlap, run in zip(overlaps, runs, strict=True):
        counted = run.codes == REGION
        for start in np.flatnonzero(run.codes == INIT):
            counted[start : start + BURN_IN] = False
        means.append(overlap[counted].mean() if counted.any() else 0)
    return float(np.mean(means))


def _fragments(overlaps: list[Array], runs: list[Result]) -> list[tuple[Array, bool]]:
    """Overlaps from each start to the frame before its failure, or to the end; and whether it failed."""
    fragments = []
    for overlap, run in zip(overlaps, runs, strict=True):
        failures, starts = np.flatnonzero(run.codes == FAILURE), np.flatnonzero(run.codes == INIT)
        if len(failures) == 0:
            fragments.append((overlap, False))
            continue
        fragments += [(overlap[start:end], True) for start, end in zip(starts, failures, strict=False)]
        if len(starts) > len(failures):
            fragments.append((overlap[starts[-1] :], False))
    return fragments


def _expected(fragments: list[tuple[Array, bool]], longest: int) -> tuple[Array, Array]:
    """Sum (longest,) of the fragments' mean overlaps up to each frame, and how many fragments have one."""
    total, weight = np.zeros(longest), np.zeros(longest)
    for overlap, failed in fragments:
        row = np.zeros(longest)
        row[: len(overlap)] = overlap
        # The first frame is left out of the means; alone it is what it is.
        means = np.concatenate([row[:1], np.cumsum(row[1:]) / np.arange(1, longest)])
        seen = longest if failed else len(overlap)
        total[:seen] += means[:seen]
        weight[:seen] += 1
    return total, weight
