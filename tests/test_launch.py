"""A training that is shared out by configuration: the workflow's job starts its own processes."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import yaml
from test_interruption import TINY
from test_processes import FIXED, losses
from workspace import environment, snakemake, workspace

from siamrcr import cli, config
from siamrcr.training.train import train

MINI = {"width": 96, "height": 72, "frames": 6, "train_sequences": 3, "val_sequences": 1}


def configuration(folder: Path, name: str, **keys: object) -> Path:
    places = {"run": name, "data": str(folder / "data"), "results": str(folder), "mini": MINI}
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(config.merge(config.merge({**TINY, **places}, FIXED), keys)))
    return path


@pytest.mark.slow
@pytest.mark.workflow
def test_a_job_that_shares_its_training_out_gives_the_losses_of_one_that_does_not(tmp_path: Path) -> None:
    folder = workspace(tmp_path)
    two = configuration(tmp_path, "two", training_processes=2)
    target = str(tmp_path / "two" / "models" / "tiny-s0.json")
    snakemake(folder, target, "--configfile", str(two))
    alone = configuration(tmp_path, "alone")
    train(config.load(alone), "tiny", 0)
    assert json.loads(Path(target).read_text())["processes"] == 2
    np.testing.assert_allclose(losses(two), losses(alone), rtol=0, atol=1e-4)
    # Another number of processes, or of nodes, trains nothing again.
    assert "Nothing to be done" in snakemake(
        folder, target, "--dry-run", "--configfile", str(two), "--config", "training_processes=1", "training_nodes=2"
    )


@pytest.mark.slow
def test_a_shared_training_that_is_told_to_stop_keeps_its_checkpoint(tmp_path: Path) -> None:
    cli.main(["mini", "got10k", "--configfile", str(configuration(tmp_path, "run"))])
    file = configuration(
        tmp_path, "run", training_processes=2, training={"epochs": 500, "frozen_epochs": 500, "checkpoint_every": 1}
    )
    command = [sys.executable, "-m", "siamrcr", "train", "tiny", "--configfile", str(file)]
    process = subprocess.Popen(command, env=environment(), stderr=subprocess.PIPE, text=True)
    checkpoint = config.load(file).folder / "models" / "tiny-s0.checkpoint.pt"
    deadline = time.monotonic() + 60
    while not checkpoint.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, printed = process.communicate(timeout=30)
    assert process.returncode == 128 + signal.SIGTERM, printed
    assert "the same command continues" in printed
    assert checkpoint.exists()


def test_what_all_processes_refuse_is_one_status(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file = configuration(tmp_path, "run", training_processes=2)
    assert cli.main(["train", "tiny", "--configfile", str(file)]) == 2
    assert "Traceback" not in capfd.readouterr().err


def test_nodes_are_those_of_a_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    file = configuration(tmp_path, "run", training_nodes=2)
    assert cli.main(["train", "tiny", "--configfile", str(file)]) == 2
    assert "training_nodes 2: this is no job of SLURM" in capsys.readouterr().err
