"""Ways to track the same sequences, each part in a process of its own: `python -m bench.paths PART ...`, JSON out."""

import dataclasses
import json
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike

from bench import ways
from siamrcr import allocator, config, datasets, lanes
from siamrcr.baselines import GPU_LANES
from siamrcr.config import Mini, Tracking
from siamrcr.datasets.mini import generate
from siamrcr.datasets.sequence import Sequence
from siamrcr.geometry import Array
from siamrcr.lanes import Job
from siamrcr.model import SiamRCR
from siamrcr.protocols import Answer, Init, one_pass, reset_based
from siamrcr.runtime import Runtime
from siamrcr.tracker import SiamTracker, Targets

CONFIGURATIONS = Path(__file__).resolve().parents[1] / "workflow" / "config"
NETWORKS = {"small": "mini.yaml", "ResNet-50": "paper.yaml"}
# Folders of the provided sequences, and their benchmarks.
REAL = {"otb": "otb2015", "vot": "vot2018", "lasot": "lasot", "got10k": "got10k-val", "trackingnet": "trackingnet"}
THREADS = 2
WARM_UP = 3
EAGER = f"one by one, {ways.EAGER}"
# Of the sequences on a GPU: more than lanes, so that most steps have all of them in use.
TIMES = 4


class Silent:
    """Counts nothing."""

    def advance(self, amount: int = 1) -> None:
        """Nothing."""


SILENT = Silent()


class Waiting(Targets):
    """Targets that keep the seconds between their steps: what protocols and counting take, and waiting for frames."""

    def __init__(self, runtime: Runtime, settings: Tracking, lanes: int) -> None:
        super().__init__(runtime, settings, lanes)
        self.begin = self.last = time.perf_counter()
        self.waited = 0.0

    def init(self, lane: int, frame: Any, box: ArrayLike) -> None:
        """As `Targets` do."""
        self.waited += time.perf_counter() - self.last
        super().init(lane, frame, box)
        self.last = time.perf_counter()

    def update(self, frames: Mapping[int, Any]) -> tuple[Array, Array]:
        """As `Targets` do."""
        self.waited += time.perf_counter() - self.last
        found = super().update(frames)
        self.last = time.perf_counter()
        return found


def network(name: str) -> SiamRCR:
    """A network of a configuration with random weights: how fast it is does not hang on them."""
    torch.manual_seed(0)
    settings = config.load(CONFIGURATIONS / NETWORKS[name], {"network": {"weights": "random"}}).models["siamrcr"]
    return SiamRCR(settings.network, pretrained=False).eval()


def jobs(frames: int, folder: Path) -> list[Job]:
    """The provided real sequences, or ones generated in a folder, each cut to its first frames; the longest first."""
    real = os.environ.get("SIAMRCR_REAL_DATA")
    folders = [(Path(real) / "sequences" / each, name) for each, name in REAL.items()] if real else []
    if not real:
        generate("otb2015", folder, Mini(width=640, height=360, frames=40))
        folders = [(folder / "otb2015", "otb2015")]
    work = []
    for root, benchmark in folders:
        protocol = reset_based if benchmark.startswith("vot") else one_pass
        work += [Job(_cut(each, frames), 1, protocol) for each in datasets.load(benchmark, root)]
    return sorted(work, key=lambda job: -len(job.sequence))


def throughput(name: str, frames: int, runs: int, device: str, folder: Path) -> dict[str, Any]:
    """Of each way to track the sequences: frames a second, milliseconds of the processor a frame, and waiting.

    Waiting is the share of the lanes' time in which they have no frame to work on.
    """
    work, model = jobs(frames, folder), network(name)
    if device == "cuda":
        work = [dataclasses.replace(job, repetition=number) for number in range(1, TIMES + 1) for job in work]
    together = THREADS if device == "cpu" else GPU_LANES
    few = [dataclasses.replace(job, sequence=_cut(job.sequence, WARM_UP)) for job in work[:together]]
    courses: dict[str, Callable[[list[Job]], float]] = {}
    for way in ways.names(device):
        torch.set_num_threads(1)
        runtime = ways.opened(model, way, device, folder)
        if way in (ways.EAGER, ways.PREPARED):
            courses[f"one by one, {way}"] = partial(_one_by_one, runtime=runtime)
        if way != ways.EAGER:
            courses[f"{together} lanes, {way}"] = partial(_threads if device == "cpu" else _batch, runtime=runtime)
    for go in courses.values():
        go(few)
    seconds: dict[str, list[tuple[float, float, float]]] = {label: [] for label in courses}
    for _ in range(runs):
        for label, go in courses.items():
            before, begin = time.process_time(), time.perf_counter()
            waiting = go(work)
            seconds[label].append((time.perf_counter() - begin, time.process_time() - before, waiting))
    count = sum(len(job.sequence) for job in work)
    rows = {}
    for label, several in seconds.items():
        wall, processor, waiting = (statistics.median(each[kind] for each in several) for kind in range(3))
        rows[label] = {"frames_per_second": count / wall, "processor_ms": 1000 * processor / count, "waiting": waiting}
    real = bool(os.environ.get("SIAMRCR_REAL_DATA"))
    return {"rows": rows, "sequences": len(work), "frames": count, "data": "real" if real else "generated"}


