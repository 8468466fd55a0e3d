"""Schedule, optimiser step, checkpoint and the whole training of a tiny network."""

import json
import math
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from squares import squares

from siamrcr.config import Run, Training
from siamrcr.errors import InputError
from siamrcr.model import SiamRCR
from siamrcr.training import card, schedule
from siamrcr.training.loader import Batch
from siamrcr.training.step import Step
from siamrcr.training.train import train


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Run]:
    return squares(tmp_path, monkeypatch)


def weights(run: Run, seed: int = 0) -> bytes:
    return (run.folder / f"models/tiny-s{seed}.safetensors").read_bytes()


def stop_at(iteration: int, number: signal.Signals, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the process receive a signal in the middle of an iteration."""
    original = Step.__call__

    def step(self: Step, batch: Batch, current: int) -> torch.Tensor:
        if current == iteration:
            signal.raise_signal(number)
        return original(self, batch, current)

    monkeypatch.setattr(Step, "__call__", step)


# --- schedule -------------------------------------------------------------------------------------------------------


def test_the_papers_rate_rises_for_five_epochs_and_falls_by_half_a_cosine() -> None:
    paper = Training()
    epoch = paper.epoch_iterations
    rates = [schedule.learning_rate(paper, i) for i in (0, 5 * epoch, paper.iterations - 1)]
    np.testing.assert_allclose(rates, [1e-6, 0.1, 1e-4])
    assert math.isclose(schedule.learning_rate(paper, 5 * epoch // 2), 0.05, rel_tol=1e-3)
    middle = 5 * epoch + (paper.iterations - 1 - 5 * epoch) // 2
    assert math.isclose(schedule.learning_rate(paper, middle), (0.1 + 1e-4) / 2, rel_tol=1e-3)


@pytest.mark.parametrize("warmup", [0, 0.5, 2, 5])
def test_the_rate_stays_between_its_ends_whatever_the_warmup(warmup: float) -> None:
    settings = Training(epochs=2, pairs_per_epoch=40, batch_size=4, warmup_epochs=warmup)
    rates = [schedule.learning_rate(settings, i) for i in range(settings.iterations)]
    assert all(settings.lr_start <= rate <= settings.lr_peak for rate in rates)


def test_the_backbone_thaws_after_a_fraction_of_an_epoch() -> None:
    settings = Training(epochs=2, pairs_per_epoch=40, batch_size=4, frozen_epochs=0.5)
    assert [schedule.is_frozen(settings, i) for i in range(20)] == [True] * 5 + [False] * 15


@pytest.mark.parametrize(("kind", "moving"), [("eval", False), ("train", True)])
def test_a_frozen_backbone_keeps_its_parameters_and_its_statistics_as_set(
    kind: str, moving: bool, make: Callable[..., Run]
) -> None:
    settings = make(backbone_batch_norm=kind, frozen_epochs=1).models["tiny"]
    step = Step(settings, torch.device("cpu"))
    before = {key: value.clone() for key, value in step.model.backbone.state_dict().items()}
    step(batch(), 0)
    after = step.model.backbone.state_dict()
    parameters = dict(step.model.backbone.named_parameters())
    assert all(torch.equal(before[key], after[key]) for key in parameters)
    assert any(not torch.equal(before[key], after[key]) for key in before if key not in parameters) == moving
    step(batch(), 2)
    after = step.model.backbone.state_dict()
    assert any(not torch.equal(before[key], after[key]) for key in parameters)


# --- step -----------------------------------------------------------------------------------------------------------


def batch(size: int = 4) -> Batch:
    random = torch.Generator().manual_seed(0)
    images = [torch.randint(0, 256, (size, side, side, 3), dtype=torch.uint8, generator=random) for side in (63, 95)]
    boxes = torch.tensor([32.0, 30, 60, 62]).repeat(size, 1) + torch.arange(size)[:, None]
    return Batch(*images, boxes, torch.tensor([True] * (size - 1) + [False]))


def test_each_group_gets_its_own_rate(make: Callable[..., Run]) -> None:
    settings = make(backbone_lr_factor=0.1).models["tiny"].training
    model = SiamRCR(make().models["tiny"].network)
    optimizer = schedule.optimizer(model, settings)
    schedule.set_rate(optimizer, 0.02)
    head, backbone = optimizer.param_groups
    np.testing.assert_allclose([head["lr"], backbone["lr"]], [0.02, 0.002])
    assert len(head["params"]) + len(backbone["params"]) == len(list(model.parameters()))
    assert {id(p) for p in backbone["params"]} == {id(p) for p in model.backbone.parameters()}


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_micro_batches_add_up_to_the_batch(optimizer: str, make: Callable[..., Run]) -> None:
    gradients, losses = [], []
    for size in (None, 1, 3):
        torch.manual_seed(0)
        settings = make(micro_batch=size, optimizer=optimizer, clip_norm=0).models["tiny"]
        step = Step(settings, torch.device("cpu"))
        # The parts of a batch have statistics of their own: only with fixed ones are sums comparable.
        step.model.eval()
        losses.append(step._accumulate(batch()))
        gradients.append(torch.cat([p.grad.flatten() for p in step.model.parameters() if p.grad is not None]))
    for other in (1, 2):
        torch.testing.assert_close(losses[other], losses[0], rtol=1e-5, atol=0)
        torch.testing.assert_close(gradients[other], gradients[0], rtol=1e-4, atol=1e-6)


def test_the_gradients_norm_is_clipped(make: Callable[..., Run]) -> None:
    step = Step(make(clip_norm=1e-3).models["tiny"], torch.device("cpu"))
    step(batch(), 0)
    squares = [p.grad.square().sum() for p in step.model.parameters() if p.grad is not None]
    assert math.isclose(float(torch.stack(squares).sum().sqrt()), 1e-3, rel_tol=1e-3)


def test_the_loss_falls_on_a_batch_seen_again_and_again(make: Callable[..., Run]) -> None:
    torch.manual_seed(0)
    settings = make(optimizer="adamw", epochs=20, lr_peak=0.005, frozen_epochs=0).models["tiny"]
    step = Step(settings, torch.device("cpu"))
    totals = [float(step(batch(), iteration)[0]) for iteration in range(40)]
    assert totals[-1] < 0.5 * totals[0]


def test_bf16_stays_near_fp32(make: Callable[..., Run]) -> None:
    values = []
    for precision in ("fp32", "bf16"):
        torch.manual_seed(0)
        values.append(Step(make(precision=precision).models["tiny"], torch.device("cpu"))(batch(), 0))
    assert not torch.equal(values[0], values[1])
    # bfloat16 keeps eight bits.
    torch.testing.assert_close(values[1], values[0], rtol=2**-5, atol=2**-5)


# --- whole training -------------------------------------------------------------------------------------------------


def test_training_writes_weights_and_card_and_no_checkpoint(make: Callable[..., Run]) -> None:
    run = make()
    train(run, "tiny", 0)
    names = {path.name for path in (run.folder / "models").iterdir()}
    assert names == {"tiny-s0.safetensors", "tiny-s0.json"}
    about = json.loads((run.folder / "models/tiny-s0.json").read_text())
    assert (about["model"], about["label"], about["seed"], about["pairs"]) == ("tiny", "tiny", 0, 24)
    assert [point["iteration"] for point in about["curve"]] == [1, 2, 3, 4, 5, 6]
    assert all(
        math.isclose(point["loss"], point["classification"] + point["regression"] + point["localization"], rel_tol=1e-5)
        for point in about["curve"]
    )
    assert about["settings"]["training"]["epochs"] == 3
    assert about["data"]["got10k"]["frames"] == 23
    assert about["data"]["got10k"]["left_out"] == {"invisible": 1}
    parameters = about["parameters"]
    assert parameters["total"] == sum(count for part, count in parameters.items() if part != "total")


def test_seeds_differ_and_a_seed_repeats_itself(make: Callable[..., Run]) -> None:
    first, second = make("a"), make("b")
    train(first, "tiny", 0)
    train(second, "tiny", 0)
    train(second, "tiny", 1)
    assert weights(first) == weights(second)
    assert weights(first) != weights(second, seed=1)


def test_loader_processes_change_nothing(make: Callable[..., Run]) -> None:
    alone, helped = make("a"), make("b", workers=2)
    train(alone, "tiny", 0)
    train(helped, "tiny", 0)
    assert weights(alone) == weights(helped)


@pytest.mark.parametrize(
    ("number", "status", "iteration"), [(signal.SIGTERM, 143, 0), (signal.SIGINT, 130, 2), (signal.SIGTERM, 143, 5)]
)
def test_an_interrupted_training_ends_with_the_bytes_of_an_uninterrupted_one(
    number: signal.Signals, status: int, iteration: int, make: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, parts = make("whole"), make("parts")
    train(whole, "tiny", 0)
    handlers = [signal.getsignal(kind) for kind in (signal.SIGTERM, signal.SIGINT)]
    with monkeypatch.context() as patch:
        stop_at(iteration, number, patch)
        with pytest.raises(SystemExit) as stopped:
            train(parts, "tiny", 0)
    assert stopped.value.code == status
    assert [signal.getsignal(kind) for kind in (signal.SIGTERM, signal.SIGINT)] == handlers
    assert {path.name for path in (parts.folder / "models").iterdir()} == {"tiny-s0.checkpoint.pt"}
    train(parts, "tiny", 0)
    assert weights(parts) == weights(whole)
    curves = [json.loads((run.folder / "models/tiny-s0.json").read_text())["curve"] for run in (whole, parts)]
    assert curves[0] == curves[1]


def test_a_killed_training_continues_from_its_last_checkpoint(
    make: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, parts = make("whole"), make("parts")
    train(whole, "tiny", 0)
    seen: list[int] = []
    original = Step.__call__

    def step(self: Step, batch: Batch, iteration: int) -> torch.Tensor:
        if iteration == 5 and 5 not in seen:
            seen.append(5)
            raise KeyboardInterrupt
        seen.append(iteration)
        return original(self, batch, iteration)

    monkeypatch.setattr(Step, "__call__", step)
    with pytest.raises(KeyboardInterrupt):
        train(parts, "tiny", 0)
    train(parts, "tiny", 0)
    assert seen == [0, 1, 2, 3, 4, 5, 4, 5]
    assert weights(parts) == weights(whole)


def test_other_settings_start_over_and_say_which(
    make: Callable[..., Run], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as patch:
        stop_at(2, signal.SIGTERM, patch)
        with pytest.raises(SystemExit):
            train(make("parts"), "tiny", 0)
    capsys.readouterr()
    train(make("parts", lr_peak=0.02, workers=1), "tiny", 0)
    message = capsys.readouterr().err
    assert "settings.training.lr_peak: 0.01 -> 0.02" in message
    assert "starts over" in message
    assert "workers" not in message
    fresh = make("fresh", lr_peak=0.02, workers=1)
    train(fresh, "tiny", 0)
    assert weights(make("parts")) == weights(fresh)


@pytest.mark.parametrize(
    ("tracking", "continues"),
    [({"window": 0.5, "rule": "scale_free", "score": "classification"}, True), ({"context": 0.4}, False)],
)
def test_of_tracking_only_the_crops_context_belongs_to_a_training(
    tracking: dict[str, Any],
    continues: bool,
    make: Callable[..., Run],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = make()
    with monkeypatch.context() as patch:
        stop_at(2, signal.SIGTERM, patch)
        with pytest.raises(SystemExit):
            train(run, "tiny", 0)
    capsys.readouterr()
    tiny = run.models["tiny"]
    changed = tiny.model_copy(update={"tracking": tiny.tracking.model_copy(update=tracking)})
    train(run.model_copy(update={"models": {"tiny": changed}}), "tiny", 0)
    message = capsys.readouterr().err
    assert ("starts over" not in message) == continues
    assert ("settings.tracking.context: 0.5 -> 0.4" in message) != continues
    about = json.loads((run.folder / "models/tiny-s0.json").read_text())
    assert tracking.items() <= about["settings"]["tracking"].items()


def test_a_diverging_training_stops_with_one_line_and_keeps_the_batch(make: Callable[..., Run]) -> None:
    run = make(lr_start=1e30, lr_peak=1e30, clip_norm=0, frozen_epochs=0)
    with pytest.raises(InputError, match="not finite at iteration") as error:
        train(run, "tiny", 0)
    assert "\n" not in str(error.value)
    kept = torch.load(run.folder / "models/tiny-s0.failed.pt", weights_only=True)
    assert kept["search"].shape == (4, 95, 95, 3)
    assert not (run.folder / "models/tiny-s0.safetensors").exists()


def test_an_absent_training_set_is_named_with_its_remedy(make: Callable[..., Run]) -> None:
    run = make(datasets={"lasot": 1.0})
    with pytest.raises(InputError, match="training set lasot is not there: run `siamrcr mini lasot`"):
        train(run, "tiny", 0)
    real = run.model_copy(update={"source": "real"})
    with pytest.raises(InputError, match="`siamrcr download lasot`"):
        train(real, "tiny", 0)


def test_an_unknown_model_and_an_unknown_device_are_named(make: Callable[..., Run]) -> None:
    with pytest.raises(InputError, match="no model 'tinny'"):
        train(make(), "tinny", 0)
    with pytest.raises(InputError, match="device 'abacus'"):
        train(make().model_copy(update={"device": "abacus"}), "tiny", 0)


def test_the_curve_has_at_most_two_hundred_points_whose_means_are_the_histories() -> None:
    settings = Training(epochs=1, pairs_per_epoch=1001, batch_size=1)
    history = torch.rand(1001, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    points = card.curve(history, settings)
    assert 100 < len(points) <= 200
    assert points[-1]["iteration"] == 1001
    widths = np.diff([0, *(point["iteration"] for point in points)])
    whole = sum(point["loss"] * width for point, width in zip(points, widths, strict=True)) / 1001
    assert math.isclose(whole, float(history[:, 0].mean()), rel_tol=1e-9)
