"""Half precision, and memory laid out channels last: what they change, and what they must not."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from squares import squares
from test_training import batch

from siamrcr.config import Run
from siamrcr.training.step import Step

CPU = torch.device("cpu")


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Run]:
    return squares(tmp_path, monkeypatch)


def started(run: Run) -> Step:
    torch.manual_seed(0)
    return Step(run.models["tiny"], CPU)


def parameters(step: Step) -> torch.Tensor:
    return torch.cat([value.detach().flatten() for value in step.model.parameters()])


def overflow(step: Step, value: float) -> None:
    """Have one parameter's gradient be as large as `value`."""
    weight = next(step.model.neck.parameters())
    weight.register_hook(lambda gradient: torch.full_like(gradient, value))


def test_channels_last_changes_the_last_digits_alone(make: Callable[..., Run]) -> None:
    plain, laid = started(make(channels_last=False)), started(make(channels_last=True))
    weight = laid.model.get_parameter("classification.output.weight")
    assert weight.is_contiguous(memory_format=torch.channels_last)
    for iteration in range(3):
        torch.testing.assert_close(laid(batch(), iteration), plain(batch(), iteration), rtol=1e-4, atol=1e-5)


def test_fp16_stays_near_fp32_and_its_scale_leaves_no_trace(make: Callable[..., Run]) -> None:
    full, half = started(make(precision="fp32")), started(make(precision="fp16", clip_norm=1e9))
    values = [step(batch(), 0) for step in (full, half)]
    assert not torch.equal(values[0], values[1])
    # float16 keeps eleven bits; sums of some hundred products lose a few more.
    torch.testing.assert_close(values[1], values[0], rtol=2**-6, atol=2**-6)
    norms = [
        math.hypot(*(float(p.grad.norm()) for p in s.model.parameters() if p.grad is not None)) for s in (full, half)
    ]
    assert norms[1] == pytest.approx(norms[0], rel=0.05)


def test_a_gradient_that_overflows_scaled_costs_a_step_and_halves_the_scale(make: Callable[..., Run]) -> None:
    step = started(make(precision="fp16", clip_norm=1.0))
    overflow(step, math.inf)
    before, scale = parameters(step).clone(), step.scaler.get_scale()
    assert step(batch(), 0).isfinite().all()
    assert torch.equal(parameters(step), before)
    assert step.scaler.get_scale() == scale / 2


def test_a_gradient_that_overflows_unscaled_ends_the_training(make: Callable[..., Run]) -> None:
    step = started(make(precision="fp16"))
    overflow(step, math.nan)
    before = parameters(step).clone()
    # Down from 2^16 by halves.
    for _ in range(16):
        step(batch(), 0)
    with pytest.raises(FloatingPointError, match="gradient nan"):
        step(batch(), 0)
    assert torch.equal(parameters(step), before)


def test_the_scale_is_part_of_what_a_checkpoint_keeps(make: Callable[..., Run]) -> None:
    step = started(make(precision="fp16"))
    overflow(step, math.inf)
    step(batch(), 0)
    other = started(make(precision="fp16"))
    other.restore(step.state())
    assert other.scaler.get_scale() == step.scaler.get_scale() < started(make(precision="fp16")).scaler.get_scale()
