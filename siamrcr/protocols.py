"""How a benchmark runs a tracker: one pass, or with resets after each failure (VOT-2018, VOT-2019).

A protocol is a generator. It yields `Init` or `Update`, is sent the tracker's `Answer`, and returns the `Result`. It
knows nothing of networks, so whoever drives it may keep many running at once.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any
from typing import Protocol as Interface

import numpy as np
from numpy.typing import ArrayLike, NDArray

from siamrcr import regions
from siamrcr.datasets.sequence import Sequence
from siamrcr.errors import InputError, TrackerError
from siamrcr.geometry import Array
from siamrcr.results import FAILURE, INIT, REGION, SKIPPED, Result

# Frames from a failure to the next initialisation (VOT toolkit, `skip_initialize`).
SKIP = 5


class Tracker(Interface):
    """What follows one target; images are (H, W, 3) uint8 RGB, boxes x, y, w, h in frame pixels."""

    @property
    def confidence(self) -> float:
        """Of the last update; NaN where the tracker gives none."""

    @property
    def deterministic(self) -> bool:
        """Whether the same frames and first box give the same boxes."""

    def init(self, image: NDArray[np.uint8], box: ArrayLike) -> None:
        """Start on a target."""

    def update(self, image: NDArray[np.uint8]) -> Array:
        """Find the target again: a box (4,)."""


@dataclass(frozen=True, eq=False)
class Init:
    """Asks to start the tracker on frame `frame` with a box (4,)."""

    frame: int
    box: Array


@dataclass(frozen=True)
class Update:
    """Asks for the tracker's box on frame `frame`."""

    frame: int


@dataclass(frozen=True, eq=False)
class Answer:
    """What the tracker gave: a box (4,), the seconds it took, and its confidence (NaN unknown)."""

    box: Array
    seconds: float
    confidence: float


Asking = Generator[Init | Update, Answer, Result]
# Of a tracker's box (4,) and a ground-truth region, inside the last column and row that count.
Overlap = Callable[[Array, Array, tuple[float, float]], float]


def one_pass(sequence: Sequence) -> Asking:
    """One-pass evaluation: start on the first frame's ground truth, then follow to the end (OTB-2015).

    Raises TrackerError at a box that is not finite.
    """
    record = _Record(len(sequence))
    first = yield Init(0, sequence.boxes[0])
    record.keep(0, REGION, Answer(sequence.boxes[0], first.seconds, np.nan))
    for frame in range(1, len(sequence)):
        answer = yield Update(frame)
        if not np.isfinite(answer.box).all():
            given = ", ".join(f"{value:g}" for value in answer.box)
            raise TrackerError(f'frame {frame + 1}: the box is {given}: one-pass evaluation has no box for "lost"')
        record.keep(frame, REGION, answer)
    return record.result()


def reset_based(sequence: Sequence, skip: int = SKIP, overlap: Overlap = regions.overlap) -> Asking:
    """Reset-based evaluation: a box without overlap is a failure, and the tracker starts anew `skip` frames later.

    Overlap is VOT's raster overlap inside the image; each toolkit draws boxes its own way, so where a box just touches
    the target they disagree. The tracker starts from the axis-aligned box with the area of the ground truth's polygon.
    Frames between failure and start are skipped, and so is an end too short for a start.
    """
    truths = sequence.regions if sequence.regions is not None else tuple(sequence.boxes)
    width, height = sequence.frame_size()
    record = _Record(len(sequence))
    start = 0
    while start < len(sequence):
        answer = yield Init(start, regions.axis_aligned(truths[start]))
        record.keep(start, INIT, answer)
        following = start + 1
        start = len(sequence)
        for frame in range(following, len(sequence)):
            answer = yield Update(frame)
            lost = not np.isfinite(answer.box).all()
            if lost or overlap(answer.box, truths[frame], (width - 1, height - 1)) <= 0:
                record.keep(frame, FAILURE, answer)
                start = frame + skip
                break
            record.keep(frame, REGION, answer)
    return record.result()


def initial_box(image: NDArray[Any], box: ArrayLike) -> Array:
    """The box (4,) as float64. Raises InputError where it is not four numbers, empty, or outside the image."""
    height, width = image.shape[:2]
    values = np.asarray(box, dtype=np.float64).reshape(-1)
    if values.size == 4 and np.isfinite(values).all():
        x, y, w, h = values
        if w > 0 and h > 0 and x < width and y < height and x + w > 0 and y + h > 0:
            return values
    raise InputError(
        f"initial box {', '.join(f'{value:g}' for value in values)}: give x, y, w, h in pixels, of positive size and "
        f"inside the {width} x {height} image"
    )


class _Record:
    """A `Result` in the making; what is never kept was skipped."""

    def __init__(self, frames: int) -> None:
        self.boxes = np.full((frames, 4), np.nan)
        self.codes = np.full(frames, SKIPPED, dtype=np.int8)
        self.times, self.confidence = np.full(frames, np.nan), np.full(frames, np.nan)

    def keep(self, frame: int, code: int, answer: Answer) -> None:
        self.codes[frame] = code
        self.times[frame] = answer.seconds
        if code == REGION:
            self.boxes[frame] = answer.box
            self.confidence[frame] = answer.confidence

    def result(self) -> Result:
        return Result(self.boxes, self.codes, self.times, self.confidence, None)
