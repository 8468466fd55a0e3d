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
from siamrcr.training.processes import Processes, device_of, joined
from siamrcr.training.record import Record, Unreadable
from siamrcr.training.schedule import learning_rate
from siamrcr.training.step import Step


def train(run: Run, model: str, seed: int) -> None:
    """Train a model and write its weights and its card; an interrupted training is continued.

    The same settings, seed, machine, and numbers of threads and processes give the same weights, interrupted or not.
    Started by torchrun, every process calls this, and each batch is shared out among them.

    Raises:
        InputError: the model or a training set is unknown, too many frames cannot be read, or the loss is not finite.
        SystemExit: with 128 + n after signal n (SIGTERM, SIGINT), once the checkpoint is written.
    """
    if model not in run.models:
        raise InputError(f"no model {model!r} in the configuration; known are {', '.join(run.models)}")
    settings = run.models[model]
    device = select(device_of(run.device))
    _make_deterministic(seed, device)
    with joined(device) as processes:
        _train(run, model, settings, seed, device, processes)


def _train(run: Run, model: str, settings: Model, seed: int, device: torch.device, processes: Processes) -> None:
    training = settings.training
    pools = sources.pools(run, training)
    step = Step(settings, device, processes)
    name = run.folder / "models" / f"{model}-s{seed}"
    path = name.with_name(f"{name.name}.checkpoint.pt")
    identity = {"seed": seed, "settings": _shaping(settings, processes), "data": card.data(pools)}
    history = torch.zeros((training.iterations, len(card.LOSSES)), dtype=torch.float64)
    first, seconds, waited = 0, 0.0, 0.0
    stored = checkpoint.load(path, identity)
    if stored is not None:
        step.restore(stored["step"])
        first, seconds, waited = stored["iteration"], stored["seconds"], stored["waited"]
        history[:first] = stored["history"]
    unreadable = Unreadable(training, stored["unreadable"] if stored else {})
    start = time.monotonic() - seconds

    def keep(iteration: int) -> None:
        if processes.first:
            clock = {"iteration": iteration, "seconds": time.monotonic() - start, "waited": waited}
            losses = {"history": history[:iteration].clone(), "unreadable": dict(unreadable.counts)}
            checkpoint.save(path, identity, {"step": step.state(), **losses, **clock})

    examples = Examples(pools, settings, seed)
    with (
        Interruption() as stop,
        progress(f"train {name.name}", len(examples), "pairs", shown=processes.first) as bar,
        Record(run.folder / "logs" / "training" / name.name, training, first, processes.first) as record,
        closing(batches(examples, first, device.type == "cuda", processes)) as supply,
    ):
        bar.resume(first * training.batch_size)
        for iteration in range(first, training.iterations):
            asked = time.monotonic()
            batch, lines = next(supply)
            waited += time.monotonic() - asked
            unreadable.add(lines, (iteration + 1) * processes.part(training.batch_size))
            try:
                history[iteration] = step(batch, iteration)
            except FloatingPointError as error:
                raise _diverged(name, iteration, batch, error) from None
            passed = time.monotonic() - start
            share = waited / passed
            bar.advance(training.batch_size, _note(history[iteration], learning_rate(training, iteration), share))
            record.losses(iteration, history[iteration], (iteration + 1) * training.batch_size / passed, share)
            record.batch(iteration, batch, step)
            done = iteration + 1
            number = processes.largest(stop.signal)
            if number:
                keep(done)
                _leave(number, path, done, settings, bar)
            if done % training.checkpoint_every == 0:
                try:
                    keep(done)
                except InputError as error:
                    print(f"{error}; training goes on without it", file=sys.stderr)
    if not processes.first:
        return
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
        "unreadable": dict(unreadable.counts),
        "weights_sha256": sha256(weights),
        "parameters": parameters_by_part(step.model),
        "iterations": training.iterations,
        "pairs": len(examples),
        "processes": processes.size,
        "seconds": seconds,
        "waiting_share": waited / seconds,
        "curve": card.curve(history, training),
        "provenance": provenance(device=str(device)),
    }
    write_json(name.with_name(f"{name.name}.json"), about)
    path.unlink(missing_ok=True)


def _effective(settings: Model) -> dict[str, Any]:
    """The sections of the configuration that shape the weights or their use."""
    return settings.model_dump(mode="json", include={"network", "loss", "training", "tracking"})


def _shaping(settings: Model, processes: Processes) -> dict[str, Any]:
    """The settings that shape the weights: of tracking, only the context that crops are cut with.

    Batch normalisation takes its statistics over the pairs that are held at once, so their number counts, too.
    """
    sections = {"network", "loss", "training"}
    shaping = settings.model_dump(mode="json", include=sections, exclude={"training": {*SPEED_ONLY, "micro_batch"}})
    part = processes.part(settings.training.batch_size)
    together = min(settings.training.micro_batch or part, part) if _takes_statistics(settings) else None
    return shaping | {"tracking": {"context": settings.tracking.context}, "normalized_together": together}


def _takes_statistics(settings: Model) -> bool:
    """Whether any layer normalises by the batch's own statistics."""
    return settings.network.head_normalization == "batch" or settings.training.backbone_batch_norm != "always_eval"


def _make_deterministic(seed: int, device: torch.device) -> None:
    torch.manual_seed(seed)
    if device.type == "cuda":
        # cuBLAS needs it for repeatable sums; it is read when the first product is computed.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=True)
    # Nothing here reads memory before writing it, and filling all of it takes time.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def _note(losses: Tensor, rate: float, waiting: float) -> str:
    values = zip(card.LOSSES, losses.tolist(), strict=True)
    return f"{' '.join(f'{name} {value:.3f}' for name, value in values)} lr {rate:.2g} waiting {waiting:.0%}"


def _leave(number: int, path: Path, done: int, settings: Model, bar: Progress) -> None:
    bar.close()
    line = f"{path}: stopped after iteration {done} of {settings.training.iterations}; the same command continues"
    print(line, file=sys.stderr)
    # The status that shells give to a process ended by this signal.
    raise SystemExit(128 + number)


def _diverged(name: Path, iteration: int, batch: Batch, error: FloatingPointError) -> InputError:
    path = name.with_name(f"{name.name}.failed.pt")
    with atomic(path) as temporary:
        torch.save(batch._asdict(), temporary)
    return InputError(
        f"{name.name}: the loss is not finite at iteration {iteration + 1} ({error}): lower training.lr_peak or set "
        f"training.clip_norm; the batch is kept in {path}"
    )
