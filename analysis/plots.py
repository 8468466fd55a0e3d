"""Curves over thresholds and lengths, the effect of the radius, and the course of training."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from textwrap import fill
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis import ablation, needs, reported
from analysis.scores import BENCHMARK_LABELS, REASONS, Scores, arrow, cards, distinct, entries, plotted, read_all
from analysis.typesetting import number
from analysis.vot import INTERVALS
from siamrcr.config import Run

# Coprime with the palette's eight colours: forty pairs before one returns, and neighbours differ in grey.
STYLES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1, 1.2)), (0, (6, 1.5, 1, 1.5)), (0, (3, 1, 1, 1, 1, 1)))
BRANCHES = {
    "loss": "Total",
    "classification": "Classification",
    "regression": "Regression",
    "localization": "Localization",
}

SMOOTHING = 40


@dataclass(frozen=True)
class Curves:
    """What a figure of curves shows."""

    title: str
    curve: str
    metric: str
    x: str
    y: str
    table: str = ""  # where the paper reports the metric


OVERLAP, ERROR, LENGTH = "Overlap threshold", "Location error threshold (px)", "Sequence length (frames)"
SUCCESS = "Success rate"
RELATIVE = "Location error threshold (share of the target's size)"
PRECISION = ("precision", "precision", ERROR, "Precision")
NORMALIZED = ("normalized_precision", "normalized_precision", RELATIVE, "Normalized precision")
CURVES = {
    "figure-5": Curves("Success on GOT-10k", "success", "AO", OVERLAP, SUCCESS, "figure-5"),
    "otb2015-success": Curves("Success on OTB-2015", "success", "success", OVERLAP, SUCCESS),
    "otb2015-precision": Curves("Precision on OTB-2015", *PRECISION),
    "lasot-success": Curves("Success on LaSOT", "success", "success", OVERLAP, SUCCESS, "table-4"),
    "lasot-precision": Curves("Precision on LaSOT", *PRECISION, "table-4"),
    "lasot-normalized-precision": Curves("Normalized precision on LaSOT", *NORMALIZED, "table-4"),
    "trackingnet-success": Curves("Success on TrackingNet", "success", "success", OVERLAP, SUCCESS, "table-3"),
    "trackingnet-precision": Curves(
        "Precision on TrackingNet", "precision", "precision", ERROR, "Precision", "table-3"
    ),
    "trackingnet-normalized-precision": Curves("Normalized precision on TrackingNet", *NORMALIZED, "table-3"),
    "vot2018-expected-overlap": Curves(
        "Expected overlap on VOT-2018", "expected_overlap", "EAO", LENGTH, "Expected overlap"
    ),
    "vot2019-expected-overlap": Curves(
        "Expected overlap on VOT-2019", "expected_overlap", "EAO", LENGTH, "Expected overlap", "table-5"
    ),
}


def curves(name: str) -> Callable[[Run], tuple[Figure, str]]:
    """The function that draws one of CURVES."""
    return partial(_curves, CURVES[name], needs.CURVES[name])


def _curves(spec: Curves, benchmarks: tuple[str, ...], run: Run) -> tuple[Figure, str]:
    held = {b: [Scores.of(run, entry, b) for entry in plotted(run)] for b in benchmarks}
    drawn = [b for b, scores in held.items() if any(score.curve(spec.curve) for score in scores)] or [benchmarks[0]]
    figure = Figure(figsize=(5.8 * len(drawn), 3.4))
    for axes, benchmark in zip(np.atleast_1d(figure.subplots(1, len(drawn))), drawn, strict=True):
        axes.set(xlabel=spec.x, ylabel=spec.y, ylim=(0, 1))
        axes.set_title(spec.title if len(benchmarks) == 1 else BENCHMARK_LABELS[benchmark])
        _panel(run, axes, spec, benchmark, held[benchmark], last=benchmark == drawn[-1])
        if spec.curve == "expected_overlap":
            low, high = _interval(held[benchmark], benchmark)
            axes.axvspan(low, high, color="0.5", alpha=0.13, linewidth=0)
            axes.set_xlim(1, None)
    return figure, _caption(run, spec, drawn, held)


def _panel(run: Run, axes: Axes, spec: Curves, benchmark: str, scores: Sequence[Scores], *, last: bool) -> None:
    labels = order(run)
    lines: list[tuple[float, Line2D]] = []
    for score in scores:
        curve, estimate = score.curve(spec.curve), score.estimate(spec.metric)
        if curve is None or estimate.value is None:
            continue
        colour, style = look(labels.index(score.entry.label))
        deviation = "" if estimate.stderr is None else f" ± {number(estimate.stderr)}"
        label = f"{number(estimate.value)}{deviation}  {score.entry.label}"
        (line,) = axes.plot(curve["x"], curve["y"], color=colour, linestyle=style, label=label)
        axes.fill_between(
            curve["x"],
            curve["y"] - curve["stderr"],
            curve["y"] + curve["stderr"],
            color=colour,
            alpha=0.12,
            linewidth=0,
        )
        lines.append((estimate.value, line))
    if not lines:
        say(axes, why_nothing(scores))
    if run.comparable and last:
        drawn = {score.entry.label.casefold() for score in scores if score.curve(spec.curve)}
        lines += _reported(spec, benchmark, drawn - {reported.OURS.casefold()})
    lines.sort(key=lambda pair: -pair[0])
    if lines:
        axes.legend(
            handles=[line for _, line in lines], title=arrow(spec.metric), loc="upper left", bbox_to_anchor=(1.01, 1.02)
        )


def _reported(spec: Curves, benchmark: str, drawn: set[str]) -> list[tuple[float, Line2D]]:
    """Legend lines, without a curve, of SiamRCR and of the trackers that the paper alone has."""
    found = [reported.find(spec.table, tracker, spec.metric) for tracker in reported.trackers(spec.table)]
    lines = []
    for n in found:
        if n is not None and n.value is not None and n.tracker.casefold() not in drawn:
            split = "" if n.benchmark == benchmark else f" on {BENCHMARK_LABELS[n.benchmark]}"
            label = f"{number(n.value)}{'*' if n.note else ''}  {n.tracker}, reported{split}"
            lines.append((n.value, Line2D([], [], linestyle="none", label=label)))
    return lines


def order(run: Run) -> list[str]:
    """The labels that figures show, the reference model's first: a label looks the same in each of them."""
    return list(dict.fromkeys([run.tracker_label(run.analysis.reference), *(entry.label for entry in plotted(run))]))


