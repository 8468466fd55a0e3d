"""Plans of 10 and of 100 variants on six benchmarks with five seeds, and what such runs, and the paper's, cost."""

import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from bench.timing import THREADS
from siamrcr import config, results
from siamrcr.config import Run
from siamrcr.datasets.verification import SPLITS
from siamrcr.errors import InputError
from siamrcr.files import write_json
from siamrcr.model import SiamRCR
from siamrcr.progress import progress
from siamrcr.provenance import provenance

ROOT = Path(__file__).resolve().parents[1]
PAPER = ROOT / "workflow" / "config" / "paper.yaml"
VARIANTS, SEEDS = (10, 100), 5
SIX = ("got10k-test", "otb2015", "lasot", "trackingnet", "vot2018", "vot2019")
# Frames of the test splits, as their authors state them.
FRAMES = {
    "got10k-val": 21_007,
    "got10k-test": 22_834,
    "otb2015": 59_040,
    "lasot": 685_360,
    "trackingnet": 225_589,
    "vot2018": 21_356,
    "vot2019": 19_935,
}
SEQUENCES = {split.benchmark: split.official or 0 for split in SPLITS if split.benchmark}
# Assumed: the paper's speed on a P40, and a training pair as five such frames (an exemplar is a quarter of a search
# crop, and backward costs twice forward: 3.75), with the rest for the optimiser and data.
FRAMES_PER_SECOND = 65.0
FRAMES_PER_PAIR = 5.0

# Runs a command; the last line is its seconds of the processor and peak KiB.
PEAK = """
import resource, subprocess, sys
code = subprocess.call(sys.argv[1:])
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_utime + used.ru_stime, used.ru_maxrss, flush=True)
sys.exit(code)
"""


def generated(folder: Path, variants: int | None) -> Path:
    """The paper's configuration, or its network in `variants` radii on six benchmarks, with nothing computed yet."""
    raw = yaml.safe_load(PAPER.read_text())
    raw |= {"data": str(folder / "data"), "results": str(folder / "results")}
    if variants is not None:
        names = [f"v{number:03d}" for number in range(variants)]
        models = {name: {"loss": {"radius": 1 + i / 100}, "benchmarks": list(SIX)} for i, name in enumerate(names)}
        raw |= {"seeds": list(range(SEEDS)), "trackers": {}, "analysis": {"reference": names[0]}, "models": models}
    path = folder / f"{variants or 'paper'}.yaml"
    path.write_text(yaml.safe_dump(raw))
    return path


def planned(path: Path) -> dict[str, Any]:
    """A dry run where nothing is computed yet: seconds, peak MiB, jobs a rule, files that the rules declare and logs.

    Raises InputError where Snakemake fails.
    """
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--cores", "2", "--configfile", str(path)]
    with tempfile.TemporaryFile("w+") as printed:
        # From a small process: a child's peak is never told to be below that of whoever started it.
        words = [sys.executable, "-c", PEAK, *command]
        start = time.perf_counter()
        process = subprocess.run(words, cwd=ROOT, env=os.environ | THREADS, stdout=printed, stderr=printed, check=False)
        wall = time.perf_counter() - start
        printed.seek(0)
        text = printed.read()
    if process.returncode:
        raise InputError(f"{' '.join(command[1:4])} of {path} failed: {' '.join(text.split())[-300:]}")
    missing = re.findall(r"^Reason: Missing output files: ([^;\n]*)", text, re.MULTILINE)
    processor, kibibytes = text.splitlines()[-1].split()
    return {
        "wall": wall,
        "processor": float(processor),
        "mebibytes": int(kibibytes) / 1024,
        "jobs": {
            rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", text, re.MULTILINE) if rule != "total"
        },
        # Each of these jobs has a log besides.
        "files": sum(1 + len(outputs.split(", ")) for outputs in missing),
    }


def raw_results(folder: Path) -> dict[str, tuple[int, float]]:
    """Benchmark -> files of one run over one sequence, and bytes a frame, as `siamrcr track` writes them."""
    found, count = {}, 1000
    random = np.random.default_rng(0)
    result = results.Result(
        boxes=random.uniform(10, 500, (count, 4)),
        codes=np.full(count, results.REGION, dtype=np.int8),
        times=random.uniform(0.01, 0.02, count),
        confidence=random.uniform(0, 1, count),
    )
    for benchmark in FRAMES:
        results.write(folder / benchmark, benchmark, "sequence", 1, result)
        written = [path for path in (folder / benchmark).rglob("*") if path.is_file()]
        found[benchmark] = (len(written), sum(path.stat().st_size for path in written) / count)
    return found


