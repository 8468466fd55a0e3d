"""From an archive at hand to files in place: what is pending, what the user has, and what a checked archive brings."""

import fcntl
import os
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from typing import NamedTuple
from urllib.parse import urlsplit

from siamrcr import files
from siamrcr.datasets import archives, checksums, sources, transfer, verification
from siamrcr.datasets.archives import Archive
from siamrcr.datasets.bars import Meter, silent
from siamrcr.datasets.sources import Source
from siamrcr.errors import InputError

JOBS = 4  # files at once


class Given(NamedTuple):
    """A file that the user has."""

    source: Source
    archive: Archive


@contextmanager
def alone(root: Path) -> Iterator[None]:
    """Wait for another process that downloads into the same folder; what it brought need not be brought again."""
    place = root / "archives"
    with transfer.writing(place):
        place.mkdir(parents=True, exist_ok=True)
        guard = (place / "lock").open("a+")
    with guard:
        try:
            fcntl.flock(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            guard.seek(0)
            print(f"{root.name}: process {guard.read()} downloads it too; waiting for it", flush=True)
            fcntl.flock(guard, fcntl.LOCK_EX)
        guard.truncate(0)
        guard.write(str(os.getpid()))
        guard.flush()
        yield


def pending(root: Path, wanted: list[Source], needed: list[verification.Split] | None = None) -> list[Source]:
    """Those of the files that have not brought all they hold."""
    names = [name for split in needed or [] for name in verification.missing(split, root)]

    def installed(source: Source) -> bool:
        stamp, staging = _traces(source, root)
        if source.lists or staging.exists():
            return False
        if stamp.is_file():
            return all((root / entry).exists() for entry in files.read_json(stamp, "delete it and run again"))
        pattern = PurePosixPath(source.layout).name
        return any(root.glob(source.layout)) and not any(fnmatch(name, pattern) for name in names)

    return [source for source in wanted if not installed(source)]


def given(source: Source, root: Path, folders: list[Path]) -> list[Given]:
    """The file where the user put it: by itself, in pieces, or in a zip archive of several.

    Of a folder of the hub, those of its files that are still to be installed.
    """
    if source.hub:
        paths = [(folder, path) for folder in folders for path in sorted(folder.glob(f"{source.file}/*/*.*"))]
        items = [(sources.in_hub(source, path.relative_to(folder).as_posix()), path) for folder, path in paths]
        found = [(item, path) for item, path in items if item is not None and pending(root, [item])]
        return [Given(item, archives.of(path)) for item, path in found]
    if source.lists:
        return []
    # A copy may have a name of its own.
    copies = [copy.partition("+")[0] for copy in source.mirror.split() if source.access == "registration"]
    names = dict.fromkeys([source.file, *(PurePosixPath(urlsplit(url).path).name for url in copies)])
    for name in names:
        stem = name.removesuffix(".aa")
        for candidate in (stem, f"{stem}.aa"):
            for folder in folders:
                path = next(
                    (path for path in (folder / candidate, *folder.glob(f"*/{candidate}")) if path.is_file()), None
                )
                if path is not None:
                    return [Given(source, archives.of(path))]
    return _bundled(source, folders) if source.file.endswith(".zip") and "/" not in source.file else []


def check(source: Source, archive: Archive, lock: checksums.Lock, meter: Meter = silent) -> None:
    """Raise InputError for a file that is not what its row says, or not what was learnt of it."""
    name = archive.name.removesuffix(".part")
    archives.check(archive, name)
    if source.bytes and archive.bytes != source.bytes:
        raise InputError(f"{name}: {archive.bytes} bytes instead of {source.bytes}: download it again")
    if source.checksum:
        checksums.check(archive, source.checksum, name, meter)
    elif "/" not in source.file:  # the files of a hub's folder are far too many to list
        lock.check(source.dataset, source.file, archive, name, meter)


def put(source: Source, archive: Archive, root: Path, meter: Meter = silent) -> None:
    """Put a checked file, unpacked if it is an archive, where the readers look for it."""
    if not archives.is_archive(source.file):
        target = root / source.layout
        with (
            transfer.writing(target),
            files.atomic(target) as temporary,
            archive.open() as stream,
            temporary.open("wb") as out,
        ):
            shutil.copyfileobj(stream, out)
        return
    stamp, staging = _traces(source, root)
    archives.extract(archive, staging, meter)
    entries = archives.place(staging, root, source.layout)
    if "*" in source.layout:
        files.write_json(stamp, entries)


def link(source_folder: Path, root: Path) -> None:
    """Link what an unpacked dataset holds into the dataset's folder."""
    if source_folder == root.resolve():
        return
    with transfer.writing(root):
        root.mkdir(parents=True, exist_ok=True)
        for entry in sorted(source_folder.iterdir()):
            place = root / entry.name
            if place.is_symlink():
                place.unlink()
            if place.exists():
                raise InputError(
                    f"{place}: is there already: move it away, or leave out the source folder {source_folder}"
                )
            place.symlink_to(entry)


def settle(root: Path, folder: Path) -> None:
    """Let the dataset's folder be another one, by a link. Raises InputError where it holds something already."""
    if folder.resolve() == root.resolve():
        return
    with transfer.writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        root.parent.mkdir(parents=True, exist_ok=True)
        if root.is_symlink() or (root.is_dir() and not any(root.iterdir())):
            root.unlink() if root.is_symlink() else root.rmdir()
        if root.exists():
            raise InputError(f"{root}: holds files already: move them to {folder} and link it, or leave out --root")
        root.symlink_to(folder.resolve())


def _bundled(source: Source, folders: list[Path]) -> list[Given]:
    """The file within a zip archive of archives, as some copies of whole datasets come."""
    for path in (path for folder in folders for path in sorted(folder.glob("*.zip"))):
        try:
            archive = archives.member(path, source.file)
        except (zipfile.BadZipFile, OSError):
            continue  # if it is needed, its own check says what it is
        if archive is not None:
            return [Given(source, archive)]
    return []


def _traces(source: Source, root: Path) -> tuple[Path, Path]:
    """What an archive brought, kept where its layout alone cannot tell; and where it is unpacked first."""
    return root / "archives" / f"{source.file}.json", root / "archives" / f"{source.file}.unpacked"
