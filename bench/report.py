"""From score files to tables, figures and report at the paper's scale, against goals of time, memory and size."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import yaml

from analysis import figures, report, tables
from analysis.scores import SEQUENCES
from bench import loading, simulation
from bench.inputs import TAGS, lines, synthetic
from bench.timing import THREADS
from siamrcr import config, datasets, results
from siamrcr.config import BENCHMARKS, Run
from siamrcr.errors import InputError
from siamrcr.files import write_json, write_text
from siamrcr.results import FROM_CORNER, Result

PAPER = Path(__file__).resolve().parents[1] / "workflow" / "config" / "paper.yaml"
TRACKERS = 30
CORES = 2
# Attributes with curves; OTB has eleven, LaSOT fourteen.
ATTRIBUTES = {"otb2015": 11, "lasot": 14, "vot2018": len(TAGS) + 1, "vot2019": len(TAGS) + 1}
# The player's sequences are all LaSOT's, the longest, as many as the report embeds of seven benchmarks.
PLAYED = 7 * 12
MIB = 2**20
GOALS = {"seconds": 180.0, "memory": 4096.0, "size": 30.0}
TITLES = {
    "seconds": f"scores to tables, figures and report, {CORES} cores, s",
    "memory": "peak memory of all jobs at a time, MiB",
    "size": "report, MiB",
}


@dataclass(frozen=True)
class Spent:
    """What one process took: seconds by the clock and of the processor, and its peak of resident memory in MiB."""

    name: str
    wall: float
    processor: float
    memory: float


def measure(path: Path, runs: int, share: float) -> None:  # noqa: ARG001 (one run: it takes minutes)
    """Simulate the scores, run every job once, print the goals and write them to `path`. Raises InputError."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        run = simulated(folder, share)
        start = time.perf_counter()
        spent = jobs(folder)
        seconds = time.perf_counter() - start
        size = (run.folder / "report" / "index.html").stat().st_size / MIB
    *parts, last = sorted(spent, key=lambda each: each.name == "report")
    most = sorted((each.memory for each in parts), reverse=True)[:CORES]
    found = {"seconds": seconds, "memory": max(sum(most), last.memory), "size": size}
    write_json(path, {"found": found, "goals": GOALS, "jobs": [asdict(each) for each in spent], "share": share})
    print(table(found, spent))
    print(path)


def table(found: dict[str, float], spent: list[Spent]) -> str:
    """Goals, and the jobs that took longest, as Markdown."""
    rows = ["| what | goal | measured | |", "|---|---|---|---|"]
    for name, goal in GOALS.items():
        met = "met" if found[name] <= goal else "not met"
        rows.append(f"| {TITLES[name]} | {goal:.0f} | {found[name]:.1f} | {met} |")
    rows += ["", "| job | s | processor s | MiB |", "|---|---|---|---|"]
    for each in sorted(spent, key=lambda each: -each.wall)[:8]:
        rows.append(f"| {each.name} | {each.wall:.1f} | {each.processor:.1f} | {each.memory:.0f} |")
    return "\n".join(rows)


def jobs(folder: Path) -> list[Spent]:
    """Every table and figure as the workflow makes them, a process each, two at a time; then the report."""
    words = [("table", name) for name in tables.NAMES] + [("figure", name) for name in figures.NAMES]
    with ThreadPoolExecutor(CORES) as pool:
        spent = list(pool.map(lambda each: _spent(folder, *each), words))
    return [*spent, _spent(folder, "report", f"--sequences={PLAYED}", f"--strips={PLAYED}")]


def _spent(folder: Path, verb: str, *arguments: str) -> Spent:
    command = [sys.executable, "-m", "siamrcr", verb, *arguments, "--configfile", str(folder / "config.yaml")]
    start = time.perf_counter()
    with (folder / f"{verb}{arguments[0]}.log").open("w+") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | THREADS)
        # The usage of this child alone, which `subprocess` does not tell.
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            log.seek(0)
            raise InputError(f"siamrcr {verb} {arguments[0]} failed: {log.read()[-300:]}")
    name = verb if verb == "report" else f"{verb} {arguments[0]}"
    processor = usage.ru_utime + usage.ru_stime
    return Spent(name, time.perf_counter() - start, processor, usage.ru_maxrss / 1024)


def simulated(folder: Path, share: float) -> Run:
    """The paper's configuration with 30 outside trackers, its scores, and what the player reads of LaSOT.

    Every benchmark has its real number of sequences, and LaSOT its 685,360 frames; `share` of each is taken. Ground
    truth is LaSOT's in full; frames and raw results are there for those sequences that the player shows.
    """
    trackers = [f"tracker-{number:02d}" for number in range(max(3, round(share * TRACKERS)))]
    given = synthetic("lasot", 1, folder / "lasot", share)
    clips = {clip.name: clip for clip in datasets.load("lasot", None, given.truth)}
    settings = {
        "results": str(folder / "results"),
        "data": str(folder / "data"),
        "trackers": {name: {"results": {b: str(folder / "raw" / name / b) for b in BENCHMARKS}} for name in trackers},
    }
    write_text(folder / "config.yaml", yaml.safe_dump(yaml.safe_load(PAPER.read_text()) | settings))
    run = config.load(folder / "config.yaml")
    names = {b: [f"sequence-{n:03d}" for n in range(max(4, round(share * (SEQUENCES[b] or 1))))] for b in BENCHMARKS}
    simulation.fill(run, served=(), names=names | {"lasot": list(clips)}, tags=ATTRIBUTES)
    played = report.disagreements(run, PLAYED)["lasot"]
    loading.write(folder / "frames")
    _lay_out(run.root("lasot"), {name: clips[name] for name in played}, sorted((folder / "frames").rglob("*.jpg")))
    raw, generator = folder / "boxes", np.random.default_rng(0)
    for name in played:
        boxes = clips[name].boxes + generator.normal(0, 4, clips[name].boxes.shape)
        unknown = np.full(len(boxes), np.nan)
        results.write(raw, "lasot", name, 1, Result(boxes, np.zeros(len(boxes), np.int8), unknown, unknown))
    # One file under the names of all trackers: the player reads and writes each as if it were another.
    for place in report.drawn(run)["lasot"].values():
        shutil.copytree(raw, place, copy_function=os.link, dirs_exist_ok=True)
    return run


def _lay_out(root: Path, clips: dict[str, datasets.Sequence], frames: list[Path]) -> None:
    """Sequences in LaSOT's layout: a few pictures under the names of all frames."""
    for name, clip in clips.items():
        folder = root / name.rpartition("-")[0] / name
        write_text(folder / "groundtruth.txt", lines(clip.boxes + FROM_CORNER))
        (folder / "img").mkdir()
        for number in range(len(clip)):
            (folder / "img" / f"{number + 1:08d}.jpg").hardlink_to(frames[number % len(frames)])
