"""Raw results: one run of a tracker over one sequence, on disk as the benchmark's own toolkit writes it.

Boxes are x, y, w, h, 0-based, in memory; OTB and LaSOT files are 1-based, as those benchmarks' ground truth is.
"""

import hashlib
import io
import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siamrcr import bundles, files, formats, layouts, parsing
from siamrcr.bundles import Source
from siamrcr.datasets import otb
from siamrcr.datasets.sequence import Sequence
from siamrcr.errors import InputError
from siamrcr.formats import FAILURE as FAILURE
from siamrcr.formats import INIT as INIT
from siamrcr.formats import REGION as REGION
from siamrcr.formats import SKIPPED as SKIPPED
from siamrcr.geometry import Array
from siamrcr.layouts import Files
from siamrcr.ragged import Regions

MANIFEST = "manifest.json"
REMEDY = "remove it and track again, which keeps what is whole"
# What a folder's raw results were made of. It outlives the manifest, which a workflow removes before it starts again.
STAMP = ".settings.json"

# What a VOT file holds in place of a region, by code.
_MARKS = {INIT: "1", FAILURE: "2", SKIPPED: "0"}
ONE_BASED = ("otb2015", "lasot")
FROM_CORNER = np.array([1.0, 1.0, 0.0, 0.0])


@dataclass(frozen=True, eq=False)
class Result:
    """One run of a tracker over one sequence of N frames.

    Attributes:
        boxes: (N, 4) float64 x, y, w, h, 0-based; NaN where `codes` is not REGION.
        codes: (N,) int8, REGION everywhere for one-pass protocols, else REGION, INIT, FAILURE or SKIPPED.
        times: (N,) float64 seconds a frame, NaN where unknown.
        confidence: (N,) float64, NaN where unknown.
        regions: N regions as read, where a VOT file holds polygons (a code is an array of one number).
    """

    boxes: Array
    codes: NDArray[np.int8]
    times: Array
    confidence: Array
    regions: Regions | None = None

    def __len__(self) -> int:
        return len(self.boxes)


def exists(folder: Path, benchmark: str, sequence: str, repetition: int) -> bool:
    """Whether a run over a sequence is stored; `repetition` counts from 1."""
    return (folder / layouts.boxes_file(benchmark, sequence, repetition)).is_file()


def write(folder: Path, benchmark: str, sequence: str, repetition: int, result: Result) -> None:
    """Store a run; `repetition` counts from 1. The boxes come last, so a run with boxes is whole."""
    if not np.isnan(result.confidence).all():
        name = layouts.confidence_file(benchmark, sequence, repetition)
        files.write_text(folder / name, "".join(f"{value:.6f}\n" for value in result.confidence))
    if not np.isnan(result.times).all():
        _write_times(folder / layouts.times_file(benchmark, sequence, repetition), benchmark, repetition, result.times)
    lines = _vot_lines(result) if benchmark.startswith("vot") else _lines(_shifted(result.boxes, benchmark, 1), "%.3f")
    files.write_text(
        folder / layouts.boxes_file(benchmark, sequence, repetition), "".join(f"{line}\n" for line in lines)
    )


def read(tracks: Path, benchmark: str, sequences: list[Sequence], subset: bool = False) -> dict[str, list[Result]]:
    """Runs of a tracker, sequence -> repetitions, from a folder or zip laid out as any of the field's toolkits does.

    A run that is longer than the ground truth is cut, except on GOT-10k. One that is shorter gets NaN boxes on
    TrackingNet and stays as it is elsewhere: the rules decide. TrackingNet's rule also knows a missing sequence. Raises
    InputError, in one line, where sequences are missing elsewhere or the manifest says that the tracker failed on some
    (unless `subset`), it is of another benchmark, a file does not parse, or on GOT-10k a run has another length.
    """
    manifest = (read_manifest(tracks) if tracks.is_dir() else None) or {}
    if (named := manifest.get("benchmark", benchmark)) != benchmark:
        raise InputError(f"{tracks / MANIFEST}: is of {named}, not of {benchmark}: {REMEDY}")
    failures = manifest.get("failures")
    if failures and not subset:
        where, why = next(iter(failures.items()))
        raise InputError(
            f"{tracks}: the tracker failed on {len(failures)} runs, first on {where} ({why}): track again, or use "
            f"--subset"
        )
    with opened(tracks) as source:
        found, names = source.names(), [sequence.name for sequence in sequences]
        table = layouts.index(found, benchmark, names, tracks)
        missing = [name for name in names if name not in table]
        if missing and (len(missing) == len(names) or not (subset or benchmark == "trackingnet")):
            raise InputError(f"{tracks}: {_missing(missing, found, benchmark, names)}")
        return {
            sequence.name: [
                _run(source, tracks, run, benchmark, sequence) for run in table[sequence.name].runs.values()
            ]
            for sequence in sequences
            if sequence.name in table
        }


