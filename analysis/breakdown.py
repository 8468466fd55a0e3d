"""Scores taken apart: by attribute, and by sequence as the difference of two trackers."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis import plots
from analysis.comparison import reference
from analysis.differences import Side, combined, subtract
from analysis.pairing import by_sequence
from analysis.scores import BENCHMARK_LABELS, METRIC_LABELS, Entry, Scores, arrow, metrics, plotted
from analysis.typesetting import signed
from siamrcr.config import BENCHMARKS, Run

# More bars a tag than the eye tells apart help nobody.
TRACKERS = 5
HATCHES = ("", "////", "....", "xxxx", "\\\\\\\\")
BETTER, WORSE = "C0", "C1"


def attributes(benchmark: str) -> Callable[[Run], tuple[Figure, str]]:
    """The function that draws the headline metric over the sequences, or frames, of each tag."""
    return partial(_attributes, benchmark)


def _attributes(benchmark: str, run: Run) -> tuple[Figure, str]:
    metric = metrics(benchmark)[0]
    scores = [Scores.of(run, each, benchmark) for each in plotted(run)]
    chosen = _leading(run, [score for score in scores if score.attribute_table(metric)], benchmark, metric)
    tags = sorted({tag for score in chosen for tag in score.attribute_table(metric)})
    figure = Figure(figsize=(max(5.6, 1.6 + 0.62 * len(tags)), 3.2))
    axes = figure.subplots()
    labels = plots.order(run)
    width = 0.8 / max(len(chosen), 1)
    for place, score in enumerate(chosen):
        found = score.attribute_table(metric)
        held = [tag for tag in tags if tag in found]
        axes.bar(
            [tags.index(tag) + (place - (len(chosen) - 1) / 2) * width for tag in held],
            [found[tag].value for tag in held],
            width,
            yerr=[found[tag].stderr or 0 for tag in held],
            color=plots.look(labels.index(score.entry.label))[0],
            hatch=HATCHES[place],
            edgecolor="white",
            linewidth=0.4,
            error_kw={"elinewidth": 0.8},
            label=score.entry.label,
        )
    counts = [max(f[tag].sequences for f in (s.attribute_table(metric) for s in chosen) if tag in f) for tag in tags]
    names = [f"{tag.replace('_', ' ')}\n({n})" for tag, n in zip(tags, counts, strict=True)]
    axes.set_xticks(
        range(len(tags)), names, rotation=0 if len(tags) < 8 and max(map(len, tags), default=0) < 16 else 35
    )
    axes.set(ylabel=arrow(metric), title=f"{METRIC_LABELS[metric]} by attribute on {BENCHMARK_LABELS[benchmark]}")
    axes.grid(visible=False, axis="x")
    if chosen:
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.02))
    else:
        missing = any(score.missing() for score in scores) or not scores
        plots.say(axes, plots.why_nothing(scores) if missing else "no score of an attribute: no sequence has one")
    by = "frames that carry it" if benchmark.startswith("vot") else "sequences that carry it"
    caption = (
        f"{METRIC_LABELS[metric]} on {BENCHMARK_LABELS[benchmark]} over the {by}, with the number of sequences; error "
        f"bars of one standard error over them, none where there is one. The reference model and the "
        f"{TRACKERS - 1} best others at most."
    )
    return figure, caption


def _leading(run: Run, scores: Sequence[Scores], benchmark: str, metric: str) -> list[Scores]:
    """The reference first, then the best of the others."""
    ours = reference(run, benchmark)
    first = [score for score in scores if score.entry == ours]
    rest = [score for score in scores if score.entry != ours]
    rest.sort(key=lambda score: -(score.estimate(metric).value or 0))
    return [*first, *rest][:TRACKERS]


def sequences(run: Run) -> tuple[Figure, str]:
    """Per-sequence differences of the reference model, to row I where it is scored, else to the best other."""
    pairs = []
    for benchmark in BENCHMARKS:
        scores = [Scores.of(run, each, benchmark) for each in plotted(run)]
        held = _leading(run, [s for s in scores if not s.missing()], benchmark, metrics(benchmark)[0])
        if len(held) > 1 and held[0].entry == reference(run, benchmark):
            base = [score for score in held[1:] if score.entry.name == run.analysis.components.get("I")]
            pairs.append((held[0], (base or held[1:])[0]))
    return _sequences(pairs)


def pair(a: Entry, b: Entry) -> Callable[[Run], tuple[Figure, str]]:
    """The function that draws the per-sequence differences of two entries on every benchmark that both have."""

    def drawn(run: Run) -> tuple[Figure, str]:
        scores = [(Scores.of(run, a, benchmark), Scores.of(run, b, benchmark)) for benchmark in BENCHMARKS]
        return _sequences([(ours, theirs) for ours, theirs in scores if not (ours.missing() or theirs.missing())])

    return drawn


def _sequences(pairs: Sequence[tuple[Scores, Scores]]) -> tuple[Figure, str]:
    drawn = [(a, b) for a, b in pairs if by_sequence(a, b, metrics(a.benchmark)[0])]
    columns = min(2, max(len(drawn), 1))
    rows = -(-max(len(drawn), 1) // columns)
    figure = Figure(figsize=(4.6 * columns, 2.5 * rows + 0.2))
    grid = figure.subplots(rows, columns, squeeze=False).flat
    for axes in grid:
        axes.set_axis_off()
    for axes, (a, b) in zip(figure.axes, drawn, strict=False):
        axes.set_axis_on()
        _panel(axes, a, b)
    if not drawn:
        plots.say(figure.axes[0], "no score of two trackers on a benchmark yet")
    caption = (
        "Difference of the headline metric on every sequence, sorted; the line is the benchmark's own difference, with "
        "its 95 % interval over sequences and, where there are several, trainings shaded."
    )
    return figure, caption


def _panel(axes: Axes, a: Scores, b: Scores) -> None:
    metric = metrics(a.benchmark)[0]
    values = np.array(list(by_sequence(a, b, metric).values()))
    colours = [BETTER if value >= 0 else WORSE for value in values]
    axes.bar(np.arange(len(values)), values, width=1.0, color=colours, edgecolor="white", linewidth=0.3)
    axes.axhline(0, color="0.3", linewidth=0.6)
    sides = [Side.of(score, metric) for score in (a, b)]
    difference = combined(subtract, *sides)
    text = signed(sides[0].value - sides[1].value)
    axes.axhline(sides[0].value - sides[1].value, color="black", linestyle=plots.STYLES[1], linewidth=1)
    if difference is not None:
        axes.axhspan(difference.low, difference.high, color="0.5", alpha=0.2, linewidth=0)
        text += f" [{signed(difference.low)}, {signed(difference.high)}]"
    better = np.count_nonzero(values > 0)
    axes.set_title(f"{BENCHMARK_LABELS[a.benchmark]}: {a.entry.label} − {b.entry.label}")
    axes.set(xlabel=f"Sequences, {better} of {len(values)} better", ylabel=f"Δ {METRIC_LABELS[metric]}", xticks=[])
    axes.text(0.98, 0.97, text, transform=axes.transAxes, ha="right", va="top", fontsize=8)
