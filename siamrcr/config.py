"""The configuration of a run: one YAML file.

Sections `network`, `loss`, `training` and `tracking` at its top level set the run's own defaults; an entry under
`models:` overrides any of them for one variant.
"""

import difflib
import json
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from siamrcr.errors import InputError
from siamrcr.files import write_text
from siamrcr.hyperparameters import TRAINING_SETS as TRAINING_SETS
from siamrcr.hyperparameters import Count, Positive, Seed, Settings
from siamrcr.hyperparameters import Loss as Loss
from siamrcr.hyperparameters import Network as Network
from siamrcr.hyperparameters import Tracking as Tracking
from siamrcr.hyperparameters import Training as Training
from siamrcr.tuned import read as read_tuned

BenchmarkName = Literal["got10k-val", "got10k-test", "otb2015", "lasot", "trackingnet", "vot2018", "vot2019"]
BENCHMARKS: tuple[str, ...] = get_args(BenchmarkName)
# The dataset whose files a benchmark reads.
DATASET = {name: name.split("-")[0] for name in BENCHMARKS}
# A server holds the ground truth: raw results are packed for it.
SERVED = ("got10k-test", "trackingnet")
# Of a benchmark: the rules that can score it, the one that papers print first.
_PASS = ("official", "got10k", "pysot", "pytracking")
_RESETS = ("published", "matlab7", "pysot", "vot-toolkit")
RULES: dict[str, tuple[str, ...]] = dict.fromkeys(BENCHMARKS, ("official",))
RULES |= {"otb2015": _PASS, "lasot": _PASS, "vot2018": _RESETS, "vot2019": _RESETS}
# Parts of datasets that are needed as a whole.
SPLITS = (
    *("got10k-train", "got10k-val", "got10k-test", "trackingnet-train", "trackingnet-test", "lasot-train"),
    *("lasot-test", "otb2015", "vot2018", "vot2019", "coco", "vid", "det", "resnet50"),
)
Seeds = Annotated[tuple[Seed, ...], Field(min_length=1)]


class Model(Settings):
    """One trained variant, wholly resolved."""

    label: str = ""  # shown in tables; the name where empty
    benchmarks: tuple[BenchmarkName, ...] = ()
    seeds: Seeds | None = None  # the run's where absent
    checkpoint: Path | None = None  # a user's own weights in place of training
    weights_of: str = ""  # another model, whose trained weights this one only tracks with
    tuned: Path | None = None  # a file of `siamrcr tune`: its penalty, window and size rate replace those of `tracking`
    network: Network = Network()
    loss: Loss = Loss()
    training: Training = Training()
    tracking: Tracking = Tracking()

    @model_validator(mode="after")
    def _links_need_a_meaning(self) -> "Model":
        if self.tracking.score == "localization" and self.network.localization is False:
            raise ValueError("tracking.score 'localization' needs network.localization true or centerness")
        return self

    @model_validator(mode="after")
    def _a_part_of_the_batch_lacks_the_sum_of_its_weights(self) -> "Model":
        training = self.training
        parted = training.micro_batch is not None and training.micro_batch < training.batch_size
        if parted and self.loss.normalization == "sum_weight":
            raise ValueError(
                "loss.normalization 'sum_weight' divides by the weights of the whole batch: leave out "
                "training.micro_batch, or set 'n_pos'"
            )
        return self


class Tracker(Settings):
    """A tracker that is not trained here: code to run, or raw results to score."""

    label: str = ""
    command: str = ""  # `opencv:NAME`, `static`, or `module:Class` with init and update
    results: dict[BenchmarkName, Path] = {}  # a folder or zip of raw results a benchmark
    benchmarks: tuple[BenchmarkName, ...] = ()
    deterministic: bool = True
    repetitions: Count | None = None  # of a tracker that draws random numbers; the protocol's own number where absent
    files: dict[str, Path] = {}  # networks of opencv:Nano, opencv:Vit, opencv:DaSiamRPN, by OpenCV's names
    timeout: Positive = 300  # seconds that `module:Class` may take for an answer
    memory_gb: Positive | None = None  # address space of its process; too little for CUDA unless ample

    @model_validator(mode="after")
    def _has_one_source(self) -> "Tracker":
        if bool(self.command) == bool(self.results):
            raise ValueError(
                "a tracker needs exactly one of `command` (code to run) and `results` (raw results to score)"
            )
        return self

    @property
    def scored(self) -> tuple[str, ...]:
        """Benchmarks on which the tracker gets scores."""
        return tuple(self.results) if self.results else self.benchmarks


