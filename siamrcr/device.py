"""Where the networks run."""

import fcntl
import tempfile
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import IO

import torch

from siamrcr.errors import InputError


def select(name: str) -> torch.device:
    """The device that the configuration's `device` names; `auto` is a free GPU where there is one.

    Of several GPUs a process leases one until it ends: Snakemake counts GPUs and tells no job which is its own.

    TensorFloat-32, which PyTorch's convolutions use by default on Ampere GPUs and later, is switched off: it keeps ten
    bits of the mantissa, the paper's GPU did not have it, and without it `precision: fp32` means the same on every
    machine.

    Raises:
        InputError: there is no such device.
    """
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    if name == "auto":
        return torch.device("cuda", _leased()[0]) if torch.cuda.is_available() else torch.device("cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        line = next(iter(str(error).splitlines()), "")
        raise InputError(f"device {name!r} cannot be used ({line}): set device to auto, cpu or cuda") from None
    return device


def lease(names: Sequence[str], folder: Path) -> tuple[int, IO[str]]:
    """Index of the first name that no other process holds, and its lock, which the kernel frees with the process.

    Waits while all are held.
    """
    while True:
        for index, name in enumerate(names):
            lock = (folder / f"siamrcr-gpu-{name}.lock").open("w")
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.close()
                continue
            return index, lock
        time.sleep(1)


@cache
def _leased() -> tuple[int, IO[str] | None]:
    """The process's GPU, leased once; the cache holds the lock."""
    count = torch.cuda.device_count()
    if count == 1:
        return 0, None
    names = [str(torch.cuda.get_device_properties(index).uuid) for index in range(count)]
    return lease(names, Path(tempfile.gettempdir()))
