"""Raw results: one run of a tracker over one sequence, on disk as the benchmark's own toolkit writes it.

Boxes are x, y, w, h, 0-based, in memory; OTB and LaSOT files are 1-based, as those benchmarks' ground truth is.
"""

import hashlib
import json
import warnings
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siamrcr import files, layouts
from siamrcr.datasets import otb
from siamrcr.datasets.sequence import Sequence
from siamrcr.errors import InputError
from siamrcr.geometry import Array
from siamrcr.layouts import Files, Source

REGION, INIT, FAILURE, SKIPPED = 0, 1, 2, 3
MANIFEST = "manifest.json"

# What a VOT file holds in place of a region, by code.
_MARKS = {INIT: "1", FAILURE: "2", SKIPPED: "0"}
_CODES = {1: INIT, 2: FAILURE, 0: SKIPPED}
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
        regions: N flat float64 arrays as read, where a VOT file holds polygons (a code is an array of one number).
    """

    boxes: Array
    codes: NDArray[np.int8]
    times: Array
    confidence: Array
    regions: tuple[Array, ...] | None = None

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

    A run that is longer than the ground truth is cut; one that is shorter stays so on OTB and VOT, whose rules know it,
    and gets NaN boxes on TrackingNet. Raises InputError, in one line, where sequences are missing (unless `subset`), a
    file does not parse, or a run is shorter than the benchmark's rules allow.
    """
    with layouts.source(tracks) as source:
        table = layouts.index(source.names(), benchmark, [sequence.name for sequence in sequences])
        missing = [sequence.name for sequence in sequences if sequence.name not in table]
        if missing and (len(missing) == len(sequences) or not subset):
            shown = ", ".join(missing[:3]) + (", ..." if len(missing) > 3 else "")
            remedy = "name the tracker's own folder" if len(missing) == len(sequences) else "add them, or use --subset"
            count = f"{len(missing)} of {len(sequences)} sequences of {benchmark}"
            raise InputError(f"{tracks}: no raw results of {count} ({shown}): {remedy}")
        return {
            sequence.name: [
                _run(source, tracks, run, benchmark, sequence) for run in table[sequence.name].runs.values()
            ]
            for sequence in sequences
            if sequence.name in table
        }


def write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    """Store what made the results, once they are complete."""
    files.write_json(folder / MANIFEST, manifest)


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """What made the results, or None where they came without it."""
    path = folder / MANIFEST
    return files.read_json(path, "remove it or track again") if path.is_file() else None


def pack(folder: Path, benchmark: str, archive: Path) -> None:
    """Zip a folder of results for the benchmark's server: equal results give equal bytes. Raises InputError."""
    if benchmark not in ("got10k-test", "trackingnet"):
        raise InputError(f"{benchmark}: no server takes its results; servers hold got10k-test and trackingnet")
    present = layouts.Folder(folder).names() if folder.is_dir() else []
    names = [name for name in present if name.endswith(".txt") and not layouts.hidden(name)]
    if benchmark == "trackingnet":
        boxes = {name for name in names if "/" not in name and not name.endswith("_time.txt")}
        names = sorted(name for name in boxes if f"{name[:-8]}.txt" not in boxes)
    if not names:
        raise InputError(f"{folder}: no raw results of {benchmark} to pack: track it first")
    with files.atomic(archive) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as target:
        for name in names:
            # A fixed date: zip files store one, and equal results must give equal bytes.
            entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            entry.external_attr, entry.compress_type = 0o644 << 16, zipfile.ZIP_DEFLATED
            target.writestr(entry, (folder / name).read_bytes())