def look(index: int) -> tuple[str, Any]:
    """Colour and line style of the entry at a place of an order."""
    return f"C{index % 8}", STYLES[index % len(STYLES)]


def _interval(scores: Sequence[Scores], benchmark: str) -> tuple[int, int]:
    """First and last length of EAO's mean, as the scores used it."""
    found = [file["eao_interval"] for score in scores for file in score.scored if "eao_interval" in file]
    return tuple(found[0]) if found else INTERVALS[benchmark]


def _caption(run: Run, spec: Curves, drawn: Sequence[str], held: Mapping[str, Sequence[Scores]]) -> str:
    places = " and ".join(BENCHMARK_LABELS[benchmark] for benchmark in drawn)
    text = f"{spec.title.split(' on ')[0]} on {places}; bands of one standard error over sequences, "
    text += "legend sorted by the score that it names. Variants of the ablations are left to Tables 1 and 2."
    if spec.curve == "expected_overlap":
        intervals = {_interval(held[benchmark], benchmark) for benchmark in drawn}
        text += (
            " EAO is the mean over the shaded lengths, "
            + ", ".join(f"{low} to {high}" for low, high in intervals)
            + "."
        )
    if run.comparable and spec.table:
        text += f" Reported values without a curve: {spec.table.replace('-', ' ').capitalize()} of the paper"
        text += " as printed; * marks a value that other sources contradict." if spec.table != "figure-5" else "."
    return text


def say(axes: Axes, text: str) -> None:
    """Words in place of what is not there."""
    axes.text(0.5, 0.5, fill(text, 44), transform=axes.transAxes, ha="center", va="center", color="0.35")


