"""Outputs appear whole or not at all, and a reader notices when one is not what its writer left."""

import contextlib
import errno
import fcntl
import glob
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from siamrcr.errors import DiskError, InputError

# The last entry of a JSON file of ours: the checksum of the text before it.
SEAL = re.compile(r',\n "seal_sha256": "([0-9a-f]{64})"\n}\n\Z')


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """A temporary file beside `path`, with its suffix, that takes its name when the block ends without an error.

    It is on the disk by then: a machine that loses its power leaves the old file or the new one, never an empty one.
    Raises DiskError, naming the file and the remedy, where the disk refuses.
    """
    with writable(path), _atomic(path) as temporary:
        yield temporary


@contextmanager
def writable(path: Path) -> Iterator[None]:
    """Raises DiskError, naming the file and the remedy, where a disk refuses what the block writes."""
    try:
        yield
    except OSError as error:
        said = refusal(error, path)
        if said is None:
            raise
        raise DiskError(said) from error


def probe(folder: Path, size: int = 1) -> None:
    """Write a nameless file of some bytes to a folder: before a long step is the time to learn that it fails.

    Raises DiskError, naming the folder and the remedy.
    """
    with writable(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as stream:
            stream.write(bytes(size))


def refusal(error: OSError, path: Path) -> str | None:
    """What stands in the way of writing `path`, and what to do; None where the error is another."""
    # NumPy tells a short write in words of its own.
    short = error.errno is None and "requested and" in str(error)
    if short or error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        why = error.strerror or "No space left"
        return f"{path}: cannot be written ({why}): make room, and the same command continues"
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return f"{path}: cannot be written ({error.strerror}): make it writable, and the same command continues"
    if error.errno == errno.EISDIR:
        return f"{path}: is a folder, not a file: name another"
    if error.errno in (errno.EEXIST, errno.ENOTDIR):
        files = [place for place in (path, *path.parents) if place.exists() and not place.is_dir()]
        return f"{files[0]}: is a file, not a folder: name another" if files else None
    return None


def reason(error: Exception) -> str:
    """Why a writer gave up: what the disk said, else the first line of the error."""
    return getattr(error.__cause__ or error, "strerror", None) or str(error).splitlines()[0]


@contextmanager
def _atomic(path: Path) -> Iterator[Path]:
    # Here and not when it takes its name: what goes into it may be hours of work.
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}.", suffix=path.suffix)
    temporary = Path(name)
    try:
        # Held as long as this process lives, which tells `sweep` that the file is no litter.
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield temporary
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        with temporary.open("rb") as stream:
            os.fsync(stream.fileno())
        temporary.replace(path)
    finally:
        os.close(handle)
        temporary.unlink(missing_ok=True)


def sweep(path: Path) -> None:
    """Remove the temporary files of `path` that killed processes left, as large as it would have been."""
    for litter in path.parent.glob(f".{glob.escape(path.stem)}.*{glob.escape(path.suffix)}"):
        with litter.open("rb") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                continue
            litter.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write text whole or not at all."""
    with atomic(path) as temporary:
        temporary.write_text(text)


def write_json(path: Path, value: Any) -> None:
    """Write JSON whole or not at all; a mapping gets a last entry `seal_sha256`, by which damage is noticed."""
    text = json.dumps(value, indent=1, default=str)
    if isinstance(value, dict) and value:
        body = text.removesuffix("\n}")
        text = f'{body},\n "seal_sha256": "{hashlib.sha256(body.encode()).hexdigest()}"\n}}'
    write_text(path, text + "\n")


def read_json(path: Path, remedy: str, **expected: Any) -> Any:
    """Parse a JSON file, and drop its seal.

    Raises InputError naming the file and the remedy where it cannot be read, its seal is broken, or it is a mapping
    whose entries are others than `expected`: it was exchanged with another.
    """
    try:
        text = path.read_text()
        value = json.loads(text)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}): {remedy}") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not valid JSON ({error}): {remedy}") from None
    if not isinstance(value, dict):
        return value
    stored = value.pop("seal_sha256", None)
    found = SEAL.search(text)
    if stored is not None and (found is None or hashlib.sha256(text[: found.start()].encode()).hexdigest() != stored):
        raise InputError(f"{path}: is damaged, or was edited without removing its last entry, `seal_sha256`: {remedy}")
    for key, wanted in expected.items():
        if value.get(key) != wanted:
            raise InputError(f"{path}: is of {key} {value.get(key)!r}, not {wanted!r}: {remedy}")
    return value


def sha256(path: Path) -> str:
    """Checksum of a file, as a hexadecimal string."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def checksum(data: bytes) -> str:
    """Checksum of a small file, to tell damage and exchange, as 16 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()[:16]


def settings_hash(value: Any) -> str:
    """Checksum of a JSON-like value, independent of the order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()
