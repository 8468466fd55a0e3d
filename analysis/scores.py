"""The scores, cards and maps of a run: where they lie, what they say over several seeds, and why one is missing."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from analysis.evaluation import METRICS
from analysis.statistics import stderr
from siamrcr.config import Run
from siamrcr.datasets.verification import SPLITS
from siamrcr.files import read_json

# Every table and figure of a run on generated benchmarks carries these words.
GENERATED = "generated benchmark, not comparable with reported numbers"

BENCHMARK_LABELS = {
    "got10k-val": "GOT-10k val",
    "got10k-test": "GOT-10k test",
    "otb2015": "OTB-2015",
    "lasot": "LaSOT",
    "trackingnet": "TrackingNet",
    "vot2018": "VOT-2018",
    "vot2019": "VOT-2019",
}
METRIC_LABELS = {
    "AO": "AO",
    "SR0.5": "SR@0.5",
    "SR0.75": "SR@0.75",
    "success": "Succ.",
    "precision": "Prec.",
    "normalized_precision": "N-Prec.",
    "EAO": "EAO",
    "accuracy": "Accuracy",
    "robustness": "Robustness",
}
LOWER_IS_BETTER = ("robustness",)
SEQUENCES = {split.benchmark: split.official for split in SPLITS if split.benchmark}

NOT_RUN = "not run"
NO_SCORE = "no score yet"
ABSENT = "dataset absent"
SERVER = "needs server"
NOT_GIVEN = "not given"
REASONS = {
    NOT_RUN: "the configuration does not run it on this benchmark",
    NO_SCORE: "the configuration runs it, its score file is not there yet",
    ABSENT: "the configuration runs it, but the benchmark's files are not there: siamrcr download, or siamrcr mini",
    SERVER: "the ground truth is not public; the benchmark's server scores the submission that the run packs",
    NOT_GIVEN: "the score file does not hold this metric",
}


def metrics(benchmark: str) -> tuple[str, ...]:
    """The metrics of a benchmark, headline first."""
    return METRICS[benchmark]


def arrow(metric: str) -> str:
    """The metric's label with the direction of better."""
    return f"{METRIC_LABELS[metric]} {'↓' if metric in LOWER_IS_BETTER else '↑'}"


@dataclass(frozen=True)
class Entry:
    """A model with all its seeds, or a tracker: one row of a table, one curve of a figure."""

    name: str
    label: str
    ids: tuple[str, ...]  # tracker ids, one a seed
    benchmarks: tuple[str, ...]  # where the configuration scores it
    trainings: tuple[str, ...] = ()  # of a model: the weights that each of the ids tracks with

    @property
    def model(self) -> bool:
        """Whether it is trained."""
        return bool(self.trainings)


@dataclass(frozen=True)
class Estimate:
    """A metric's mean over seeds with its two deviations, or the reason why there is none."""

    value: float | None = None
    stderr: float | None = None  # over sequences, of the mean over seeds
    seed_deviation: float | None = None  # between seeds; None for a single one
    seeds: int = 0
    reason: str = ""


@dataclass(frozen=True)
class Tagged:
    """A metric on the sequences or frames of a tag."""

    value: float
    stderr: float | None  # None of a single sequence
    sequences: int

    @classmethod
    def of(cls, seeds: Sequence[dict[str, Any]]) -> "Tagged":
        """The mean over seeds of what their score files say."""
        errors = [each["stderr"] for each in seeds if each["stderr"] is not None]
        value = float(np.mean([each["value"] for each in seeds]))
        return cls(value, float(np.mean(errors)) if errors else None, seeds[0]["sequences"])


def entries(run: Run, benchmark: str | None = None) -> list[Entry]:
    """Trackers, then models, the reference model last as in the paper; with `benchmark` those that it scores."""
    found = [Entry(name, run.tracker_label(name), (name,), tracker.scored) for name, tracker in run.trackers.items()]
    for name in sorted(run.models, key=lambda name: name == run.analysis.reference):
        ids = tuple(f"{name}-s{seed}" for seed in run.model_seeds(name))
        trainings = tuple(str(run.weights(identity)) for identity in ids)
        found.append(Entry(name, run.tracker_label(ids[0]), ids, run.models[name].benchmarks, trainings))
    return [entry for entry in found if benchmark is None or benchmark in entry.benchmarks]


