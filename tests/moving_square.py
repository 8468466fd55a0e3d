"""A benchmark in small: a textured square crosses a textured plane; and a run over it."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from workspace import environment

from siamrcr import config, datasets, results
from siamrcr.config import Network, Run
from siamrcr.model import SiamRCR, save

FRAMES = 12
SMALL = {
    "backbone": "resnet10t",
    "weights": "random",
    "stage": 2,
    "exemplar_size": 63,
    "search_size": 127,
    "channels": 8,
    "tower_depth": 1,
}

# A tracker of the user's own: it notes what it is asked, and draws random numbers.
MODULE = """
import numpy as np

class Drifting:
    confidence = 0.5

    def note(self, call):
        with open("calls.txt", "a") as stream:
            stream.write(call + " ")

    def init(self, image, box):
        self.box = np.array(box)
        self.note("init")

    def update(self, image):
        assert image.dtype == np.uint8 and image.shape[2] == 3
        self.note("update")
        return list(self.box + np.random.uniform(-1, 1, 4).round(2) * [1, 1, 0, 0])

class Silent:
    def init(self, image, box):
        pass

class Wrong(Drifting):
    def update(self, image):
        return None
"""

# The command line, which is killed once another run is stored than so many, before it is listed as finished.
KILLED = """
import os, signal, sys
from siamrcr.cli import main
from siamrcr.finished import Finished

add, left = Finished.add, int(sys.argv[1])

def adding(self, names):
    global left
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)
    left -= 1
    add(self, names)

Finished.add = adding
main(sys.argv[2:])
"""


def killed(*arguments: str, after: int) -> int:
    """Run a verb in the current folder and kill it after so many finished runs; its exit status."""
    command = [sys.executable, "-c", KILLED, str(after), *arguments]
    return subprocess.run(command, env=environment(), capture_output=True, check=False).returncode


def draw(folder: Path, name: str, frames: int, seed: int) -> None:
    """A sequence in OTB's layout: a textured square crosses a textured plane, two pixels a frame."""
    rng = np.random.default_rng(seed)
    smooth = [cv2.resize(rng.integers(0, 256, (n, n, 3), dtype=np.uint8), (s, s)) for n, s in ((12, 160), (6, 24))]
    (folder / name / "img").mkdir(parents=True)
    boxes = []
    for number in range(frames):
        image = smooth[0][:120].copy()
        x, y = 40 + 2 * number, 50 + number
        image[y : y + 24, x : x + 24] = smooth[1]
        cv2.imwrite(str(folder / name / "img" / f"{number + 1:04d}.png"), image)
        boxes.append(f"{x + 1},{y + 1},24,24\n")
    (folder / name / "groundtruth_rect.txt").write_text("".join(boxes))


def settings(**more: Any) -> Run:
    raw = {
        "run": "test",
        "source": "real",
        "device": "cpu",
        "network": SMALL,
        "models": {"small": {}},
        "trackers": {
            "stay": {"command": "static", "label": "stays"},
            "raw": {"results": {"otb2015": "elsewhere"}},
            "random": {"command": "own:Drifting", "deterministic": False, "repetitions": 2},
        },
    }
    return config.resolve({**raw, **more})


def trained(run: Run, seed: int = 0) -> Path:
    torch.manual_seed(seed)
    path = run.folder / "models" / "small-s0.safetensors"
    save(path, SiamRCR(Network(**SMALL), pretrained=False), {})
    return path


def boxes(folder: Path, name: str = "Alpha", repetition: int = 1) -> np.ndarray:
    sequences = datasets.load("otb2015", Path("data/real/otb2015"))
    return results.read(folder, "otb2015", sequences)[name][repetition - 1].boxes


@contextmanager
def prepared(folder: Path) -> Iterator[Run]:
    """A run over two sequences in a folder, the current one, whose `own` module holds a tracker."""
    for seed, name in enumerate(("Alpha", "Beta")):
        draw(folder / "data" / "real" / "otb2015", name, FRAMES, seed)
    (folder / "own.py").write_text(MODULE)
    yield settings()
