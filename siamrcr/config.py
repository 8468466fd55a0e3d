"""Every hyper-parameter once, with its section of the paper or the words "not in the paper" and its source.

A run is one YAML file. Sections `network`, `loss`, `training` and `tracking` at its top level set the run's own defaults;
an entry under `models:` overrides any of them for one variant.
"""

import difflib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from siamrcr.errors import InputError
from siamrcr.geometry import score_map_size

BenchmarkName = Literal["got10k-val", "got10k-test", "otb2015", "lasot", "trackingnet", "vot2018", "vot2019"]
BENCHMARKS: tuple[str, ...] = get_args(BenchmarkName)
# The dataset whose files a benchmark reads.
DATASET = {name: name.split("-")[0] for name in BENCHMARKS}
TRAINING_SETS = ("got10k", "trackingnet", "lasot", "coco", "vid", "det")

Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]


class Settings(BaseModel):
    """A section of the configuration: no unknown keys, immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Network(Settings):
    """Backbone, correlation and head (Sections 3.1-3.2, Figures 2 and 3)."""

    backbone: str = "resnet50"  # Section 4.1; any timm name
    weights: str = "imagenet"  # Section 4.1; `imagenet`, `random`, or a file of the backbone's weights
    stage: Count = 3  # Section 4.1: the last block is removed; timm's feature index
    stride: Count = 8  # Section 4.1: dilated; Table 2 gives R = 8 r
    normalization: Literal["weights", "raw"] = "weights"  # not in the paper; `weights`: the mean and std they were trained with
    exemplar_size: Count = 127  # Section 4.1
    search_size: Count = 255  # Section 4.1
    exemplar_cells: Count = 8  # not in the paper; the centre cells kept, which give a 25 x 25 map as in SiamRPN++
    channels: Count = 256  # not in the paper; from SiamFC++
    tower_depth: Annotated[int, Field(ge=0)] = 3  # not in the paper; from SiamFC++
    localization: bool | Literal["centerness"] = True  # Section 3.3, Table 1; `centerness`: Figure 4(b)
    localization_kernel: Literal[1, 3] = 3  # not in the paper; 3 x 3 learnt where 1 x 1 did not
    localization_from: Literal["regression", "classification"] = "regression"  # Section 3.3; the other is SiamFC++'s
    box_form: Literal["center", "ltrb"] = "center"  # Section 3.2; `ltrb` is SiamFC++'s
    size_transform: Literal["exp", "softplus"] = "exp"  # not in the paper; from SiamFC++
    prior: Annotated[float, Field(gt=0, lt=1)] = 0.01  # not in the paper; from focal loss: initial foreground probability

    @property
    def score_size(self) -> int:
        """Side S of the score map."""
        return score_map_size(self.exemplar_size, self.search_size, self.stride, self.exemplar_cells)

    @model_validator(mode="after")
    def _sizes_fit(self) -> "Network":
        try:
            _ = self.score_size
        except InputError as error:
            raise ValueError(str(error)) from None
        return self


class Loss(Settings):
    """Labels and losses (Equations 1-6)."""

    radius: Positive = 2  # Table 2: r in cells; R = r x stride pixels
    radius_metric: Literal["euclidean", "chebyshev", "manhattan"] = "euclidean"  # not in the paper ("falls into a radius")
    inside_box: bool = False  # not in the paper; True also asks that the location lies in the box (FCOS)
    reciprocal: bool | Literal["regression", "classification"] = True  # Section 3.3; one word: that assistance link alone
    classification_weight: Literal["positives", "all"] = "positives"  # Equation 2 prints `all`, the abstract says positive
    detach_iou_weight: bool = True  # not in the paper; no gradient through Equation 2's weight
    detach_classification_weight: bool = True  # not in the paper; no gradient through Equation 4's weight
    detach_localization_target: bool = True  # not in the paper; no gradient through Equation 5's target
    normalization: Literal["n_pos", "sum_weight"] = "n_pos"  # Equations 2, 4, 5; the other from FCOS
    lambda_regression: Annotated[float, Field(ge=0)] = 1  # Equation 6
    lambda_localization: Annotated[float, Field(ge=0)] = 1  # Equation 6
    focal_alpha: Fraction = 0.75  # not in the paper; from SiamFC++
    focal_gamma: Annotated[float, Field(ge=0)] = 2  # not in the paper; from focal loss
    iou_loss: Literal["log", "linear", "giou"] = "log"  # Equation 4: as in UnitBox, -ln IoU
    iou_floor: Positive = 1e-4  # not in the paper; IoU is clamped here inside the logarithm
    negative_pairs: Literal["all", "would_be_positives"] = "would_be_positives"  # not in the paper; from SiamFC++

    @model_validator(mode="after")
    def _must_not_collapse(self) -> "Loss":
        both = self.reciprocal is True
        if both and not self.detach_iou_weight and not self.detach_classification_weight:
            raise ValueError(
                "detach_iou_weight and detach_classification_weight cannot both be false: IoU -> 0 and p -> 0 together "
                "minimise Equations 2 and 4, and training collapses; set one of them to true"
            )
        return self


class Training(Settings):
    """Data, augmentation and schedule (Section 4.1)."""

    datasets: dict[str, Positive] = {"got10k": 1.0}  # Section 4.3: a set a benchmark; the shares are not in the paper
    epochs: Count = 20  # Section 4.1
    pairs_per_epoch: Count = 150_000  # not in the paper; from SiamFC++
    batch_size: Count = 128  # Section 4.1: over all devices
    micro_batch: Count | None = None  # pairs a device holds at once; gradients accumulate to the batch
    optimizer: Literal["sgd", "adamw"] = "sgd"  # Section 4.1
    momentum: Fraction = 0.9  # Section 4.1
    weight_decay: Annotated[float, Field(ge=0)] = 1e-4  # not in the paper; from SiamFC++
    warmup_epochs: Annotated[float, Field(ge=0)] = 5  # Section 4.1
    lr_start: Positive = 1e-6  # Section 4.1
    lr_peak: Positive = 0.1  # Section 4.1
    lr_end: Positive = 1e-4  # Section 4.1
    frozen_epochs: Annotated[float, Field(ge=0)] = 10  # Section 4.1: backbone
    backbone_lr_factor: Annotated[float, Field(ge=0)] = 0.1  # Section 4.1
    backbone_batch_norm: Literal["eval", "train"] = "eval"  # not in the paper; eval from SiamRPN++ (fits small batches)
    clip_norm: Annotated[float, Field(ge=0)] = 10  # not in the paper; from SiamRPN++; 0 is off
    max_gap: Count = 100  # not in the paper; from SiamFC++: frames between exemplar and search
    negative_share: Fraction = 0.33  # not in the paper; from SiamFC++: pairs of two different targets
    scale_jitter: Annotated[float, Field(ge=1)] = 1.3  # not in the paper; from SiamFC++
    shift_jitter: Fraction = 0.4  # not in the paper; from SiamFC++: of the search crop's half side
    flip: Fraction = 0  # not in the paper; off in SiamFC++
    blur: Fraction = 0  # not in the paper; off in SiamFC++
    grayscale: Fraction = 0  # not in the paper; off in SiamFC++
    color_jitter: Fraction = 0  # not in the paper; off in SiamFC++: largest relative change of contrast and brightness
    max_aspect: Positive = 10  # not in the paper; from SiamFC++: slimmer boxes are left out
    min_side: Positive = 2  # not in the paper; pixels
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"  # not in the paper
    channels_last: bool = False
    workers: Annotated[int, Field(ge=0)] = 0  # loader processes a device
    checkpoint_every: Count = 500  # iterations

    @property
    def iterations(self) -> int:
        """Optimiser steps in the whole run."""
        return self.epochs * self.epoch_iterations

    @property
    def epoch_iterations(self) -> int:
        """Optimiser steps in one epoch."""
        return max(1, self.pairs_per_epoch // self.batch_size)

    @model_validator(mode="after")
    def _sets_are_known(self) -> "Training":
        unknown = sorted(set(self.datasets) - set(TRAINING_SETS))
        if unknown:
            raise ValueError(f"datasets: unknown training set {unknown[0]!r}; known are {', '.join(TRAINING_SETS)}")
        return self


class Tracking(Settings):
    """SiamFC++'s offline pipeline (Section 4.1, Testing Phase)."""

    rule: Literal["siamfcpp", "scale_free"] = "siamfcpp"  # Section 4.1; `scale_free`: window and rate ignore the score's scale
    score: Literal["product", "classification", "localization"] = "product"  # Figure 3; without the branch: classification
    context: Annotated[float, Field(ge=0)] = 0.5  # not in the paper; from SiamFC
    penalty: Annotated[float, Field(ge=0)] = 0.04  # not in the paper; from SiamFC++
    window: Fraction = 0.21  # not in the paper; from SiamFC++
    window_form: Literal["add", "multiply"] = "add"  # Section 4.1 says multiplied and "same as" SiamFC++, which adds
    size_rate: Fraction = 0.52  # not in the paper; from SiamFC++
    min_side: Positive = 10  # not in the paper; from SiamFC++; pixels
    exemplar_flip: bool = False  # Section 4.1 "ground-truth after augmentation": True averages the flipped exemplar in


