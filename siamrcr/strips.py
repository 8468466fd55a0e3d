"""Frames and boxes for the report's player: a few frames of a sequence inside it, the whole sequence beside it."""

import base64
import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from siamrcr import datasets, results
from siamrcr.config import Benchmark, Run
from siamrcr.datasets.sequence import Sequence as Clip
from siamrcr.datasets.sequence import decode
from siamrcr.errors import InputError
from siamrcr.files import write_text
from siamrcr.geometry import Array
from siamrcr.progress import progress
from siamrcr.results import FAILURE, INIT, SKIPPED, Result

FRAMES = 8  # of a strip
WIDTH, QUALITY = 320, 70  # of its pictures: a larger frame is reduced, at a few kilobytes each
DIGITS = 1  # of a pixel
FOLDER = "sequences"  # beside the report
EVENTS = {INIT: "start", FAILURE: "failure", SKIPPED: "skipped"}
TRUTH = "truth"
Strip = dict[str, Any]


def make(
    run: Run,
    chosen: Mapping[str, Sequence[str]],
    tracks: Mapping[str, Mapping[str, Path]],
    folder: Path,
    embedded: int,
) -> tuple[dict[str, dict[str, Strip]], list[str]]:
    """What the player shows of every chosen sequence, and what it lacks, a line each.

    Of a tracker that ran several times the first run is shown. What was left in the folder by an earlier call and is no
    longer chosen is removed.

    Args:
        run: the configuration, which says where frames and ground truth are.
        chosen: benchmark -> names of sequences, the most telling first.
        tracks: benchmark -> tracker -> folder or zip of raw results.
        folder: of the report; `sequences/BENCHMARK/*.js` below it hold each chosen sequence whole: boxes of all
            frames, and where their files are.
        embedded: the first so many of each benchmark get a strip of FRAMES frames that goes into the report itself.

    Returns:
        benchmark -> sequence -> `beside` (a path from the report) and, of an embedded one, `length`, `size` (w, h of
        the frames), `frames` (numbers, from 0), `images` (JPEG, base64; empty where frames cannot be read), `boxes`
        (tracker -> one of those frames each: x, y, w, h, or corners, or null) and `events` (tracker -> number -> word).
    """
    strips: dict[str, dict[str, Strip]] = {}
    lacks: list[str] = []
    kept: set[Path] = set()
    with progress("strips", sum(map(len, chosen.values())), "sequences") as bar:
        for benchmark, names in chosen.items():
            try:
                clips = _clips(run, benchmark, names)
            except InputError as error:
                lacks.append(f"no sequence of {benchmark} can be played: {error}")
                continue
            found = _results(benchmark, clips, tracks.get(benchmark, {}), lacks)
            strips[benchmark] = {}
            for place, clip in enumerate(clips):
                boxes, events = _layers(
                    clip, {name: runs[clip.name] for name, runs in found.items() if clip.name in runs}
                )
                size = _size(clip, lacks)
                strip: Strip = _strip(clip, size, boxes, events) if place < embedded else {}
                path = folder / FOLDER / benchmark / f"{place:03d}-{re.sub(r'[^A-Za-z0-9._-]', '_', clip.name)}.js"
                _write_whole(path, benchmark, clip, size, boxes, events)
                kept.add(path)
                strips[benchmark][clip.name] = strip | {"beside": path.relative_to(folder).as_posix()}
                bar.advance()
    for path in (folder / FOLDER).glob("*/*.js"):
        if path not in kept:
            path.unlink()
    return strips, lacks


def _clips(run: Run, benchmark: str, names: Iterable[str]) -> list[Clip]:
    root, own = run.root(benchmark), run.benchmarks.get(benchmark, Benchmark())  # type: ignore[call-overload]
    known = {clip.name: clip for clip in datasets.load(benchmark, root if root.is_dir() else None, own.annotations)}
    return [known[name] for name in names if name in known]


