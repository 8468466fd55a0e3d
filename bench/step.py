"""A tracker's whole frame at batch 1, by runtime and threads; each in a process of its own."""

import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bench import loading
from bench.training import _python
from siamrcr import config, export, stages
from siamrcr.config import Network, Tracking
from siamrcr.datasets.images import FrameFiles
from siamrcr.datasets.sequence import read_image
from siamrcr.files import write_json
from siamrcr.model import Maps, SiamRCR
from siamrcr.progress import progress
from siamrcr.provenance import provenance
from siamrcr.runtime import Runtime, prepared
from siamrcr.tracker import SiamTracker

MINI = Path(__file__).resolve().parents[1] / "workflow" / "config" / "mini.yaml"
NETWORKS = ("resnet50", "mini")
# PyTorch as a checkpoint loads; as `siamrcr track` runs it; the exported graphs.
RUNTIMES = ("eager", "torch", "onnx")
THREADS = (1, 2)
FRAMES, WARM_UP = 30, 3
SIDE = 2048  # of the matrices whose product is the yardstick


def measure(path: Path, runs: int, share: float) -> None:
    """Time every pair of runtime and threads, print the table and write it to `path`."""
    rows = []
    environment = {"OMP_WAIT_POLICY": "passive"}  # as the command line sets it
    jobs = [(n, t, r) for n in NETWORKS for t in THREADS for r in RUNTIMES]
    with tempfile.TemporaryDirectory() as temporary, progress("step", runs * len(jobs), "processes") as bar:
        loading.write(Path(temporary))
        for network, threads, runtime in jobs:
            several = []
            for _ in range(runs):
                words = ["-m", "bench.step", network, runtime, threads, max(2, round(share * FRAMES)), temporary]
                several.append(_python([str(word) for word in words], environment | {"OMP_NUM_THREADS": str(threads)}))
                bar.advance(note=f"{network} {runtime}")
            middle = {key: statistics.median(each[key] for each in several) for key in several[0]}
            rows.append({"network": network, "threads": threads, "runtime": runtime, **middle})
    write_json(path, {"rows": rows, "runs": runs, "share": share, "provenance": provenance(command="bench step")})
    print(table(rows))
    print(path)


def table(rows: list[dict[str, Any]]) -> str:
    """The figures as Markdown."""
    lines = [
        "| network | threads | runtime | decode ms | crop and post ms | network ms | frames/s | to eager "
        "| of the product's rate | processor ms | to eager |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        eager = next(
            r for r in rows if (r["network"], r["threads"], r["runtime"]) == (row["network"], row["threads"], "eager")
        )
        cells = [row["network"], str(row["threads"]), row["runtime"]]
        cells += [f"{row[key]:.2f}" for key in ("decode", "other", "forward")]
        cells += [f"{1000 / row['whole']:.2f}", f"{eager['whole'] / row['whole']:.2f}", f"{row['of_product']:.2f}"]
        cells += [f"{row['processor']:.1f}", f"{eager['processor'] / row['processor']:.2f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


class _Clocked:
    """A runtime that keeps the seconds of its searches, by the clock and of the processor."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self.network, self.device, self.exemplar = runtime.network, runtime.device, runtime.exemplar
        self.seconds: list[float] = []
        self.processor: list[float] = []

    def search(self, kernels: tuple[Tensor, ...], images: Tensor) -> Maps:
        start, spent = time.perf_counter(), time.process_time()
        maps = self._runtime.search(kernels, images)
        self.seconds.append(time.perf_counter() - start)
        self.processor.append(time.process_time() - spent)
        return maps


def one(network: str, runtime: str, threads: int, frames: int, folder: Path) -> dict[str, float]:
    """Median milliseconds a frame of 1280 x 720, and the network's rate as a share of a matrix product's."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    chosen = Network(weights="random") if network == "resnet50" else config.load(MINI).models["siamrcr"].network
    model = SiamRCR(chosen, pretrained=False).eval()
    clocked = _Clocked(_opened(model, runtime, folder / network))
    tracker = SiamTracker(clocked, Tracking())
    files = list(FrameFiles(folder / "3", 1, loading.FRAMES, 4, ".jpg"))
    tracker.init(read_image(files[0]), [600, 300, 90, 110])
    decode, update, processor = [], [], []
    for number in range(WARM_UP + frames):
        start, spent = time.perf_counter(), time.process_time()
        image = read_image(files[number % len(files)])
        decoded = time.perf_counter()
        tracker.update(image)
        decode.append(decoded - start)
        update.append(time.perf_counter() - decoded)
        processor.append(time.process_time() - spent)
    forward = clocked.seconds[WARM_UP:]
    other = [whole - inner for whole, inner in zip(update[WARM_UP:], forward, strict=True)]
    rate = stages.flops(model)["frame"] / statistics.median(clocked.processor[WARM_UP:])
    found = {
        "decode": statistics.median(decode[WARM_UP:]),
        "other": statistics.median(other),
        "forward": statistics.median(forward),
        "whole": statistics.median(a + b for a, b in zip(decode[WARM_UP:], update[WARM_UP:], strict=True)),
        "processor": statistics.median(processor[WARM_UP:]),
    }
    return {key: 1000 * value for key, value in found.items()} | {"of_product": rate / _product()}


def _opened(model: SiamRCR, runtime: str, folder: Path) -> Runtime:
    if runtime == "eager":
        return model
    if runtime == "torch":
        return prepared(model, torch.device("cpu"))
    export.write_graphs(model, folder)
    return export.OnnxNetwork(folder, model.network)


def _product() -> float:
    """FLOPs a second of the processor in a product of two square matrices; the best of several."""
    first, second = torch.rand(SIDE, SIDE), torch.rand(SIDE, SIDE)
    seconds = []
    for _ in range(6):
        start = time.process_time()
        first @ second
        seconds.append(time.process_time() - start)
    return 2 * SIDE**3 / min(seconds)


def main() -> None:
    """Time what the command line names, and print it as JSON."""
    network, runtime, threads, frames, folder = sys.argv[1:]
    print(json.dumps(one(network, runtime, int(threads), int(frames), Path(folder))))


if __name__ == "__main__":
    main()
