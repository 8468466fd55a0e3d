"""From raw results to the score file: values, standard errors, curves, replicates, attributes."""

from collections.abc import Callable, Mapping
from typing import Any, cast, get_args

import numpy as np

from analysis import vot, vot_toolkit
from analysis.conventions import CONVENTIONS
from analysis.statistics import Scores, resamples, stderr
from siamrcr.datasets.sequence import Sequence
from siamrcr.errors import InputError
from siamrcr.geometry import Array
from siamrcr.provenance import provenance
from siamrcr.results import Result

METRICS = {
    "got10k-val": ("AO", "SR0.5", "SR0.75"),
    "got10k-test": ("AO", "SR0.5", "SR0.75"),
    "otb2015": ("success", "precision"),
    "lasot": ("success", "precision", "normalized_precision"),
    "trackingnet": ("success", "precision", "normalized_precision"),
    "vot2018": ("EAO", "accuracy", "robustness"),
    "vot2019": ("EAO", "accuracy", "robustness"),
}
REPLICATE_DIGITS = 6
CURVE_DIGITS = 4  # of a tag's curves, which are looked at and never reckoned with
# Of all else in the score file: sums differ in their last bits between machines, equal scores should give equal files.
DIGITS = 12


def conventions(benchmark: str) -> tuple[str, ...]:
    """The rules that a benchmark can be scored by, the one that papers print first."""
    return (*get_args(vot.Rule), "vot-toolkit") if benchmark in vot.INTERVALS else tuple(CONVENTIONS[benchmark])


def evaluate(
    benchmark: str,
    tracker: str,
    sequences: list[Sequence],
    results: Mapping[str, list[Result]],
    *,
    convention: str | None,
    bootstrap: int,
    seed: int,
    eao_interval: tuple[int, int] | None = None,
) -> dict[str, Any]:
    """The score of a tracker: what its JSON file holds.

    Sequences without a result are left out and counted. Standard errors come from `bootstrap` resamples of the
    sequences, drawn by `seed`, each aggregated as the benchmark does. A benchmark whose ground truth a server keeps
    gives no metrics and the status `server`. Raises InputError for an unknown convention and where no sequence has a
    result.
    """
    chosen = _convention(benchmark, convention)
    scored = [sequence for sequence in sequences if sequence.name in results]
    if not scored:
        raise InputError(f"{tracker}: no results of any sequence of {benchmark}: track it first")
    runs = [results[sequence.name] for sequence in scored]
    score: dict[str, Any] = {
        "benchmark": benchmark,
        "tracker": tracker,
        "convention": chosen,
        "metrics": {},
        "sequences": {sequence.name: {"frames": len(sequence)} for sequence in scored},
        "curves": {},
        "replicates": {},
        "attributes": {},
        "attribute_curves": {},
        "missing": len(sequences) - len(scored),
        "repetitions": max(len(several) for several in runs),
        "bootstrap": bootstrap,
        "seed": seed,
    }
    if any(sequence.hidden for sequence in scored):
        return score | {"status": "server", "provenance": provenance()}
    by_tag = _measure(benchmark, scored, runs, chosen, eao_interval)
    scores, counts = by_tag(None), resamples(len(scored), bootstrap, seed)
    values, replicates = _values(scores, np.ones((1, len(scored)))), _values(scores, counts)
    score["metrics"] = {name: _estimate(values[name][0], replicates[name], len(scored)) for name in scores.metrics}
    alone = _values(scores, np.eye(len(scored)))
    for index, entry in enumerate(score["sequences"].values()):
        entry |= {name: _number(each[index]) for name, each in alone.items()}
    score["curves"] = {
        name: {
            "x": curve.x.tolist(),
            "y": _numbers(curve.values(np.ones((1, len(scored))))[0]),
            "stderr": _numbers(stderr(curve.values(counts))),
        }
        for name, curve in scores.curves.items()
    }
    score["replicates"] = {name: _numbers(each, REPLICATE_DIGITS) for name, each in replicates.items()}
    # vot-toolkit does not score the frames of a tag apart.
    tagged = {} if chosen == "vot-toolkit" else _tagged(scored, scores, by_tag)
    score["attributes"] = {tag: _attribute(*each, counts) for tag, each in tagged.items()}
    score["attribute_curves"] = {tag: _curves(*each) for tag, each in tagged.items()}
    if benchmark in vot.INTERVALS:
        score["eao_interval"] = list(eao_interval or vot.INTERVALS[benchmark])
    return score | {"provenance": provenance()}


def _convention(benchmark: str, convention: str | None) -> str:
    known = conventions(benchmark)
    if convention is not None and convention not in known:
        raise InputError(f"convention {convention!r}: {benchmark} is scored by {', '.join(known)}")
    return convention or known[0]


def _measure(
    benchmark: str,
    sequences: list[Sequence],
    runs: list[list[Result]],
    convention: str,
    interval: tuple[int, int] | None,
) -> Callable[[str | None], Scores]:
    """Scores over the frames of a tag (VOT), or over all where there is none."""
    if convention == "vot-toolkit":
        whole = vot_toolkit.scores(sequences, runs, interval or vot.INTERVALS[benchmark])
        return lambda _: whole
    if benchmark in vot.INTERVALS:
        measured = vot.Measured(sequences, runs, cast(vot.Rule, convention))
        return lambda tag: measured.scores(interval or vot.INTERVALS[benchmark], tag)
    scores = CONVENTIONS[benchmark][convention](sequences, runs)
    return lambda _: scores


def _tagged(
    sequences: list[Sequence], scores: Scores, by_tag: Callable[[str | None], Scores]
) -> dict[str, tuple[Scores, Array]]:
    """Tag -> scores and flags (S,) of the sequences that carry it; over its frames where it changes within one."""
    found: dict[str, tuple[Scores, Array]] = {}
    for tag in sorted({tag for sequence in sequences for tag in sequence.attributes}):
        flags = [sequence.attributes.get(tag, np.zeros(1, dtype=bool)) for sequence in sequences]
        carrying = np.array([flag.any() for flag in flags], dtype=np.float64)
        if carrying.any():
            found[tag] = (by_tag(tag) if any(len(flag) > 1 for flag in flags) else scores, carrying)
    return found


def _attribute(scores: Scores, carrying: Array, counts: Array) -> dict[str, Any]:
    """A tag's metrics over the sequences that carry it."""
    values, replicates = _values(scores, carrying[None]), _values(scores, counts * carrying)
    number = int(carrying.sum())
    return {name: _estimate(values[name][0], replicates[name], number) | {"sequences": number} for name in values}


def _curves(scores: Scores, carrying: Array) -> dict[str, list[float | None]]:
    """A tag's curves at the abscissae of the whole benchmark's; without errors, which would outgrow all else."""
    return {name: _numbers(c.values(carrying[None])[0], CURVE_DIGITS) for name, c in scores.curves.items()}


def _values(scores: Scores, counts: Array) -> dict[str, Array]:
    return {name: metric.values(counts) for name, metric in scores.metrics.items()}


def _estimate(value: float, replicates: Array, sequences: int) -> dict[str, Any]:
    """A value and its standard error; resamples of a single sequence have no spread and say nothing."""
    return {"value": _number(value), "stderr": _number(stderr(replicates)) if sequences > 1 else None}


def _number(value: Any) -> float | None:
    """A number as JSON knows it: None where it is undefined."""
    return None if np.isnan(value) else round(float(value), DIGITS)


def _numbers(values: Array, digits: int = DIGITS) -> list[float | None]:
    return [_number(value) for value in np.round(values, digits)]
