"""From a folder of raw results to a score file: which ground truth, which rule, whose answer."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from analysis import answers
from analysis.evaluation import evaluate
from analysis.statistics import paired
from siamrcr import datasets, results
from siamrcr.config import SERVED, Benchmark, Run
from siamrcr.datasets import Sequence
from siamrcr.errors import InputError
from siamrcr.provenance import provenance
from siamrcr.results import Result


@dataclass(frozen=True)
class Task:
    """What is to be scored: ground truth that is read once, and how."""

    run: Run
    benchmark: str
    sequences: list[Sequence]
    own: Benchmark
    eao_interval: tuple[int, int] | None
    subset: bool

    def score(self, tracks: Path, tracker: str, convention: str | None, bootstrap: int | None = None) -> dict[str, Any]:
        """The score of raw results; `zero_boxes` names the sequences that had none and count as TrackingNet's do."""
        found, missing = _results(tracks, self.benchmark, self.sequences, self.subset)
        score = evaluate(
            self.benchmark,
            tracker,
            self.sequences,
            found,
            convention=convention or self.own.convention,
            bootstrap=self.run.analysis.bootstrap if bootstrap is None else bootstrap,
            seed=self.run.analysis.seed,
            eao_interval=self.eao_interval,
        )
        return score | {"zero_boxes": missing, "notes": list(_notes(self.benchmark, self.sequences, missing))}


def task(run: Run, benchmark: str, annotations: Path | None = None, subset: bool = False) -> Task:
    """The ground truth is `annotations`, else the configuration's, else that of the benchmark's own folder."""
    own = run.benchmarks.get(benchmark, Benchmark())  # type: ignore[call-overload]
    given = annotations or own.annotations
    root = None if annotations else run.root(benchmark)
    if root is not None and not root.is_dir() and given:
        root = None
    if root is not None and not root.is_dir():
        raise InputError(
            f"{root}: no ground truth of {benchmark} there: give it with --annotations PATH, or "
            f"{datasets.brings(run, benchmark)}"
        )
    sequences = datasets.load(benchmark, root, given)
    # The configuration's interval fits its own sequences, not ground truth from elsewhere.
    return Task(run, benchmark, sequences, own, None if annotations else own.eao_interval, subset)


def evaluate_tracks(
    run: Run,
    benchmark: str,
    tracks: Path,
    *,
    tracker: str,
    annotations: Path | None = None,
    convention: str | None = None,
    subset: bool = False,
    answer: Path | None = None,
    against: Path | None = None,
) -> dict[str, Any]:
    """The score of raw results in a folder or zip, as a JSON-like mapping (metrics, sequences, curves, provenance).

    Where a benchmark has a server, its answer in the file `answer`, else in the one that the configuration names unless
    `annotations` are given, makes the metrics; without either the score says `server` where the ground truth is hidden.
    `against` are another tracker's raw results: the paired differences of all metrics are added.
    """
    if answer and benchmark not in SERVED:
        raise InputError(f"--answer {answer}: no server scores {benchmark}: give its ground truth with --annotations")
    what = task(run, benchmark, annotations, subset)
    score = what.score(tracks, tracker, convention)
    if benchmark in SERVED and not annotations:
        answer = answer or what.own.answers.get(tracker)
    if answer:
        score |= _answered(score, answers.read(answer, benchmark, tracker))
    if against and score.get("status"):
        raise InputError(f"--against {against}: differences need the ground truth of {benchmark}: use --annotations")
    if against:
        score["against"] = compared(score, what.score(against, tracker_name(against), convention))
    manifest = results.read_manifest(tracks) if tracks.is_dir() else None
    made = provenance(tracks_digest=results.digest(tracks), seed=run.analysis.seed, manifest=manifest)
    return score | {"provenance": made}


def tracker_name(tracks: Path) -> str:
    """The tracker that the manifest of raw results names, else the name of their folder or zip."""
    manifest = results.read_manifest(tracks) if tracks.is_dir() else None
    return (manifest or {}).get("tracker") or tracks.stem


