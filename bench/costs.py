"""An index of a training set and an optimiser step, each in a process of its own: `python -m bench.costs PART ...`.

What such a process holds in memory is its own. It prints its figures as JSON.
"""

import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from siamrcr import allocator, config
from siamrcr.config import Training
from siamrcr.datasets.images import FrameFiles
from siamrcr.datasets.sequence import Sequence
from siamrcr.training import index
from siamrcr.training.loader import Batch
from siamrcr.training.pairs import Pool, generator, sample
from siamrcr.training.step import Step

PAIRS = 5000
CONFIGURATION = Path(__file__).resolve().parents[1] / "workflow" / "config" / "mini.yaml"


def build(folder: Path, boxes: int, count: int) -> dict[str, float]:
    """Build the index of `count` videos without images, `boxes` in all."""
    root = folder / "root"
    root.mkdir(parents=True)
    start = time.perf_counter()
    index.opened(folder, "bench", root, Training(), lambda: _videos(root, boxes, count))
    return {"build_seconds": time.perf_counter() - start}


def _videos(root: Path, boxes: int, count: int) -> Iterator[Sequence]:
    random, length = np.random.default_rng(0), boxes // count
    for number in range(count):
        frames = FrameFiles(root / "TRAIN_0" / "frames" / f"video{number:07d}_0", 0, length, 1, ".jpg")
        yield Sequence(str(number), frames, random.uniform(10, 200, (length, 4)), np.ones(length, dtype=bool))


def open_index(folder: Path) -> dict[str, float]:
    """Open the index that `build` wrote, and draw pairs of it in a second process, as the loader's do."""
    before, start = _private(), time.perf_counter()
    pool = Pool("bench", 1.0, index.opened(folder, "bench", folder / "root", Training(), list))
    opened = time.perf_counter() - start
    here = _private()
    reading, writing = os.pipe()
    if os.fork() == 0:
        alone = _private()
        for number in range(PAIRS):
            sample((pool,), Training(), generator(0, 0, number))
        os.write(writing, str(_private() - alone).encode())
        os._exit(0)
    growth = float(os.read(reading, 100))
    os.wait()
    return {"open_seconds": opened, "open_mebibytes": here - before, "worker_mebibytes": growth}


def _private() -> float:
    """MiB that no other process shares; the pages of a mapped file are the kernel's, and can be dropped at any time."""
    with open("/proc/self/smaps_rollup") as stream:
        return sum(int(line.split()[1]) for line in stream if line.startswith("Private_Dirty")) / 1024


def step(count: int) -> dict[str, float]:
    """Seconds of mini's optimiser step, and the share of it that is not forward, losses and backward."""
    torch.set_num_threads(1)
    settings = config.load(CONFIGURATION).models["siamrcr"]
    network, size = settings.network, settings.training.batch_size
    sides = (network.exemplar_size, network.search_size)
    exemplar, search = (torch.randint(0, 256, (size, side, side, 3), dtype=torch.uint8) for side in sides)
    boxes = torch.tensor([[40.0, 40, 90, 90]]).repeat(size, 1)
    batch = Batch(exemplar, search, boxes, torch.ones(size, dtype=torch.bool))
    timed = _Timed(settings, torch.device("cpu"))
    timed(batch, 0)
    timed.inside, start = 0.0, time.perf_counter()
    for iteration in range(1, count + 1):
        timed(batch, iteration)
    whole = time.perf_counter() - start
    return {"step_seconds": whole / count, "outside_share": 1 - timed.inside / whole}


class _Timed(Step):
    """A step that sums the seconds of its forward and backward passes."""

    inside = 0.0

    def _accumulate(self, batch: Batch) -> Tensor:
        start = time.perf_counter()
        values = super()._accumulate(batch)
        self.inside += time.perf_counter() - start
        return values


def main() -> None:
    """Do the part that the command line names."""
    allocator.keep()  # as every verb does
    part, *rest = sys.argv[1:]
    if part == "step":
        found = step(int(rest[0]))
    else:
        found = build(Path(rest[0]), *map(int, rest[1:])) if part == "build" else open_index(Path(rest[0]))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
