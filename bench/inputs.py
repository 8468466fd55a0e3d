"""Ground truth and raw results to score: official ones where they are provided, else synthetic ones of their size."""

import json
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from siamrcr import results
from siamrcr.datasets import lasot
from siamrcr.files import write_text
from siamrcr.geometry import Array
from siamrcr.results import FAILURE, FROM_CORNER, INIT, REGION, SKIPPED, Result

# Sequences and frames of each benchmark.
SIZES = {"lasot": (280, 685_360), "otb2015": (100, 59_040), "got10k-val": (180, 21_007), "vot2018": (60, 21_356)}
FRAME = (1280, 720)
TAGS = ("camera_motion", "illum_change", "motion_change", "occlusion", "size_change")
FAILURE_RATE = 0.002  # a frame; the published trackers' lies between 0.001 and 0.006
# Below the folder that SIAMRCR_REAL_DATA names: ground truth, and raw results by number of runs.
OFFICIAL = {
    "lasot": ("lasot/groundtruth_280.zip", {1: "lasot/raw_results/ATOM.zip"}),
    "otb2015": ("otb2015/groundtruth_100.zip", {1: "otb2015/raw_results/SiamRPN.zip"}),
    "vot2018": (
        "vot2018/groundtruth_vot2018.json",
        {1: "vot2018/raw_results/challenge_SiamRPN.zip", 15: "vot2018/raw_results/challenge_UPDT_15reps.zip"},
    ),
}


@dataclass(frozen=True)
class Inputs:
    """What one command scores: `truth` and `tracks` are files or folders, `source` says where they come from."""

    benchmark: str
    runs: int
    truth: Path
    tracks: Path
    source: str


def inputs(benchmark: str, runs: int, folder: Path, share: float) -> Inputs:
    """Official files where they are provided and all are wanted (`share` 1), else synthetic ones in `folder`."""
    provided = os.environ.get("SIAMRCR_REAL_DATA")
    if provided and share == 1 and benchmark in OFFICIAL:
        truth, tracks = OFFICIAL[benchmark]
        base = Path(provided) / "official"
        if (base / truth).exists() and (base / tracks[runs]).exists():
            return Inputs(benchmark, runs, base / truth, base / tracks[runs], Path(tracks[runs]).stem)
    return synthetic(benchmark, runs, folder, share)


def synthetic(benchmark: str, runs: int, folder: Path, share: float) -> Inputs:
    """A seeded random walk of a box in each sequence, and a tracker's results beside it."""
    count, frames = (max(4, round(share * each)) for each in SIZES[benchmark])
    generator = np.random.default_rng(0)
    # VOT's expected overlap asks for a sequence of 100 frames.
    lengths = _lengths(generator, count, max(frames, 100 * count))
    names = _names(benchmark, count)
    truths = {name: _walk(generator, length) for name, length in zip(names, lengths, strict=True)}
    for name, truth in truths.items():
        for repetition in range(1, runs + 1):
            run = _run(generator, truth, reset=benchmark.startswith("vot"))
            results.write(folder / "tracks", benchmark, name, repetition, run)
    archive = folder / "tracks.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as target:
        for path in sorted((folder / "tracks").rglob("*.*")):
            target.write(path, path.relative_to(folder / "tracks"))
    return Inputs(benchmark, runs, _write_truth(benchmark, truths, folder), archive, "synthetic")


def _lengths(generator: np.random.Generator, count: int, frames: int) -> list[int]:
    """Frames of each sequence, at least 30, that add up to `frames`."""
    shares = generator.lognormal(0, 0.5, count)
    lengths = 30 + np.floor((frames - 30 * count) * shares / shares.sum()).astype(int)
    lengths[0] += frames - lengths.sum()
    return [int(length) for length in lengths]


def _names(benchmark: str, count: int) -> list[str]:
    if benchmark == "lasot":
        return list(lasot.official("test")[:count])
    form = "GOT-10k_Val_{:06d}" if benchmark == "got10k-val" else "clip-{:03d}"
    return [form.format(number) for number in range(1, count + 1)]


def _walk(generator: np.random.Generator, length: int) -> Array:
    """Boxes (length, 4) of whole pixels, inside the frame."""
    size = np.clip(80 + np.cumsum(generator.normal(0, 0.5, (length, 2)), axis=0), 20, 300)
    center = np.array(FRAME) / 2 + np.cumsum(generator.normal(0, 3, (length, 2)), axis=0)
    corner = np.clip(center - size / 2, 1, np.array(FRAME) - size - 1)
    return np.round(np.concatenate([corner, size], axis=1))


def _run(generator: np.random.Generator, truth: Array, reset: bool) -> Result:
    """Boxes some pixels beside the true ones; where `reset`, with failures and the frames left out after them."""
    frames = len(truth)
    boxes = truth + generator.normal(0, 4, truth.shape)
    codes = np.full(frames, REGION, dtype=np.int8)
    if reset:
        codes[0] = INIT
        for failure in np.flatnonzero(generator.random(frames) < FAILURE_RATE):
            if (codes[failure : failure + 6] == REGION).all() and failure > 0:
                codes[failure : failure + 5] = SKIPPED
                codes[failure] = FAILURE
                codes[failure + 5 : failure + 6] = INIT
        boxes[codes != REGION] = np.nan
    return Result(boxes, codes, np.full(frames, 0.02), np.full(frames, np.nan))


def _write_truth(benchmark: str, truths: dict[str, Array], folder: Path) -> Path:
    if benchmark == "vot2018":
        path = folder / "truth.json"
        write_text(path, json.dumps({name: _vot_entry(boxes) for name, boxes in truths.items()}))
        return path
    if benchmark == "got10k-val":
        for name, boxes in truths.items():
            place = folder / "truth" / "val" / name
            write_text(place / "groundtruth.txt", lines(boxes))
            write_text(place / "meta_info.ini", f"[METAINFO]\nresolution: {FRAME}\n")
            for label, value in (("cover", 8), ("absence", 0), ("cut_by_image", 0)):
                write_text(place / f"{label}.label", f"{value}\n" * len(boxes))
        write_text(folder / "truth" / "val" / "list.txt", "\n".join(truths) + "\n")
        return folder / "truth"
    path = folder / "truth.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, boxes in truths.items():
            archive.writestr(f"annos/{name}.txt", lines(boxes + FROM_CORNER))
            if benchmark == "lasot":
                archive.writestr(f"annos/absent/{name}.txt", "0\n" * len(boxes))
    return path


def _vot_entry(boxes: Array) -> dict[str, object]:
    x, y, w, h = boxes.T
    turned = np.stack([x + w / 4, y, x + w, y + h / 4, x + 3 * w / 4, y + h, x, y + 3 * h / 4], axis=1)
    tags = {tag: [int(frame % (place + 2) == 0) for frame in range(len(boxes))] for place, tag in enumerate(TAGS)}
    return {"gt": turned.tolist(), "width": FRAME[0], "height": FRAME[1], **tags}


def lines(table: Array) -> str:
    """Rows of numbers as a text, with commas."""
    return "".join(",".join(f"{number:g}" for number in row) + "\n" for row in table.tolist())
