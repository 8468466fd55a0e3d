"""Where an interrupted training stands: one file that only the same settings continue.

A checkpoint of other settings is never continued nor lost: it is put aside under a name made of its settings, and is
taken up again when they return.
"""

import pickle
import sys
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from siamrcr.bundles import BROKEN
from siamrcr.errors import DiskError, InputError
from siamrcr.files import atomic, reason, settings_hash, sweep


def save(path: Path, identity: Mapping[str, Any], state: Mapping[str, Any]) -> None:
    """Write the state (tensors and plain values) and the settings it belongs to, whole or not at all.

    Raises InputError where it cannot be written; the checkpoint before it is still there.
    """
    whole = {"hash": settings_hash(identity), "identity": dict(identity), "state": dict(state)}
    sweep(path)
    with writing(path, "the checkpoint"), atomic(path) as temporary:
        torch.save(whole, temporary)


@contextmanager
def writing(path: Path, what: str) -> Iterator[None]:
    """Raises InputError, in one line, where the block cannot write a file of a training."""
    try:
        yield
    # A full disk is a RuntimeError of PyTorch's writer, and safetensors has an error of its own.
    except (DiskError, OSError, RuntimeError, SafetensorError) as error:
        raise InputError(f"{path}: {what} cannot be written ({reason(error)}): make room and continue") from None


def load(path: Path, identity: Mapping[str, Any]) -> dict[str, Any] | None:
    """The state that `save` wrote, on the CPU; None where there is none or, with a message, where settings changed.

    Raises InputError where there is one that cannot be read from the disk.
    """
    wanted = settings_hash(identity)
    aside = _aside(path, wanted)
    if not path.exists() and aside.exists():
        aside.replace(path)
    if not path.exists():
        return None
    try:
        # PyTorch does not look at the checksums that it writes.
        with zipfile.ZipFile(path) as archive:
            whole = archive.testzip() is None
        stored = torch.load(path, map_location="cpu", weights_only=True) if whole else {}
        known, state = stored["identity"], stored["state"]
    except OSError as error:
        # It may be whole, and a training from the start would replace it.
        raise InputError(f"{path}: the checkpoint cannot be read ({error.strerror}): mend that, or remove it") from None
    except (*BROKEN, NotImplementedError, KeyError, TypeError, AttributeError, pickle.UnpicklingError):
        print(f"{path}: not a readable checkpoint: training starts over", file=sys.stderr)
        return None
    found = stored.get("hash", "")
    if found == wanted:
        return dict(state)
    kept = _aside(path, found)
    path.replace(kept)
    changes = "; ".join(_changes(known, identity)) or "its settings"
    follows = "that of these settings continues" if aside.exists() else "training starts over"
    print(f"{path}: another training's checkpoint ({changes}): kept as {kept.name}; {follows}", file=sys.stderr)
    return load(path, identity)


def _aside(path: Path, settings: str) -> Path:
    """Where the checkpoint of settings with a hash waits while others train."""
    return path.with_name(f"{path.name.removesuffix('.checkpoint.pt')}.{settings[:12]}.checkpoint.pt")


def _changes(old: Any, new: Any, place: str = "") -> Iterator[str]:
    """`key: old -> new` for every setting that differs."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in [*old, *(key for key in new if key not in old)]:
            yield from _changes(old.get(key), new.get(key), f"{place}.{key}" if place else str(key))
    elif old != new:
        yield f"{place}: {old!r} -> {new!r}"
