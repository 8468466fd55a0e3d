"""The numbers behind a benchmark's page: leaderboard, curves, attributes and scores by sequence, as JSON holds them."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from analysis import reported
from analysis.plots import ERROR, LENGTH, OVERLAP, SUCCESS
from analysis.scores import (
    BENCHMARK_LABELS,
    LOWER_IS_BETTER,
    METRIC_LABELS,
    REASONS,
    Entry,
    Scores,
    distinct,
    entries,
    metrics,
    plotted,
)
from analysis.vot import INTERVALS
from siamrcr.config import Run

# Of what is shown with three, which rounding twice would change; and of what is drawn.
DIGITS, DRAWN = 6, 4
# A curve over sequence lengths has a point a frame; the eye needs no more than these.
POINTS = 200
# Where the paper reports whole rows of a benchmark.
REPORTED = {"got10k-test": "figure-5", "trackingnet": "table-3", "lasot": "table-4", "vot2019": "table-5"}
# Title, abscissa, ordinate and the metric that sums up the curve.
AXES = {
    "success": ("Success", OVERLAP, SUCCESS),
    "precision": ("Precision", ERROR, "Precision"),
    "normalized_precision": ("Normalized precision", "Normalized location error threshold", "Precision"),
    "expected_overlap": ("Expected overlap", LENGTH, "Expected overlap"),
}


def order(run: Run) -> list[Entry]:
    """Every entry of the run, the reference first: its place is its colour, on every page."""
    return sorted(entries(run), key=lambda entry: entry.name != run.analysis.reference)


def trackers(run: Run) -> list[dict[str, Any]]:
    """Label and kind of each entry, in their order; `plotted` is False for the variants of an ablation."""
    chosen, shown = order(run), {entry.name for entry in plotted(run)}
    return [
        {
            "label": label,
            "name": entry.name,
            "kind": "model" if entry.model else "tracker",
            "plotted": entry.name in shown,
        }
        for label, entry in zip(distinct(chosen), chosen, strict=True)
    ]


def benchmark(run: Run, name: str) -> dict[str, Any]:
    """All that the page of one benchmark shows; trackers are named by their place in `trackers`."""
    places = {entry.name: place for place, entry in enumerate(order(run))}
    scores = [Scores.of(run, entry, name) for entry in order(run) if name in entry.benchmarks]
    metric = sequence_metric(name, scores)
    names = list(dict.fromkeys(n for score in scores for file in score.scored for n in file["sequences"]))
    tables: dict[str, dict[str, list[float | None]]] = {m: {} for m in metrics(name)}
    for score in scores:
        for m, table in tables.items():
            values = per_sequence(score, m)
            if any(value is not None for value in values.values()):
                table[str(places[score.entry.name])] = [values.get(n) for n in names]
    found: dict[str, Any] = {
        "name": name,
        "label": BENCHMARK_LABELS[name],
        "metrics": [{"name": m, "label": METRIC_LABELS[m], "lower": m in LOWER_IS_BETTER} for m in metrics(name)],
        "rows": [_row(run, score, places[score.entry.name]) for score in scores] + _reported(run, name),
        "curves": _curves(scores, places),
        "attributes": _attributes(scores, places),
        "sequences": {
            "names": names if any(tables.values()) else [],
            "metric": metric,
            "scores": {m: table for m, table in tables.items() if table},
        },
    }
    if name in INTERVALS:
        used = [file["eao_interval"] for score in scores for file in score.scored if "eao_interval" in file]
        found["interval"] = list(used[0] if used else INTERVALS[name])
    return found


def per_sequence(score: Scores, metric: str) -> dict[str, float | None]:
    """Sequence -> mean over seeds of the metric on it alone; None where it has no value."""
    found = score.by_sequence(metric)
    return {name: number(found.get(name)) for name in (score.scored[0]["sequences"] if score.scored else ())}


def sequence_metric(name: str, scores: Sequence[Scores]) -> str:
    """The first metric that most sequences have by themselves: a short one lacks an expected overlap."""
    for metric in metrics(name):
        values = [value for score in scores for value in per_sequence(score, metric).values()]
        if values and sum(value is not None for value in values) > len(values) / 2:
            return metric
    return metrics(name)[0]


def number(value: Any, digits: int = DIGITS) -> float | None:
    """A number as the page holds it; None where it is undefined."""
    return None if value is None or not math.isfinite(value) else round(float(value), digits)


def _row(run: Run, score: Scores, place: int) -> dict[str, Any]:
    values, reasons = {}, {}
    for metric in metrics(score.benchmark):
        estimate = score.estimate(metric)
        if estimate.value is None:
            reasons[metric] = {"text": estimate.reason, "why": REASONS.get(estimate.reason, "")}
        else:
            values[metric] = [number(estimate.value), number(estimate.stderr)]
    partial = score.partial if run.comparable else ""
    return {"tracker": place, "values": values, "reasons": reasons, "seeds": len(score.files), "partial": partial}


def _reported(run: Run, name: str) -> list[dict[str, Any]]:
    """The paper's own rows of the same benchmark and split, which have no error."""
    table, rows = REPORTED.get(name, ""), []
    for tracker in reported.trackers(table) if run.comparable else ():
        numbers = {metric: reported.find(table, tracker, metric) for metric in metrics(name)}
        values = {m: [n.value, None] for m, n in numbers.items() if n and n.value is not None and n.benchmark == name}
        notes = list(dict.fromkeys(n.note for n in numbers.values() if n and n.note))
        if values:
            rows.append({"label": f"{tracker}, reported", "values": values, "reasons": {}, "notes": notes})
    return rows


