"""The VOT challenge's own plots: trackers ranked by EAO, and accuracy over robustness."""

from collections.abc import Callable
from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis import plots, reported
from analysis.scores import BENCHMARK_LABELS, Estimate, Scores, arrow, plotted
from analysis.typesetting import number
from siamrcr.config import Run

TABLES = {"vot2019": "table-5"}
MARKERS = "osD^vP*Xdphv<>8"
# The frames that a tracker is to follow without failure (the challenge's S); robustness is 100 x failures / frames.
SENSITIVITY = 30
GREY = "0.45"


def ranking(benchmark: str) -> Callable[[Run], tuple[Figure, str]]:
    """The function that draws the trackers of a benchmark by EAO, the best on top."""
    return partial(_ranking, benchmark)


def accuracy_robustness(benchmark: str) -> Callable[[Run], tuple[Figure, str]]:
    """The function that draws accuracy over robustness: the better a tracker, the further up and right."""
    return partial(_accuracy_robustness, benchmark)


def reliability(robustness: float) -> float:
    """Probability that a tracker follows SENSITIVITY frames without failure, of 100 x failures / frames."""
    return float(np.exp(-SENSITIVITY * robustness / 100))


def _ranking(benchmark: str, run: Run) -> tuple[Figure, str]:
    scores = [Scores.of(run, each, benchmark) for each in plotted(run)]
    labels = plots.order(run)
    # Value, standard error, label, place in the palette; reported ones have neither error nor place.
    rows: list[tuple[float, float | None, str, int | None]] = []
    for score in scores:
        estimate = score.estimate("EAO")
        if estimate.value is not None:
            rows.append((estimate.value, estimate.stderr, score.entry.label, labels.index(score.entry.label)))
    scored = bool(rows)
    rows += [(value, None, f"{name}, reported", None) for name, value, _, _ in _reported(run, benchmark)]
    rows.sort(key=lambda row: row[0])
    figure = Figure(figsize=(5.4, 0.9 + 0.26 * max(len(rows), 4)))
    axes = figure.subplots()
    for place, (value, error, _, index) in enumerate(rows):
        marker, colour = (MARKERS[index % len(MARKERS)], plots.look(index)[0]) if index is not None else ("|", GREY)
        axes.errorbar(value, place, xerr=error or 0, color=colour, marker=marker, capsize=2.5, linestyle="none")
    axes.set_yticks(range(len(rows)), [f"{label}  {number(value)}" for value, _, label, _ in rows])
    axes.set(
        ylim=(-0.6, max(len(rows), 4) - 0.4), xlabel=arrow("EAO"), title=f"EAO ranking on {BENCHMARK_LABELS[benchmark]}"
    )
    axes.grid(visible=False, axis="y")
    if not scored:
        plots.say(axes, plots.why_nothing(scores))
    caption = f"Trackers by expected average overlap on {BENCHMARK_LABELS[benchmark]}; error bars of one standard error"
    return figure, caption + " over sequences. Variants of the ablations are left to Tables 1 and 2." + _told(
        run, benchmark
    )


def _accuracy_robustness(benchmark: str, run: Run) -> tuple[Figure, str]:
    scores = [Scores.of(run, each, benchmark) for each in plotted(run)]
    labels = plots.order(run)
    figure = Figure(figsize=(5.8, 3.6))
    axes = figure.subplots()
    for score in scores:
        accuracy, robustness = score.estimate("accuracy"), score.estimate("robustness")
        if accuracy.value is not None and robustness.value is not None:
            index = labels.index(score.entry.label)
            colour, marker = plots.look(index)[0], MARKERS[index % len(MARKERS)]
            _point(axes, accuracy, robustness, color=colour, marker=marker, label=score.entry.label)
    drawn = len(axes.containers)
    for place, (name, _, *values) in enumerate(_reported(run, benchmark)):
        marker = f"${chr(ord('a') + place)}$"
        _point(axes, *map(Estimate, values), color=GREY, marker=marker, label=f"{name}, reported")
    axes.set(xlabel=f"Robustness: exp(−{SENSITIVITY} · failures / frames) →", ylabel="Accuracy →")
    axes.set_title(f"Accuracy and robustness on {BENCHMARK_LABELS[benchmark]}")
    if not drawn:
        plots.say(axes, plots.why_nothing(scores))
    if axes.containers:
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.02))
    caption = (
        f"Accuracy over robustness on {BENCHMARK_LABELS[benchmark]}: the mean overlap while tracking, and the chance "
        f"of following {SENSITIVITY} frames without a failure. Error bars: one standard error over sequences, carried "
        "through the exponential."
    )
    return figure, caption + _told(run, benchmark)


def _point(axes: Axes, accuracy: Estimate, robustness: Estimate, *, color: str, marker: str, label: str) -> None:
    assert accuracy.value is not None
    assert robustness.value is not None
    x = reliability(robustness.value)
    spread = SENSITIVITY / 100 * x * (robustness.stderr or 0)
    axes.errorbar(
        x,
        accuracy.value,
        yerr=accuracy.stderr or 0,
        xerr=spread,
        elinewidth=0.8,
        color=color,
        marker=marker,
        markersize=6,
        linestyle="none",
        label=label,
    )


def _reported(run: Run, benchmark: str) -> list[tuple[str, float, float, float]]:
    """Name, EAO, accuracy and robustness of the paper's rows, where they belong to the same benchmark."""
    table = TABLES.get(benchmark, "") if run.comparable else ""
    found = []
    for name in reported.trackers(table) if table else ():
        numbers = [reported.find(table, name, metric) for metric in ("EAO", "accuracy", "robustness")]
        values = [n.value for n in numbers if n is not None and n.value is not None]
        if len(values) == 3:
            found.append((name, *values))
    return found  # type: ignore[return-value]


def _told(run: Run, benchmark: str) -> str:
    return " Grey: as reported in Table 5 of the paper, without an error." if _reported(run, benchmark) else ""
