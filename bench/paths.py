"""Ways to track the same sequences, each part in a process of its own: `python -m bench.paths PART ...`, JSON out."""

import dataclasses
import json
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch

from siamrcr import config, datasets, lanes
from siamrcr.config import Mini, Tracking
from siamrcr.datasets.mini import generate
from siamrcr.datasets.sequence import Sequence
from siamrcr.lanes import Job
from siamrcr.model import SiamRCR
from siamrcr.protocols import Answer, Init, one_pass, reset_based
from siamrcr.runtime import Runtime, prepared
from siamrcr.tracker import SiamTracker, Targets

CONFIGURATIONS = Path(__file__).resolve().parents[1] / "workflow" / "config"
NETWORKS = {"small": "mini.yaml", "ResNet-50": "paper.yaml"}
# Folders of the provided sequences, and their benchmarks.
REAL = {"otb": "otb2015", "vot": "vot2018", "lasot": "lasot", "got10k": "got10k-val", "trackingnet": "trackingnet"}
THREADS = 2
WARM_UP = 3
CPU = torch.device("cpu")


class Silent:
    """Counts nothing."""

    def advance(self, amount: int = 1) -> None:
        """Nothing."""


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


def throughput(name: str, frames: int, runs: int, folder: Path) -> dict[str, Any]:
    """Frames a second, and milliseconds of the processor a frame, of each way to track the sequences."""
    work, model = jobs(frames, folder), network(name)
    ready = prepared(model, CPU)
    ways: dict[str, Callable[[], None]] = {
        "one by one, eager": lambda: _one_by_one(work, model),
        "one by one, prepared": lambda: _one_by_one(work, ready),
        f"{THREADS} lanes, prepared": lambda: _lanes(work, ready),
    }
    onnx = _onnx(model, folder) if find_spec("onnxruntime") else None
    if onnx is not None:
        ways[f"{THREADS} lanes, ONNX Runtime"] = lambda: _lanes(work, onnx)
    few = [dataclasses.replace(job, sequence=_cut(job.sequence, WARM_UP)) for job in work[:THREADS]]
    _one_by_one(few, model)
    _lanes(few, ready)
    seconds: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
    for _ in range(runs):
        for way, go in ways.items():
            before, begin = time.process_time(), time.perf_counter()
            go()
            seconds[way].append((time.perf_counter() - begin, time.process_time() - before))
    count = sum(len(job.sequence) for job in work)
    rows = {}
    for way, several in seconds.items():
        wall, processor = (statistics.median(each[kind] for each in several) for kind in (0, 1))
        rows[way] = {"frames_per_second": count / wall, "processor_ms": 1000 * processor / count}
    real = bool(os.environ.get("SIAMRCR_REAL_DATA"))
    return {"rows": rows, "sequences": len(work), "frames": count, "data": "real" if real else "generated"}


def memory(frames: int, folder: Path) -> dict[str, float]:
    """Mebibytes that a thousand more frames of one long sequence cost, by a straight line through all but the first."""
    model = prepared(network("small"), CPU)
    (job, *_) = jobs(40, folder)
    held: list[tuple[int, float]] = []

    class Watching(Silent):
        count = 0

        def advance(self, amount: int = 1) -> None:
            self.count += amount
            if self.count % max(1, frames // 40) == 0:
                held.append((self.count, _resident()))

    for _ in lanes.threads(
        [dataclasses.replace(job, sequence=_repeated(job.sequence, frames))], *_makers(model, 1, Watching())
    ):
        pass
    counts, sizes = np.array(held[len(held) // 4 :]).T
    slope = float(np.polyfit(counts, sizes, 1)[0])
    return {"frames": frames, "mebibytes": float(sizes[-1]), "mebibytes_per_1000_frames": 1000 * slope}


def many(kind: str, count: int, folder: Path) -> dict[str, float]:
    """The most mebibytes that so many lanes of the small network take, by threads or in a batch."""
    model = prepared(network("small"), CPU)
    (job, *_) = jobs(40, folder)
    before = _resident()
    work = [Job(_repeated(job.sequence, 6), number, job.protocol) for number in range(1, count + 1)]
    if kind == "batch":
        outcomes = lanes.lockstep(work, Targets(model, Tracking(), count), Silent())
    else:
        outcomes = lanes.threads(work, *_makers(model, count, Silent()))
    for _ in outcomes:
        pass
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"lanes": count, "mebibytes": most, "before": before}


def _one_by_one(work: list[Job], runtime: Runtime) -> None:
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


def _lanes(work: list[Job], runtime: Runtime) -> None:
    for _ in lanes.threads(work, *_makers(runtime, THREADS, Silent())):
        pass


def _makers(runtime: Runtime, count: int, bar: lanes.Counter) -> tuple[Any, ...]:
    def nothing() -> None:
        pass

    return lambda *_: SiamTracker(runtime, Tracking()), count, bar, lambda: torch.set_num_threads(1), nothing


def _onnx(model: SiamRCR, folder: Path) -> Runtime:
    from siamrcr.export import OnnxNetwork, write_graphs

    write_graphs(model, folder)
    torch.set_num_threads(1)
    return OnnxNetwork(folder, model.network)


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
    part, *rest = sys.argv[1:]
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        if part == "throughput":
            found: Any = throughput(rest[0], int(rest[1]), int(rest[2]), folder)
        else:
            found = memory(int(rest[0]), folder) if part == "memory" else many(rest[0], int(rest[1]), folder)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
