"""Files of `siamrcr tune`, which a configuration names to track with what they found."""

from pathlib import Path
from typing import Any

from siamrcr.errors import InputError
from siamrcr.files import read_json

# What may choose parameters: a validation split and the videos of training. A test split never may.
SPLITS = ("got10k-val", "got10k-train", "trackingnet-train", "lasot-train", "vid-train")
PARAMETERS = ("penalty", "window", "size_rate")
AGAIN = "run `siamrcr tune` on the model, and name the file that it writes"


def allowed(split: str) -> str:
    """The split. Raises InputError where it is one that results are reported on."""
    if split not in SPLITS:
        raise InputError(
            f"{split}: a test split or no videos, and nothing is tuned on those: choose one of {', '.join(SPLITS)}"
        )
    return split


def read(path: Path) -> dict[str, Any]:
    """What a file says: `split`, `trials` and `tracking` with the three parameters among others.

    Raises InputError where it is not such a file or names a test split.
    """
    found = read_json(path, f"{AGAIN}, or remove the key `tuned`")
    tracking = found.get("tracking") if isinstance(found, dict) else None
    whole = isinstance(tracking, dict) and {"split", "trials"} <= set(found) and set(tracking) == set(PARAMETERS)
    if not whole:
        raise InputError(f"{path}: not a file of `siamrcr tune`: {AGAIN}")
    try:
        allowed(found["split"])
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    return dict(found)