def entry(run: Run, name: str) -> Entry:
    """The entry of a model or tracker."""
    return next(e for e in entries(run) if e.name == name)


def plotted(run: Run) -> list[Entry]:
    """The entries that curves show: all but the variants of an ablation, of which the reference and row I stay."""
    named = run.analysis
    variants = {*named.components.values(), *named.radius.values(), *named.correlation.values()}
    variants -= {named.reference, named.components.get("I", "")}
    return [entry for entry in entries(run) if entry.name not in variants]


def distinct(chosen: Sequence[Entry]) -> list[str]:
    """Labels of entries, each with its name where another has the same label."""
    labels = [e.label for e in chosen]
    return [e.label if labels.count(e.label) == 1 else f"{e.label} [{e.name}]" for e in chosen]


def score_files(run: Run, chosen: Sequence[Entry], benchmark: str) -> list[Path]:
    """Score files of those entries that the configuration scores on the benchmark."""
    ids = [identity for e in chosen if benchmark in e.benchmarks for identity in e.ids]
    return [run.folder / "scores" / identity / f"{benchmark}.json" for identity in ids]


def cards(run: Run) -> list[Path]:
    """Cards of the models that the run trains."""
    trained = [(name, seed) for name, seed in run.trained().values() if run.trains(name)]
    return [run.folder / "models" / f"{name}-s{seed}.json" for name, seed in trained]


def map_files(run: Run, model: str) -> list[Path]:
    """Sampled score maps of a model, one file a seed."""
    return [run.folder / "maps" / f"{model}-s{seed}.npz" for seed in run.model_seeds(model)]


def manifests(run: Run) -> list[Path]:
    """Manifests of every set of raw results that the run makes itself."""
    made = [(t, b) for t, b in run.jobs() if t not in run.trackers or run.trackers[t].command]
    return [run.folder / "tracks" / tracker / benchmark / "manifest.json" for tracker, benchmark in made]


def speeds(run: Run) -> list[Path]:
    """Speeds that were measured; none is asked for, since to measure one takes the whole machine."""
    runs = [*run.trained(), *(name for name, tracker in run.trackers.items() if tracker.command)]
    return [path for name in runs if (path := run.folder / "speed" / f"{name}.json").is_file()]


def read_all(paths: Iterable[Path]) -> list[dict[str, Any]]:
    """Those cards, manifests and scores that are there. Raises InputError for one damaged or in another's place."""
    return [read_json(path, "remove it and run its step again", **_of(path)) for path in paths if path.exists()]


def _of(path: Path) -> dict[str, Any]:
    """What a file says of itself, by its place in the results."""
    if path.name == "manifest.json":
        return {"tracker": path.parts[-3], "benchmark": path.parts[-2]}
    if path.parent.name == "models":
        model, _, seed = path.stem.rpartition("-s")
        return {"model": model, "seed": int(seed)}
    return {"tracker": path.parts[-2], "benchmark": path.stem} if path.parts[-3] == "scores" else {}


def commit_of(record: dict[str, Any]) -> str:
    """A commit, shortened, with a word where the tree held changes."""
    return str(record["commit"])[:10] + (" with local changes" if record.get("dirty") else "")


def machine_of(record: dict[str, Any]) -> str:
    """The accelerator of a record, else its processor."""
    return str(record.get("accelerator") or record.get("processor") or "a machine that was not recorded")


