# Names and look-ups that the rules share.
from argparse import Namespace

from analysis import needs
from analysis.captions import Captions
from siamrcr.arguments import completed
from siamrcr.cli import whole_parser
from siamrcr.datasets import plan, verification
from siamrcr.files import settings_hash
from siamrcr.hyperparameters import SPEED_ONLY

FOLDER = RUN.folder
CONFIGURATION = FOLDER / "config.yaml"
MARKERS = RUN.data / RUN.source
SHARD = FOLDER / "tracks" / "{tracker}" / "{benchmark}" / ".shard-{shard}-of-{shards}.json"
# Only a job that uses a GPU may hold one; and cores beside a GPU feed it.
GPU = 0 if RUN.device == "cpu" else 1
GPU_JOB_CORES = 8 if GPU else 1
TRAINED = RUN.trained()
# Whose frames the speed is measured on: every run has this benchmark's dataset.
SPEED_BENCHMARK = "got10k-val"
# Cheap rules take their code as an input: editing it runs them again, and trains nothing.
ANALYSIS_CODE = sorted(path for path in Path("analysis").iterdir() if path.is_file()) + ["workflow/config/claims.yaml"]
REPORT_CODE = sorted(path for path in Path("analysis/report").iterdir() if path.is_file())
# For Snakemake's own report, which reads them once the figures are there.
CAPTIONS = Captions(FOLDER / "figures")
# Labels, seeds and settings are shown beside the scores.
PLACE = {
    "data",
    "device",
    "lanes",
    "mini",
    "results",
    "shards",
    "training_nodes",
    "training_processes",
    "training_roots",
}
SHOWN = RUN.model_dump(mode="json", exclude=PLACE)
EVALUATION_CODE = [
    *collect(
        "analysis/{file}.py",
        file=[
            "answers",
            "benchmarks",
            "conventions",
            "evaluation",
            "overlap",
            "scoring",
            "statistics",
            "vot",
            "vot_toolkit",
        ],
    ),
    *collect(
        "siamrcr/{file}.py",
        file=[
            "bundles",
            "formats",
            "geometry",
            "layouts",
            "matfile",
            "parsing",
            "ragged",
            "raster",
            "regions",
            "results",
        ],
    ),
    *collect(
        "siamrcr/datasets/{file}.py",
        file=["__init__", "annotations", "got10k", "lasot", "otb", "sequence", "trackingnet", "truth", "vot"],
    ),
]


wildcard_constraints:
    model="|".join(map(re.escape, RUN.models)) or "none",
    tracker="|".join(map(re.escape, [*TRAINED, *RUN.trackers])) or "none",
    benchmark="|".join(settings.BENCHMARKS),
    seed=r"\d+",
    shard=r"\d+",
    shards=r"\d+",


# This environment's siamrcr comes first, in a container that container's, and it ends when the workflow does.
CONTAINED = any(method.name == "APPTAINER" for method in workflow.deployment_settings.deployment_method)
PREFIX = {
    **({} if CONTAINED else {"PATH": f'"{Path(sys.executable).parent}:$PATH"'}),
    "SIAMRCR_GUARD": 1,
}
# Snakemake's own strict mode goes where a prefix is set: without it the end of a pipe tells how a job ended.
shell.prefix("set -euo pipefail; export " + " ".join(f"{name}={value}" for name, value in PREFIX.items()) + "; ")


def marker(dataset):
    """The file that says a dataset is complete."""
    return MARKERS / f"{dataset}.json"


def slice_of(model, *sections):
    """What of the configuration a job depends on: a change re-runs it, any other change does not."""
    return {name: getattr(RUN.models[model], name).model_dump(mode="json") for name in sections}


def training_settings(model):
    """What of the configuration a model's weights depend on."""
    chosen = slice_of(model, "network", "loss", "training")
    for key in SPEED_ONLY:
        del chosen["training"][key]
    roots = {
        name: str(RUN.training_root(name)) for name in RUN.training_roots if name in chosen["training"]["datasets"]
    }
    return chosen | {"context": RUN.models[model].tracking.context, "roots": roots}