class Benchmark(Settings):
    """Where a benchmark's files are and which ground truth scores it."""

    root: Path | None = None  # instead of {data}/{source}/{dataset}
    annotations: Path | None = None  # ground truth kept apart from the frames (what a server would hold)
    convention: str | None = None  # the rule that scores it; the one that papers print where absent
    eao_interval: tuple[int, int] | None = None  # VOT; the official one where absent
    answers: dict[str, Path] = {}  # tracker -> file with the server's answer, as --answer takes it

    @field_validator("eao_interval")
    @classmethod
    def _lengths_ascend(cls, interval: tuple[int, int] | None) -> tuple[int, int] | None:
        if interval is not None and not 1 <= interval[0] <= interval[1]:
            raise ValueError("give the shortest and the longest length in frames, from 1 up")
        return interval


class Mini(Settings):
    """The generated benchmarks."""

    seed: Seed = 0
    width: Count = 256
    height: Count = 192
    frames: Count = 40
    train_sequences: Count = 120
    val_sequences: Count = 40
    sequences: Count = 8  # of every other benchmark


class Analysis(Settings):
    """What the tables and figures are made of."""

    bootstrap: Count = 2000
    seed: Seed = 0
    reference: str = "siamrcr"  # the model whose rows are the paper's own
    components: dict[Literal["I", "II", "III", "IV"], str] = {}  # Table 1: row -> model
    radius: dict[Literal["1", "2", "3", "4", "5"], str] = {}  # Table 2: r -> model
    correlation: dict[Literal["a", "b", "c", "d"], str] = {}  # Figure 4: panel -> model
    correlation_benchmark: BenchmarkName = "got10k-val"
    correlation_frames: Count = 1000  # seeded sample; not in the paper


