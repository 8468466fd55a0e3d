"""Where the networks run."""

import torch

from siamrcr.errors import InputError


def select(name: str) -> torch.device:
    """The device that the configuration's `device` names; `auto` is a GPU where there is one. Raises InputError."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        line = next(iter(str(error).splitlines()), "")
        raise InputError(f"device {name!r} cannot be used ({line}): set device to auto, cpu or cuda") from None
    return device