def _results(
    benchmark: str, clips: list[Clip], tracks: Mapping[str, Path], lacks: list[str]
) -> dict[str, dict[str, Result]]:
    """Tracker -> sequence -> its first run; a tracker whose raw results cannot be read is left out."""
    found = {}
    for tracker, path in tracks.items():
        try:
            runs = results.read(path, benchmark, clips, subset=True)
        except InputError as error:
            lacks.append(f"the player lacks a tracker on {benchmark}: {error}")
            continue
        found[tracker] = {name: several[0] for name, several in runs.items()}
    return found


def _layers(clip: Clip, runs: Mapping[str, Result]) -> tuple[dict[str, list[Any]], dict[str, dict[int, str]]]:
    """Regions of every frame, and words about some: of the ground truth, and of each tracker."""
    boxes = {TRUTH: _regions(clip.boxes if clip.regions is None else clip.regions, len(clip))}
    events = {}
    for tracker, run in runs.items():
        boxes[tracker] = _regions(run.boxes if run.regions is None else run.regions, len(clip))
        said = {int(frame): EVENTS[int(run.codes[frame])] for frame in np.flatnonzero(run.codes != results.REGION)}
        if said:
            events[tracker] = said
    return boxes, events


def _regions(regions: Array | Sequence[Array], length: int) -> list[list[float] | None]:
    """A region a frame; None where it is a code, unknown, or a box without size (an absent target)."""
    if isinstance(regions, np.ndarray):
        known = np.isfinite(regions).all(axis=1) & np.all(regions[:, 2:] > 0, axis=1)
        rows = np.round(regions, DIGITS).tolist()
        found = [row if good else None for row, good in zip(rows, known.tolist(), strict=True)]
    else:
        found = [_region(np.asarray(regions[frame])) for frame in range(min(len(regions), length))]
    return found[:length] + [None] * (length - len(found))


def _region(region: Array) -> list[float] | None:
    sized = len(region) > 4 or (len(region) == 4 and bool((region[2:] > 0).all()))
    return np.round(region, DIGITS).tolist() if sized and np.isfinite(region).all() else None


def _size(clip: Clip, lacks: list[str]) -> tuple[int, int]:
    """Width and height of the frames; zeros where there are none to be read."""
    try:
        return clip.frame_size() if clip.frames or clip.size else (0, 0)
    except InputError as error:
        lacks.append(f"no picture of {clip.name}: {error}")
        return (0, 0)


def _strip(
    clip: Clip, size: tuple[int, int], boxes: Mapping[str, list[Any]], events: Mapping[str, Mapping[int, str]]
) -> Strip:
    numbers = np.unique(np.linspace(0, len(clip) - 1, min(FRAMES, len(clip))).round().astype(int)).tolist()
    try:
        images = [_jpeg(decode(clip.frames[number])) for number in numbers] if clip.frames else []
    except InputError:
        images = []
    return {
        "length": len(clip),
        "size": list(size),
        "frames": numbers,
        "images": images,
        "boxes": {name: [each[number] for number in numbers] for name, each in boxes.items()},
        "events": {name: {n: said[n] for n in numbers if n in said} for name, said in events.items()},
    }


def _jpeg(image: np.ndarray) -> str:
    height, width = image.shape[:2]
    if width > WIDTH:
        image = cv2.resize(image, (WIDTH, round(height * WIDTH / width)), interpolation=cv2.INTER_AREA)
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return base64.b64encode(data.tobytes()).decode()


def _write_whole(
    path: Path,
    benchmark: str,
    clip: Clip,
    size: tuple[int, int],
    boxes: Mapping[str, list[Any]],
    events: Mapping[str, Mapping[int, str]],
) -> None:
    """A script, for a page that is opened from a disk may not read JSON but may run this."""
    start = os.path.commonpath({frame.parent for frame in clip.frames}) if clip.frames else ""
    value = {
        "benchmark": benchmark,
        "name": clip.name,
        "length": len(clip),
        "size": size,
        "folder": f"{os.path.relpath(start, path.parents[2])}/" if start else "",
        "files": [frame.relative_to(start).as_posix() for frame in clip.frames],
        "boxes": boxes,
        "events": events,
    }
    write_text(path, f"siamrcrSequence({json.dumps(value, separators=(',', ':'))});\n")