class Run(Settings):
    """A whole run."""

    run: str = Field("mini", pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    source: Literal["mini", "real"] = "mini"
    data: Path = Path("data")
    results: Path = Path("results")
    seeds: Seeds = (0,)
    device: str = "auto"
    runtime: Literal["torch", "onnx"] = "torch"  # what runs a trained network in tracking; onnx: on the CPU
    lanes: Count | None = None  # sequences tracked at once; where absent cores that are free, 16 on a GPU, 1 of others'
    shards: dict[BenchmarkName, Count] = {}  # jobs of the workflow that share a benchmark's sequences; 1 where absent
    models: dict[str, Model] = {}
    trackers: dict[str, Tracker] = {}
    benchmarks: dict[BenchmarkName, Benchmark] = {}
    training_processes: Count = 1  # on each node, a GPU each: they share the batches of a training
    training_nodes: Count = 1  # of one job of SLURM
    training_roots: dict[str, Path] = {}  # a training set kept elsewhere than {data}/{source}/{dataset}
    expected: dict[str, Count] = {}  # sequences of a split, where a subset is meant; the official number where absent
    mini: Mini = Mini()
    analysis: Analysis = Analysis()

    @model_validator(mode="after")
    def _names_exist(self) -> "Run":
        for name in (*self.models, *self.trackers):
            if not name.replace("-", "").replace("_", "").replace("+", "").replace(".", "").isalnum():
                raise ValueError(f"name {name!r}: use letters, digits, '-', '_', '+' and '.' only")
        for name, model in self.models.items():
            other = self.models.get(model.weights_of)
            if model.weights_of and (other is None or other.weights_of or model.checkpoint or model.seeds):
                raise ValueError(
                    f"models.{name}.weights_of: name a model that is trained itself, without `checkpoint` and `seeds`"
                    f" beside it, not {model.weights_of!r}"
                )
        for place, kind, name, known in self._named():
            if name not in known:
                raise ValueError(f"{place}: unknown {kind} {name!r}{_suggestion(name, known)}")
        return self

    def _named(self) -> Iterator[tuple[str, str, str, Collection[str]]]:
        """Each name that stands for something else: its place, of what it is a name, itself, and those that exist."""
        for key in ("components", "radius", "correlation"):
            for row, name in getattr(self.analysis, key).items():
                yield f"analysis.{key}.{row}", "model", name, self.models
        # A run of variants alone may lack the paper's own model.
        if "reference" in self.analysis.model_fields_set:
            yield "analysis.reference", "model", self.analysis.reference, self.models
        yield from (("training_roots", "training set", name, TRAINING_SETS) for name in self.training_roots)
        yield from (("expected", "split", name, SPLITS) for name in self.expected)
        trackers = {**self.trained(), **self.trackers}
        for benchmark, own in self.benchmarks.items():
            place = f"benchmarks.{benchmark}"
            yield from ((f"{place}.answers", "tracker", name, trackers) for name in own.answers)
            if own.convention is not None:
                yield f"{place}.convention", "rule", own.convention, RULES[benchmark]

    @model_validator(mode="after")
    def _benchmarks_have_a_use_for_their_keys(self) -> "Run":
        for name, own in self.benchmarks.items():
            if own.eao_interval and RULES[name] != _RESETS:
                raise ValueError(f"benchmarks.{name}.eao_interval: VOT alone is scored over lengths: leave it out")
            if own.answers and name not in SERVED:
                raise ValueError(f"benchmarks.{name}.answers: no server scores {name}: leave them out")
        return self

    @model_validator(mode="after")
    def _graphs_compute_in_one_way(self) -> "Run":
        for name, model in self.models.items():
            if self.runtime == "onnx" and (model.tracking.precision != "fp32" or model.tracking.compile):
                raise ValueError(
                    f"models.{name}.tracking: runtime onnx computes in fp32 and has its own compiler: leave out "
                    f"precision and compile, or set runtime to torch"
                )
        return self

    @property
    def folder(self) -> Path:
        """results/{run}."""
        return self.results / self.run

    @property
    def comparable(self) -> bool:
        """False where the benchmarks are generated: their scores say nothing about the reported ones."""
        return self.source == "real"

    def model_seeds(self, model: str) -> tuple[int, ...]:
        """The seeds with which a model is trained."""
        chosen = self.models[model]
        return self.models[chosen.weights_of].seeds or self.seeds if chosen.weights_of else chosen.seeds or self.seeds

    def trains(self, model: str) -> bool:
        """Whether a model is trained here, and not just tracked with weights from elsewhere."""
        return not self.models[model].checkpoint and not self.models[model].weights_of

    def trained(self) -> dict[str, tuple[str, int]]:
        """Tracker id -> (model, seed) of every trained model."""
        return {f"{m}-s{s}": (m, s) for m in self.models for s in self.model_seeds(m)}

    def model_of(self, tracker: str) -> tuple[str, int] | None:
        """(model, seed) of a trained model's tracker, None of any other: `trained` of one, without listing all."""
        model, _, seed = tracker.rpartition("-s")
        seeds = self.model_seeds(model) if model in self.models else ()
        return next(((model, each) for each in seeds if str(each) == seed), None)

    def weights(self, tracker: str) -> Path:
        """Weights file of a trained model's tracker: its `checkpoint`, else what training wrote. Raises KeyError."""
        found = self.model_of(tracker)
        if found is None:
            raise KeyError(tracker)
        model, seed = found
        own = self.models[model].checkpoint
        return own or self.folder / "models" / f"{self.models[model].weights_of or model}-s{seed}.safetensors"

    def tracker_label(self, tracker: str) -> str:
        """What a table calls the tracker."""
        if tracker in self.trackers:
            return self.trackers[tracker].label or tracker
        model, _ = self.model_of(tracker) or (tracker, 0)
        return (self.models[model].label or model) if model in self.models else tracker

    def root(self, benchmark: str) -> Path:
        """Folder of the benchmark's dataset."""
        own = self.benchmarks.get(benchmark, Benchmark()).root  # type: ignore[call-overload]
        return own or self.data / self.source / DATASET[benchmark]

    def training_root(self, dataset: str) -> Path:
        """Folder of a training set."""
        return self.training_roots.get(dataset, self.data / self.source / dataset)

    def jobs(self) -> list[tuple[str, str]]:
        """Every (tracker id, benchmark) that gets scores."""
        ours = [(f"{m}-s{s}", b) for m, c in self.models.items() for s in self.model_seeds(m) for b in c.benchmarks]
        return ours + [(t, b) for t, c in self.trackers.items() for b in c.scored]


SECTIONS: dict[str, type[Settings]] = {"network": Network, "loss": Loss, "training": Training, "tracking": Tracking}


def load(path: Path, overrides: Mapping[str, Any] | None = None, tuned: bool = True) -> Run:
    """The run that a YAML file describes, with `overrides` merged over it. Raises InputError in one line.

    Without `tuned` the files of tuned parameters that models name are left unread: they need not be there.
    """
    try:
        raw = yaml.safe_load(path.read_text())
    except OSError as error:
        raise InputError(f"{path}: cannot read the configuration ({error.strerror})") from None
    # PyYAML raises the other two for what is no text, no date, or nested beyond measure.
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(raw, dict):
        raise InputError(f"{path}: the configuration must be a mapping of keys")
    return resolve(merge(raw, overrides or {}), str(path), tuned)


def resolve(raw: Mapping[str, Any], origin: str = "configuration", tuned: bool = True) -> Run:
    """The run that a mapping describes: the top-level sections become every model's defaults. Raises InputError."""
    defaults = {key: raw[key] for key in SECTIONS if key in raw}
    rest = {key: value for key, value in raw.items() if key not in SECTIONS}
    network, models = defaults.get("network"), raw.get("models") or {}
    if isinstance(network, Mapping) and isinstance(network.get("weights"), str):
        folder = Path(raw.get("data", "data"), raw.get("source", "mini"))
        defaults["network"] = {**network, "weights": network["weights"].replace("{data}", str(folder))}
    if isinstance(models, Mapping):
        merged = {name: merge(defaults, entry or {}) for name, entry in models.items()}
        rest["models"] = {name: _tuned(entry) if tuned else entry for name, entry in merged.items()}
    try:
        for key, value in defaults.items():
            SECTIONS[key].model_validate(value)
    except ValidationError as error:
        raise InputError(_explain(error, origin, (key,))) from None
    try:
        return Run.model_validate(rest)
    except ValidationError as error:
        raise InputError(_explain(error, origin)) from None


def _tuned(model: dict[str, Any]) -> dict[str, Any]:
    """A model's entry with the test-time parameters of the file that it names. Raises InputError."""
    path = model.get("tuned")
    return merge(model, {"tracking": read_tuned(Path(path))["tracking"]}) if isinstance(path, str | Path) else model


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` laid over `base`, mapping by mapping; a training set list or benchmark list is replaced whole."""
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = merge(merged[key], value) if both and key != "datasets" else value
    return merged


def write(raw: Mapping[str, Any], path: Path) -> None:
    """Keep a merged configuration as YAML, for the commands that the workflow starts and for whoever asks later."""
    text = yaml.safe_dump(json.loads(json.dumps(raw, default=str)), sort_keys=False)
    if not path.exists() or path.read_text() != text:
        write_text(path, text)


def schema() -> dict[str, Any]:
    """JSON Schema of a configuration file, where the sections may stand at the top and a model's entry is partial."""
    whole = Run.model_json_schema()
    for key in SECTIONS:
        whole["properties"][key] = {"$ref": f"#/$defs/{key.title()}"}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **whole}


def schema_text() -> str:
    """The committed form of the schema."""
    return json.dumps(schema(), indent=1) + "\n"


def _explain(error: ValidationError, origin: str, prefix: tuple[str, ...] = ()) -> str:
    problem = error.errors()[0]
    where = [str(part) for part in (*prefix, *problem["loc"])]
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "extra_forbidden":
        known = _fields(where[:-1])
        message = f"unknown setting {where[-1]!r}{_suggestion(where[-1], known)}"
        where = where[:-1]
    elif where[-1:] == ["[key]"] and problem["type"] == "literal_error":
        known = re.findall(r"'([^']+)'", problem["ctx"]["expected"])
        message = f"unknown name {where[-2]!r}{_suggestion(where[-2], known)}"
        where = where[:-2]
    elif problem["type"] == "too_short":
        message = "give at least one"
    elif "input" in problem and not isinstance(problem["input"], (dict, BaseModel)):
        message = f"{message}, not {problem['input']!r}"
    place = ".".join(part for part in where if part != "[key]")
    return f"{origin}: {place + ': ' if place else ''}{message}"


def _fields(where: list[str]) -> list[str]:
    """Names of the settings that may stand at a place of the configuration."""
    if not where:
        return [*Run.model_fields, *SECTIONS]
    owners: dict[str, type[Settings]] = {**SECTIONS, "models": Model, "trackers": Tracker, "benchmarks": Benchmark}
    owners |= {"mini": Mini, "analysis": Analysis}
    nearest = next((owners[part] for part in reversed(where) if part in owners), Run)
    return list(nearest.model_fields)


def _suggestion(word: str, known: Any) -> str:
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; known are {', '.join(known) or 'none'}"
