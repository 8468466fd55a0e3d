"""Unpack archives from strangers: nothing lands outside the folder, and nothing half-done stays in place.

An archive is a file, several pieces of one (`.aa`, `.ab`, ...), or a member of another archive: `Archive` reads all
three without a copy.
"""

import gzip
import io
import lzma
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from siamrcr.datasets import transfer
from siamrcr.datasets.bars import Meter, silent
from siamrcr.datasets.pool import DiskError
from siamrcr.datasets.segments import Segment, joined
from siamrcr.errors import InputError

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz")
DEPTH = 3  # folders that an archive may wrap around the layout it is known for
# Frames hardly shrink, and annotations do so tenfold: what grows far more was made to fill a disk.
GROWTH, SLACK = 100, 1 << 28
CHUNK = 1 << 20
ENCRYPTED = 1
BROKEN = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError, RuntimeError, ValueError)


@dataclass(frozen=True)
class Archive:
    """What holds an archive's bytes; `name` is what errors call it, and says of which kind it is."""

    name: str
    segments: tuple[Segment, ...]

    @property
    def bytes(self) -> int:
        """Size of the packed archive."""
        return sum(segment.length for segment in self.segments)

    def open(self) -> io.BufferedReader:
        """All bytes as one stream."""
        return joined(self.segments)


