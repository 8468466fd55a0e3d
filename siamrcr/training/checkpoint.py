"""Where an interrupted training stands: one file that only the same settings continue."""

import pickle
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from siamrcr.files import atomic, settings_hash


def save(path: Path, identity: Mapping[str, Any], state: Mapping[str, Any]) -> None:
    """Write the state (tensors and plain values) and the settings it belongs to, whole or not at all."""
    with atomic(path) as temporary:
        torch.save({"hash": settings_hash(identity), "identity": dict(identity), "state": dict(state)}, temporary)


def load(path: Path, identity: Mapping[str, Any]) -> dict[str, Any] | None:
    """The state that `save` wrote, on the CPU; None where there is none or, with a message, where settings changed."""
    if not path.exists():
        return None
    try:
        stored = torch.load(path, map_location="cpu", weights_only=True)
        known, state = stored["identity"], stored["state"]
    except (OSError, RuntimeError, KeyError, TypeError, EOFError, pickle.UnpicklingError):
        print(f"{path}: not a readable checkpoint: training starts over", file=sys.stderr)
        return None
    if stored.get("hash") != settings_hash(identity):
        changes = "; ".join(_changes(known, identity)) or "its settings"
        print(f"{path}: another training's checkpoint ({changes}): training starts over", file=sys.stderr)
        return None
    return dict(state)


def _changes(old: Any, new: Any, place: str = "") -> Iterator[str]:
    """`key: old -> new` for every setting that differs."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in [*old, *(key for key in new if key not in old)]:
            yield from _changes(old.get(key), new.get(key), f"{place}.{key}" if place else str(key))
    elif old != new:
        yield f"{place}: {old!r} -> {new!r}"
