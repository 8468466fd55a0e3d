"""Batches of pairs for the network, from any iteration on."""

import signal
import traceback
from collections.abc import Generator
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from siamrcr import allocator
from siamrcr.config import Model
from siamrcr.datasets.sequence import decode
from siamrcr.errors import InputError
from siamrcr.training import augment
from siamrcr.training.augment import Example
from siamrcr.training.interruption import SIGNALS
from siamrcr.training.pairs import Pair, Pool, generator, sample
from siamrcr.training.processes import Processes

# Seconds that a loader process outlives a signal to end.
GRACE = 20
# Pairs drawn in place of one that cannot be read; more in a row are no accident.
ATTEMPTS = 10


class Batch(NamedTuple):
    """B examples.

    Attributes:
        exemplar: (B, z, z, 3) uint8 RGB.
        search: (B, x, x, 3) uint8 RGB.
        boxes: (B, 4) float32 truth corners x0, y0, x1, y1 in pixels of the search image.
        positive: (B,) bool, False where exemplar and box are two different targets.
    """

    exemplar: Tensor
    search: Tensor
    boxes: Tensor
    positive: Tensor

    def to(self, device: torch.device) -> "Batch":
        """The batch on a device."""
        return Batch(*(tensor.to(device, non_blocking=True) for tensor in self))


class Examples(Dataset[tuple[Example, list[str]]]):
    """Every pair of a training, by its position in the whole run."""

    def __init__(self, pools: tuple[Pool, ...], settings: Model, seed: int) -> None:
        self.pools, self.settings, self.seed = pools, settings, seed
        self.epoch_pairs = settings.training.epoch_iterations * settings.training.batch_size

    def __len__(self) -> int:
        return self.epoch_pairs * self.settings.training.epochs

    def __getitem__(self, position: int) -> tuple[Example, list[str]]:
        """An example, and what was wrong with each pair that was drawn before it and could not be read.

        Raises InputError where ATTEMPTS pairs in a row cannot be read.
        """
        epoch, number = divmod(position, self.epoch_pairs)
        unreadable: list[str] = []
        while len(unreadable) < ATTEMPTS:
            rng = generator(self.seed, epoch, number, attempt=len(unreadable))
            try:
                return self._example(sample(self.pools, self.settings.training, rng), rng), unreadable
            except InputError as error:
                unreadable.append(str(error))
        raise InputError(unreadable[-1])

    def _example(self, pair: Pair, rng: np.random.Generator) -> Example:
        network, training = self.settings.network, self.settings.training
        frames = (pair.exemplar, pair.search)
        cuts = augment.matrices(
            (pair.exemplar.box, pair.search.box), network, training, self.settings.tracking.context, rng
        )
        factors = [
            augment.reduction(frame.path, matrix) if training.reduced_decoding else 1
            for frame, matrix in zip(frames, cuts, strict=True)
        ]
        images = [decode(frame.path, factor) for frame, factor in zip(frames, factors, strict=True)]
        exemplar, search = (augment.reduced(matrix, factor) for matrix, factor in zip(cuts, factors, strict=True))
        crops = augment.crops((images[0], images[1]), (exemplar, search), network)
        truth = augment.transform(cuts[1], pair.search.box).astype(np.float32)
        return Example(*augment.recolored(crops, training, rng), truth, pair.positive)


def batches(
    examples: Examples, first: int, pinned: bool, processes: Processes | None = None
) -> Generator[tuple[Batch, list[str]]]:
    """The batches of the iterations from `first` to the last, each with what was wrong with the pairs that it replaces.

    Of several training processes each gets its part of every batch. The number of loader processes
    never changes them. Raises InputError naming a file where too many cannot be read.
    """
    training, processes = examples.settings.training, processes or Processes()
    part = processes.part(training.batch_size)
    loader = DataLoader(
        examples,
        # Ranges, since three million numbers would be held for the whole run.
        batch_sampler=[
            range(start + processes.rank * part, start + (processes.rank + 1) * part)  # type: ignore[misc]
            for start in range(first * training.batch_size, len(examples), training.batch_size)
        ],
        num_workers=training.workers,
        collate_fn=collate,
        worker_init_fn=_start_worker,
        pin_memory=pinned,
        # Its own, so that the loader draws nothing from the global random numbers.
        generator=torch.Generator(),
    )
    # Before the loader processes are forked: OpenCV in them waits for ever for threads that it had here.
    cv2.setNumThreads(1)
    try:
        yield from loader
    except InputError as error:
        # Its frames hold the loader, whose processes end with it: left alive, they would keep this process from ending.
        traceback.clear_frames(error.__traceback__)
        # A loader process wraps the message in a traceback of several lines.
        line = str(error.args[0]).splitlines()[-1]
        raise InputError(line.removeprefix(f"{InputError.__module__}.{InputError.__name__}: ")) from None
    except (ConnectionError, EOFError, FileNotFoundError) as error:
        # What PyTorch gives instead of its own words where a process ends while a batch of its is being fetched.
        traceback.clear_frames(error.__traceback__)
        raise RuntimeError(f"DataLoader worker ended while a batch was fetched ({error})") from None


def collate(examples: list[tuple[Example, list[str]]]) -> tuple[Batch, list[str]]:
    """Stack examples."""
    exemplars, searches, boxes, positive = zip(*(one for one, _ in examples), strict=True)
    exemplar, search, box = (torch.from_numpy(np.stack(arrays)) for arrays in (exemplars, searches, boxes))
    return Batch(exemplar, search, box, torch.tensor(positive)), [line for _, lines in examples for line in lines]


def _start_worker(_: int) -> None:
    cv2.setNumThreads(1)
    allocator.keep()  # a process that was forked has it already
    # Sent to the whole process group, a signal would end the loader before the training has written its checkpoint. The
    # loader's own end of a process that is stuck is that signal too.
    for number in SIGNALS:
        signal.signal(number, lambda *_: signal.alarm(GRACE))
