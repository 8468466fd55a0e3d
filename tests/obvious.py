"""Scores from files alone, one frame and one sequence at a time: slow, plain, and no line shared with `analysis`.

Of siamrcr only VOT's rasterised overlap of two regions is used, which is compared with the official one elsewhere.
Tracks are whole and have no empty boxes here; what the rules do with those is tested where the rules are.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np

from siamrcr.regions import overlap

Box = tuple[float, ...]
WIDTH, HEIGHT = 256, 192


@dataclass
class Clip:
    """A sequence's truth and one tracker's answers, line by line."""

    name: str
    truth: list[Box]
    answer: list[Box]
    hidden: list[bool] = field(default_factory=list)
    measured: dict[str, list[float]] = field(default_factory=dict)  # kept from one resample to the next


def rows(path: Path) -> list[Box]:
    lines = path.read_text().replace("\t", ",").split()
    return [tuple(float(number) for number in line.split(",")) for line in lines]


def flags(path: Path) -> list[bool]:
    return [float(number) > 0 for number in path.read_text().replace(",", " ").split()]


def clips(benchmark: str, data: Path, tracks: Path) -> list[Clip]:
    """Every sequence of a miniature benchmark."""
    return READERS[benchmark](data, tracks)


def read_got10k(folder: Path, tracks: Path) -> list[Clip]:
    found = []
    for path in sorted(folder.glob("GOT-10k_*")):
        name = path.name
        seen = flags(path / "cover.label")
        answer = rows(tracks / name / f"{name}_001.txt")
        found.append(Clip(name, rows(path / "groundtruth.txt"), answer, [not each for each in seen]))
    return found


def read_otb(folder: Path, tracks: Path) -> list[Clip]:
    found = []
    for path in sorted(folder.glob("*/groundtruth_rect*.txt")):
        target = path.stem.removeprefix("groundtruth_rect").replace(".", "-")
        name = path.parent.name + target
        found.append(Clip(name, rows(path), rows(tracks / f"{name}.txt")))
    return found


def read_lasot(folder: Path, tracks: Path) -> list[Clip]:
    found = []
    for path in sorted(folder.glob("*/*/groundtruth.txt")):
        absent = [flags(path.with_name(f"{name}.txt")) for name in ("full_occlusion", "out_of_view")]
        name = path.parent.name
        hidden = [a or b for a, b in zip(*absent, strict=True)]
        found.append(Clip(name, rows(path), rows(tracks / f"{name}.txt"), hidden))
    return found


def read_trackingnet(folder: Path, tracks: Path) -> list[Clip]:
    return [Clip(p.stem, rows(p), rows(tracks / f"{p.stem}.txt")) for p in sorted(folder.glob("*.txt"))]


def read_vot(folder: Path, tracks: Path) -> list[Clip]:
    names = (folder / "list.txt").read_text().split()
    answers = [tracks / "baseline" / name / f"{name}_001.txt" for name in names]
    return [Clip(n, rows(folder / n / "groundtruth.txt"), rows(a)) for n, a in zip(names, answers, strict=True)]


def got10k(chosen: list[Clip]) -> dict[str, float]:
    ious: list[float] = []
    for clip in chosen:
        if "iou" not in clip.measured:
            pairs = list(zip(clip.answer, clip.truth, clip.hidden, strict=True))[1:]
            clip.measured["iou"] = [iou(inside(a), inside(t)) for a, t, hidden in pairs if not hidden]
        ious += clip.measured["iou"]
    return {
        "AO": sum(ious) / len(ious),
        "SR0.5": sum(value > 0.5 for value in ious) / len(ious),
        "SR0.75": sum(value > 0.75 for value in ious) / len(ious),
    }


def otb(chosen: list[Clip]) -> dict[str, float]:
    each = [_one_pass(clip) for clip in chosen]
    return {"success": _mean([one[0] for one in each]), "precision": _mean([one[1] for one in each])}


def lasot(chosen: list[Clip]) -> dict[str, float]:
    each = [_one_pass(clip) for clip in chosen]
    return dict(zip(("success", "precision", "normalized_precision"), map(_mean, zip(*each, strict=True)), strict=True))


def _one_pass(clip: Clip) -> tuple[float, float, float]:
    """Success, precision and normalized precision; the first box is the true one, a hidden target is missed."""
    if "one pass" not in clip.measured:
        frames = len(clip.truth)
        shown = [not hidden for hidden in clip.hidden] or [True] * frames
        pairs = [(a, t) for a, t, s in zip([clip.truth[0], *clip.answer[1:]], clip.truth, shown, strict=True) if s]
        ious = [iou(a, t) for a, t in pairs]
        success = [sum(value > threshold / 20 for value in ious) / frames for threshold in range(21)]
        near = sum(distance(a, t) <= 20 for a, t in pairs) / frames
        relative = sum(distance(a, t, t[2], t[3]) <= 0.2 for a, t in pairs) / frames
        clip.measured["one pass"] = [_mean(success), near, relative]
    a, b, c = clip.measured["one pass"]
    return a, b, c


def trackingnet(chosen: list[Clip]) -> dict[str, float]:
    for clip in chosen:
        if "areas" not in clip.measured:
            rounded = [[tuple(float(round(v)) for v in box) for box in boxes] for boxes in (clip.answer, clip.truth)]
            pairs = list(zip([rounded[1][0], *rounded[0][1:]], rounded[1], strict=True))
            ious = [iou(a, t) for a, t in pairs]
            far = [distance(a, t) for a, t in pairs]
            relative = [distance(a, t, t[2], t[3]) for a, t in pairs]
            share = len(pairs)
            curves = [
                [sum(value >= k / 20 for value in ious) / share for k in range(21)],
                [sum(value <= 2.5 * k for value in far) / share for k in range(21)],
                [sum(value <= k / 40 for value in relative) / share for k in range(21)],
            ]
            clip.measured["areas"] = [sum((a + b) / 2 for a, b in pairwise(c)) / 20 for c in curves]
    names = ("success", "precision", "normalized_precision")
    return {name: _mean([clip.measured["areas"][place] for clip in chosen]) for place, name in enumerate(names)}


def vot(chosen: list[Clip], low: int, high: int) -> dict[str, float]:
    """Accuracy, robustness and EAO of one reset-based run: 1 starts, 2 fails, 0 is skipped."""
    kept: list[float] = []
    failures = frames = 0
    fragments: list[tuple[list[float], bool]] = []
    for clip in chosen:
        wide, narrow = _overlaps(clip)
        codes = [int(row[0]) if len(row) == 1 else None for row in clip.answer]
        starts = [place for place, code in enumerate(codes) if code == 1]
        kept += [
            value
            for place, value in enumerate(wide)
            if codes[place] is None and all(not start <= place < start + 10 for start in starts)
        ]
        failures += codes.count(2)
        frames += len(codes)
        for place, start in enumerate(starts):
            last = place == len(starts) - 1
            stop = len(codes) if last else starts[place + 1]
            fragments.append(([0.0 if math.isnan(value) else value for value in narrow[start:stop]], last))
    curve = []
    for length in range(low, high + 1):
        means = []
        for overlaps, last in fragments:
            if len(overlaps) >= length or not last:  # a lost target overlaps with nothing from there on
                padded = overlaps + [0.0] * length
                means.append(_mean(padded[1:length]))
        curve += [_mean(means)] if means else []
    return {"EAO": _mean(curve), "accuracy": _mean(kept), "robustness": 100 * failures / frames}


def _overlaps(clip: Clip) -> tuple[list[float], list[float]]:
    for name, bounds in (("wide", (WIDTH, HEIGHT)), ("narrow", (WIDTH - 1, HEIGHT - 1))):
        if name not in clip.measured:
            clip.measured[name] = [
                overlap(np.array(a), np.array(t), bounds) if len(a) > 1 else math.nan
                for a, t in zip(clip.answer, clip.truth, strict=True)
            ]
    return clip.measured["wide"], clip.measured["narrow"]


def iou(a: Box, b: Box) -> float:
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    common = max(width, 0) * max(height, 0)
    return common / (a[2] * a[3] + b[2] * b[3] - common)


def inside(box: Box) -> Box:
    """As GOT-10k's toolkit: a corner outside the frame moves to its border, and the size loses what then sticks out."""
    x, y = min(max(box[0], 0), WIDTH), min(max(box[1], 0), HEIGHT)
    return x, y, min(box[2], WIDTH - x), min(box[3], HEIGHT - y)


