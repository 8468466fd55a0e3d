"""Search of the three test-time parameters on a split that no result is reported on."""

import json
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc
from torch import Tensor

from siamrcr import baselines, datasets
from siamrcr.config import Run, Tracking
from siamrcr.datasets.sequence import Sequence
from siamrcr.errors import InputError
from siamrcr.files import checksum, settings_hash, write_json, write_text
from siamrcr.geometry import Array, iou
from siamrcr.model import Maps
from siamrcr.progress import progress
from siamrcr.provenance import provenance
from siamrcr.runtime import Forwarding, Runtime
from siamrcr.tracker import SiamTracker
from siamrcr.tuned import PARAMETERS, allowed

# Of PARAMETERS, in their order; not in the paper.
LOW, HIGH, DIGITS = (0.0, 0.0, 0.1), (0.2, 0.7, 1.0), 3
# Shares of the sequences after which the better third goes on (successive halving, with thirds).
RUNGS = (1 / 9, 1 / 3, 1.0)
REPLICATES = 2000

Point = tuple[float, ...]  # values of PARAMETERS


class Overlap(NamedTuple):
    """Sum of a sequence's overlaps, and the number of frames that count."""

    total: float
    frames: int


def tune(
    run: Run,
    model: str,
    seed: int,
    split: str = "got10k-val",
    root: Path | None = None,
    trials: int = 27,
    sequences: int | None = None,
) -> Path:
    """Search penalty, window and size rate of a trained model and give the path of what was found.

    The first trial is the configuration's own parameters; the others are a Halton sequence, so that more trials extend
    a search. All run over a ninth of the sequences, in a seeded order; the better third over a third; the better third
    of those, and always the first, over all. The measure is the average overlap over the frames of all sequences after
    the first, where the target is visible: GOT-10k's AO without its clipping at the frame's border. The interval of
    the gain is a bootstrap over sequences; it is an optimistic one, as the winner was chosen on the same sequences.

    Every candidate tracks for itself: from the second update on its box, and so its crop, is its own, and no stored
    map stands for it. Candidates that do look at the same crop, as all do in the first update and some do later,
    share the network's answer. A sequence is decoded once for all candidates. What was tracked is kept line by line in
    results/{run}/tuning/{model}-s{seed}.jsonl, and a search that is repeated or extended continues from there, as far
    as the sequences are still what they were.

    Args:
        run: the configuration, loaded without what an earlier search found.
        model: a name under `models:`.
        seed: of the trained weights.
        split: one of tuned.SPLITS.
        root: the split's folder; the configuration's where absent.
        trials: candidates, the configuration's own among them.
        sequences: a seeded sample of so many; all where absent.

    Raises:
        InputError: the split is a test split, or the weights or frames are not there.
    """
    dataset, _, part = allowed(split).partition("-")
    place = root or (run.root(split) if part == "val" else run.training_root(dataset))
    clips = [clip for clip in datasets.there(run, split, place) if _counted(clip).any()]
    order = np.random.default_rng(0).permutation(len(clips))[:sequences]
    clips = [clips[place] for place in order]
    if not clips:
        raise InputError(f"{place}: no sequence of {split} with a target beyond its first frame: name another split")
    tracker = f"{model}-s{seed}"
    runtime, tracking, record = baselines.network(run, tracker)
    fixed = {key: value for key, value in record["tracking"].items() if key not in PARAMETERS}
    folder = run.folder / "tuning"
    store = _Store(folder / f"{tracker}.jsonl", settings_hash([record | {"tracking": fixed}, split]))
    own = tuple(float(getattr(tracking, name)) for name in PARAMETERS)
    race = _Race(_Shared(runtime), tracking, clips, store)
    best, every = race.run(candidates(own, trials))
    gain, interval = race.gain(best, own)
    path = folder / f"{tracker}.json"
    found = {
        "model": model,
        "seed": seed,
        "split": split,
        "sequences": len(clips),
        "trials": trials,
        "tracking": dict(zip(PARAMETERS, best, strict=True)),
        "average_overlap": race.average(best, len(clips)),
        "own": dict(zip(PARAMETERS, own, strict=True)),
        "own_average_overlap": race.average(own, len(clips)),
        "gain": gain,
        "gain_interval": interval,
        "candidates": every,
        "settings": record,
        "provenance": provenance(),
    }
    write_json(path, found)
    return path