def _answered(score: dict[str, Any], values: dict[str, float]) -> dict[str, Any]:
    """A score with a server's metrics; it tells no uncertainty, and what was computed here would not belong to it."""
    metrics = {name: {"value": value, "stderr": None} for name, value in values.items()}
    sequences = {name: {"frames": entry["frames"]} for name, entry in score["sequences"].items()}
    nothing: dict[str, Any] = {"curves": {}, "replicates": {}, "attributes": {}, "attribute_curves": {}}
    return {"metrics": metrics, "sequences": sequences, "status": "answered", **nothing}


def compared(score: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Differences score - other of every metric over the same resamples. Raises InputError where they do not pair."""
    metrics = {name: _difference(score, other, name) for name in score["metrics"]}
    return {"tracker": other["tracker"], "notes": other["notes"], "metrics": metrics}


def _difference(score: dict[str, Any], other: dict[str, Any], metric: str) -> dict[str, Any]:
    undefined = [each["tracker"] for each in (score, other) if each["metrics"][metric]["value"] is None]
    if undefined:
        return {"note": f"undefined for {' and '.join(undefined)}"}
    found = asdict(paired(score, other, metric))
    return {"difference": found.pop("value")} | found


def _results(
    tracks: Path, benchmark: str, sequences: list[Sequence], subset: bool
) -> tuple[dict[str, list[Result]], list[str]]:
    """Runs of a tracker, and which sequences got boxes of zeros: as the devkit does where TrackingNet's lack a file."""
    found = results.read(tracks, benchmark, sequences, subset)
    filled = benchmark == "trackingnet" and not subset and not any(sequence.hidden for sequence in sequences)
    missing = [sequence for sequence in sequences if sequence.name not in found] if filled else []
    for sequence in missing:
        unknown = np.full(len(sequence), np.nan)
        codes = np.zeros(len(sequence), dtype=np.int8)
        found[sequence.name] = [Result(np.zeros((len(sequence), 4)), codes, unknown, unknown)]
    return found, [sequence.name for sequence in missing]


def _notes(benchmark: str, sequences: list[Sequence], missing: list[str]) -> Iterator[str]:
    """What the user must know to read the score, a line each."""
    if missing:
        shown = ", ".join(missing[:5]) + (", ..." if len(missing) > 5 else "")
        yield f"{len(missing)} of {len(sequences)} sequences have no result and count as boxes of zeros: {shown}"
    if benchmark == "got10k-val" and all(sequence.cover is None for sequence in sequences):
        yield "the ground truth has no cover.label: every frame counts as visible, unlike in GOT-10k's toolkit"
    if benchmark == "lasot" and all(sequence.visible.all() for sequence in sequences):
        yield "the ground truth flags no frame as absent: LaSOT's toolkit needs full_occlusion.txt and out_of_view.txt"


def summary(score: dict[str, Any]) -> str:
    """What the terminal shows: a line a metric, with its standard error and rule, or what a server said."""
    count = f"{len(score['sequences'])} sequences"
    head = f"{score['tracker']} on {score['benchmark']} ({score['convention']} rule, {count})"
    if not score["metrics"]:
        return f"{head}: only the benchmark's server can score this; run: siamrcr submit {score['benchmark']} ..."
    if score.get("status") == "answered":
        head = f"{score['tracker']} on {score['benchmark']} (the server's answer, {count})"
    lines = [head]
    for name, metric in score["metrics"].items():
        value = "undefined" if metric["value"] is None else f"{metric['value']:.4f}"
        lines.append(f"  {name:<22}{value}" + ("" if metric["stderr"] is None else f" ± {metric['stderr']:.4f}"))
    if "against" in score:
        lines.append(f"{score['tracker']} - {score['against']['tracker']} (same resamples, 95 % interval)")
        for name, each in score["against"]["metrics"].items():
            if "note" in each:
                lines.append(f"  {name:<22}{each['note']}")
                continue
            interval = f"[{each['low']:+.4f}, {each['high']:+.4f}]"
            lines.append(f"  {name:<22}{each['difference']:+.4f} ± {each['stderr']:.4f}  {interval}")
    return "\n".join(lines)
