"""What a training shows beside its line on the terminal: TensorBoard's curves, and pictures of batches."""

import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Self

import cv2
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from siamrcr.config import Training
from siamrcr.errors import InputError
from siamrcr.files import reason
from siamrcr.training import card, picture
from siamrcr.training.loader import Batch
from siamrcr.training.schedule import learning_rate
from siamrcr.training.step import Step

FEW = 10  # pairs that may be unreadable whatever their share


def quiet(inner: Callable[[threading.ExceptHookArgs], object], arguments: threading.ExceptHookArgs) -> None:
    """A hook for threads that ended by an error: TensorBoard's hands it on to whoever writes next, and says nothing."""
    if not type(arguments.thread).__module__.startswith("tensorboard."):
        inner(arguments)


class Record:
    """The logs of one training in a folder; a process that does not speak for all writes none.

    A training outlives its logs: where they cannot be written, a line says so, and they end.
    """

    def __init__(self, folder: Path, settings: Training, iteration: int, speaks: bool) -> None:
        self.folder, self.settings = folder, settings
        # What an interrupted training logged after its checkpoint is dropped.
        self._writer: SummaryWriter | None = None
        if speaks:
            threading.excepthook = partial(quiet, threading.excepthook)
            with self._expendable():
                self._writer = SummaryWriter(str(folder), purge_step=iteration)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._writer is not None:
            with self._expendable():
                self._writer.close()

    def losses(self, iteration: int, values: Tensor, pairs_per_second: float, waiting: float) -> None:
        """Log the losses (4,), the rate, the speed, and the share of time spent waiting for data."""
        if self._writer is None or iteration % self.settings.log_every:
            return
        shown = {f"loss/{name}": value for name, value in zip(card.LOSSES, values.tolist(), strict=True)}
        shown["learning_rate"] = learning_rate(self.settings, iteration)
        shown |= {"speed/pairs_per_second": pairs_per_second, "speed/waiting_share": waiting}
        with self._expendable():
            for name, value in shown.items():
                self._writer.add_scalar(name, value, iteration)

    def batch(self, iteration: int, batch: Batch, step: Step) -> None:
        """Keep a picture of a batch with labels and predictions, as a file and in TensorBoard."""
        every = self.settings.picture_every
        if self._writer is None or not every or iteration % every:
            return
        shown = picture.head(batch)
        image = picture.draw(shown, step.predict(shown), step.settings)
        with self._expendable():
            picture.write(self.folder / f"batch-{iteration:07d}.png", image)
            self._writer.add_image("batch", cv2.cvtColor(image, cv2.COLOR_BGR2RGB), iteration, dataformats="HWC")

    @contextmanager
    def _expendable(self) -> Iterator[None]:
        try:
            yield
        except (OSError, InputError) as error:
            print(f"{self.folder}: no logs from here on ({reason(error)}); training goes on", file=sys.stderr)
            self._writer = None


class Unreadable:
    """Pairs whose frames could not be read: others were drawn in their place, as long as they are few."""

    def __init__(self, settings: Training, known: dict[str, int], speaks: bool = True) -> None:
        self.settings, self.counts, self.speaks = settings, Counter(known), speaks

    def add(self, lines: list[str], pairs: int) -> None:
        """Count what was wrong with pairs, and say each file once; `pairs` were drawn until now.

        Raises InputError where too many cannot be read.
        """
        total = self.counts.total() + len(lines)
        if lines and total > max(FEW, self.settings.unreadable_share * pairs):
            raise InputError(
                f"{total} of {pairs} training pairs cannot be read, at last: {lines[-1]}; "
                f"training.unreadable_share says how many may be"
            )
        for line in lines:
            if self.speaks and line not in self.counts:
                print(f"{line}; another pair was drawn", file=sys.stderr)
            self.counts[line] += 1
