"""A training whose processes are killed or told to stop, as machines and batch systems do, and continued."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from test_interruption import TINY
from workspace import environment

from siamrcr import config
from siamrcr.config import Mini
from siamrcr.datasets.mini import generate

STEPS = 200
# Kills its own process, as nothing can be caught, once the gradients of a step are there and before it is taken.
KILLED = """
import os, signal, sys
from siamrcr.cli import main
from siamrcr.training.step import Step
original, steps = Step._accumulate, iter(range(int(sys.argv[1]), -1, -1))
def accumulate(self, batch):
    values = original(self, batch)
    if next(steps) == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return values
Step._accumulate = accumulate
main(sys.argv[2:])
"""
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    generate("got10k", folder / "mini", Mini(width=96, height=72, frames=6, train_sequences=3, val_sequences=1))
    return folder


def configured(data: Path, folder: Path, name: str, **training: Any) -> tuple[list[str], Path]:
    """The command line that trains, and the folder of the models."""
    file = folder / f"{name}.yaml"
    places = {"run": name, "data": str(data), "results": str(folder)}
    file.write_text(yaml.safe_dump(config.merge({**TINY, **places}, {"training": training})))
    return ["train", "tiny", "--configfile", str(file)], config.load(file).folder / "models"


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=300, check=False)


def test_killed_at_any_step_a_training_ends_with_the_same_bytes(data: Path, tmp_path: Path) -> None:
    seed = int(os.environ.get("SIAMRCR_TEST_SEED", 0))
    step = random.Random(seed).randrange(STEPS)
    print(f"SIAMRCR_TEST_SEED={seed}: killed in step {step + 1} of {STEPS}")
    settings = {"epochs": 4, "pairs_per_epoch": 100, "batch_size": 2, "workers": 1, "checkpoint_every": 7}
    whole, of_whole = configured(data, tmp_path, "whole", **settings)
    parts, of_parts = configured(data, tmp_path, "parts", **settings)
    siamrcr = [sys.executable, "-m", "siamrcr"]
    assert run(*siamrcr, *whole).returncode == 0
    killed = run(sys.executable, "-c", KILLED, str(step), *parts)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert not (of_parts / "tiny-s0.safetensors").exists()
    assert (of_parts / "tiny-s0.checkpoint.pt").exists() == (step >= settings["checkpoint_every"])
    done = run(*siamrcr, *parts)
    assert done.returncode == 0, done.stderr
    names = [f"tiny-s0.{kind}" for kind in ("safetensors", "json")]
    assert (of_parts / names[0]).read_bytes() == (of_whole / names[0]).read_bytes()
    curves = [yaml.safe_load((folder / names[1]).read_text())["curve"] for folder in (of_whole, of_parts)]
    assert curves[0] == curves[1]


def test_several_processes_told_to_stop_keep_one_checkpoint_and_continue(data: Path, tmp_path: Path) -> None:
    # Never enough steps to end before the signal comes.
    settings = {"epochs": 2, "pairs_per_epoch": 2000, "batch_size": 4, "workers": 0, "checkpoint_every": 1}
    train, models = configured(data, tmp_path, "two", **settings)
    checkpoint = models / "tiny-s0.checkpoint.pt"
    command = [*TORCHRUN, "-m", "siamrcr", *train]
    with subprocess.Popen(
        command, env=environment(), start_new_session=True, stderr=subprocess.PIPE, text=True
    ) as process:
        while process.poll() is None and not checkpoint.exists():
            time.sleep(0.05)
        time.sleep(1)
        # torchrun passes on to its processes what the whole group has got already.
        os.killpg(process.pid, signal.SIGTERM)
        _, message = process.communicate(timeout=300)
    assert message.count("stopped after iteration") == 1, message
    assert [path.name for path in models.iterdir()] == [checkpoint.name]