def of(path: Path, name: str = "") -> Archive:
    """A file as an archive; a file `x.tar.gz.aa` stands for all its pieces, which are beside it.

    Raises InputError where a piece is missing between others.
    """
    if path.suffix != ".aa":
        return Archive(name or str(path), (Segment(path, 0, path.stat().st_size),))
    stem = path.with_suffix("")
    found = sorted(other for other in path.parent.glob(f"{stem.name}.??") if other.suffix[1:].isalpha())
    for number, piece in enumerate(found):
        suffix = "." + chr(97 + number // 26) + chr(97 + number % 26)
        if piece.suffix != suffix:
            raise InputError(f"{stem}{suffix}: this piece of the archive is missing: download it too")
    return Archive(name or str(stem), tuple(Segment(piece, 0, piece.stat().st_size) for piece in found))


def member(outer: Path, file: str) -> Archive | None:
    """The archive named `file` that a zip archive holds, or None.

    Raises InputError where it is compressed or encrypted once more, as frames never are: it cannot be read in place.
    """
    with zipfile.ZipFile(outer) as archive:
        for entry in archive.infolist():
            if PurePosixPath(entry.filename).name == file:
                if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & ENCRYPTED:
                    raise InputError(
                        f"{outer}: holds {file} compressed once more: unpack it and give its folder with --from"
                    )
                with archive.open(entry):  # checks the entry's own header
                    pass
                with outer.open("rb") as stream:
                    stream.seek(entry.header_offset)
                    head = stream.read(30)
                start = entry.header_offset + 30 + int.from_bytes(head[26:28], "little")
                start += int.from_bytes(head[28:30], "little")
                return Archive(f"{outer}/{entry.filename}", (Segment(outer, start, entry.file_size),))
    return None


def is_archive(name: str) -> bool:
    """Whether a file of this name is to be unpacked."""
    return name.endswith(SUFFIXES)


def check(archive: Archive, name: str) -> None:
    """Whether the file is what its name says. Raises InputError, which tells a web page from a broken archive."""
    with archive.open() as stream:
        start = stream.read(512).lstrip().lower()
        if start.startswith((b"<!doctype html", b"<html", b"<?xml")):
            raise InputError(
                f"{name}: a web page, not the file (a log-in, quota or error page): download it in a browser"
            )
        stream.seek(0)
        if not is_archive(name) or (zipfile.is_zipfile(stream) if name.endswith(".zip") else _is_tar(stream, name)):
            return
    raise InputError(f"{name}: not a whole archive: download it again")


def inside(name: str) -> PurePosixPath:
    """A relative path that stays in its folder. Raises InputError for absolute paths and for `..`."""
    path = PurePosixPath(name)
    if not path.parts or path.is_absolute() or ".." in path.parts or "\\" in name or ":" in path.parts[0]:
        raise InputError(f"{name!r}: leads out of the folder it is unpacked to: the archive is not to be trusted")
    return path


def extract(archive: Archive, folder: Path, meter: Meter = silent) -> None:
    """Unpack a zip or tar archive to a new folder, which appears when all of it is there.

    Links and special files are refused: no dataset holds any, and a link is a way out of the folder. So is what unpacks
    to more than GROWTH times its size. What Mac OS adds to archives is left out. Raises InputError naming the archive
    and the member, and DiskError where nothing can be written.
    """
    temporary = folder.with_name(folder.name + ".tmp")
    for old in (temporary, folder):
        shutil.rmtree(old, ignore_errors=True)
    with transfer.writing(folder):
        temporary.mkdir(parents=True)
    total, written = archive.bytes, 0
    try:
        with archive.open() as stream:
            for name, size, source in _members(archive, stream, folder):
                path = inside(name)
                written += size
                if written > GROWTH * total + SLACK:
                    raise InputError(f"{name!r}: unpacks to more than {GROWTH} times its size: not to be trusted")
                if path.parts[0] != "__MACOSX" and not path.name.startswith("._") and path.name != ".DS_Store":
                    _write(source, temporary / path)
                meter(stream.tell(), total)
    except DiskError:
        raise
    except InputError as error:
        raise InputError(f"{archive.name}: {error}") from None
    except BROKEN as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{archive.name}: cannot be unpacked ({reason}): download it again") from None
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
                with transfer.writing(target):
                    _merge(folder, target)
                shutil.rmtree(staging, ignore_errors=True)
                return sorted(path.relative_to(root).as_posix() for path in fitting)
    raise InputError(f"{staging.name}: holds nothing like {layout}: not the archive that {root} needs")


def _write(source: IO[bytes], target: Path) -> None:
    try:
        with transfer.writing(target.parent):
            target.parent.mkdir(parents=True, exist_ok=True)
        out = target.open("xb", buffering=0)  # a second member of that name would quietly replace the first
    except FileExistsError:
        raise InputError(f"{target.name!r} is there twice: the archive is not to be trusted") from None
    with source, out:
        while chunk := source.read(CHUNK):
            with transfer.writing(target):
                out.write(chunk)


def _merge(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        source.replace(target)
        return
    except OSError:
        # A folder, or a link to one, is in the way: looked for now, since another archive may just have brought it.
        if not (source.is_dir() and target.is_dir()):
            raise
    for child in sorted(source.iterdir()):
        _merge(child, target / child.name)


def _folders(root: Path, depth: int) -> Iterator[Path]:
    """The folder and those below it, the shallowest first."""
    level = [root]
    for _ in range(depth + 1):
        yield from level
        level = [child for folder in level for child in sorted(folder.iterdir()) if child.is_dir()]


def _members(archive: Archive, stream: IO[bytes], folder: Path) -> Iterator[tuple[str, int, IO[bytes]]]:
    """Names, unpacked sizes and contents of the files of an archive."""
    if archive.name.endswith(".zip"):
        with zipfile.ZipFile(stream) as zipped:
            entries = zipped.infolist()
            size = sum(entry.file_size for entry in entries)
            if size <= GROWTH * archive.bytes + SLACK:
                transfer.must_fit(folder.parent, size, f"unpacking {PurePosixPath(archive.name).name}")
            for entry in entries:
                kind = stat.S_IFMT(entry.external_attr >> 16)
                if kind and kind not in (stat.S_IFREG, stat.S_IFDIR):
                    raise InputError(
                        f"{entry.filename!r} is a link or a special file: unpack it by hand if you trust it"
                    )
                if not entry.filename.endswith("/"):
                    yield entry.filename, entry.file_size, zipped.open(entry)
        return
    unpacked = gzip.GzipFile(fileobj=stream) if archive.name.endswith("gz") else stream
    with closing(unpacked) as plain, tarfile.open(fileobj=plain, mode="r|") as tar:
        while (file := tar.next()) is not None:
            tar.members.clear()  # type: ignore[attr-defined]  # two million of them would fill the memory
            content = tar.extractfile(file) if file.isreg() else None
            if content is not None:
                yield file.name, file.size, content
            elif not file.isdir():
                raise InputError(f"{file.name!r} is a link or a special file: unpack it by hand if you trust it")
        # To the end, where gzip's own checksum tells whether any is missing.
        while plain.read(CHUNK):
            pass


def _is_tar(stream: IO[bytes], name: str) -> bool:
    if name.endswith("gz"):
        try:
            return len(gzip.GzipFile(fileobj=stream).read(512)) == 512
        except (OSError, EOFError, zlib.error):
            return False
    # A plain archive ends with two empty blocks; one that was cut off between two files looks whole but for them.
    stream.seek(0, io.SEEK_END)
    if stream.tell() < 1536:
        return False
    stream.seek(-1024, io.SEEK_END)
    whole = not any(stream.read(1024))
    stream.seek(0)
    return whole and tarfile.is_tarfile(stream)