def distance(a: Box, b: Box, width: float = 1, height: float = 1) -> float:
    x, y = a[0] + a[2] / 2 - b[0] - b[2] / 2, a[1] + a[3] / 2 - b[1] - b[3] / 2
    return math.hypot(x / width, y / height)


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def replicates(rule: Callable[[list[Clip]], dict[str, float]], known: list[Clip], times: int, seed: int) -> list[dict]:
    """The rule on resamples of the sequences, each a list that holds a sequence as often as it was drawn."""
    shares = np.full(len(known), 1 / len(known))
    drawn = np.random.default_rng(seed).multinomial(len(known), shares, size=times)
    return [rule([clip for clip, n in zip(known, row, strict=True) for _ in range(n)]) for row in drawn]


READERS: dict[str, Callable[[Path, Path], list[Clip]]] = {
    "got10k-val": read_got10k,
    "got10k-test": read_got10k,
    "otb2015": read_otb,
    "lasot": read_lasot,
    "trackingnet": read_trackingnet,
    "vot2018": read_vot,
    "vot2019": read_vot,
}
RULES: dict[str, Callable[[list[Clip]], dict[str, float]]] = {
    "got10k-val": got10k,
    "got10k-test": got10k,
    "otb2015": otb,
    "lasot": lasot,
    "trackingnet": trackingnet,
    "vot2018": lambda chosen: vot(chosen, 4, 18),
    "vot2019": lambda chosen: vot(chosen, 4, 18),
}
