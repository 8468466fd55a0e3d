"""Train one model of a run (Section 4.1, Training Phase), from the first pair to the model's card."""

import os
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from siamrcr.config import Model, Run
from siamrcr.device import select
from siamrcr.errors import InputError
from siamrcr.files import atomic, settings_hash, sha256, write_json
from siamrcr.hyperparameters import SPEED_ONLY
from siamrcr.model import parameters_by_part, save
from siamrcr.progress import Progress, progress
from siamrcr.provenance import provenance
from siamrcr.training import card, checkpoint, sources
from siamrcr.training.interruption import Interruption
from siamrcr.training.loader import Batch, Examples, batches
from siamrcr.training.schedule import learning_rate
from siamrcr.training.step import Step


def train(run: Run, model: str, seed: int) -> None:
    """Train a model and write its weights and its card; an interrupted training is continued.

    The same settings, seed, machine and number of threads give the same weights, interrupted or not.

    Raises:
        InputError: the model or a training set is unknown, a frame cannot be read, or the loss is not finite.
        SystemExit: with 128 + n after signal n (SIGTERM, SIGINT), once the checkpoint is written.
    """
    if model not in run.models:
        raise InputError(f"no model {model!r} in the configuration; known are {', '.join(run.models)}")
    settings = run.models[model]
    device = select(run.device)
    _make_deterministic(seed, device)
    pools = sources.pools(run, settings.training)
    step = Step(settings, device)
    name = run.folder / "models" / f"{model}-s{seed}"
    path = name.with_name(f"{name.name}.checkpoint.pt")
    identity = {"seed": seed, "settings": _shaping(settings), "data": card.data(pools)}
    history = torch.zeros((settings.training.iterations, len(card.LOSSES)), dtype=torch.float64)
    first, seconds = 0, 0.0
    stored = checkpoint.load(path, identity)
    if stored is not None:
        step.restore(stored["step"])
        first, seconds = stored["iteration"], stored["seconds"]
        history[:first] = stored["history"]
    start = time.monotonic() - seconds

    def keep(iteration: int) -> None:
        state = {"iteration": iteration, "seconds": time.monotonic() - start}
        checkpoint.save(path, identity, state | {"step": step.state(), "history": history[:iteration].clone()})

    batch_size = settings.training.batch_size
    examples = Examples(pools, settings, seed)
    with (
        Interruption() as stop,
        progress(f"train {name.name}", len(examples), "pairs") as bar,
        closing(batches(examples, first, device.type == "cuda")) as supply,
    ):
        bar.resume(first * batch_size)
        for iteration, batch in enumerate(supply, start=first):
            try:
                history[iteration] = step(batch, iteration)
            except FloatingPointError as error:
                raise _diverged(name, iteration, batch, error) from None
            bar.advance(batch_size, _note(history[iteration], learning_rate(settings.training, iteration)))
            done = iteration + 1
            if stop.signal:
                keep(done)
                _leave(stop, path, done, settings, bar)
            if done % settings.training.checkpoint_every == 0:
                keep(done)
    seconds = time.monotonic() - start
    weights = name.with_name(f"{name.name}.safetensors")
    save(weights, step.model, {"model": model, **identity})
    about: dict[str, Any] = {
        "model": model,
        "label": settings.label or model,
        "seed": seed,
        "settings": _effective(settings),
        "settings_sha256": settings_hash(_effective(settings)),
        "data": card.data(pools),
        "weights_sha256": sha256(weights),
        "parameters": parameters_by_part(step.model),
        "iterations": settings.training.iterations,
        "pairs": len(examples),
        "seconds": seconds,
        "curve": card.curve(history, settings.training),
        "provenance": provenance(device=str(device)),
    }
    write_json(name.with_name(f"{name.name}.json"), about)
    path.unlink(missing_ok=True)


def _effective(settings: Model) -> dict[str, Any]:
    """The sections of the configuration that shape the weights or their use."""
    return settings.model_dump(mode="json", include={"network", "loss", "training", "tracking"})


def _shaping(settings: Model) -> dict[str, Any]:
    """The settings that shape the weights: of tracking, only the context that crops are cut with."""
    sections = {"network", "loss", "training"}
    shaping = settings.model_dump(mode="json", include=sections, exclude={"training": SPEED_ONLY})
    return shaping | {"tracking": {"context": settings.tracking.context}}


def _make_deterministic(seed: int, device: torch.device) -> None:
    torch.manual_seed(seed)
    if device.type == "cuda":
        # cuBLAS needs it for repeatable sums; it is read when the first product is computed.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=True)
    # Nothing here reads memory before writing it, and filling all of it takes time.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def _note(losses: Tensor, rate: float) -> str:
    values = zip(card.LOSSES, losses.tolist(), strict=True)
    return f"{' '.join(f'{name} {value:.3f}' for name, value in values)} lr {rate:.2g}"


def _leave(stop: Interruption, path: Path, done: int, settings: Model, bar: Progress) -> None:
    bar.close()
    line = f"{path}: stopped after iteration {done} of {settings.training.iterations}; the same command continues"
    print(line, file=sys.stderr)
    raise SystemExit(stop.status)


def _diverged(name: Path, iteration: int, batch: Batch, error: FloatingPointError) -> InputError:
    path = name.with_name(f"{name.name}.failed.pt")
    with atomic(path) as temporary:
        torch.save(batch._asdict(), temporary)
    return InputError(
        f"{name.name}: the loss is not finite at iteration {iteration + 1} ({error}): lower training.lr_peak or set "
        f"training.clip_norm; the batch is kept in {path}"
    )
