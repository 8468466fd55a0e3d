"""From raw results to the score file: values, standard errors, curves, replicates, attributes."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from analysis import vot
from analysis.conventions import CONVENTIONS
from analysis.statistics import Scores, resamples, stderr
from siamrcr import datasets, results
from siamrcr.config import Benchmark, Run
from siamrcr.datasets.sequence import Sequence
from siamrcr.errors import InputError
from siamrcr.files import read_json
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
DIGITS = 6  # of replicates and curves in the score file
# Of all else: sums of floats differ in their last bits between machines, and equal scores should give equal files.
EXACT = 12


def conventions(benchmark: str) -> tuple[str, ...]:
    """The rules that a benchmark can be scored by, the one that papers print first."""
    return ("published", "matlab7") if benchmark in vot.INTERVALS else tuple(CONVENTIONS[benchmark])


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
    gives no metrics and the status `server`. Raises InputError for an unknown convention.
    """
    chosen = _convention(benchmark, convention)
    scored = [sequence for sequence in sequences if sequence.name in results]
    runs = [results[sequence.name] for sequence in scored]
    score: dict[str, Any] = {
        "benchmark": benchmark,
        "tracker": tracker,
        "convention": chosen,
        "metrics": {},
        "sequences": {sequence.name: {"frames": len(sequence)} for sequence in scored},
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
    score["replicates"] = {name: _numbers(each) for name, each in replicates.items()}
    score["attributes"] = _attributes(scored, counts, scores, by_tag)
    if benchmark in vot.INTERVALS:
        score["eao_interval"] = list(eao_interval or vot.INTERVALS[benchmark])
    return score | {"provenance": provenance()}


def evaluate_tracks(
    run: Run,
    benchmark: str,
    tracks: Path,
    *,
    tracker: str,
    annotations: Path | None = None,
    convention: str | None = None,
    subset: bool = False,
) -> dict[str, Any]:
    """Score a folder or zip of raw results with a run's settings; `annotations` goes before the configuration's.

    Where the configuration names a server's answer for the tracker, that answer is the score. Raises InputError.
    """
    settings = run.benchmarks.get(benchmark, Benchmark())  # type: ignore[call-overload]
    if tracker in settings.answers:
        return _answer(benchmark, tracker, settings.answers[tracker])
    truth = annotations or settings.annotations
    root = run.root(benchmark)
    sequences = datasets.load(benchmark, root if root.is_dir() or truth is None else None, truth)
    score = evaluate(
        benchmark,
        tracker,
        sequences,
        results.read(tracks, benchmark, sequences, subset),
        convention=convention,
        bootstrap=run.analysis.bootstrap,
        seed=run.analysis.seed,
        eao_interval=settings.eao_interval,
    )
    manifest = results.read_manifest(tracks) if tracks.is_dir() else None
    score["provenance"] |= {"tracks": str(tracks), "tracks_digest": results.digest(tracks), "manifest": manifest}
    return score


def summary(score: Mapping[str, Any]) -> str:
    """What a person reads: each metric with its standard error, and under which rule."""
    head = f"{score['tracker']} on {score['benchmark']}"
    if not score["metrics"]:
        return f"{head}: the ground truth is on the benchmark's server; pack and submit the results (siamrcr pack)"
    parts = [f"{name} {entry['value']:.4f}{_margin(entry['stderr'])}" for name, entry in score["metrics"].items()]
    missing = f", {score['missing']} missing" if score.get("missing") else ""
    counted = f"{len(score['sequences'])} sequences{missing}, " if score["sequences"] else ""
    return f"{head}: {'  '.join(parts)}  ({counted}rule: {score['convention']})"


def _margin(error: float | None) -> str:
    return "" if error is None else f" ± {error:.4f}"


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
    if benchmark in vot.INTERVALS:
        measured = vot.Measured(sequences, runs, "matlab7" if convention == "matlab7" else "published")
        return lambda tag: measured.scores(interval or vot.INTERVALS[benchmark], tag)
    scores = CONVENTIONS[benchmark][convention](sequences, runs)
    return lambda _: scores


def _attributes(
    sequences: list[Sequence], counts: Array, scores: Scores, by_tag: Callable[[str | None], Scores]
) -> dict[str, dict[str, Any]]:
    """Each tag's metrics: over the sequences that carry it, or over its frames where it changes within a sequence."""
    table: dict[str, dict[str, Any]] = {}
    for tag in sorted({tag for sequence in sequences for tag in sequence.attributes}):
        flags = [sequence.attributes.get(tag, np.zeros(1, dtype=bool)) for sequence in sequences]
        carrying = np.array([flag.any() for flag in flags], dtype=np.float64)
        if not carrying.any():
            continue
        tagged = by_tag(tag) if any(len(flag) > 1 for flag in flags) else scores
        values, replicates = _values(tagged, carrying[None]), _values(tagged, counts * carrying)
        number = int(carrying.sum())
        table[tag] = {
            name: _estimate(values[name][0], replicates[name], number) | {"sequences": number} for name in values
        }
    return table


def _values(scores: Scores, counts: Array) -> dict[str, Array]:
    return {name: metric.values(counts) for name, metric in scores.metrics.items()}


def _estimate(value: float, replicates: Array, sequences: int) -> dict[str, Any]:
    """A value and its standard error; resamples of a single sequence have no spread and say nothing."""
    return {"value": _number(value), "stderr": _number(stderr(replicates)) if sequences > 1 else None}


def _number(value: Any) -> float | None:
    """A number as JSON knows it: None where it is undefined."""
    return None if np.isnan(value) else round(float(value), EXACT)


def _numbers(values: Array) -> list[float | None]:
    return [_number(value) for value in np.round(values, DIGITS)]


def _answer(benchmark: str, tracker: str, path: Path) -> dict[str, Any]:
    """A score made of a server's answer: a JSON file of our metric names, fractions."""
    given = read_json(
        path, "write the server's numbers as JSON, such as " + json.dumps(dict.fromkeys(METRICS[benchmark], 0.5))
    )
    known = METRICS[benchmark]
    wrong = [
        name
        for name, value in given.items()
        if name not in known or not isinstance(value, (int, float)) or not 0 <= value <= 1
    ]
    if wrong or not given:
        raise InputError(
            f"{path}: {wrong[0] if wrong else 'empty'}: give any of {', '.join(known)} as fractions from 0 to 1"
        )
    return {
        "benchmark": benchmark,
        "tracker": tracker,
        "convention": "server",
        "metrics": {name: {"value": float(given[name]), "stderr": None} for name in known if name in given},
        "sequences": {},
        "curves": {},
        "replicates": {},
        "attributes": {},
        "repetitions": None,
        "provenance": provenance(answer=str(path)),
    }