def wanted(dataset):
    """The splits of a dataset that the run needs, each with the number of sequences that makes it whole."""
    return {split.name: RUN.expected.get(split.name, split.official) for split in verification.needed(RUN, dataset)}


def apart(tracker, benchmark):
    """The user's own ground truth and the server's answer, where the configuration names them."""
    own = RUN.benchmarks.get(benchmark)
    if own is None:
        return []
    truth = [own.annotations] if own.annotations and RUN.source == "real" else []
    return [*truth, *(path for name, path in own.answers.items() if name == tracker)]


def code(tracker):
    """The file of a user's own tracker, where it lies beside the workflow."""
    dotted, _, _ = RUN.trackers[tracker].command.partition(":")
    path = Path(*dotted.split(".")).with_suffix(".py")
    return [path] if path.is_file() else []


def runs(tracker):
    """Whether a tracker is code, and not just raw results."""
    return tracker in TRAINED or bool(RUN.trackers[tracker].command)


def weights(tracker):
    """Weights of one of our models: trained here, or the user's own."""
    return RUN.weights(tracker)


def must_exist(path, key):
    """Refuse early: Snakemake says "nothing to be done" when a source file is gone and what was made from it is not."""
    if not Path(path).exists():
        raise WorkflowError(f"{path}: no such file; the configuration names it under {key}")
    return path


for name, entry in RUN.models.items():
    if entry.checkpoint:
        must_exist(entry.checkpoint, f"models.{name}.checkpoint")
for name, entry in RUN.trackers.items():
    for benchmark, path in entry.results.items():
        must_exist(path, f"trackers.{name}.results.{benchmark}")
for name, entry in RUN.benchmarks.items():
    for tracker, path in entry.answers.items():
        must_exist(path, f"benchmarks.{name}.answers.{tracker}")
    if entry.annotations and RUN.source == "real":
        must_exist(entry.annotations, f"benchmarks.{name}.annotations")


def tracker_settings(tracker):
    """What of the configuration a tracker's raw results depend on."""
    if tracker in TRAINED:
        runtime = {} if RUN.runtime == "torch" else {"runtime": RUN.runtime}
        return slice_of(TRAINED[tracker][0], "network", "tracking") | runtime
    return RUN.trackers[tracker].model_dump(mode="json", exclude={"label", "benchmarks", "timeout", "memory_gb"})


def tracks(job):
    """A tracker's raw results on a benchmark: made here, or the user's own."""
    entry = RUN.trackers.get(job.tracker)
    if entry and entry.results:
        return entry.results[job.benchmark]
    return FOLDER / "tracks" / job.tracker / job.benchmark / "manifest.json"


def given(job):
    """A folder of the user's own raw results as it is: its own date does not tell when a file in it was written to."""
    place = Path(tracks(job))
    if not place.is_dir():
        return []
    return settings_hash(
        [[str(path), path.stat().st_size, path.stat().st_mtime_ns] for path in sorted(place.rglob("*"))]
    )


def shards(job):
    """What the jobs that share a benchmark leave, where there are several."""
    count = RUN.shards.get(job.benchmark, 1)
    numbers = range(1, count + 1) if count > 1 else ()
    return collect(SHARD, tracker=job.tracker, benchmark=job.benchmark, shard=numbers, shards=count)


def evaluation_settings(benchmark):
    """What of the configuration a score depends on."""
    own = RUN.benchmarks.get(benchmark)
    return {
        "bootstrap": RUN.analysis.bootstrap,
        "seed": RUN.analysis.seed,
        "benchmark": own.model_dump(mode="json") if own else {},
    }


def announce(dag):
    """Name all that a run's downloads cannot get by themselves, before anything starts."""
    datasets = {job.wildcards.dataset for job in dag.needrun_jobs() if job.rule.name == "download"}
    try:
        plan.ready(RUN, sorted(datasets))
    except InputError as error:
        told = completed(str(error), whole_parser(), Namespace(configfile=CONFIGURATION, set=()))
        raise WorkflowError(told) from None
