"""Which frames make a pair: a pure function of the seed, the epoch and the pair's number.

So a resumed run, and any number of loader processes, see the same pairs.
"""

from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from siamrcr.config import Training
from siamrcr.errors import InputError
from siamrcr.training.index import Index


class Frame(NamedTuple):
    """One frame of a target's video.

    Attributes:
        target: its place in the index, and that of its set.
        number: the frame's place in the video.
        path: the image.
        box: (4,) x, y, w, h.
    """

    target: tuple[int, int]
    number: int
    path: Path
    box: NDArray[np.float64]


class Pair(NamedTuple):
    """An exemplar frame and a search frame; `positive` says that both show the same target."""

    exemplar: Frame
    search: Frame
    positive: bool


@dataclass(frozen=True, eq=False)
class Pool:
    """A training set and its share of the pairs, in (0, 1]; the shares of all pools add up to 1."""

    name: str
    share: float
    index: Index


def generator(seed: int, epoch: int, number: int, attempt: int = 0) -> np.random.Generator:
    """The random numbers of pair `number` of an epoch: a stream of their own, apart from every other pair's.

    A pair that cannot be read is drawn again, which is another attempt.
    """
    return np.random.Generator(np.random.Philox(key=[seed, epoch], counter=[0, 0, attempt, number]))


def sample(pools: tuple[Pool, ...], settings: Training, rng: np.random.Generator) -> Pair:
    """Draw one pair (SiamFC++'s scheme; the paper is silent).

    A set by its share, a target of it and a frame of that uniformly; the partner uniformly among the usable frames at
    most `max_gap` before or after. A negative pair takes its search frame from another target.
    """
    negative = rng.random() < settings.negative_share
    source, target = _draw_target(pools, rng)
    frames = pools[source].index.frames(target)
    place = int(rng.integers(len(frames)))
    exemplar = _frame(pools, source, target, place)
    if negative:
        other, another = source, target
        while (other, another) == (source, target):
            other, another = _draw_target(pools, rng)
        return Pair(
            exemplar, _frame(pools, other, another, int(rng.integers(len(pools[other].index.frames(another))))), False
        )
    gap = min(settings.max_gap, int(frames[-1]))
    # Of the column's own type, else the whole column would be converted to theirs.
    around = np.array([exemplar.number - gap, exemplar.number + gap + 1], dtype=frames.dtype)
    first, last = np.searchsorted(frames, around).tolist()
    return Pair(exemplar, _frame(pools, source, target, int(rng.integers(first, last))), True)


def check(pools: tuple[Pool, ...], settings: Training) -> None:
    """Raises InputError where negative pairs are asked for and there is one target only."""
    if settings.negative_share > 0 and sum(len(pool.index) for pool in pools) < 2:
        raise InputError("training.negative_share: needs two targets, and the training sets hold one; set it to 0")


def _draw_target(pools: tuple[Pool, ...], rng: np.random.Generator) -> tuple[int, int]:
    ends = list(accumulate(pool.share for pool in pools))
    drawn = rng.random()
    source = bisect_right([end / ends[-1] for end in ends], drawn)
    return source, int(rng.integers(len(pools[source].index)))


def _frame(pools: tuple[Pool, ...], source: int, target: int, place: int) -> Frame:
    """The usable frame number `place` of a target."""
    index = pools[source].index
    position = index.start[target] + place
    number = int(index.frame[position])
    return Frame((source, target), number, index.path(target, number), index.box[position].astype(np.float64))