@contextmanager
def opened(tracks: Path) -> Iterator[Source]:
    """Raw results to read from, each file checked where their manifest says what was written. Raises InputError."""
    manifest = read_manifest(tracks) if tracks.is_dir() else None
    with bundles.source(tracks, written=(manifest or {}).get("files")) as source:
        yield source


def _missing(missing: list[str], found: list[str], benchmark: str, names: list[str]) -> str:
    """What is missing, in which company, and what to do about it."""
    shown = ", ".join(missing[:3]) + (", ..." if len(missing) > 3 else "")
    what = f"no raw results of {len(missing)} of {len(names)} sequences of {benchmark} ({shown})"
    strangers, packed = layouts.strangers(found, benchmark, names), bundles.nested(found)
    if strangers:
        what += f", but {len(strangers)} files of other names ({', '.join(strangers[:3])})"
    if packed:
        return f"{what}: unpack {packed[0]} first"
    return f"{what}: " + ("name the tracker's own folder" if missing == names else "add them, or use --subset")


def write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    """Store what made the results, once they are complete."""
    files.write_json(folder / MANIFEST, manifest)


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """What made the results, or None where they came without it."""
    path = folder / MANIFEST
    if not path.is_file():
        return None
    found = files.read_json(path, REMEDY)
    return found if isinstance(found, dict) else None


def stamp_remedy(folder: Path) -> str:
    """What helps where the stamp of a folder of raw results is damaged: without it they count as a stranger's."""
    return f"remove {folder} and track again, since nothing else tells what its results were made of"


def digest(path: Path) -> str:
    """Checksum of what was computed: boxes, confidences, scores, tables and weights; not times, dates or provenance.

    Of a folder or zip these files count, with their names: results (`.txt`, `.value`, `.bin`, `.mat`), `.json`, `.csv`,
    `.npz` and `.safetensors`. Raises InputError where there is none.
    """
    if path.is_file() and (path.suffix == ".npz" or not zipfile.is_zipfile(path)):
        return hashlib.sha256(_content(path.name, path.read_bytes())).hexdigest()
    whole = hashlib.sha256()
    with bundles.source(path) as source:
        names = [name for name in source.names() if _counts(name)]
        for name in names:
            whole.update(f"{name} {hashlib.sha256(_content(name, source.read(name))).hexdigest()}\n".encode())
    if not names:
        raise InputError(f"{path}: holds no results to make a digest of")
    return whole.hexdigest()


_UNCOUNTED_KEYS = {"provenance", "seconds", "waiting_share", "times", "date", "seal_sha256"}


def _counts(name: str) -> bool:
    path = PurePosixPath(name)
    timed = path.stem.endswith(("_time", "_times"))
    return path.suffix in (".txt", ".value", ".bin", ".mat", ".json", ".csv", ".npz", ".safetensors") and not (
        timed or bundles.hidden(name) or path.name == MANIFEST
    )


def _content(name: str, data: bytes) -> bytes:
    """The bytes of a file that count.

    Of JSON, what is neither time nor provenance, in a canonical form; of arrays in a zip file, the arrays.
    """
    if name.endswith(".npz"):
        return _arrays(name, data)
    if not name.endswith(".json"):
        return data
    try:
        return json.dumps(_without_uncounted(json.loads(data)), sort_keys=True).encode()
    except (ValueError, RecursionError) as error:
        raise InputError(f"{name}: not valid JSON ({error}): make it again") from None