def digest(path: Path) -> str:
    """Checksum of what was computed: boxes, confidences, scores, tables and weights; not times, dates or provenance.

    Of a folder or zip these files count, with their names: results (`.txt`, `.value`), `.json`, `.csv`, `.npz` and
    `.safetensors`. Raises InputError where there is none.
    """
    if path.is_file() and not zipfile.is_zipfile(path):
        return hashlib.sha256(_content(path.name, path.read_bytes())).hexdigest()
    if path.suffix in BINARY and path.is_file():
        return files.sha256(path)
    whole = hashlib.sha256()
    with layouts.source(path) as source:
        names = [name for name in source.names() if _counts(name)]
        for name in names:
            whole.update(f"{name} {hashlib.sha256(_content(name, source.read(name))).hexdigest()}\n".encode())
    if not names:
        raise InputError(f"{path}: holds no results to make a digest of")
    return whole.hexdigest()


BINARY = (".npz", ".safetensors")
_UNCOUNTED_KEYS = {"provenance", "seconds", "times", "date"}


def _counts(name: str) -> bool:
    path = PurePosixPath(name)
    timed = path.stem.endswith(("_time", "_times"))
    return path.suffix in (".txt", ".value", ".json", ".csv", *BINARY) and not (
        timed or layouts.hidden(name) or path.name == MANIFEST
    )


def _content(name: str, data: bytes) -> bytes:
    """The bytes of a file that count: of JSON, what is neither time nor provenance, in a canonical form."""
    if not name.endswith(".json"):
        return data
    try:
        return json.dumps(_without_uncounted(json.loads(data)), sort_keys=True).encode()
    except ValueError as error:
        raise InputError(f"{name}: not valid JSON ({error}): make it again") from None


def _without_uncounted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_uncounted(entry) for key, entry in value.items() if key not in _UNCOUNTED_KEYS}
    return [_without_uncounted(entry) for entry in value] if isinstance(value, list) else value


