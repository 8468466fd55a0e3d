"""Raw results as a benchmark's server takes them: one zip file, whole or not at all."""

import io
import zipfile
from pathlib import Path

import numpy as np

from siamrcr import datasets, files, formats, layouts, parsing, results
from siamrcr.bundles import Source
from siamrcr.config import DATASET, SERVED, Run
from siamrcr.datasets import verification
from siamrcr.datasets.images import numbered
from siamrcr.errors import InputError
from siamrcr.geometry import Array
from siamrcr.layouts import Files, Index

# Printed digits: of GOT-10k's toolkit for boxes and seconds, of pytracking's packing script for TrackingNet.
BOXES = {"got10k-test": "%.3f", "trackingnet": "%.2f"}
SECONDS = "%.8f"
RUNS = 3  # that GOT-10k's toolkit makes of a tracker that draws random numbers; one suffices of another


def pack(run: Run, benchmark: str, tracks: Path, archive: Path, root: Path | None = None) -> None:
    """Zip raw results of any layout for the benchmark's server; equal results give equal bytes.

    GOT-10k takes <sequence>/<sequence>_001.txt (to _003) and <sequence>/<sequence>_time.txt with a column a run,
    TrackingNet <sequence>.txt with the first run's boxes, each of all sequences of its test split: those of `root` or
    the configuration's folder, where that is there. Raises InputError, and writes nothing, where the results lack a
    sequence, a frame or a time, or a box is not four finite numbers.
    """
    if benchmark not in SERVED:
        raise InputError(f"{benchmark}: no server takes its results; servers hold {' and '.join(SERVED)}")
    frames = expected(run, benchmark, root)
    with results.opened(tracks) as source:
        table = layouts.index(source.names(), benchmark, official(benchmark), tracks)
        # Results of all official sequences are no generated dataset's, whatever the configuration says.
        if root is None and len(frames) < len(table) == len(official(benchmark)):
            frames = dict.fromkeys(table)
        table = layouts.index(source.names(), benchmark, frames, tracks)
        _complete(tracks, benchmark, table, list(frames))
        contents: dict[str, str] = {}
        for name, count in frames.items():
            runs = list(table[name].runs.values())
            if benchmark == "trackingnet":
                contents[f"{name}.txt"] = _printed(_boxes(source, tracks, benchmark, runs[0], count), BOXES[benchmark])
                continue
            boxes = [_boxes(source, tracks, benchmark, each, count) for each in runs]
            for number, rows in enumerate(boxes, start=1):
                contents[layouts.boxes_file(benchmark, name, number)] = _printed(rows, BOXES[benchmark])
            seconds = [_seconds(source, tracks, each, len(rows)) for each, rows in zip(runs, boxes, strict=True)]
            contents[layouts.times_file(benchmark, name, 1)] = _printed(np.stack(seconds, axis=1), SECONDS)
    with files.atomic(archive) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as target:
        for path in sorted(contents):
            # A fixed date: zip files store one, and equal results must give equal bytes.
            entry = zipfile.ZipInfo(path, date_time=(1980, 1, 1, 0, 0, 0))
            entry.external_attr, entry.compress_type = 0o644 << 16, zipfile.ZIP_DEFLATED
            target.writestr(entry, contents[path])


def expected(run: Run, benchmark: str, root: Path | None = None) -> dict[str, int | None]:
    """The sequences that a server wants, and how many frames each has, None where its frames are not here.

    They are those of the dataset's folder; GOT-10k's names are known without it. Raises InputError where TrackingNet's
    folder is not there, or a folder holds fewer sequences than the configuration expects.
    """
    split = next(split for split in verification.SPLITS if split.benchmark == benchmark)
    folder = root or run.root(benchmark)
    names = official(benchmark)
    if not folder.is_dir() and names and root is None:
        return dict.fromkeys(names[: run.expected.get(split.name)])
    if not folder.is_dir():
        raise InputError(f"{folder}: no dataset there, which names the sequences: give its folder with --root DIR")
    found = datasets.LAYOUTS[DATASET[benchmark]].sequences(folder, "test")
    wanted = run.expected.get(split.name, (split.official if run.source == "real" else None) or 1)
    if len(found) < wanted:
        raise InputError(f"{folder}: {len(found)} of {wanted} sequences of {benchmark}: complete the dataset")
    return {name: _frames(place) for name, place in found.items()}


def official(benchmark: str) -> list[str]:
    """The names of a benchmark's sequences as far as they follow a rule: GOT-10k's do, TrackingNet's do not."""
    return [f"GOT-10k_Test_{number:06d}" for number in range(1, 181)] if benchmark == "got10k-test" else []


def _frames(folder: Path) -> int | None:
    try:
        return len(numbered(folder))
    except InputError:
        return None


def _complete(tracks: Path, benchmark: str, table: dict[str, Index], names: list[str]) -> None:
    """Raise InputError naming what the results lack."""
    all_of_them = "the server wants all: track these too, or name the dataset that was tracked with --root DIR"
    lacks = [("no raw results", [name for name in names if name not in table], all_of_them)]
    if benchmark == "got10k-test":
        runs = max((len(index.runs) for index in table.values()), default=1)
        if runs > RUNS:
            raise InputError(f"{tracks}: {runs} runs, and the server takes {RUNS}: leave out the others")
        kept = [name for name in names if name in table]
        fewer = [name for name in kept if len(table[name].runs) < runs]
        lacks.append((f"not all of {runs} runs", fewer, "track these again, or leave out the runs that they lack"))
        timeless = [name for name in kept if any(run.times is None for run in table[name].runs.values())]
        lacks.append(("no times", timeless, "the server wants the seconds of every frame: track these again"))
    for what, missing, remedy in lacks:
        if missing:
            shown = ", ".join(missing[:3]) + (", ..." if len(missing) > 3 else "")
            count = f"{len(missing)} of {len(names)} sequences of {benchmark}"
            raise InputError(f"{tracks}: {what} of {count} ({shown}): {remedy}")


def _boxes(source: Source, tracks: Path, benchmark: str, run: Files, frames: int | None) -> Array:
    origin = f"{tracks}/{run.boxes}"
    boxes = formats.read(source.read(run.boxes), origin, benchmark)[0]
    if frames is not None and len(boxes) != frames:
        raise InputError(
            f"{origin}: {len(boxes)} lines for {frames} frames: track the sequence again, or name the folder of the "
            f"dataset that was tracked with --root DIR"
        )
    wrong = ~np.isfinite(boxes).all(axis=1)
    if wrong.any():
        raise InputError(f"{origin}: line {np.argmax(wrong) + 1} is no finite box: track the sequence again")
    return boxes


def _seconds(source: Source, tracks: Path, run: Files, frames: int) -> Array:
    name, column = run.times or ("", 0)
    values, counts = parsing.numbers(source.read(name), f"{tracks}/{name}")
    seconds = parsing.column(values, counts, column, frames)
    wrong = ~np.isfinite(seconds)
    if len(counts) != frames or wrong.any():
        place = f"line {np.argmax(wrong) + 1} has no time" if wrong.any() else f"{len(counts)} lines"
        raise InputError(f"{tracks}/{name}: {place}, for {frames} boxes of run {column + 1}: track the sequence again")
    return seconds


def _printed(rows: Array, form: str) -> str:
    text = io.StringIO()
    np.savetxt(text, rows, fmt=form, delimiter=",")
    return text.getvalue()