@dataclass(frozen=True, eq=False)
class Scores:
    """An entry's scores on one benchmark, as far as they are there."""

    entry: Entry
    benchmark: str
    files: tuple[dict[str, Any], ...]
    absent: bool = False  # whether the benchmark's own files are missing

    @classmethod
    def of(cls, run: Run, chosen: Entry, benchmark: str) -> "Scores":
        """Read the score files that are there. Raises InputError for one that is not JSON."""
        files = tuple(read_all(score_files(run, [chosen], benchmark)))
        # Scores that are there do not ask where they came from.
        return cls(chosen, benchmark, files, absent=not files and not run.root(benchmark).exists())

    @cached_property
    def scored(self) -> list[dict[str, Any]]:
        """The files that hold metrics."""
        return [file for file in self.files if file.get("metrics")]

    @property
    def partial(self) -> str:
        """How much of the benchmark is scored, where it is not all; a server scores all of it."""
        counts = [len(file["sequences"]) for file in self.scored if file.get("sequences")]
        official = SEQUENCES[self.benchmark] or 0
        return f"{min(counts)} of {official} sequences" if counts and min(counts) < official else ""

    def missing(self, metric: str | None = None) -> str:
        """Why there is no score, or not this metric; empty where there is one."""
        if self.benchmark not in self.entry.benchmarks:
            return NOT_RUN
        if not self.files:
            return ABSENT if self.absent else NO_SCORE
        if not self.scored:
            return SERVER if any(file.get("status") == "server" for file in self.files) else NOT_GIVEN
        return NOT_GIVEN if metric and not self._holding(metric) else ""

    def estimate(self, metric: str) -> Estimate:
        """Mean over seeds; the standard error follows from the mean of the seeds' bootstrap replicates."""
        reason = self.missing(metric)
        if reason:
            return Estimate(reason=reason)
        scores = [file["metrics"][metric] for file in self._holding(metric)]
        values = np.array([score["value"] for score in scores], dtype=float)
        if len(values) == 1:
            return Estimate(float(values[0]), scores[0]["stderr"], None, 1)
        replicates = self.replicates(metric)
        error = None if replicates is None else float(stderr(replicates.mean(0)))
        return Estimate(float(values.mean()), error, float(np.std(values, ddof=1)), len(values))

    def by_training(self, metric: str) -> dict[str, float]:
        """The metric of each training that has it; empty of what is not trained."""
        trained = dict(zip(self.entry.ids, self.entry.trainings, strict=False))
        files = self._holding(metric)
        return {trained[file["tracker"]]: float(file["metrics"][metric]["value"]) for file in files if trained}

    def replicates(self, metric: str) -> np.ndarray | None:
        """(seeds, replicates), or None where a file has none, as a server's answer does."""
        found = [file.get("replicates", {}).get(metric) for file in self._holding(metric)]
        return np.array(found, dtype=float) if found and all(found) else None

    def drawn(self, metric: str) -> tuple[object, ...]:
        """What the replicates of a metric that is there were drawn from: those of two scores pair where it is equal."""
        first = self._holding(metric)[0]
        return (first["benchmark"], first.get("seed"), *first["sequences"])

    def by_sequence(self, metric: str) -> dict[str, float]:
        """The metric on each sequence that every seed defines it on, mean over seeds; none of a server's answer."""
        each = [file["sequences"] for file in self._holding(metric)]
        found = {name: [seed.get(name, {}).get(metric) for seed in each] for name in (each[0] if each else ())}
        return {name: float(np.mean(values)) for name, values in found.items() if None not in values}

    def attribute_table(self, metric: str) -> dict[str, "Tagged"]:
        """Tag -> the metric on what carries it: value and standard error are means over seeds."""
        found: dict[str, list[dict[str, Any]]] = {}
        for file in self._holding(metric):
            for tag, entry in file.get("attributes", {}).items():
                if entry.get(metric, {}).get("value") is not None:
                    found.setdefault(tag, []).append(entry[metric])
        return {tag: Tagged.of(entries) for tag, entries in found.items()}

    def curve(self, name: str) -> dict[str, np.ndarray] | None:
        """x, y and standard error of a curve: mean over seeds, the error being the mean of the seeds' errors."""
        curves = [file["curves"][name] for file in self.scored if name in file.get("curves", {})]
        if not curves:
            return None
        mean = {
            key: np.mean([np.array(curve[key], dtype=float) for curve in curves], axis=0) for key in ("y", "stderr")
        }
        return {"x": np.array(curves[0]["x"], dtype=float), **mean}

    def _holding(self, metric: str) -> list[dict[str, Any]]:
        """The files in which the metric is defined."""
        return [file for file in self.scored if file["metrics"].get(metric, {}).get("value") is not None]
