"""Checksums of a dataset's files, where they were recorded: a frame or label that is no longer what it was is noticed.

One file a folder, mapped into memory: 16 bytes for each of its files, found by the hash of its path.
"""

import hashlib
import os
import zlib
from collections.abc import Iterator
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from siamrcr.errors import InputError
from siamrcr.files import atomic

# Beside the files that it tells of, at the top of their folder.
NAME = ".checksums.npy"
# How far above a file its folder's checksums are looked for: LaSOT's images are four folders deep.
LEVELS = 5


def record(folder: Path) -> None:
    """Store the checksums of all files of a folder."""
    found = dict(_checksum(path, folder, path.read_bytes()) for path in _files(folder))
    keys = np.array(sorted(found), dtype=np.uint64)
    with atomic(folder / NAME) as temporary:
        np.save(temporary, np.stack([keys, np.array([found[int(key)] for key in keys], dtype=np.uint64)]))


def whole(folder: Path) -> bool:
    """Whether every recorded file of a folder is there as it was; True where nothing was recorded."""
    if not (folder / NAME).is_file():
        return True
    try:
        keys, values = np.load(folder / NAME)
    except (OSError, ValueError):
        return False
    present = dict(_checksum(path, folder, path.read_bytes()) for path in _files(folder))
    return all(present.get(int(key)) == value for key, value in zip(keys, values, strict=True))


def check(path: Path, data: bytes) -> None:
    """Raise InputError, naming the file and the remedy, where its content is not what was recorded."""
    folder = _recorded(path.parent)
    if folder is None:
        return
    try:
        keys, values = _opened(folder, (folder / NAME).stat().st_mtime_ns)
    except (OSError, ValueError) as error:
        raise InputError(f"{folder / NAME}: cannot be read ({error}): {_remedy(folder)}") from None
    key, value = _checksum(path, folder, data)
    place = int(np.searchsorted(keys, np.uint64(key)))
    if place < len(keys) and keys[place] == key and values[place] != value:
        raise InputError(f"{path}: is not the file that was recorded (damaged or exchanged): {_remedy(folder)}")


def _files(folder: Path) -> Iterator[Path]:
    for place, _, names in os.walk(folder):
        yield from (Path(place, name) for name in names if not name.startswith(Path(NAME).stem))


def _checksum(path: Path, folder: Path, data: bytes) -> tuple[int, int]:
    """The hash of a file's path below the folder, and of its content; a folder that is moved keeps both."""
    name = os.fsencode(os.path.relpath(path, folder))
    return int.from_bytes(hashlib.blake2b(name, digest_size=8).digest(), "big"), zlib.crc32(data)


@lru_cache(maxsize=1 << 16)
def _recorded(folder: Path) -> Path | None:
    """The nearest folder at or above this one that has checksums."""
    above = (folder, *folder.parents)[:LEVELS]
    return next((place for place in above if (place / NAME).is_file()), None)


@cache
def _opened(folder: Path, _changed: int) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Hashes of paths, ascending, and of contents."""
    keys, values = np.load(folder / NAME, mmap_mode="r")
    return keys, values


def _remedy(folder: Path) -> str:
    name = folder.name if folder.parent.name != "server" else folder.name.partition("-")[0]
    return f"run `siamrcr mini {name}`, then the same command again"