def _arrays(name: str, data: bytes) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = sorted(archive.namelist())
            return "".join(f"{each} {hashlib.sha256(archive.read(each)).hexdigest()}\n" for each in members).encode()
    except bundles.BROKEN as error:
        raise InputError(f"{name}: not readable arrays ({error}): make it again") from None


def _without_uncounted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_uncounted(entry) for key, entry in value.items() if key not in _UNCOUNTED_KEYS}
    return [_without_uncounted(entry) for entry in value] if isinstance(value, list) else value


def _run(source: Source, tracks: Path, run: Files, benchmark: str, sequence: Sequence) -> Result:
    origin = f"{tracks}/{run.boxes}"
    boxes, codes, regions = formats.read(source.read(run.boxes), origin, benchmark)
    times = confidence = np.full(len(boxes), np.nan)
    if run.times is not None:
        name, number = run.times
        times = _column(source, tracks, name, number, len(boxes))
    if run.confidence:
        confidence = _column(source, tracks, run.confidence, 0, len(boxes))
    result = Result(_shifted(boxes, benchmark, -1), codes, times, confidence, regions)
    return _aligned(result, benchmark, sequence, origin)


def _column(source: Source, tracks: Path, name: str, number: int, frames: int) -> Array:
    return parsing.column(*parsing.numbers(source.read(name), f"{tracks}/{name}"), number, frames)


def _aligned(result: Result, benchmark: str, sequence: Sequence, origin: str) -> Result:
    """The run's frames that the ground truth has."""
    length, frames = len(result), len(sequence)
    # Some toolkits track the frames at the start that OTB leaves out.
    omitted = otb.OMITTED.get(sequence.name, 0) if benchmark == "otb2015" else 0
    first = omitted if length == frames + omitted else 0
    if length > frames:
        if benchmark.startswith("got10k"):
            raise InputError(
                f"{origin}: {length} lines for {frames} frames of {sequence.name}: GOT-10k wants equal numbers"
            )
        return _rows(result, slice(first, first + frames))
    if length < frames and benchmark == "trackingnet":
        return _padded(result, frames)
    if length < frames and benchmark.startswith("got10k"):
        raise InputError(f"{origin}: {length} lines for {frames} frames of {sequence.name}: track the sequence again")
    return result


def _rows(result: Result, rows: slice) -> Result:
    regions = result.regions[rows] if result.regions is not None else None
    return Result(result.boxes[rows], result.codes[rows], result.times[rows], result.confidence[rows], regions)


def _padded(result: Result, frames: int) -> Result:
    more = frames - len(result)
    boxes = np.concatenate([result.boxes, np.full((more, 4), np.nan)])
    times, confidence = (np.append(values, np.full(more, np.nan)) for values in (result.times, result.confidence))
    return Result(boxes, np.zeros(frames, dtype=np.int8), times, confidence)


def _shifted(boxes: Array, benchmark: str, by: int) -> Array:
    """Boxes with corners moved by `by` pixels where the benchmark's files count from 1."""
    return boxes + by * FROM_CORNER if benchmark in ONE_BASED else boxes


def _lines(rows: Array, form: str) -> list[str]:
    template = ",".join([form] * rows.shape[1])
    return [template % tuple(row) for row in rows.tolist()]


def _vot_lines(result: Result) -> list[str]:
    rows = result.regions if result.regions is not None else result.boxes
    return [
        _MARKS[int(code)] if code != REGION else ",".join(f"{value:.4f}" for value in row)
        for row, code in zip(rows, result.codes, strict=True)
    ]


def _write_times(path: Path, benchmark: str, repetition: int, times: Array) -> None:
    """Store seconds a frame; all but VOT keep a column a repetition in one file, so what is there stays."""
    table = np.full((len(times), 1 if benchmark.startswith("vot") else repetition), np.nan)
    column = table.shape[1] - 1
    if not benchmark.startswith("vot") and path.is_file():
        values, counts = parsing.numbers(path.read_bytes(), str(path))
        if len(counts) == len(times) and len(set(counts.tolist())) == 1:
            stored = values.reshape(len(times), -1)
            table = np.concatenate([stored, table[:, stored.shape[1] :]], axis=1)
    table[:, column] = times
    files.write_text(path, "".join(f"{line}\n" for line in _lines(table, "%.8f")))
