"""Where raw results lie: the layouts that we write, and those of other toolkits that we read (folder or zip)."""

import re
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Protocol

from siamrcr.datasets import names
from siamrcr.errors import InputError


class Source(Protocol):
    """Files to read."""

    def names(self) -> list[str]:
        """Paths of all files, relative, with forward slashes, sorted."""

    def read(self, name: str) -> bytes:
        """Content of one file."""


class Folder:
    """A folder as a source."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def names(self) -> list[str]:
        """Paths of all files, relative, with forward slashes, sorted."""
        return sorted(path.relative_to(self.path).as_posix() for path in self.path.rglob("*") if path.is_file())

    def read(self, name: str) -> bytes:
        """Content of one file."""
        return (self.path / name).read_bytes()


class Archive:
    """An open zip file as a source."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self.archive = archive

    def names(self) -> list[str]:
        """Paths of all files, with forward slashes, sorted."""
        return sorted(name for name in self.archive.namelist() if not name.endswith("/"))

    def read(self, name: str) -> bytes:
        """Content of one file."""
        return self.archive.read(name)


@contextmanager
def source(path: Path) -> Iterator[Source]:
    """A folder or zip file to read from. Raises InputError where it is neither."""
    if path.is_dir():
        yield Folder(path)
        return
    try:
        with zipfile.ZipFile(path) as archive:
            yield Archive(archive)
    except FileNotFoundError:
        raise InputError(f"{path}: no such folder or zip file of raw results") from None
    except (OSError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: neither a folder nor a readable zip file of raw results ({error})") from None


@dataclass
class Files:
    """The files of one run over one sequence; `times` with the column that holds this run."""

    boxes: str = ""
    confidence: str = ""
    times: tuple[str, int] | None = None


@dataclass
class Index:
    """The files of each sequence: repetition (from 1) -> files; and columns of times that all repetitions share."""

    runs: dict[int, Files] = field(default_factory=dict)
    shared_times: str = ""


def stem(benchmark: str, sequence: str, repetition: int) -> str:
    """Path without suffix of one run's box file, below the folder of results."""
    numbered = f"{sequence}_{repetition:03d}"
    if benchmark.startswith("vot"):
        return f"baseline/{sequence}/{numbered}"
    if benchmark.startswith("got10k"):
        return f"{sequence}/{numbered}"
    return sequence if repetition == 1 else numbered


def boxes_file(benchmark: str, sequence: str, repetition: int) -> str:
    """Path of the file of boxes."""
    return f"{stem(benchmark, sequence, repetition)}.txt"


def confidence_file(benchmark: str, sequence: str, repetition: int) -> str:
    """Path of the file of confidences, one a line."""
    folder = PurePosixPath(stem(benchmark, sequence, repetition)).parent
    return str(folder / f"{sequence}_{repetition:03d}_confidence.value")


def times_file(benchmark: str, sequence: str, repetition: int) -> str:
    """Path of the file of seconds a frame: VOT has one a repetition, the others one with a column a repetition."""
    name = stem(benchmark, sequence, repetition)
    if benchmark.startswith("vot"):
        return f"{name}_time.value"
    return str(PurePosixPath(name).parent / f"{sequence}_time.txt")


def hidden(path: str) -> bool:
    """Whether a file is no result: a temporary one of a run that was killed, or one that an operating system left."""
    return any(part.startswith((".", "__MACOSX")) for part in PurePosixPath(path).parts)


KIND = re.compile(r"(.+)_(time|times|confidence)")
REPETITION = re.compile(r"(.+)_(\d{3})")


def index(found: Iterable[str], benchmark: str, sequences: Iterable[str]) -> dict[str, Index]:
    """The files that belong to the sequences, in whatever folders and under whatever toolkit's name.

    Raises InputError where two files claim the same run.
    """
    wanted = {names.canonical(benchmark, name): name for name in sequences}
    table: dict[str, Index] = {}
    for path in _relevant(found, benchmark):
        parsed = _parse(path, benchmark, wanted)
        if parsed is None:
            continue
        sequence, repetition, what = parsed
        entry = table.setdefault(sequence, Index())
        if what.startswith("time") and repetition is None:
            entry.shared_times = path
            continue
        files = entry.runs.setdefault(repetition or 1, Files())
        if what.startswith("time"):
            files.times = (path, 0)
        elif what == "confidence":
            files.confidence = path
        elif files.boxes:
            raise InputError(f"{path} and {files.boxes} are both {sequence}: give the folder of one tracker")
        else:
            files.boxes = path
    for entry in table.values():
        entry.runs = {number: files for number, files in sorted(entry.runs.items()) if files.boxes}
        for number, files in entry.runs.items():
            if files.times is None and entry.shared_times:
                files.times = (entry.shared_times, number - 1)
    return {sequence: entry for sequence, entry in table.items() if entry.runs}


def _relevant(found: Iterable[str], benchmark: str) -> list[str]:
    """Text and value files, without what an operating system leaves, and of a VOT tracker the baseline experiment."""
    paths = [path for path in found if path.endswith((".txt", ".value"))]
    paths = [path for path in paths if not hidden(path)]
    baseline = [path for path in paths if "baseline" in PurePosixPath(path).parts]
    return baseline if baseline and benchmark.startswith("vot") else paths


def _parse(path: str, benchmark: str, wanted: dict[str, str]) -> tuple[str, int | None, str] | None:
    """Sequence, repetition (None where the name has none) and kind of a file; None where it is no sequence's.

    A sequence's own name may end as a repetition's or a kind's does, so the longest name comes first.
    """
    name = PurePosixPath(path).stem
    readings = [(name, "")] if path.endswith(".txt") else []
    kind = KIND.fullmatch(name)
    if kind:
        readings.append((kind[1], kind[2]))
    for rest, what in readings:
        number = REPETITION.fullmatch(rest)
        for sequence, repetition in ((rest, None), (number[1], int(number[2])) if number else ("", None)):
            known = wanted.get(names.canonical(benchmark, sequence)) if sequence else None
            if known:
                return known, repetition, what
    return None
