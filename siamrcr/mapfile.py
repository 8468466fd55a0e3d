"""Files of `siamrcr maps`, read without a network."""

import struct
from pathlib import Path
from typing import Any

import numpy as np

from siamrcr.bundles import BROKEN
from siamrcr.errors import InputError


def again(path: Path) -> str:
    """The command that makes a file of maps, in backticks."""
    model, _, seed = path.stem.rpartition("-s")
    return f"`siamrcr maps {model} --seed {seed}`"


def load(path: Path) -> dict[str, Any]:
    """All arrays. Raises InputError for a damaged file, and for one of another model."""
    remedy = f"remove it and run {again(path)}"
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {key: stored[key] for key in stored.files}
    except (*BROKEN, KeyError, SyntaxError, NotImplementedError, struct.error) as reason:
        raise InputError(f"{path}: not a maps file ({' '.join(str(reason).split())}): {remedy}") from None
    if str(arrays.get("tracker", path.stem)) != path.stem:
        raise InputError(f"{path}: holds the maps of {arrays['tracker']}: {remedy}")
    return arrays