def _curves(scores: Sequence[Scores], places: dict[str, int]) -> dict[str, Any]:
    """Curve -> its axes, its abscissae and each tracker's ordinates and errors."""
    curves: dict[str, Any] = {}
    for name in dict.fromkeys(curve for score in scores for file in score.scored for curve in file.get("curves", {})):
        series: dict[str, Any] = {}
        x: list[float | None] = []
        for score in scores:
            curve = score.curve(name)
            if curve is not None:
                rows = _thinned(len(curve["x"]))
                x = max(x, [number(value) for value in curve["x"][rows]], key=len)
                series[str(places[score.entry.name])] = {
                    key: [number(value, DRAWN) for value in curve[key][rows]] for key in ("y", "stderr")
                }
        title, abscissa, ordinate = AXES.get(name, (name, "", ""))
        curves[name] = {"title": title, "xlabel": abscissa, "ylabel": ordinate, "x": x, "series": series}
    return curves


def _thinned(points: int) -> np.ndarray:
    """Places of at most POINTS of so many points, the first and the last among them."""
    return np.unique(np.linspace(0, points - 1, min(points, POINTS)).round().astype(int))


def _attributes(scores: Sequence[Scores], places: dict[str, int]) -> dict[str, Any]:
    """Tag -> its sequences, each tracker's metrics with errors, and each curve's ordinates."""
    tags = dict.fromkeys(tag for score in scores for file in score.scored for tag in file.get("attributes", {}))
    found: dict[str, Any] = {}
    for tag in tags:
        values: dict[str, Any] = {}
        curves: dict[str, dict[str, Any]] = {}
        count = 0
        for score in scores:
            files = [file for file in score.scored if tag in file.get("attributes", {})]
            if not files:
                continue
            place = str(places[score.entry.name])
            own = [file["attributes"][tag] for file in files]
            count = max(count, *(entry["sequences"] for each in own for entry in each.values()))
            values[place] = {
                metric: [_mean([each[metric][key] for each in own]) for key in ("value", "stderr")] for metric in own[0]
            }
            drawn = [file["attribute_curves"][tag] for file in files if tag in file.get("attribute_curves", {})]
            for name in drawn[0] if drawn else ():
                mean = np.mean([np.array(each[name], dtype=float) for each in drawn], axis=0)
                curves.setdefault(name, {})[place] = [number(value, DRAWN) for value in mean[_thinned(len(mean))]]
        found[tag] = {"sequences": count, "values": values, "curves": curves}
    return found


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return number(sum(known) / len(known)) if len(known) == len(values) else None