class Model(Settings):
    """One trained variant, wholly resolved."""

    label: str = ""  # shown in tables; the name where empty
    benchmarks: tuple[BenchmarkName, ...] = ()
    seeds: tuple[int, ...] | None = None  # the run's where absent
    checkpoint: Path | None = None  # a user's own weights in place of training
    network: Network = Network()
    loss: Loss = Loss()
    training: Training = Training()
    tracking: Tracking = Tracking()

    @model_validator(mode="after")
    def _links_need_a_meaning(self) -> "Model":
        if self.tracking.score == "localization" and self.network.localization is False:
            raise ValueError("tracking.score 'localization' needs network.localization true or centerness")
        return self


class Tracker(Settings):
    """A tracker that is not trained here: code to run, or raw results to score."""

    label: str = ""
    command: str = ""  # `opencv:NAME`, `static`, or `module:Class` with init and update
    results: dict[BenchmarkName, Path] = {}  # a folder or zip of raw results a benchmark
    benchmarks: tuple[BenchmarkName, ...] = ()
    deterministic: bool = True
    repetitions: Count | None = None  # of a tracker that draws random numbers; the protocol's own number where absent

    @model_validator(mode="after")
    def _has_one_source(self) -> "Tracker":
        if bool(self.command) == bool(self.results):
            raise ValueError("a tracker needs exactly one of `command` (code to run) and `results` (raw results to score)")
        return self

    @property
    def scored(self) -> tuple[str, ...]:
        """Benchmarks on which the tracker gets scores."""
        return tuple(self.results) if self.results else self.benchmarks


