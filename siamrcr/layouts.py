"""Where raw results lie: the layouts that we write, and those of other toolkits that we read (folder or zip)."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from siamrcr.bundles import hidden
from siamrcr.datasets import names
from siamrcr.errors import InputError


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


KIND = re.compile(r"(.+)_(time|times|confidence)")
REPETITION = re.compile(r"(.+)_(\d{3})")
# Files of boxes: text; of VOT's Python toolkit; of OTB's MATLAB and Python toolkits.
SUFFIXES = {"vot2018": (".txt", ".bin"), "vot2019": (".txt", ".bin"), "otb2015": (".txt", ".mat", ".json")}
# Folders between a tracker's own and its files, beside one named as the sequence.
INNER = ("baseline", "times", "time")


@dataclass(frozen=True)
class _Entry:
    """A file of a sequence; `tracker` is its tracker's folder, `what` empty for boxes, else a kind."""

    path: str
    tracker: str
    sequence: str
    repetition: int | None
    what: str


def index(found: Iterable[str], benchmark: str, sequences: Iterable[str], origin: object) -> dict[str, Index]:
    """The files that belong to the sequences, in whatever folders and under whatever toolkit's name.

    Folders beside each other that differ in a number of three digits alone, as pytracking names its runs, are one
    tracker's repetitions. Raises InputError naming `origin`, where the files were found, if there are several trackers
    or two files claim the same run.
    """
    wanted = {names.canonical(benchmark, name): name for name in sequences}
    paths = relevant(found, benchmark)
    entries = [entry for path in paths if (entry := _parse(path, benchmark, wanted))]
    if benchmark == "trackingnet":
        entries = _as_devkit(entries, paths, wanted)
    numbers = _runs(sorted({entry.tracker for entry in entries if not entry.what}), origin)
    table: dict[str, Index] = {}
    for entry in entries:
        number = numbers.get(entry.tracker, 1)
        # pytracking's runs have a folder each, and so no number in their names.
        own = number if len(numbers) > 1 else entry.repetition
        _add(table.setdefault(entry.sequence, Index()), entry, own, origin)
    for one in table.values():
        one.runs = {number: files for number, files in sorted(one.runs.items()) if files.boxes}
        for number, files in one.runs.items():
            if files.times is None and one.shared_times:
                files.times = (one.shared_times, number - 1)
    return {sequence: one for sequence, one in table.items() if one.runs}


def relevant(found: Iterable[str], benchmark: str) -> list[str]:
    """Files that may be results, without what an operating system leaves, and of a VOT tracker the baseline."""
    suffixes = (*SUFFIXES.get(benchmark, (".txt",)), ".value")
    paths = [path for path in found if path.endswith(suffixes) and not hidden(path)]
    # Of a text and a binary file vot-toolkit, too, reads the text.
    texts = {path.removesuffix(".txt") for path in paths if path.endswith(".txt")}
    paths = [path for path in paths if not (path.endswith(".bin") and path.removesuffix(".bin") in texts)]
    baseline = [path for path in paths if "baseline" in PurePosixPath(path).parts]
    return baseline if baseline and benchmark.startswith("vot") else paths


def strangers(found: Iterable[str], benchmark: str, sequences: Iterable[str]) -> list[str]:
    """Files that may be results, of none of the sequences: one of them may be a missing one, misspelt."""
    wanted = {names.canonical(benchmark, name): name for name in sequences}
    paths = [path for path in relevant(found, benchmark) if not path.endswith((".value", ".json"))]
    return [
        path for path in paths if not KIND.fullmatch(PurePosixPath(path).stem) and not _parse(path, benchmark, wanted)
    ]


def _add(index: Index, entry: _Entry, repetition: int | None, origin: object) -> None:
    if entry.what.startswith("time") and repetition is None:
        index.shared_times = entry.path
        return
    files = index.runs.setdefault(repetition or 1, Files())
    if entry.what.startswith("time"):
        files.times = (entry.path, 0)
    elif entry.what == "confidence":
        files.confidence = entry.path
    elif files.boxes:
        raise InputError(f"{origin}: {entry.path} and {files.boxes} are both {entry.sequence}: keep one of them")
    else:
        files.boxes = entry.path


def _runs(trackers: list[str], origin: object) -> dict[str, int]:
    """Folder of a tracker -> number of the run (from 1) that it holds. Raises InputError where there are several."""
    stems = {REPETITION.sub(r"\1", tracker) for tracker in trackers if REPETITION.fullmatch(tracker)}
    if len(trackers) > 1 and (len(stems) != 1 or not all(map(REPETITION.fullmatch, trackers))):
        shown = ", ".join(tracker or "." for tracker in trackers[:4]) + (", ..." if len(trackers) > 4 else "")
        raise InputError(
            f"{origin}: holds results of {len(trackers)} trackers ({shown}): give one of them, in a folder of its own"
        )
    return {tracker: number for number, tracker in enumerate(trackers, start=1)}


def _parse(path: str, benchmark: str, wanted: dict[str, str]) -> _Entry | None:
    """What a file is, from its name; None where it is no sequence's.

    A sequence's own name may end as a repetition's or a kind's does, so the longest name comes first.
    """
    name, suffix = PurePosixPath(path).stem, PurePosixPath(path).suffix
    if suffix == ".mat":
        return _matlab(path, name, benchmark, wanted)
    readings = [] if suffix == ".value" else [(name, "")]
    kind = KIND.fullmatch(name)
    if kind and suffix in (".txt", ".value"):
        readings.append((kind[1], kind[2]))
    for rest, what in readings:
        number = REPETITION.fullmatch(rest)
        for sequence, repetition in ((rest, None), (number[1], int(number[2])) if number else ("", None)):
            known = wanted.get(names.canonical(benchmark, sequence)) if sequence else None
            if known:
                return _Entry(path, _tracker(path, benchmark, known), known, repetition, what)
    return None


def _matlab(path: str, name: str, benchmark: str, wanted: dict[str, str]) -> _Entry | None:
    """OTB's MATLAB toolkit writes <sequence>_<tracker>.mat, all trackers in one folder."""
    for cut in [len(name), *(match.start() for match in reversed(list(re.finditer("_", name))))]:
        known = wanted.get(names.canonical(benchmark, name[:cut]))
        if known:
            return _Entry(path, str(PurePosixPath(path).parent / name[cut + 1 :]), known, None, "")
    return None


def _tracker(path: str, benchmark: str, sequence: str) -> str:
    """A file's folder, without those that its toolkit makes below a tracker's own."""
    parts = list(PurePosixPath(path).parent.parts)
    inner = {sequence.rpartition("-")[0]} if benchmark == "lasot" else set()
    for known in ({sequence}, inner, set(INNER)):
        if parts and (parts[-1] in known or names.canonical(benchmark, parts[-1]) in known):
            parts.pop()
    return "/".join(parts)


def _as_devkit(entries: list[_Entry], paths: list[str], wanted: dict[str, str]) -> list[_Entry]:
    """TrackingNet's devkit takes the file whose path contains `<id>.txt`, and none where there are several."""
    present = {entry.sequence for entry in entries if not entry.what}
    others = [path for path in paths if PurePosixPath(path).stem not in wanted]
    for name in wanted.values():
        matches = [path for path in others if f"{name}.txt" in path]
        if name in present and matches:
            entries = [entry for entry in entries if entry.sequence != name]
        elif len(matches) == 1:
            entries.append(_Entry(matches[0], _tracker(matches[0], "trackingnet", name), name, None, ""))
    return entries
