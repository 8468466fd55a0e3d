"""What a training does about frames, disks and checkpoints that fail it, and what it shows of itself."""

import errno
import json
import os
import signal
import tempfile
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from safetensors import SafetensorError
from squares import squares
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from test_training import batch, stop_at, weights

from siamrcr.config import Run
from siamrcr.errors import InputError
from siamrcr.losses import POSITIVE, labels
from siamrcr.training import checkpoint, index, picture, record, sources
from siamrcr.training.loader import Batch, Examples
from siamrcr.training.step import Step
from siamrcr.training.train import train

FULL = OSError(errno.ENOSPC, "No space left on device")


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Run]:
    return squares(tmp_path, monkeypatch)


def raising(error: Exception) -> Callable[..., Any]:
    def fail(*_: Any, **__: Any) -> Any:
        raise error

    return fail


def checkpoint_of(run: Run) -> dict[str, Any]:
    stored: dict[str, Any] = torch.load(run.folder / "models/tiny-s0.checkpoint.pt", weights_only=True)["state"]
    return stored


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


@pytest.mark.parametrize(
    ("module", "name", "suffix"), [("train", "save", "safetensors"), ("train", "write_json", "json")]
)
def test_a_full_disk_at_the_end_costs_no_step_of_the_training(
    module: str,
    name: str,
    suffix: str,
    make: Callable[..., Run],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run, whole = make("parts", checkpoint_every=1000), make("whole")
    train(whole, "tiny", 0)
    file = run.folder / f"models/tiny-s0.{suffix}"
    with monkeypatch.context() as patch:
        # What safetensors raises where the disk is full, and what Python does.
        error = SafetensorError("I/O error: No space left on device (os error 28)") if name == "save" else FULL
        patch.setattr(f"siamrcr.training.{module}.{name}", raising(error))
        with pytest.raises(InputError, match=f"{file}: the .* cannot be written .*No space left on device") as caught:
            train(run, "tiny", 0)
    assert "\n" not in str(caught.value)
    steps: list[int] = []
    monkeypatch.setattr(Step, "__call__", lambda *_: steps.append(1))
    train(run, "tiny", 0)
    assert not steps
    assert weights(run) == weights(whole)
    assert {path.name for path in file.parent.iterdir()} == {"tiny-s0.safetensors", "tiny-s0.json"}


# TensorBoard writes in a thread, which shows where it ended.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("place", ["opening", "curves", "pictures", "closing"])
def test_a_full_disk_costs_the_logs_and_not_the_training(
    place: str, make: Callable[..., Run], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run, whole = make("parts", log_every=1, picture_every=2), make("whole")
    train(whole, "tiny", 0)
    targets = {
        "opening": "siamrcr.training.record.SummaryWriter",
        "curves": "tensorboard.summary.writer.record_writer.RecordWriter.write",
        "pictures": "pathlib.Path.write_bytes",
        "closing": "torch.utils.tensorboard.SummaryWriter.close",
    }
    with monkeypatch.context() as patch:
        patch.setattr(targets[place], raising(FULL))
        capsys.readouterr()
        train(run, "tiny", 0)
    told = capsys.readouterr().err
    folder = run.folder / "logs/training/tiny-s0"
    assert told.count(f"{folder}: no logs from here on (No space left on device); training goes on") == 1
    assert "Traceback" not in told
    assert weights(run) == weights(whole)


def test_a_disk_that_cannot_be_written_to_is_told_before_a_training(
    make: Callable[..., Run], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make()
    monkeypatch.setattr(tempfile, "TemporaryFile", raising(OSError(errno.EROFS, os.strerror(errno.EROFS))))
    with pytest.raises(InputError, match=r"models: cannot be written \(Read-only file system\): make it writable"):
        train(run, "tiny", 0)
    assert "pairs" not in capsys.readouterr().err


def test_another_threads_error_is_still_told(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[object] = []
    monkeypatch.setattr(threading, "excepthook", partial(record.quiet, told.append))
    thread = threading.Thread(target=raising(FULL))
    thread.start()
    thread.join()
    assert len(told) == 1


def test_a_batch_that_cannot_be_kept_hides_not_why_it_should_be(
    make: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make(lr_start=1e30, lr_peak=1e30, clip_norm=0, frozen_epochs=0)
    monkeypatch.setattr(torch, "save", raising(FULL))
    with pytest.raises(
        InputError, match=r"not finite at iteration .*failed\.pt: the batch cannot be written"
    ) as caught:
        train(run, "tiny", 0)
    assert "\n" not in str(caught.value)


def test_a_full_disk_while_the_index_is_built_is_said(
    make: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "save_file", raising(SafetensorError("I/O error: No space left on device")))
    with pytest.raises(InputError, match=r"got10k-train-\w+\.safetensors: the index cannot be written .*No space"):
        train(make(), "tiny", 0)


def test_read_only_datasets_lend_their_index_or_leave_it_to_the_run(
    make: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make()
    beside, own = run.data / "mini/index", run.folder / "index"
    with monkeypatch.context() as patch:
        patch.setattr("os.access", lambda *_: False)
        sources.pools(run, run.models["tiny"].training)
        assert list(own.glob("*.safetensors"))
        assert not beside.exists()
        own.rename(beside)
        sources.pools(run, run.models["tiny"].training)
        assert not own.exists()


def test_a_training_that_must_stop_keeps_what_it_has(make: Callable[..., Run]) -> None:
    run, whole = make("parts", checkpoint_every=1000), make("whole")
    train(whole, "tiny", 0)
    original = Examples.__getitem__
    with pytest.MonkeyPatch.context() as patch:

        def read(self: Examples, place: int) -> Any:
            if place >= 16:
                raise InputError("frame.png: not a readable image")
            return original(self, place)

        patch.setattr(Examples, "__getitem__", read)
        with pytest.raises(InputError, match=r"frame\.png"):
            train(run, "tiny", 0)
    assert checkpoint_of(run)["iteration"] == 4
    train(run, "tiny", 0)
    assert weights(run) == weights(whole)


def test_curves_logged_after_the_last_checkpoint_are_logged_once(
    make: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make(log_every=1, checkpoint_every=2)
    with monkeypatch.context() as patch:
        original = Step.__call__

        def step(self: Step, batch: Batch, iteration: int) -> torch.Tensor:
            if iteration == 5:
                raise KeyboardInterrupt
            return original(self, batch, iteration)

        patch.setattr(Step, "__call__", step)
        with pytest.raises(KeyboardInterrupt):
            train(run, "tiny", 0)
    train(run, "tiny", 0)
    events = EventAccumulator(str(run.folder / "logs/training/tiny-s0")).Reload()
    assert [event.step for event in events.Scalars("loss/loss")] == list(range(6))


def test_a_broken_checkpoint_is_said_to_be_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x.checkpoint.pt"
    path.write_bytes(b"half a file")
    assert checkpoint.load(path, {}) is None
    assert "not a readable checkpoint" in capsys.readouterr().err


def test_a_checkpoint_that_the_disk_does_not_give_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.checkpoint.pt"
    checkpoint.save(path, {}, {"iteration": 10})
    with monkeypatch.context() as patch:
        patch.setattr(torch, "load", raising(OSError(errno.EIO, "Input/output error")))
        with pytest.raises(InputError, match=r"cannot be read .Input/output error"):
            checkpoint.load(path, {})
    assert checkpoint.load(path, {}) == {"iteration": 10}


def test_a_loader_process_that_dies_is_said_in_one_line(
    make: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Examples.__getitem__

    def read(self: Examples, place: int) -> Any:
        if place == 13:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(self, place)

    monkeypatch.setattr(Examples, "__getitem__", read)
    with pytest.raises(InputError, match=r"^DataLoader worker .*lower training\.workers") as caught:
        train(make(workers=1), "tiny", 0)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("error", [ConnectionResetError(104, "reset"), EOFError(), FileNotFoundError(2, "gone")])
def test_a_loader_process_that_dies_while_its_batch_is_fetched_is_said_too(
    make: Callable[..., Run], monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr("torch.utils.data.dataloader._MultiProcessingDataLoaderIter._get_data", raising(error))
    with pytest.raises(InputError, match=r"^DataLoader worker ended while .*lower training\.workers"):
        train(make(workers=1), "tiny", 0)


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
