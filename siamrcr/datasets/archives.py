"""Unpack archives from strangers: nothing lands outside the folder, and nothing half-done stays in place."""

import lzma
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from siamrcr.errors import InputError
from siamrcr.progress import progress

MEGABYTE = 1_000_000
SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz")
DEPTH = 3  # folders that an archive may wrap around the layout it is known for
BROKEN = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError, RuntimeError)


def is_archive(name: str) -> bool:
    """Whether a file of this name is to be unpacked."""
    return name.endswith(SUFFIXES)


def check(path: Path, name: str) -> None:
    """Whether the file is what its name says. Raises InputError, which tells a web page from a broken archive."""
    with path.open("rb") as stream:
        start = stream.read(512).lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html", b"<?xml")):
        raise InputError(f"{name}: a web page, not the file (a log-in, quota or error page): download it in a browser")
    whole = zipfile.is_zipfile(path) if name.endswith(".zip") else not is_archive(name) or tarfile.is_tarfile(path)
    if not whole:
        raise InputError(f"{name}: not a whole archive: download it again")


def inside(name: str) -> PurePosixPath:
    """A relative path that stays in its folder. Raises InputError for absolute paths and for `..`."""
    path = PurePosixPath(name)
    if not path.parts or path.is_absolute() or ".." in path.parts or "\\" in name or ":" in path.parts[0]:
        raise InputError(f"{name!r}: leads out of the folder it is unpacked to: the archive is not to be trusted")
    return path


def extract(archive: Path, folder: Path) -> None:
    """Unpack a zip or tar archive to a new folder, which appears when all of it is there.

    Links and special files are refused: no dataset holds any, and a link is a way out of the folder. What Mac OS adds
    to archives is left out. Raises InputError naming the archive and the member.
    """
    temporary = folder.with_name(folder.name + ".tmp")
    for old in (temporary, folder):
        shutil.rmtree(old, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        total = archive.stat().st_size
        with archive.open("rb") as stream, progress(f"unpack {archive.name}", total // MEGABYTE, "MB") as bar:
            for name, source in _members(archive, stream):
                path = inside(name)
                if path.parts[0] == "__MACOSX" or path.name.startswith("._") or path.name == ".DS_Store":
                    continue
                target = temporary / path
                target.parent.mkdir(parents=True, exist_ok=True)
                with source, target.open("wb") as out:
                    shutil.copyfileobj(source, out, MEGABYTE)
                bar.advance(max(0, stream.tell() // MEGABYTE - bar.count))
    except InputError as error:
        raise InputError(f"{archive}: {error}") from None
    except BROKEN as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{archive}: cannot be unpacked ({reason}): free disk space or download it again") from None
    else:
        temporary.replace(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def place(staging: Path, root: Path, layout: str) -> list[str]:
    """Move what was unpacked to where the readers look for it, whole folders at a time.

    Args:
        staging: the unpacked archive.
        root: the dataset's folder.
        layout: a pattern, relative to root, of something that the archive brings. The archive may wrap it in more
            folders or leave out the leading ones: `val/list.txt` is also found as `list.txt` and as
            `full_data/val/list.txt`.

    Returns what fits the layout, relative to root, now in place. Raises InputError when nothing does.
    """
    parts = PurePosixPath(layout).parts
    for missing in range(len(parts)):
        for folder in _folders(staging, DEPTH):
            target = root.joinpath(*parts[:missing])
            fitting = [target / path.relative_to(folder) for path in folder.glob("/".join(parts[missing:]))]
            if fitting:
                _merge(folder, target)
                shutil.rmtree(staging, ignore_errors=True)
                return sorted(path.relative_to(root).as_posix() for path in fitting)
    raise InputError(f"{staging.name}: holds nothing like {layout}: not the archive that {root} needs")


def _merge(source: Path, target: Path) -> None:
    if not (source.is_dir() and target.is_dir()):
        target.parent.mkdir(parents=True, exist_ok=True)
        source.replace(target)
        return
    for child in sorted(source.iterdir()):
        _merge(child, target / child.name)


def _folders(root: Path, depth: int) -> Iterator[Path]:
    """The folder and those below it, the shallowest first."""
    level = [root]
    for _ in range(depth + 1):
        yield from level
        level = [child for folder in level for child in sorted(folder.iterdir()) if child.is_dir()]


def _members(archive: Path, stream: IO[bytes]) -> Iterator[tuple[str, IO[bytes]]]:
    """Names and contents of the files of an archive."""
    if archive.name.endswith(".zip"):
        with zipfile.ZipFile(stream) as zipped:
            for entry in zipped.infolist():
                if (entry.external_attr >> 16) & 0o170000 == 0o120000:
                    raise InputError(f"{entry.filename!r} is a link: unpack it by hand if you trust it")
                if not entry.is_dir():
                    yield entry.filename, zipped.open(entry)
        return
    with tarfile.open(fileobj=stream, mode="r:*") as tar:
        while (member := tar.next()) is not None:
            tar.members.clear()  # type: ignore[attr-defined]  # two million of them would fill the memory
            content = tar.extractfile(member) if member.isreg() else None
            if content is not None:
                yield member.name, content
            elif not member.isdir():
                raise InputError(f"{member.name!r} is a link or a special file: unpack it by hand if you trust it")
