"""A folder or zip file to read from, made by strangers: members stay in memory, within bounds, and errors say what."""

import lzma
import stat
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Protocol

from siamrcr import integrity
from siamrcr.errors import InputError
from siamrcr.files import checksum

# Bytes, unpacked: the largest benchmark's raw results are a hundredth of it.
MEMBER, TOTAL = 1 << 28, 1 << 31
ARCHIVES = (".zip", ".7z", ".rar", ".tar", ".tar.gz", ".tgz")
BROKEN = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, RuntimeError, ValueError, MemoryError)
_ENCRYPTED = 1


class Source(Protocol):
    """Files to read."""

    def names(self) -> list[str]:
        """Paths of all files, relative, with forward slashes, sorted."""

    def read(self, name: str) -> bytes:
        """Content of one file. Raises InputError naming it."""


class Folder:
    """A folder as a source; `written` are the checksums that the writer of its files recorded, as far as it did."""

    def __init__(self, path: Path, written: Mapping[str, str] | None = None) -> None:
        self.path, self.written = path, written or {}

    def names(self) -> list[str]:
        """Paths of all files, relative, with forward slashes, sorted."""
        return sorted(path.relative_to(self.path).as_posix() for path in self.path.rglob("*") if path.is_file())

    def read(self, name: str) -> bytes:
        """Content of one file. Raises InputError naming it, also where it is not what was written."""
        again = f"remove {self.path / 'manifest.json'} and track again, which keeps what is whole"
        try:
            data = (self.path / name).read_bytes()
        except FileNotFoundError:
            remedy = again if name in self.written else "put it back"
            raise InputError(f"{self.path / name}: is missing: {remedy}") from None
        except OSError as error:
            raise InputError(f"{self.path / name}: cannot be read ({error.strerror}): check its permissions") from None
        integrity.check(self.path / name, data)
        if name in self.written and checksum(data) != self.written[name]:
            raise InputError(f"{self.path / name}: is not what was tracked (damaged, exchanged or edited): {again}")
        return data


class Archive:
    """An open zip file as a source; `path` is what errors call it."""

    def __init__(self, archive: zipfile.ZipFile, path: Path) -> None:
        self.archive, self.path, self.left = archive, path, TOTAL
        self.members: dict[str, zipfile.ZipInfo] = {}
        for member in archive.infolist():
            # Some packers of Windows write their own separator.
            name = member.filename.replace("\\", "/")
            if name.startswith("/") or ".." in PurePosixPath(name).parts or name[1:2] == ":":
                raise InputError(f"{path}: {name!r} leads out of the archive: it is not to be trusted, pack it again")
            if not name.isprintable() or not PurePosixPath(name).parts:
                raise InputError(f"{path}: {name!r} is no name of a file: pack it again")
            if name.endswith("/"):
                continue
            # As paths are written: without empty parts, and without a dot for the same folder.
            name = str(PurePosixPath(name))
            if name in self.members:
                raise InputError(f"{path}: holds {name} twice: pack it again")
            self.members[name] = member

    def names(self) -> list[str]:
        """Paths of all files, relative, with forward slashes, sorted."""
        return sorted(self.members)

    def read(self, name: str) -> bytes:
        """Content of one file. Raises InputError naming it: encrypted, a link, broken, or too large to be a result."""
        member = self.members[name]
        if member.flag_bits & _ENCRYPTED:
            raise InputError(f"{self.path}/{name}: is encrypted: unpack it with its password and give the folder")
        if stat.S_ISLNK(member.external_attr >> 16):
            raise InputError(f"{self.path}/{name}: is a link: pack the file itself")
        self.left -= member.file_size
        if member.file_size > MEMBER or self.left < 0:
            raise InputError(f"{self.path}/{name}: unpacks to more than text files of boxes hold: unpack it by hand")
        try:
            return self.archive.read(member)
        except BROKEN as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise InputError(f"{self.path}/{name}: cannot be unpacked ({reason}): download it again") from None


@contextmanager
def source(
    path: Path,
    what: str = "raw results",
    remedy: str = "check the path",
    written: Mapping[str, str] | None = None,
) -> Iterator[Source]:
    """A folder or zip file to read from; `written` are checksums of a folder's files.

    Raises InputError where it is neither, which `what` and `remedy` complete.
    """
    if path.is_dir():
        yield Folder(path, written)
        return
    try:
        archive = zipfile.ZipFile(path)
    except FileNotFoundError:
        raise InputError(f"{path}: no such folder or zip file of {what}: {remedy}") from None
    except BROKEN as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path}: neither a folder nor a readable zip file of {what} ({reason}): {remedy}") from None
    with archive:
        yield Archive(archive, path)


def nested(names: list[str]) -> list[str]:
    """Those files of a source that are archives themselves: nobody looks into them."""
    return [name for name in names if name.lower().endswith(ARCHIVES)]


def hidden(path: str) -> bool:
    """Whether a file is no result: a temporary one of a run that was killed, or one that an operating system left."""
    return any(part.startswith((".", "__MACOSX")) for part in PurePosixPath(path).parts)
