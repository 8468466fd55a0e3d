"""Two trackers or models of a run side by side: what `siamrcr compare` says."""

import difflib
from dataclasses import asdict
from typing import Any

from analysis.cost import ALONE, COLUMNS, measure
from analysis.differences import NO_INTERVAL, Side, combined, fewest_seeds, subtract
from analysis.scores import BENCHMARK_LABELS, METRIC_LABELS, Entry, Scores, arrow, entries, metrics
from analysis.typesetting import number, signed
from siamrcr.config import BENCHMARKS, Run
from siamrcr.errors import InputError

EXTREMES = 3  # sequences at either end
# Within it a sequence's scores are the same: score files round to twelve decimals.
EQUAL = 1e-9


def named(run: Run, name: str) -> Entry:
    """The entry of a tracker, of a model with all its seeds, or of one of its seeds (MODEL-sSEED).

    Raises InputError for a name that the configuration does not have.
    """
    found = {each.name: each for each in entries(run)}
    for each in [*found.values()] if name not in found else ():
        if name in each.ids:
            trainings = each.trainings and (each.trainings[each.ids.index(name)],)
            return Entry(name, f"{each.label}, {name}", (name,), each.benchmarks, trainings)
    if name not in found:
        close = difflib.get_close_matches(name, found, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(found)}"
        raise InputError(f"no model or tracker {name!r} in the configuration; {hint}")
    return found[name]


def compare(run: Run, a: str, b: str) -> dict[str, Any]:
    """The difference a - b of every metric of every benchmark that both have scores of, and what either costs.

    A JSON-like mapping: `benchmarks` -> `metrics` (either side's `value` and `stderr`, the `difference` with `stderr`,
    `low` and `high`, `resolved`, `note`) and `sequences` (the headline metric's difference on each, sorted); `cost`.
    Raises InputError for an unknown name, and where the two share no benchmark.
    """
    sides = {key: named(run, name) for key, name in (("a", a), ("b", b))}
    found = {}
    for benchmark in BENCHMARKS:
        scores = {key: Scores.of(run, side, benchmark) for key, side in sides.items()}
        if not any(score.missing() for score in scores.values()):
            found[benchmark] = {
                "metrics": {m: _difference(scores["a"], scores["b"], m) for m in metrics(benchmark)},
                "sequences": by_sequence(scores["a"], scores["b"], metrics(benchmark)[0]),
            }
    if not found:
        raise InputError(f"{a} and {b} have no benchmark with scores in common: run snakemake --cores all first")
    costs = {key: measure(run, side) for key, side in sides.items()}
    kept = {key: column for column, (key, _, _) in (COLUMNS | ALONE).items()}
    cost = {key: {side: costs[side].get(key) for side in sides} for key in kept}
    return {
        "a": {"name": a, "label": sides["a"].label},
        "b": {"name": b, "label": sides["b"].label},
        "benchmarks": found,
        "cost": cost | {"machine": {side: costs[side].get("machine") for side in sides}},
    }


def by_sequence(a: Scores, b: Scores, metric: str) -> dict[str, float]:
    """The difference a - b of a metric on every sequence that both have, the largest first."""
    ours, theirs = a.by_sequence(metric), b.by_sequence(metric)
    found = {name: value - theirs[name] for name, value in ours.items() if name in theirs}
    return dict(sorted(found.items(), key=lambda pair: -pair[1]))


def _difference(a: Scores, b: Scores, metric: str) -> dict[str, Any]:
    estimates = {"a": a.estimate(metric), "b": b.estimate(metric)}
    if reason := next((each.reason for each in estimates.values() if each.reason), ""):
        return {"note": reason}
    sides = [Side.of(score, metric) for score in (a, b)]
    difference = combined(subtract, *sides)
    entry: dict[str, Any] = {k: {"value": e.value, "stderr": e.stderr} for k, e in estimates.items()}
    if difference is None:
        return entry | {"difference": sides[0].value - sides[1].value, "resolved": False, "note": NO_INTERVAL}
    spread = asdict(difference)
    excluded, one_seed = difference.low > 0 or difference.high < 0, fewest_seeds(*sides) == 1
    entry |= {"difference": spread.pop("value"), **spread, "resolved": excluded and not one_seed}
    return entry | {"note": ", ".join(["not resolved"] * (not excluded) + ["one seed"] * one_seed)}


def table(compared: dict[str, Any]) -> str:
    """What the terminal shows of `compare`: a line a metric, the sequences at either end, and the cost."""
    a, b = compared["a"]["label"], compared["b"]["label"]
    width = max(len(a), len(b), 16) + 2
    lines = [
        f"{a} − {b}: paired differences, 95 % interval over sequences and, where there are several, seeds",
        f"{'':14}{'':14}{a:<{width}}{b:<{width}}difference",
    ]
    for benchmark, found in compared["benchmarks"].items():
        for place, (metric, each) in enumerate(found["metrics"].items()):
            label = "" if place else BENCHMARK_LABELS[benchmark]
            lines.append(f"{label:<14}{arrow(metric):<14}{_metric(each, width)}".rstrip())
    for benchmark, found in compared["benchmarks"].items():
        lines += _extremes(f"{BENCHMARK_LABELS[benchmark]}, {METRIC_LABELS[metrics(benchmark)[0]]}", found["sequences"])
    lines.append("Cost")
    for label, (key, factor, form) in (COLUMNS | ALONE).items():
        values = [compared["cost"][key][side] for side in "ab"]
        shown = [f"{'not measured' if v is None else format(v * factor, form):<{width}}" for v in values]
        lines.append(f"  {label:<32}{''.join(shown)}".rstrip())
    if compared["cost"]["frames_per_second"]["a"] is None or compared["cost"]["frames_per_second"]["b"] is None:
        lines.append("  siamrcr speed TRACKER measures a tracker alone: frames per second, GFLOP a frame")
    return "\n".join(lines)


def _metric(each: dict[str, Any], width: int) -> str:
    if "difference" not in each:
        return each["note"]
    shown = [
        number(side["value"]) + ("" if side["stderr"] is None else f" ± {number(side['stderr'])}")
        for side in (each["a"], each["b"])
    ]
    interval = f"[{signed(each['low'])}, {signed(each['high'])}]" if "low" in each else ""
    words = " ".join(part for part in (signed(each["difference"]), interval, each["note"]) if part)
    return "".join(f"{text:<{width}}" for text in shown) + words


def _extremes(title: str, differences: dict[str, float]) -> list[str]:
    if not differences:
        return []
    values = list(differences.values())
    better, worse = (sum(sign * value > EQUAL for value in values) for sign in (1, -1))
    lines = [f"{title} by sequence: {better} better, {worse} worse, {len(values) - better - worse} equal"]
    names = list(differences)
    ends = names if len(names) <= 2 * EXTREMES else [*names[:EXTREMES], "...", *names[-EXTREMES:]]
    return lines + [f"  {name:<32}{signed(differences[name])}" if name != "..." else "  ..." for name in ends]
