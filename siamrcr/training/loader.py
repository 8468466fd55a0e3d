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

from siamrcr.config import Model
from siamrcr.errors import InputError
from siamrcr.training.augment import Example, example
from siamrcr.training.interruption import SIGNALS
from siamrcr.training.pairs import Pool, generator, sample

# Seconds that a loader process outlives a signal to end.
GRACE = 20


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


class Examples(Dataset[Example]):
    """Every pair of a training, by its position in the whole run."""

    def __init__(self, pools: tuple[Pool, ...], settings: Model, seed: int) -> None:
        self.pools, self.settings, self.seed = pools, settings, seed
        self.epoch_pairs = settings.training.epoch_iterations * settings.training.batch_size

    def __len__(self) -> int:
        return self.epoch_pairs * self.settings.training.epochs

    def __getitem__(self, position: int) -> Example:
        epoch, number = divmod(position, self.epoch_pairs)
        rng = generator(self.seed, epoch, number)
        settings = self.settings
        pair = sample(self.pools, settings.training, rng)
        images = (pair.exemplar.sequence.image(pair.exemplar.number), pair.search.sequence.image(pair.search.number))
        return example(
            images,
            (pair.exemplar.box, pair.search.box),
            pair.positive,
            settings.network,
            settings.training,
            settings.tracking.context,
            rng,
        )


def batches(examples: Examples, first: int, pinned: bool) -> Generator[Batch]:
    """The batches of the iterations from `first` to the last; the number of loader processes never changes them.

    Raises InputError naming the file where a frame cannot be read.
    """
    training = examples.settings.training
    loader = DataLoader(
        examples,
        batch_size=training.batch_size,
        sampler=range(first * training.batch_size, len(examples)),
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
        line = str(error).splitlines()[-1]
        raise InputError(line.removeprefix(f"{InputError.__module__}.{InputError.__name__}: ")) from None


def collate(examples: list[Example]) -> Batch:
    """Stack examples."""
    exemplars, searches, boxes, positive = zip(*examples, strict=True)
    exemplar, search, box = (torch.from_numpy(np.stack(arrays)) for arrays in (exemplars, searches, boxes))
    return Batch(exemplar, search, box, torch.tensor(positive))


def _start_worker(_: int) -> None:
    cv2.setNumThreads(1)
    # Sent to the whole process group, a signal would end the loader before the training has written its checkpoint. The
    # loader's own end of a process that is stuck is that signal too.
    for number in SIGNALS:
        signal.signal(number, lambda *_: signal.alarm(GRACE))