def parse(data: bytes, origin: str) -> tuple[Array, NDArray[np.intp]]:
    """All numbers (M,) of a text, and how many each of its lines holds (N,).

    Commas, semicolons, tabs and spaces separate; empty lines at the end do not count. Raises InputError naming `origin`
    and the line that holds something else.
    """
    raw = np.frombuffer(data.rstrip() + b"\n", dtype=np.uint8)
    separates = _SEPARATES[raw]
    first = np.flatnonzero(~separates & np.concatenate([[True], separates[:-1]]))
    counts = np.diff(np.searchsorted(first, np.flatnonzero(raw == ord("\n"))), prepend=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            values = np.fromstring(data.translate(_TO_SPACES).decode(errors="replace"), sep=" ")
        except (DeprecationWarning, ValueError):
            values = np.empty(0)
    if len(values) != len(first):
        raise InputError(f"{origin}: {_first_wrong(data)}")
    return values, counts


_SEPARATORS = b",;\t \r\n"
_SEPARATES = np.isin(np.arange(256), list(_SEPARATORS))
_TO_SPACES = bytes.maketrans(_SEPARATORS, b" " * len(_SEPARATORS))


def _first_wrong(data: bytes) -> str:
    for number, line in enumerate(data.decode(errors="replace").splitlines(), start=1):
        try:
            _ = [float(token) for token in line.encode().translate(_TO_SPACES).split()]
        except ValueError:
            return f"line {number} is not numbers: {line.strip()[:60]!r}"
    return "not a text of numbers"


def _run(source: Source, tracks: Path, run: Files, benchmark: str, sequence: Sequence) -> Result:
    origin = f"{tracks}/{run.boxes}"
    values, counts = parse(source.read(run.boxes), origin)
    regions = None
    if benchmark.startswith("vot"):
        boxes, codes, regions = _vot_rows(values, counts, origin)
    else:
        _check_counts(counts, counts == 4, "4", origin)
        boxes = _shifted(values.reshape(-1, 4), benchmark, -1)
        codes = np.zeros(len(boxes), dtype=np.int8)
    result = Result(
        boxes, codes, _times(source, tracks, run, len(boxes)), _confidence(source, tracks, run, len(boxes)), regions
    )
    return _aligned(result, benchmark, sequence, origin)


def _check_counts(counts: NDArray[np.intp], right: NDArray[np.bool_], wanted: str, origin: str) -> None:
    if not right.all():
        line = int(np.argmin(right))
        raise InputError(f"{origin}: line {line + 1} has {counts[line]} numbers instead of {wanted}")


def _vot_rows(
    values: Array, counts: NDArray[np.intp], origin: str
) -> tuple[Array, NDArray[np.int8], tuple[Array, ...] | None]:
    """Boxes, codes, and the regions where some are polygons. A region with a NaN is a frame without one, as in TraX."""
    right = (counts == 1) | (counts == 4) | ((counts >= 6) & (counts % 2 == 0))
    _check_counts(counts, right, "1, 4, or 6 and more in pairs", origin)
    starts = np.cumsum(counts) - counts
    codes = np.full(len(counts), REGION, dtype=np.int8)
    for line in np.flatnonzero(counts == 1):
        if values[starts[line]] not in _CODES:
            raise InputError(f"{origin}: line {line + 1} is {values[starts[line]]:g}: a code is 0, 1 or 2")
        codes[line] = _CODES[values[starts[line]]]
    boxes = np.full((len(counts), 4), np.nan)
    plain = np.flatnonzero(counts == 4)
    boxes[plain] = values[starts[plain, None] + np.arange(4)]
    for size in set(counts[counts > 4].tolist()):
        lines = np.flatnonzero(counts == size)
        points = values[starts[lines, None] + np.arange(size)].reshape(len(lines), -1, 2)
        low, high = points.min(axis=1), points.max(axis=1)
        boxes[lines] = np.concatenate([low, high - low], axis=1)
    regions = tuple(np.split(values, starts[1:])) if (counts > 4).any() else None
    codes[(codes == REGION) & np.isnan(boxes).any(axis=1)] = SKIPPED
    boxes[codes != REGION] = np.nan
    return boxes, codes, regions


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
    if length < frames and not benchmark.startswith(("otb", "vot")):
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


def _times(source: Source, tracks: Path, run: Files, frames: int) -> Array:
    if run.times is None:
        return np.full(frames, np.nan)
    name, column = run.times
    values, counts = parse(source.read(name), f"{tracks}/{name}")
    if len(set(counts.tolist())) != 1 or counts[0] <= column:
        return np.full(frames, np.nan)
    return _fitted(values.reshape(len(counts), -1)[:, column], frames)


def _confidence(source: Source, tracks: Path, run: Files, frames: int) -> Array:
    if not run.confidence:
        return np.full(frames, np.nan)
    return _fitted(parse(source.read(run.confidence), f"{tracks}/{run.confidence}")[0], frames)


def _fitted(values: Array, frames: int) -> Array:
    return np.concatenate([values[:frames], np.full(max(0, frames - len(values)), np.nan)])


def _shifted(boxes: Array, benchmark: str, by: int) -> Array:
    """Boxes with corners moved by `by` pixels where the benchmark's files count from 1."""
    return boxes + by * FROM_CORNER if benchmark in ONE_BASED else boxes


def _lines(rows: Array, form: str) -> list[str]:
    template = ",".join([form] * rows.shape[1])
    return [template % tuple(row) for row in rows.tolist()]


def _vot_lines(result: Result) -> list[str]:
    rows = result.regions if result.regions is not None else tuple(result.boxes)
    return [
        _MARKS[int(code)] if code != REGION else ",".join(f"{value:.4f}" for value in row)
        for row, code in zip(rows, result.codes, strict=True)
    ]


def _write_times(path: Path, benchmark: str, repetition: int, times: Array) -> None:
    """Store seconds a frame; all but VOT keep a column a repetition in one file, so what is there stays."""
    table = np.full((len(times), 1 if benchmark.startswith("vot") else repetition), np.nan)
    column = table.shape[1] - 1
    if not benchmark.startswith("vot") and path.is_file():
        values, counts = parse(path.read_bytes(), str(path))
        if len(counts) == len(times) and len(set(counts.tolist())) == 1:
            stored = values.reshape(len(times), -1)
            table = np.concatenate([stored, table[:, stored.shape[1] :]], axis=1)
    table[:, column] = times
    files.write_text(path, "".join(f"{line}\n" for line in _lines(table, "%.8f")))
