"""Which sequences are worth a look, and whose boxes are drawn into them."""

from pathlib import Path

from analysis.report.scoreboard import order, per_sequence, sequence_metric
from analysis.scores import Entry, Scores, metrics, plotted
from siamrcr.config import BENCHMARKS, Run
from siamrcr.results import MANIFEST


def disagreements(run: Run, count: int) -> dict[str, list[str]]:
    """Benchmark -> at most `count` names: in turn where the reference leads by most, and where it trails by most.

    It is compared with the best other tracker; where the reference has no scores, the best two are. A benchmark without
    two trackers scored by sequence is left out. The same scores give the same names in the same order.
    """
    chosen = {}
    for benchmark in BENCHMARKS:
        scores = [Scores.of(run, entry, benchmark) for entry in plotted(run) if benchmark in entry.benchmarks]
        pair = rivals(run, benchmark, scores)
        if pair is None:
            continue
        metric = sequence_metric(benchmark, scores)
        ours, theirs = (per_sequence(score, metric) for score in pair)
        gaps = {
            name: value - other
            for name, value in ours.items()
            if value is not None and (other := theirs.get(name)) is not None
        }
        ahead = sorted(gaps, key=lambda name: (-gaps[name], name))
        alternating = [name for both in zip(ahead, reversed(ahead), strict=True) for name in both]
        chosen[benchmark] = list(dict.fromkeys(alternating))[:count]
    return {benchmark: names for benchmark, names in chosen.items() if names}


def rivals(run: Run, benchmark: str, scores: list[Scores]) -> tuple[Scores, Scores] | None:
    """The reference model and the best other tracker of a benchmark, as far as both have scores by sequence."""
    metric = metrics(benchmark)[0]
    able = [score for score in scores if score.scored and any(per_sequence(score, metric))]
    able.sort(key=lambda score: (score.entry.name != run.analysis.reference, -(score.estimate(metric).value or 0)))
    return (able[0], able[1]) if len(able) > 1 else None


def drawn(run: Run) -> dict[str, dict[str, Path]]:
    """Benchmark -> place of a tracker among all, as text -> its raw results; of several seeds the first."""
    shown = {entry.name for entry in plotted(run)}
    places = [(str(place), entry) for place, entry in enumerate(order(run)) if entry.name in shown]
    return {b: {place: _tracks(run, e, b) for place, e in places if b in e.benchmarks} for b in BENCHMARKS}


def _tracks(run: Run, entry: Entry, benchmark: str) -> Path:
    given = {} if entry.model else run.trackers[entry.name].results
    path = given.get(benchmark) or run.folder / "tracks" / entry.ids[0] / benchmark  # type: ignore[call-overload]
    return path.parent if path.name == MANIFEST else path