class Benchmark(Settings):
    """Where a benchmark's files are and which ground truth scores it."""

    root: Path | None = None  # instead of {data}/{source}/{dataset}
    annotations: Path | None = None  # ground truth kept apart from the frames (what a server would hold)
    eao_interval: tuple[int, int] | None = None  # VOT; the official one where absent


class Mini(Settings):
    """The generated benchmarks."""

    seed: int = 0
    width: Count = 256
    height: Count = 192
    frames: Count = 40
    train_sequences: Count = 120
    val_sequences: Count = 40
    sequences: Count = 8  # of every other benchmark


class Analysis(Settings):
    """What the tables and figures are made of."""

    bootstrap: Count = 2000
    seed: int = 0
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
    seeds: tuple[int, ...] = (0,)
    device: str = "auto"
    models: dict[str, Model] = {}
    trackers: dict[str, Tracker] = {}
    benchmarks: dict[BenchmarkName, Benchmark] = {}
    training_roots: dict[str, Path] = {}  # a training set kept elsewhere than {data}/{source}/{dataset}
    mini: Mini = Mini()
    analysis: Analysis = Analysis()

    @model_validator(mode="after")
    def _names_exist(self) -> "Run":
        for name in (*self.models, *self.trackers):
            if not name.replace("-", "").replace("_", "").replace("+", "").replace(".", "").isalnum():
                raise ValueError(f"name {name!r}: use letters, digits, '-', '_', '+' and '.' only")
        named = [*self.analysis.components.values(), *self.analysis.radius.values(), *self.analysis.correlation.values()]
        for name in named:
            if name not in self.models:
                raise ValueError(f"analysis names model {name!r}, which is not under models:{_suggestion(name, self.models)}")
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
        return self.models[model].seeds or self.seeds

    def trained(self) -> dict[str, tuple[str, int]]:
        """Tracker id -> (model, seed) of every trained model."""
        return {f"{m}-s{s}": (m, s) for m in self.models for s in self.model_seeds(m)}

    def tracker_label(self, tracker: str) -> str:
        """What a table calls the tracker."""
        if tracker in self.trackers:
            return self.trackers[tracker].label or tracker
        model = self.trained()[tracker][0] if tracker in self.trained() else tracker
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


SECTIONS = {"network": Network, "loss": Loss, "training": Training, "tracking": Tracking}


def load(path: Path, overrides: Mapping[str, Any] | None = None) -> Run:
    """The run that a YAML file describes, with `overrides` merged over it. Raises InputError in one line."""
    try:
        raw = yaml.safe_load(path.read_text())
    except OSError as error:
        raise InputError(f"{path}: cannot read the configuration ({error.strerror})") from None
    except yaml.YAMLError as error:
        raise InputError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(raw, dict):
        raise InputError(f"{path}: the configuration must be a mapping of keys")
    return resolve(merge(raw, overrides or {}), str(path))


def resolve(raw: Mapping[str, Any], origin: str = "configuration") -> Run:
    """The run that a mapping describes: the top-level sections become every model's defaults. Raises InputError."""
    defaults = {key: raw[key] for key in SECTIONS if key in raw}
    rest = {key: value for key, value in raw.items() if key not in SECTIONS}
    models = raw.get("models") or {}
    if isinstance(models, Mapping):
        rest["models"] = {name: merge(defaults, entry or {}) for name, entry in models.items()}
    try:
        for key, value in defaults.items():
            SECTIONS[key].model_validate(value)
    except ValidationError as error:
        raise InputError(_explain(error, origin, (key,))) from None
    try:
        return Run.model_validate(rest)
    except ValidationError as error:
        raise InputError(_explain(error, origin)) from None


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` laid over `base`, mapping by mapping; a training set list or benchmark list is replaced whole."""
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = merge(merged[key], value) if both and key != "datasets" else value
    return merged


def schema() -> dict[str, Any]:
    """JSON Schema of a configuration file, in which a model's entry is partial and the sections may stand at the top."""
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
    elif "input" in problem and not isinstance(problem["input"], (dict, BaseModel)):
        message = f"{message}, not {problem['input']!r}"
    place = ".".join(where)
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
    return f"; did you mean {close[0]!r}?" if close else f"; known are {', '.join(known)}"
