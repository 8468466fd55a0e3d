"""One training by several processes, as torchrun starts them."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from test_interruption import TINY
from workspace import environment

from siamrcr import config
from siamrcr.config import Mini
from siamrcr.datasets.mini import generate
from siamrcr.errors import InputError
from siamrcr.training.processes import Processes
from siamrcr.training.train import train

# Without statistics over a batch the losses do not depend on how it is shared out; the thaw comes half way.
FIXED = {
    "network": {"head_normalization": "group"},
    "training": {
        "backbone_batch_norm": "always_eval",
        "epochs": 2,
        "pairs_per_epoch": 40,
        "batch_size": 4,
        "frozen_epochs": 1,
        "workers": 0,
        "lr_peak": 0.01,
        "checkpoint_every": 100,
    },
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    generate("got10k", folder / "mini", Mini(width=96, height=72, frames=6, train_sequences=3, val_sequences=1))
    return folder


def configuration(data: Path, folder: Path, name: str, **training: Any) -> Path:
    raw = config.merge({**TINY, "run": name, "data": str(data), "results": str(folder)}, FIXED)
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(config.merge(raw, {"training": training})))
    return path


def losses(file: Path) -> np.ndarray:
    card = json.loads((config.load(file).folder / "models" / "tiny-s0.json").read_text())
    names = ("loss", "classification", "regression", "localization")
    return np.array([[point[name] for name in names] for point in card["curve"]])


def test_two_processes_and_accumulated_gradients_give_one_process_losses(data: Path, tmp_path: Path) -> None:
    alone = configuration(data, tmp_path, "alone")
    train(config.load(alone), "tiny", 0)
    parts = configuration(data, tmp_path, "parts", micro_batch=3)
    train(config.load(parts), "tiny", 0)
    two = configuration(data, tmp_path, "two", micro_batch=1)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = [*torchrun, "-m", "siamrcr", "train", "tiny", "--configfile", str(two)]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "two" / "models" / "tiny-s0.json").read_text())["processes"] == 2
    assert losses(alone).shape == (20, 4)
    assert np.ptp(losses(alone)[:, 0]) > 0.1
    for other in (parts, two):
        np.testing.assert_allclose(losses(other), losses(alone), rtol=0, atol=1e-4)


def test_a_batch_is_shared_out_evenly() -> None:
    assert Processes(0, 4).part(128) == 32
    with pytest.raises(InputError, match="batch_size 6 is no multiple of the 4 processes"):
        Processes(0, 4).part(6)