def cost(run: Run, plan: dict[str, Any], raw: dict[str, tuple[int, float]], checkpoint: int) -> dict[str, float]:
    """GPU hours, pairs, frames, jobs, files and bytes of a run's trained models; `checkpoint` is a model's bytes."""
    models = [run.models[model] for model, _ in run.trained().values()]
    pairs = sum(model.training.epochs * model.training.pairs_per_epoch for model in models)
    tracked = [benchmark for model in models for benchmark in model.benchmarks]
    frames = sum(FRAMES[benchmark] for benchmark in tracked)
    return {
        "trainings": len(models),
        "pairs": pairs,
        "frames": frames,
        "training_hours": pairs * FRAMES_PER_PAIR / FRAMES_PER_SECOND / 3600,
        "tracking_hours": frames / FRAMES_PER_SECOND / 3600,
        "jobs": sum(plan["jobs"].values()),
        "declared_files": plan["files"],
        "raw_files": sum(SEQUENCES[benchmark] * raw[benchmark][0] for benchmark in tracked),
        "raw_bytes": sum(FRAMES[benchmark] * raw[benchmark][1] for benchmark in tracked),
        "model_bytes": checkpoint * len(models),
    }


def measure(path: Path, runs: int, share: float) -> None:
    """Plan, compute the costs, print both tables and write them to `path`; `share` is of the variants."""
    chosen = sorted({max(2, round(share * count)) for count in VARIANTS})
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as temporary, progress("scale", runs * (1 + len(chosen)), "dry runs") as bar:
        folder = Path(temporary)
        raw = raw_results(folder / "raw")
        configurations = {"the paper": generated(folder, None)} | {
            f"{count} variants": generated(folder, count) for count in chosen
        }
        network = config.load(PAPER).models["siamrcr"].network
        state = SiamRCR(network, pretrained=False).state_dict()
        checkpoint = sum(
            each.numel() * each.element_size() for each in state.values() if isinstance(each, torch.Tensor)
        )
        for name, file in configurations.items():
            several = []
            for _ in range(runs):
                several.append(planned(file))
                bar.advance(note=name)
            middle = {
                key: statistics.median(each[key] for each in several) for key in ("wall", "processor", "mebibytes")
            }
            plan = several[0] | middle
            rows.append({"run": name, **plan, "cost": cost(config.load(file), plan, raw, checkpoint)})
    assumed = {"frames_per_second": FRAMES_PER_SECOND, "frames_per_pair": FRAMES_PER_PAIR}
    about = provenance(command=" ".join(["python -m bench", *sys.argv[1:]]))
    written = {"rows": rows, "raw": raw, "checkpoint": checkpoint, "assumed": assumed, "runs": runs, "share": share}
    write_json(path, written | {"provenance": about})
    print(table(rows))
    print(path)


def table(rows: list[dict[str, Any]]) -> str:
    """Plans and costs as two Markdown tables."""
    plans = ["| plan | jobs | declared files | wall s | processor s | ms a job | peak MiB |", "|---|" + "---:|" * 6]
    costs = [
        "| run | trainings | pairs | frames | GPU h training | GPU h tracking | raw files | raw GB | weights GB |",
        "|---|" + "---:|" * 8,
    ]
    for row in rows:
        each, jobs = row["cost"], row["cost"]["jobs"]
        cells = [row["run"], f"{jobs:,}", f"{row['files']:,}", f"{row['wall']:.1f}", f"{row['processor']:.1f}"]
        cells += [f"{1000 * row['processor'] / jobs:.1f}", f"{row['mebibytes']:.0f}"]
        plans.append(f"| {' | '.join(cells)} |")
        cells = [
            row["run"],
            f"{each['trainings']:,}",
            f"{each['pairs'] / 1e6:,.0f} M",
            f"{each['frames'] / 1e6:,.2f} M",
        ]
        cells += [f"{each['training_hours']:,.0f}", f"{each['tracking_hours']:,.0f}", f"{each['raw_files']:,}"]
        cells += [f"{each['raw_bytes'] / 1e9:.2f}", f"{each['model_bytes'] / 1e9:.2f}"]
        costs.append(f"| {' | '.join(cells)} |")
    return "\n".join([*plans, "", *costs])
