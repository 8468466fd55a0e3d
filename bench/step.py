"""A tracker's whole frame at batch 1, by runtime and threads; each in a process of its own."""

import json
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
from torch import Tensor

from bench import goals, loading, ways
from bench.goals import Goal
from bench.training import _python
from siamrcr import allocator, config, stages
from siamrcr.config import Network, Tracking
from siamrcr.datasets.images import FrameFiles
from siamrcr.datasets.sequence import read_image
from siamrcr.export import session
from siamrcr.files import write_json
from siamrcr.model import Maps, SiamRCR
from siamrcr.progress import progress
from siamrcr.provenance import provenance
from siamrcr.runtime import HALF, Forwarding, Runtime
from siamrcr.tracker import SiamTracker

MINI = Path(__file__).resolve().parents[1] / "workflow" / "config" / "mini.yaml"
NETWORKS = ("resnet50", "mini")
THREADS = {"cpu": (1, 2), "cuda": (2,)}
FRAMES, WARM_UP = 30, 3
SIDE = {"cpu": 2048, "cuda": 8192}  # of the matrices whose product is the yardstick


def measure(path: Path, runs: int, share: float, device: str = "cpu") -> None:
    """Time every pair of runtime and threads on a device, print tables and goals and write them to `path`."""
    rows = []
    environment = {"OMP_WAIT_POLICY": "passive"}  # as the command line sets it
    jobs = [(n, t, r) for n in NETWORKS for t in THREADS[device] for r in ways.names(device)]
    with tempfile.TemporaryDirectory() as temporary, progress("step", runs * len(jobs), "processes") as bar:
        loading.write(Path(temporary))
        for network, threads, runtime in jobs:
            several = []
            for _ in range(runs):
                frames = max(2, round(share * FRAMES))
                words = ["-m", "bench.step", network, runtime, device, threads, frames, temporary]
                several.append(_python([str(word) for word in words], environment | {"OMP_NUM_THREADS": str(threads)}))
                bar.advance(note=f"{network} {runtime}")
            middle = {key: statistics.median(each[key] for each in several) for key in several[0]}
            rows.append({"network": network, "threads": threads, "runtime": runtime, **middle})
    whole = {"rows": rows, "device": device, "runs": runs, "share": share}
    write_json(path, whole | {"provenance": provenance(command=f"python -m bench step --device {device}")})
    print(f"{table(rows)}\n\n{goals.table(reached(rows, device))}")
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


def reached(rows: list[dict[str, Any]], device: str) -> list[Goal]:
    """The goals of a whole frame, by the fastest way to run the ResNet-50 with two threads."""
    large = [row for row in rows if row["network"] == "resnet50" and row["threads"] == 2]
    eager = next(row for row in large if row["runtime"] == ways.EAGER)
    fastest = min(large, key=lambda row: row["whole"])
    # Half precision changes scores: the goals are told of what does not, and its speed beside them.
    best = min((row for row in large if ways.precision(row["runtime"]) == "fp32"), key=lambda row: row["whole"])
    where = f"ResNet-50, {best['runtime']}"
    found = [
        *(
            Goal(
                f"ResNet-50, {row['runtime']}: at least 1.35 times the eager frames/s",
                eager["whole"] / row["whole"],
                (".2f", ""),
                1.35,
            )
            for row in ([best] if fastest is best else [best, fastest])
        ),
        Goal(
            f"{where}: decode, crop and post-processing under 6 ms a frame",
            best["decode"] + best["other"],
            (".2f", " ms"),
            most=6,
        ),
    ]
    # A batch of one does not fill a GPU.
    if device == "cpu":
        text = f"{where}: the network reaches at least 90 % of a matrix product's rate"
        found.insert(-1, Goal(text, 100 * best["of_product"], (".0f", " %"), 90))
    return found


class _Clocked(Forwarding):
    """A runtime that keeps the seconds of its searches, by the clock and of the processor."""

    def __init__(self, runtime: Runtime) -> None:
        super().__init__(runtime)
        self.seconds: list[float] = []
        self.processor: list[float] = []

    def search(self, kernels: tuple[Tensor, ...], images: Tensor) -> Maps:
        _wait(self.device)
        start, spent = time.perf_counter(), time.process_time()
        maps = super().search(kernels, images)
        _wait(self.device)
        self.seconds.append(time.perf_counter() - start)
        self.processor.append(time.process_time() - spent)
        return maps


def one(network: str, way: str, device: str, threads: int, frames: int, folder: Path) -> dict[str, float]:
    """Median milliseconds a frame of 1280 x 720, and the network's rate as a share of a matrix product's.

    Rates are by the time of the processor, which other work hardly changes; on a GPU by the clock, in its precision.
    """
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    chosen = Network(weights="random") if network == "resnet50" else config.load(MINI).models["siamrcr"].network
    model = SiamRCR(chosen, pretrained=False).eval()
    arithmetic = stages.flops(model)["frame"]
    clocked = _Clocked(ways.opened(model, way, device, folder / network))
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
    rate = arithmetic / statistics.median(clocked.processor[WARM_UP:] if device == "cpu" else forward)
    found = {
        "decode": statistics.median(decode[WARM_UP:]),
        "other": statistics.median(other),
        "forward": statistics.median(forward),
        "whole": statistics.median(a + b for a, b in zip(decode[WARM_UP:], update[WARM_UP:], strict=True)),
        "processor": statistics.median(processor[WARM_UP:]),
    }
    return {key: 1000 * value for key, value in found.items()} | {
        "of_product": rate / _product(clocked.device, ways.precision(way))
    }


def _product(device: torch.device, precision: str) -> float:
    """FLOPs a second of a device in a product of two square matrices; the best of several.

    On a CPU in fp32 the faster of PyTorch's product and of ONNX Runtime's: MKL has no AVX-512 on some processors.
    """
    side, clock = SIDE[device.type], time.process_time if device.type == "cpu" else time.perf_counter
    first, second = torch.rand(2, side, side, device=device).to(HALF.get(precision, torch.float32))
    products: list[Callable[[], object]] = [lambda: first @ second]
    if device.type == "cpu" and precision == "fp32" and find_spec("onnxruntime"):
        products.append(_onnx_product(first.numpy(), second.numpy()))
    seconds = []
    for product in 6 * products:
        _wait(device)
        start = clock()
        product()
        _wait(device)
        seconds.append(clock() - start)
    return 2 * side**3 / min(seconds)


def _onnx_product(first: np.ndarray, second: np.ndarray) -> Callable[[], object]:
    """The product of two matrices by ONNX Runtime, with PyTorch's number of threads."""
    import onnx
    from onnx import TensorProto, helper

    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, first.shape) for name in "abc"]
    graph = helper.make_graph([helper.make_node("MatMul", ["a", "b"], ["c"])], "product", values[:2], values[2:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary, "product.onnx")
        onnx.save(model, path)
        opened = session(path)
    return lambda: opened.run(["c"], {"a": first, "b": second})


def _wait(device: torch.device) -> None:
    """Until a GPU has done what it was told: it returns before."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def main() -> None:
    """Time what the command line names, and print it as JSON."""
    allocator.keep()  # as every verb does
    network, way, device, threads, frames, folder = sys.argv[1:]
    print(json.dumps(one(network, way, device, int(threads), int(frames), Path(folder))))


if __name__ == "__main__":
    main()
