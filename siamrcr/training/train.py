"""Train one model of a run (Section 4.1, Training Phase), from the first pair to the model's card."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from siamrcr.config import Model, Run, Training
from siamrcr.device import select
from siamrcr.errors import InputError
from siamrcr.files import atomic, probe, settings_hash, sha256, write_json
from siamrcr.hyperparameters import SPEED_ONLY
from siamrcr.model import parameters_by_part, save
from siamrcr.progress import progress
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
        try:
            _train(run, model, settings, seed, device, processes)
        except RuntimeError as error:
            # PyTorch raises it wherever the training happens to be when the process ends.
            if not str(error).startswith("DataLoader worker"):
                raise
            line = str(error).splitlines()[0].rstrip(". ")
            raise InputError(f"{line}: most often it lacks memory: lower training.workers and continue") from None


def _train(run: Run, model: str, settings: Model, seed: int, device: torch.device, processes: Processes) -> None:
    training = settings.training
    pools = sources.pools(run, training)
    step = Step(settings, device, processes)
    name = run.folder / "models" / f"{model}-s{seed}"
    path = name.with_name(f"{name.name}.checkpoint.pt")
    if processes.first:
        probe(path.parent)
    identity = {"seed": seed, "settings": _shaping(settings, processes), "data": card.data(pools)}
    history = torch.zeros((training.iterations, len(card.LOSSES)), dtype=torch.float64)
    first, seconds, waited = 0, 0.0, 0.0
    # One process reads it for all: reading may put it aside, and not every machine need see the folder.
    stored = processes.shared(checkpoint.load(path, identity) if processes.first else None)
    if stored is not None:
        step.restore(stored["step"])
        first, seconds, waited = stored["iteration"], stored["seconds"], stored["waited"]
        history[:first] = stored["history"]
    unreadable = Unreadable(training, stored["unreadable"] if stored else {}, processes.first)
    start = time.monotonic() - seconds

    def keep(iteration: int) -> None:
        if processes.first:
            clock = {"iteration": iteration, "seconds": time.monotonic() - start, "waited": waited}
            losses = {"history": history[:iteration].clone(), "unreadable": dict(unreadable.counts)}
            checkpoint.save(path, identity, {"step": step.state(), **losses, **clock})

    def keep_if_possible(iteration: int) -> None:
        try:
            keep(iteration)
        except InputError as error:
            print(f"{error}; training goes on without it", file=sys.stderr)

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
            try:
                batch, lines = _next(supply, processes)
                unreadable.add(lines, (iteration + 1) * training.batch_size)
            except InputError:
                if iteration > first:
                    keep_if_possible(iteration)
                raise
            waited += time.monotonic() - asked
            try:
                history[iteration] = step(batch, iteration)
            except FloatingPointError as error:
                raise _diverged(name, iteration, batch, error, processes) from None
            passed = time.monotonic() - start
            share = waited / passed
            bar.advance(training.batch_size, _note(history[iteration], learning_rate(training, iteration), share))
            record.losses(iteration, history[iteration], (iteration + 1) * training.batch_size / passed, share)
            record.batch(iteration, batch, step)
            done = iteration + 1
            number = processes.largest(stop.signal)
            if number:
                keep(done)
                bar.close()
                if processes.first:
                    print(_left(path, done, training), file=sys.stderr)
                # The status that shells give to a process ended by this signal.
                raise SystemExit(128 + number)
            # The last one serves where the weights cannot be written.
            if done % training.checkpoint_every == 0 or done == training.iterations:
                keep_if_possible(done)
    if not processes.first:
        return
    seconds = time.monotonic() - start
    weights, about = name.with_name(f"{name.name}.safetensors"), name.with_name(f"{name.name}.json")
    with checkpoint.writing(weights, "the weights"):
        save(weights, step.model, {"model": model, **identity})
    facts: dict[str, Any] = {
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
    with checkpoint.writing(about, "the card"):
        write_json(about, facts)
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


def _left(path: Path, done: int, training: Training) -> str:
    return f"{path}: stopped after iteration {done} of {training.iterations}; the same command continues"


def _next(supply: Iterator[tuple[Batch, list[str]]], processes: Processes) -> tuple[Batch, list[str]]:
    """This process's part of the next batch, and what was wrong with pairs of any.

    Raises InputError in all processes where one has no next batch: left to themselves the others would wait for it.
    """
    told: list[tuple[bool, str]]
    try:
        batch, lines = next(supply)
        told = [(False, line) for line in lines]
    except InputError as error:
        told = [(True, str(error))]
    told = processes.gathered(told)
    for fatal, line in told:
        if fatal:
            raise InputError(line)
    return batch, [line for _, line in told]


def _diverged(name: Path, iteration: int, batch: Batch, error: FloatingPointError, processes: Processes) -> InputError:
    """What to say of a loss that is not finite; each process keeps its part of the batch."""
    path = name.with_name(f"{name.name}.failed{f'-{processes.rank}' if processes.size > 1 else ''}.pt")
    try:
        with checkpoint.writing(path, "the batch"), atomic(path) as temporary:
            torch.save(batch._asdict(), temporary)
        kept = f"the batch is kept in {path}"
    except InputError as trouble:
        kept = str(trouble)
    return InputError(
        f"{name.name}: the loss is not finite at iteration {iteration + 1} ({error}): lower training.lr_peak or set "
        f"training.clip_norm; {kept}"
    )