def candidates(own: Point, trials: int) -> list[Point]:
    """`own` and trials - 1 other points, the first of which are the same however many there are."""
    drawn = qmc.scale(qmc.Halton(len(PARAMETERS), rng=np.random.default_rng(0)).random(max(trials - 1, 1)), LOW, HIGH)
    points = [tuple(point) for point in drawn.round(DIGITS).tolist()]
    return list(dict.fromkeys([own, *points[: trials - 1]]))


class _Race:
    """Candidates over growing shares of the sequences."""

    def __init__(self, runtime: "_Shared", tracking: Tracking, clips: list[Sequence], store: "_Store") -> None:
        self.runtime, self.tracking, self.clips, self.store = runtime, tracking, clips, store
        self.keys = [_identity(clip) for clip in clips]

    def run(self, points: list[Point]) -> tuple[Point, list[dict[str, Any]]]:
        """The best point, and what is known of all: parameters, sequences and average overlap."""
        own, alive, known = points[0], points, dict.fromkeys(points, 0)
        for share in RUNGS:
            count = math.ceil(share * len(self.clips))
            self._follow(alive, count)
            known |= dict.fromkeys(alive, count)
            ranked = sorted(alive, key=lambda point: -self.average(point, count))
            kept = ranked[: math.ceil(len(ranked) / 3)] if share < 1 else ranked
            alive = list(dict.fromkeys([*kept, own])) if share < 1 else kept
        every = [
            dict(zip(PARAMETERS, point, strict=True))
            | {"sequences": count, "average_overlap": self.average(point, count)}
            for point, count in known.items()
        ]
        return alive[0], every

    def average(self, point: Point, count: int) -> float:
        """Average overlap over the frames of the first `count` sequences."""
        rows = np.array([self.store[point, key] for key in self.keys[:count]])
        return float(rows[:, 0].sum() / rows[:, 1].sum())

    def gain(self, point: Point, own: Point) -> tuple[float, list[float]]:
        """Difference of the averages over all sequences, and its 95 % interval."""
        rows = np.array([[self.store[each, key] for each in (point, own)] for key in self.keys])
        drawn = np.random.default_rng(0).integers(len(rows), size=(REPLICATES, len(rows)))
        sums = rows[drawn].sum(axis=1)
        averages = sums[..., 0] / sums[..., 1]
        low, high = np.percentile(averages[:, 0] - averages[:, 1], [2.5, 97.5])
        count = len(self.clips)
        return self.average(point, count) - self.average(own, count), [float(low), float(high)]

    def _follow(self, points: list[Point], count: int) -> None:
        chosen = list(zip(self.clips[:count], self.keys[:count], strict=True))
        todo = {key: [point for point in points if (point, key) not in self.store] for _, key in chosen}
        frames = sum(len(clip) * len(todo[key]) for clip, key in chosen)
        with progress(f"{len(points)} candidates on {count} sequences", frames, "frames") as bar:
            for clip, key in chosen:
                for point, overlap in zip(todo[key], self._overlaps(clip, todo[key], bar.advance), strict=True):
                    self.store.add(point, key, overlap)

    def _overlaps(self, clip: Sequence, points: list[Point], advance: Callable[[int], None]) -> list[Overlap]:
        """Every point's overlap on one sequence, decoded once."""
        if not points:
            return []
        settings = [self.tracking.model_copy(update=dict(zip(PARAMETERS, point, strict=True))) for point in points]
        trackers = [SiamTracker(self.runtime, each) for each in settings]
        boxes: list[list[Array]] = [[] for _ in points]
        for number in range(len(clip)):
            image = clip.image(number)
            self.runtime.forget()
            for tracker, kept in zip(trackers, boxes, strict=True):
                if number:
                    kept.append(tracker.update(image))
                else:
                    tracker.init(image, clip.boxes[0])
            advance(len(points))
        counted = _counted(clip)
        overlaps = [iou(np.array(kept), clip.boxes[1:])[counted] for kept in boxes]
        return [Overlap(float(each.sum()), len(each)) for each in overlaps]


