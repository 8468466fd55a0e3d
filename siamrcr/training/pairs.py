"""Which frames make a pair: a pure function of the seed, the epoch and the pair's number.

So a resumed run, and any number of loader processes, see the same pairs.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from siamrcr.config import Training
from siamrcr.datasets.sequence import Sequence
from siamrcr.errors import InputError


class Frame(NamedTuple):
    """One frame of a sequence, in which its target is usable."""

    sequence: Sequence
    number: int

    @property
    def box(self) -> NDArray[np.float64]:
        """The target's box (4,)."""
        return self.sequence.boxes[self.number]


class Pair(NamedTuple):
    """An exemplar frame and a search frame; `positive` says that both show the same target."""

    exemplar: Frame
    search: Frame
    positive: bool


@dataclass(frozen=True, eq=False)
class Pool:
    """The usable targets of one training set.

    Attributes:
        share: of the pairs, in (0, 1]; the shares of all pools add up to 1.
        sequences: those with at least one usable frame.
        frames: the usable frames of each, ascending (n,) int arrays.
        left_out: reason -> frames (or sequences) that are never drawn.
    """

    name: str
    share: float
    sequences: tuple[Sequence, ...]
    frames: tuple[NDArray[np.int64], ...]
    left_out: Mapping[str, int]


def usable_frames(sequence: Sequence, settings: Training) -> tuple[NDArray[np.int64], Counter[str]]:
    """Indices of the frames worth learning from, and how many are left out for which reason (the first that holds)."""
    width, height = sequence.boxes[:, 2], sequence.boxes[:, 3]
    short, long = np.minimum(width, height), np.maximum(width, height)
    reasons = {
        "invisible": ~sequence.visible if sequence.cover is None else ~sequence.visible | (sequence.cover == 0),
        "no box": ~np.isfinite(sequence.boxes).all(axis=1),
        "smaller than min_side": short < settings.min_side,
        "slimmer than max_aspect": long > settings.max_aspect * short,
    }
    usable = np.ones(len(sequence), dtype=bool)
    left_out: Counter[str] = Counter()
    for reason, wrong in reasons.items():
        left_out[reason] += int((usable & wrong).sum())
        usable &= ~wrong
    return np.flatnonzero(usable), left_out


def pool(name: str, share: float, sequences: Iterable[Sequence], settings: Training) -> Pool:
    """The usable targets of one training set. Raises InputError when there are none."""
    kept, frames = [], []
    left_out: Counter[str] = Counter()
    for sequence in sequences:
        indices, reasons = usable_frames(sequence, settings)
        left_out += reasons
        if not sequence.frames or not len(indices):
            left_out["sequences"] += 1
            continue
        kept.append(sequence)
        frames.append(indices)
    if not kept:
        raise InputError(f"training set {name}: no usable frame: check its files, training.min_side and max_aspect")
    return Pool(name, share, tuple(kept), tuple(frames), dict(left_out))


def generator(seed: int, epoch: int, number: int) -> np.random.Generator:
    """The random numbers of pair `number` of an epoch: a stream of their own, apart from every other pair's."""
    return np.random.Generator(np.random.Philox(key=[seed, epoch], counter=[0, 0, 0, number]))


def sample(pools: tuple[Pool, ...], settings: Training, rng: np.random.Generator) -> Pair:
    """Draw one pair (SiamFC++'s scheme; the paper is silent).

    A set by its share, a sequence of it and a frame of that uniformly; the partner uniformly among the usable frames at
    most `max_gap` before or after. A negative pair takes its search frame from another target.
    """
    negative = rng.random() < settings.negative_share
    source, target = _draw_target(pools, rng)
    frames = source.frames[target]
    exemplar = Frame(source.sequences[target], int(rng.choice(frames)))
    if negative:
        other, another = source, target
        while other is source and another == target:
            other, another = _draw_target(pools, rng)
        return Pair(exemplar, Frame(other.sequences[another], int(rng.choice(other.frames[another]))), False)
    gap = settings.max_gap
    first, last = np.searchsorted(frames, [exemplar.number - gap, exemplar.number + gap + 1])
    return Pair(exemplar, Frame(exemplar.sequence, int(rng.choice(frames[first:last]))), True)


def check(pools: tuple[Pool, ...], settings: Training) -> None:
    """Raises InputError where negative pairs are asked for and there is one target only."""
    if settings.negative_share > 0 and sum(len(pool.sequences) for pool in pools) < 2:
        raise InputError("training.negative_share: needs two sequences, and the training sets hold one; set it to 0")


def _draw_target(pools: tuple[Pool, ...], rng: np.random.Generator) -> tuple[Pool, int]:
    chosen = pools[int(rng.choice(len(pools), p=[pool.share for pool in pools]))]
    return chosen, int(rng.integers(len(chosen.sequences)))
