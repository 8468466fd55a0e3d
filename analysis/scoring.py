"""From a folder of raw results to a score file: which ground truth, which rule, whose answer."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from analysis.evaluation import METRICS, evaluate
from siamrcr import datasets, results
from siamrcr.config import SERVED, Benchmark, Run
from siamrcr.errors import InputError
from siamrcr.files import read_json
from siamrcr.provenance import provenance


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
    """The score of raw results in a folder or zip, as a JSON-like mapping (metrics, sequences, curves, provenance).

    The ground truth is `annotations`, else the configuration's, else that of the benchmark's own folder. Where only a
    server has it, the server's answer that the configuration names gives the metrics, or the score says `server`.
    """
    own = run.benchmarks.get(benchmark, Benchmark())  # type: ignore[call-overload]
    root = None if annotations else run.root(benchmark)
    if root is not None and not root.is_dir():
        raise InputError(
            f"{root}: no ground truth of {benchmark} there: give it with --annotations PATH, "
            f"or run: siamrcr {'mini' if run.source == 'mini' else 'download'} {root.name}"
        )
    sequences = datasets.load(benchmark, root, annotations or own.annotations)
    score = evaluate(
        benchmark,
        tracker,
        sequences,
        results.read(tracks, benchmark, sequences, subset),
        convention=convention or own.convention,
        bootstrap=run.analysis.bootstrap,
        seed=run.analysis.seed,
        # The configuration's interval fits its own sequences, not ground truth from elsewhere.
        eao_interval=None if annotations else own.eao_interval,
    )
    answer = own.answers.get(tracker)
    if answer and benchmark in SERVED:
        score |= _answered(answer, METRICS[benchmark])
    manifest = results.read_manifest(tracks) if tracks.is_dir() else None
    made = provenance(tracks_digest=results.digest(tracks), seed=run.analysis.seed, manifest=manifest)
    return score | {"provenance": made}


def _answered(path: Path, metrics: Sequence[str]) -> dict[str, Any]:
    """Metrics that a benchmark's server gave; it tells no uncertainty."""
    remedy = f"save the server's answer as one mapping of {', '.join(metrics)} to fractions from 0 to 1"
    values = read_json(path, remedy)
    if not isinstance(values, dict) or not values or not set(values) <= set(metrics):
        raise InputError(f"{path}: {remedy}")
    wrong = [name for name, value in values.items() if not isinstance(value, int | float) or not 0 <= value <= 1]
    if wrong:
        raise InputError(f"{path}: {wrong[0]} is {values[wrong[0]]!r}: {remedy}")
    return {"metrics": {name: {"value": value, "stderr": None} for name, value in values.items()}, "status": "answered"}


def summary(score: dict[str, Any]) -> str:
    """What the terminal shows: a line a metric, with its standard error and rule."""
    head = (
        f"{score['tracker']} on {score['benchmark']} ({score['convention']} rule, {len(score['sequences'])} sequences)"
    )
    if not score["metrics"]:
        return f"{head}: only the benchmark's server can score this; run: siamrcr pack {score['benchmark']} ..."
    lines = [head]
    for name, metric in score["metrics"].items():
        error = "" if metric["stderr"] is None else f" ± {metric['stderr']:.4f}"
        lines.append(f"  {name:<22}{metric['value']:.4f}{error}")
    return "\n".join(lines)