def why_nothing(scores: Iterable[Scores]) -> str:
    """Why none of these scores can be drawn."""
    reasons = dict.fromkeys(score.missing() for score in scores if score.missing())
    return "; ".join(f"{reason}: {REASONS[reason]}" for reason in reasons) or "no tracker in the configuration"


def radius(run: Run) -> tuple[Figure, str]:
    """AO over the radius r; the reported values stand in a panel of their own, for they belong to another split."""
    figure = Figure(figsize=(7.2, 2.9))
    rows = ablation.rows(run, "table-2")
    ours, theirs = figure.subplots(1, 2, sharey=run.comparable)
    drawn = False
    for place, benchmark in enumerate(needs.ABLATION_SPLITS):
        estimates = [None if r.entry is None else Scores.of(run, r.entry, benchmark).estimate("AO") for r in rows]
        points = [
            (float(r), e)
            for r, e in zip(ablation.RADII, estimates, strict=True)
            if e is not None and e.value is not None
        ]
        if len(points) < (1 if run.comparable else 2):
            continue
        drawn = True
        # A reproduced score on the paper's own split stands beside the reported one.
        axes = theirs if run.comparable and benchmark == "got10k-test" else ours
        axes.errorbar(
            [r + (0.04, -0.04)[place] for r, _ in points],
            [e.value for _, e in points],
            [e.stderr or 0 for _, e in points],
            color=f"C{place}",
            marker="os"[place],
            linestyle=STYLES[place],
            capsize=2.5,
            label=f"reproduced, {BENCHMARK_LABELS[benchmark]}",
        )
    if not drawn:
        say(ours, "no score of a radius on GOT-10k yet")
    numbers = [reported.find("table-2", row.reported, "AO") for row in rows]
    theirs.plot(
        [float(r) for r in ablation.RADII],
        [n.value for n in numbers if n is not None],
        color="C6",
        marker="D",
        linestyle=STYLES[2],
        label="reported, GOT-10k test",
    )
    ours.set_title("GOT-10k val" if run.comparable else "Reproduced, generated")
    theirs.set_title("GOT-10k test" if run.comparable else "Reported, real GOT-10k test")
    for axes in (ours, theirs):
        axes.set(xlabel="Radius r (cells)", ylabel="AO", xticks=range(1, 6), xlim=(0.6, 5.4))
        if axes.get_legend_handles_labels()[0]:
            axes.legend(loc="best")
    caption = (
        "AO over the radius r of the positive locations (Table 2). Error bars: one standard error over sequences. "
    )
    return figure, caption + "The reported values belong to the test split and carry no error."


def training(run: Run) -> tuple[Figure, str]:
    """Loss of every branch over the iterations, smoothed, one line a model and seed."""
    figure = Figure(figsize=(8.2, 5.0))
    panels = dict(zip(BRANCHES, figure.subplots(2, 2, sharex=True).flat, strict=True))
    handles: dict[str, Line2D] = {}
    models = [entry for entry in reversed(entries(run)) if entry.model]
    labels = dict(zip([entry.name for entry in models], distinct(models), strict=True))
    for card in read_all(cards(run)):
        colour, style = look(list(labels).index(card["model"]))
        for branch, axes in panels.items():
            points = [(p["iteration"], p[branch]) for p in card["curve"] if p.get(branch)]
            if not points:
                continue
            x, y = np.array(points, dtype=float).T
            window = max(1, len(y) // SMOOTHING)
            mean = np.convolve(y, np.full(window, 1 / window), mode="valid")
            (line,) = axes.plot(x[window - 1 :], mean, color=colour, linestyle=style, linewidth=1)
            handles.setdefault(labels[card["model"]], line)
    for branch, axes in panels.items():
        axes.set_title(BRANCHES[branch])
        if not axes.lines:
            say(axes, "no training record yet")
    for axes in list(panels.values())[2:]:
        axes.set_xlabel("Iteration")
    if handles:
        order = [label for label in labels.values() if label in handles]
        figure.legend([handles[label] for label in order], order, loc="outside right upper")
    caption = (
        f"Losses by branch during training (Equations 2, 4, 5 and 6), running mean over 1/{SMOOTHING} of the points. "
    )
    return figure, caption + "A branch that a variant does not have is not drawn."