def memory(frames: int, device: str, folder: Path) -> dict[str, float]:
    """Mebibytes that a thousand more frames of one long sequence cost, by a straight line through all but the first."""
    runtime = ways.opened(network("small"), ways.PREPARED, device, folder)
    (job, *_) = jobs(40, folder)
    held: list[tuple[int, float]] = []

    class Watching(Silent):
        count = 0

        def advance(self, amount: int = 1) -> None:
            self.count += amount
            if self.count % max(1, frames // 40) == 0:
                held.append((self.count, _resident()))

    _threads([dataclasses.replace(job, sequence=_repeated(job.sequence, frames))], runtime, 1, Watching())
    counts, sizes = np.array(held[len(held) // 4 :]).T
    slope = float(np.polyfit(counts, sizes, 1)[0])
    return {"frames": frames, "mebibytes": float(sizes[-1]), "mebibytes_per_1000_frames": 1000 * slope}


def many(kind: str, count: int, device: str, folder: Path) -> dict[str, float]:
    """The most mebibytes that so many lanes of the small network take, by threads or in a batch."""
    runtime = ways.opened(network("small"), ways.PREPARED, device, folder)
    (job, *_) = jobs(40, folder)
    before = _resident()
    work = [Job(_repeated(job.sequence, 6), number, job.protocol) for number in range(1, count + 1)]
    (_batch if kind == "batch" else _threads)(work, runtime, count)
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    found = {"lanes": count, "mebibytes": most, "before": before}
    return found | ({"on_device": torch.cuda.max_memory_allocated() / 2**20} if device == "cuda" else {})


def _one_by_one(work: list[Job], runtime: Runtime) -> float:
    """As the field's toolkits do: a sequence after the other, a frame after the other, all threads for the network."""
    torch.set_num_threads(THREADS)
    tracker = SiamTracker(runtime, Tracking())
    for job in work:
        protocol = job.protocol(job.sequence)
        request = next(protocol)
        for frame in range(len(job.sequence)):
            image = job.sequence.image(frame)
            if frame < request.frame:
                continue
            if isinstance(request, Init):
                tracker.init(image, request.box)
                box = request.box
            else:
                box = tracker.update(image)
            try:
                request = protocol.send(Answer(box, 0.0, tracker.confidence))
            except StopIteration:
                break
    return float("nan")


def _threads(work: list[Job], runtime: Runtime, count: int = THREADS, bar: lanes.Counter = SILENT) -> float:
    """Track in a thread a lane; the share of the lanes' time between two steps."""
    followed: list[Waiting] = []

    def make(*_: object) -> SiamTracker:
        tracker = SiamTracker(runtime, Tracking())
        tracker.targets = Waiting(runtime, Tracking(), 1)
        followed.append(tracker.targets)
        return tracker

    for _ in lanes.threads(work, make, count, bar, lambda: torch.set_num_threads(1), lambda: None):
        pass
    return sum(each.waited for each in followed) / sum(each.last - each.begin for each in followed)


def _batch(work: list[Job], runtime: Runtime, count: int = GPU_LANES) -> float:
    """Track in the lanes of a batch; the share of the time between two steps."""
    targets = Waiting(runtime, Tracking(), count)
    for _ in lanes.lockstep(work, targets, SILENT):
        pass
    return targets.waited / (targets.last - targets.begin)


def _resident() -> float:
    """Mebibytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def _cut(sequence: Sequence, frames: int) -> Sequence:
    return _taken(sequence, list(range(min(frames, len(sequence)))))


def _repeated(sequence: Sequence, frames: int) -> Sequence:
    return _taken(sequence, [frame % len(sequence) for frame in range(frames)])


def _taken(sequence: Sequence, rows: list[int]) -> Sequence:
    return dataclasses.replace(
        sequence,
        frames=tuple(sequence.frames[row] for row in rows),
        boxes=sequence.boxes[rows],
        visible=sequence.visible[rows],
        regions=None if sequence.regions is None else tuple(sequence.regions[row] for row in rows),
        cover=None,
        attributes={},
    )


def main() -> None:
    """Do the part that the command line names."""
    allocator.keep()  # as every verb does
    part, *rest = sys.argv[1:]
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        if part == "throughput":
            found: Any = throughput(rest[0], int(rest[1]), int(rest[2]), rest[3], folder)
        elif part == "memory":
            found = memory(int(rest[0]), rest[1], folder)
        else:
            found = many(rest[0], int(rest[1]), rest[2], folder)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
