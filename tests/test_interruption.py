"""A training whose whole process group is told to stop, as batch systems do."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import squares
import yaml
from workspace import environment

from siamrcr import config
from siamrcr.config import Mini
from siamrcr.datasets.mini import generate
from siamrcr.training import interruption
from siamrcr.training.interruption import Interruption
from siamrcr.training.train import train

TINY = {
    "source": "mini",
    "device": "cpu",
    "network": squares.TINY["network"],
    "training": {
        "epochs": 3,
        "pairs_per_epoch": 48,
        "batch_size": 4,
        "warmup_epochs": 1,
        "frozen_epochs": 1,
        "workers": 1,
        "checkpoint_every": 1,
    },
    "models": {"tiny": {}},
}


def test_a_signal_to_the_whole_process_group_keeps_the_checkpoint(tmp_path: Path) -> None:
    generate("got10k", tmp_path / "mini", Mini(width=96, height=72, frames=6, train_sequences=3, val_sequences=1))
    file = tmp_path / "tiny.yaml"
    file.write_text(yaml.safe_dump({**TINY, "data": str(tmp_path), "results": str(tmp_path / "results")}))
    run = config.load(file)
    weights = run.folder / "models" / "tiny-s0.safetensors"
    checkpoint = weights.with_name("tiny-s0.checkpoint.pt")
    command = [sys.executable, "-m", "siamrcr", "train", "tiny", "--configfile", str(file)]
    with subprocess.Popen(
        command, env=environment(), start_new_session=True, stderr=subprocess.PIPE, text=True
    ) as process:
        while process.poll() is None and not checkpoint.exists():
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGTERM)
        _, message = process.communicate(timeout=120)
    assert process.returncode == 143, message
    assert "stopped after iteration" in message
    assert checkpoint.is_file()
    assert not weights.exists()
    train(run, "tiny", 0)
    assert weights.is_file()
    assert not checkpoint.exists()


def test_signals_at_once_are_one_and_a_later_one_acts_as_usual(monkeypatch: pytest.MonkeyPatch) -> None:
    with Interruption() as stop:
        for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGINT):
            signal.raise_signal(number)
        assert stop.signal == signal.SIGTERM
        monkeypatch.setattr(interruption, "ECHO", 0)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