class _Shared(Forwarding):
    """A runtime that answers about the same crop of a frame once, whoever asks."""

    def __init__(self, runtime: Runtime) -> None:
        super().__init__(runtime)
        self._answers: dict[bytes, Any] = {}
        self.asked = self.answered = 0

    def forget(self) -> None:
        """Another frame comes."""
        self._answers.clear()

    def exemplar(self, images: Tensor) -> tuple[Tensor, ...]:
        found: tuple[Tensor, ...] = self._once(images, lambda: self._runtime.exemplar(images))
        return found

    def search(self, kernels: tuple[Tensor, ...], images: Tensor) -> Maps:
        # The candidates' exemplars are the same: what is tuned does not touch them.
        found: Maps = self._once(images, lambda: self._runtime.search(kernels, images))
        return found

    def _once(self, images: Tensor, compute: Callable[[], Any]) -> Any:
        self.asked += 1
        key = images.cpu().numpy().tobytes()
        if key not in self._answers:
            self._answers[key] = compute()
            self.answered += 1
        return self._answers[key]


class _Store:
    """Overlaps by point and sequence, in a file that grows by a line each and belongs to one search.

    Each line begins with the checksum of its rest: one that is damaged is dropped, and measured again.
    """

    def __init__(self, path: Path, search: str) -> None:
        self.path = path
        self._overlaps: dict[tuple[Point, str], Overlap] = {}
        lines = path.read_bytes().decode(errors="replace").split("\n") if path.is_file() else []
        if lines and lines[0] != search:
            print(f"{path}: what is not known to be of these weights, settings and split is removed", file=sys.stderr)
            lines = []
        # What follows the last line's end was cut off in writing.
        whole = [line for line in lines[1:-1] if _sealed(line.partition(" ")[2]) == line]
        if lost := len(lines[1:-1]) - len(whole):
            print(f"{path}: {lost} damaged lines are dropped: they are measured again", file=sys.stderr)
        for line in whole:
            entry = json.loads(line.partition(" ")[2])
            self._overlaps[tuple(entry["point"]), entry["sequence"]] = Overlap(entry["overlap"], entry["frames"])
        write_text(path, "\n".join([search, *whole]) + "\n")

    def __contains__(self, key: tuple[Point, str]) -> bool:
        return key in self._overlaps

    def __getitem__(self, key: tuple[Point, str]) -> Overlap:
        return self._overlaps[key]

    def add(self, point: Point, sequence: str, overlap: Overlap) -> None:
        self._overlaps[point, sequence] = overlap
        entry = {"point": point, "sequence": sequence, "overlap": overlap.total, "frames": overlap.frames}
        with self.path.open("a") as stream:
            stream.write(_sealed(json.dumps(entry)) + "\n")


def _sealed(text: str) -> str:
    return f"{checksum(text.encode())} {text}"


def _identity(clip: Sequence) -> str:
    """A sequence's name, and what else decides its overlaps: the same name may stand for other frames or boxes."""
    return f"{clip.name} {checksum((clip.fingerprint() + str(_counted(clip).tolist())).encode())}"


def _counted(clip: Sequence) -> NDArray[np.bool_]:
    """(N - 1,) whether each frame after the first counts."""
    counted: NDArray[np.bool_] = (
        clip.visible & np.isfinite(clip.boxes).all(axis=1) & (clip.boxes[:, 2:] > 0).all(axis=1)
    )
    if clip.cover is not None:
        counted = counted & (clip.cover > 0)
    return counted[1:]
