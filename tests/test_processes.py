"""One training by several processes, as torchrun starts them."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from pydantic import ValidationError
from test_interruption import TINY
from test_killed import KILLED, TORCHRUN
from workspace import environment

from siamrcr import config
from siamrcr.config import Loss, Mini, Model, Training
from siamrcr.datasets.mini import generate
from siamrcr.errors import InputError
from siamrcr.training import sources
from siamrcr.training.loader import Batch, Examples, batches, collate
from siamrcr.training.processes import Processes
from siamrcr.training.step import Step
from siamrcr.training.train import _diverged, _shaping, train

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


def torchrun(*command: str) -> subprocess.CompletedProcess[str]:
    """Start two processes of a command."""
    return subprocess.run(
        [*TORCHRUN, *command], env=environment(), capture_output=True, text=True, timeout=300, check=False
    )


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
    done = torchrun("-m", "siamrcr", "train", "tiny", "--configfile", str(two))
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "two" / "models" / "tiny-s0.json").read_text())["processes"] == 2
    assert losses(alone).shape == (20, 4)
    assert np.ptp(losses(alone)[:, 0]) > 0.1
    for other in (parts, two):
        np.testing.assert_allclose(losses(other), losses(alone), rtol=0, atol=1e-4)


def test_two_processes_killed_end_with_the_bytes_of_two_that_were_not(data: Path, tmp_path: Path) -> None:
    files = [configuration(data, tmp_path, name, epochs=1, checkpoint_every=3) for name in ("whole", "parts")]
    arguments = [["train", "tiny", "--configfile", str(file)] for file in files]
    assert torchrun("-m", "siamrcr", *arguments[0]).returncode == 0
    driver = tmp_path / "killed.py"
    driver.write_text(KILLED)
    assert torchrun(str(driver), "7", *arguments[1]).returncode != 0
    models = [config.load(file).folder / "models" for file in files]
    assert [path.name for path in models[1].iterdir()] == ["tiny-s0.checkpoint.pt"]
    done = torchrun("-m", "siamrcr", *arguments[1])
    assert done.returncode == 0, done.stderr
    assert "starts over" not in done.stderr
    weights = [(folder / "tiny-s0.safetensors").read_bytes() for folder in models]
    assert weights[0] == weights[1]


@pytest.mark.slow
def test_what_one_process_cannot_read_all_count_and_one_says(data: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged"
    shutil.copytree(data, damaged)
    alone, two = (configuration(damaged, tmp_path, name, epochs=1) for name in ("alone", "two"))
    sources.pools(config.load(alone), config.load(alone).models["tiny"].training)  # the index knows all frames
    frames = sorted(damaged.rglob("train/*/*.jpg"))
    frames[2].write_bytes(b"no image")
    train(config.load(alone), "tiny", 0)
    done = torchrun("-m", "siamrcr", "train", "tiny", "--configfile", str(two))
    assert done.returncode == 0, done.stderr
    counted = [
        json.loads((tmp_path / name / "models" / "tiny-s0.json").read_text())["unreadable"] for name in ("alone", "two")
    ]
    assert counted[0] == counted[1] != {}
    assert done.stderr.count("another pair was drawn") == 1

    for path in frames:
        path.write_bytes(b"no image")
    none = configuration(damaged, tmp_path, "none", epochs=1)
    done = torchrun("-m", "siamrcr", "train", "tiny", "--configfile", str(none))
    assert done.returncode != 0
    # Both end by themselves and in one line, none for want of the other.
    assert done.stderr.count("siamrcr: ") == 2, done.stderr
    assert "Connection" not in done.stderr


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("size", [1, 2, 4])
def test_the_pairs_of_a_batch_are_the_same_whoever_reads_them(
    size: int, workers: int, data: Path, tmp_path: Path
) -> None:
    run = config.load(configuration(data, tmp_path, "run", workers=workers))
    settings = run.models["tiny"]
    pools = sources.pools(run, settings.training)
    examples = Examples(pools, settings, seed=5)
    one_by_one = [examples[position] for position in range(len(examples))]
    for first in (0, 13):
        parts = [list(batches(examples, first, False, Processes(rank, size))) for rank in range(size)]
        assert all(len(part) == settings.training.iterations - first for part in parts)
        for iteration, shared in enumerate(zip(*parts, strict=True), start=first):
            expected, _ = collate(one_by_one[4 * iteration : 4 * iteration + 4])
            for tensor, *pieces in zip(expected, *(batch for batch, _ in shared), strict=True):
                assert torch.equal(tensor, torch.cat(pieces))


def test_a_batch_is_shared_out_evenly() -> None:
    assert Processes(0, 4).part(128) == 32
    with pytest.raises(InputError, match="batch_size 6 is no multiple of the 4 processes"):
        Processes(0, 4).part(6)


def test_other_processes_continue_a_training_unless_they_change_what_is_normalised_together(
    data: Path, tmp_path: Path
) -> None:
    fixed = config.load(configuration(data, tmp_path, "fixed")).models["tiny"]
    assert _shaping(fixed, Processes()) == _shaping(fixed, Processes(1, 2))
    for changed in (
        {"network": fixed.network.model_copy(update={"head_normalization": "batch"})},
        {"training": fixed.training.model_copy(update={"backbone_batch_norm": "eval"})},
    ):
        settings = fixed.model_copy(update=changed)
        whole, shared = _shaping(settings, Processes()), _shaping(settings, Processes(1, 2))
        assert whole["normalized_together"] == 4
        assert shared == {**whole, "normalized_together": 2}


def test_a_part_of_a_batch_lacks_the_sum_of_its_weights(data: Path, tmp_path: Path) -> None:
    run = config.load(configuration(data, tmp_path, "run", micro_batch=4))
    settings = run.models["tiny"]
    summed = settings.model_copy(update={"loss": Loss(normalization="sum_weight")})
    Step(summed, torch.device("cpu"))
    with pytest.raises(InputError, match=r"sum_weight.* 2 processes"):
        Step(summed, torch.device("cpu"), Processes(1, 2))
    with pytest.raises(ValidationError, match=r"sum_weight.*micro_batch"):
        Model(loss=Loss(normalization="sum_weight"), training=Training(micro_batch=64))


def test_each_process_keeps_its_part_of_a_batch_whose_loss_is_not_finite(tmp_path: Path) -> None:
    batch = Batch(*(torch.zeros(2, 1) for _ in range(4)))
    for rank, name in ((0, "x.failed-0.pt"), (1, "x.failed-1.pt")):
        error = _diverged(tmp_path / "x", 4, batch, FloatingPointError("nan"), Processes(rank, 2))
        assert str(error).endswith(f"the batch is kept in {tmp_path / name}")
    assert len(list(tmp_path.iterdir())) == 2
