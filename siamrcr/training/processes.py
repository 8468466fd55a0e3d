"""The processes of one training: one, or as many as torchrun started, each with its part of every batch."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed

from siamrcr.errors import InputError

T = TypeVar("T")


@dataclass(frozen=True)
class Processes:
    """This process's place (`rank`, from 0) among `size`."""

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """Whether this process writes and speaks for all."""
        return self.rank == 0

    def sum(self, values: Tensor) -> Tensor:
        """The sum of a tensor over all processes, in place."""
        if self.size > 1:
            distributed.all_reduce(values)
        return values

    def largest(self, value: int) -> int:
        """The largest of all processes' values."""
        if self.size == 1:
            return value
        found = torch.tensor(value, device="cuda" if distributed.get_backend() == "nccl" else "cpu")
        distributed.all_reduce(found, distributed.ReduceOp.MAX)
        return int(found)

    def gathered(self, values: list[T]) -> list[T]:
        """The lists of all processes, one after the other; they travel only where one is not empty."""
        if self.size == 1 or not self.largest(len(values)):
            return values
        parts: list[Any] = [None] * self.size
        distributed.all_gather_object(parts, values)
        return [value for part in parts for value in part]

    def shared(self, value: T) -> T:
        """The first process's value."""
        if self.size == 1:
            return value
        held = [value]
        distributed.broadcast_object_list(held)
        return held[0]

    def part(self, batch_size: int) -> int:
        """Pairs of a batch that fall to this process. Raises InputError where they cannot be shared out evenly."""
        if batch_size % self.size:
            raise InputError(
                f"training.batch_size {batch_size} is no multiple of the {self.size} processes: change one"
            )
        return batch_size // self.size


def device_of(name: str) -> str:
    """The configuration's device name, or this process's own GPU where torchrun started several."""
    local = os.environ.get("LOCAL_RANK")
    return f"cuda:{local}" if local is not None and name in ("auto", "cuda") and torch.cuda.is_available() else name


@contextmanager
def joined(device: torch.device) -> Iterator[Processes]:
    """The group that torchrun's variables describe, left when the block ends; without them, this process alone."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield Processes()
        return
    if device.type == "cuda":
        # Whatever travels without a device of its own takes the current one, which is the first GPU in all of them.
        torch.cuda.set_device(device)
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield Processes(distributed.get_rank(), distributed.get_world_size())
    finally:
        distributed.destroy_process_group()
