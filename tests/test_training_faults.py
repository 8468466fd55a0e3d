"""What a training does about frames, disks and checkpoints that fail it, and what it shows of itself."""

import errno
import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from squares import squares
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from test_training import batch, stop_at, weights

from siamrcr.config import Run
from siamrcr.errors import InputError
from siamrcr.losses import POSITIVE, labels
from siamrcr.training import checkpoint, picture, sources
from siamrcr.training.step import Step
from siamrcr.training.train import train


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Run]:
    return squares(tmp_path, monkeypatch)


def frames() -> list[Path]:
    return [path for sequence in sources.datasets.load() for path in sequence.frames]


@pytest.mark.parametrize("workers", [0, 1])
def test_frames_that_cannot_be_read_are_replaced_said_and_counted(
    workers: int, make: Callable[..., Run], capsys: pytest.CaptureFixture[str]
) -> None:
    run = make(workers=workers)
    corrupt, gone = frames()[0], frames()[8]
    sources.pools(run, run.models["tiny"].training)  # the index knows both
    corrupt.write_bytes(corrupt.read_bytes()[:40])
    gone.unlink()
    train(run, "tiny", 0)
    told = capsys.readouterr().err
    counted = json.loads((run.folder / "models/tiny-s0.json").read_text())["unreadable"]
    assert 1 <= len(counted) <= 2
    for line in counted:
        assert told.count(f"{line}; another pair was drawn") == 1
        assert str(corrupt) in line or str(gone) in line


@pytest.mark.parametrize("workers", [0, 1])
def test_too_many_unreadable_frames_end_the_training_in_one_line(workers: int, make: Callable[..., Run]) -> None:
    run = make(workers=workers, pairs_per_epoch=200)
    for path in frames()[::6]:
        path.write_bytes(b"no image")
    with pytest.raises(
        InputError, match=r"training pairs cannot be read, at last: \S+\.png: .*unreadable_share"
    ) as error:
        train(run, "tiny", 0)
    assert "\n" not in str(error.value)
    for path in frames():
        path.write_bytes(b"no image")
    with pytest.raises(InputError, match=r"^\S+\.png: not a readable image") as error:
        train(run, "tiny", 0)
    assert "\n" not in str(error.value)


def test_a_full_disk_costs_a_checkpoint_and_not_the_training(
    make: Callable[..., Run], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run, whole = make("parts"), make("whole")
    train(whole, "tiny", 0)
    path = run.folder / "models/tiny-s0.checkpoint.pt"
    original = torch.save
    calls: list[int] = []

    def save(state: Any, file: Path) -> None:
        calls.append(1)
        if len(calls) == 2:
            Path(file).write_bytes(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")
        original(state, file)

    monkeypatch.setattr(torch, "save", save)
    capsys.readouterr()
    with monkeypatch.context() as patch:
        stop_at(4, signal.SIGTERM, patch)
        with pytest.raises(SystemExit):
            train(run, "tiny", 0)
    told = capsys.readouterr().err
    assert f"{path}: the checkpoint cannot be written (No space left on device)" in told
    assert "training goes on without it" in told
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    train(run, "tiny", 0)
    assert weights(run) == weights(whole)


def test_a_broken_checkpoint_is_said_to_be_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x.checkpoint.pt"
    path.write_bytes(b"half a file")
    assert checkpoint.load(path, {}) is None
    assert "not a readable checkpoint" in capsys.readouterr().err


def test_a_checkpoint_of_other_settings_waits_until_they_return(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.checkpoint.pt"
    checkpoint.save(path, {"rate": 1}, {"iteration": 10})
    assert checkpoint.load(path, {"rate": 2}) is None
    assert "rate: 1 -> 2" in capsys.readouterr().err
    checkpoint.save(path, {"rate": 2}, {"iteration": 20})
    assert checkpoint.load(path, {"rate": 1}) == {"iteration": 10}
    assert "that of these settings continues" in capsys.readouterr().err
    assert checkpoint.load(path, {"rate": 2}) == {"iteration": 20}
    assert len(list(tmp_path.iterdir())) == 2


def test_curves_and_pictures_are_kept_and_change_nothing(make: Callable[..., Run]) -> None:
    shown, plain = make("shown", log_every=1, picture_every=2), make("plain", picture_every=0)
    for run in (shown, plain):
        train(run, "tiny", 0)
    assert weights(shown) == weights(plain)
    folder = shown.folder / "logs/training/tiny-s0"
    assert sorted(path.name for path in folder.glob("*.png")) == [f"batch-{n:07d}.png" for n in (0, 2, 4)]
    assert not list((plain.folder / "logs/training/tiny-s0").glob("*.png"))
    events = EventAccumulator(str(folder)).Reload()
    assert [event.step for event in events.Scalars("loss/classification")] == list(range(6))
    curve = json.loads((shown.folder / "models/tiny-s0.json").read_text())["curve"]
    logged = [event.value for event in events.Scalars("loss/loss")]
    np.testing.assert_allclose(logged, [point["loss"] for point in curve], rtol=1e-6)


def test_a_picture_shows_the_pair_its_boxes_and_its_labels(make: Callable[..., Run]) -> None:
    settings = make().models["tiny"]
    pairs = batch()
    image = picture.draw(pairs, Step(settings, torch.device("cpu")).predict(pairs), settings)
    assert image.shape == (4 * 95, 63 + 2 * 95, 3)
    np.testing.assert_array_equal(image[:63, :63], pairs.exemplar[0].numpy()[..., ::-1])
    search = image[:95, 63:158]
    x0, y0, x1, y1 = (int(value) for value in pairs.boxes[0])
    assert (search[y0, x0] == picture.TRUTH).all()
    assert (search[y1, x1] == picture.TRUTH).all()
    # A negative pair has no truth to show.
    negative = image[3 * 95 :, 63:158]
    assert not (negative == picture.TRUTH).all(axis=2).any()
    label = labels(pairs.boxes, settings.network, settings.loss, pairs.positive)[0].numpy()
    y, x = np.argwhere(label == POSITIVE)[0]
    cell = 95 / len(label)
    around = image[int(y * cell) : int((y + 1) * cell), 158 + int(x * cell) : 158 + int((x + 1) * cell)]
    assert (around == 255).all(axis=2).any()


def test_pictures_can_be_read_back(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    picture.write(tmp_path / "a.png", image)
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / "a.png")), image)
