"""Differences between sides of a run, with an interval over sequences and over trainings."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.special import ndtri, stdtrit

from analysis.scores import Scores
from analysis.statistics import INTERVAL, Difference, spread
from siamrcr.errors import InputError
from siamrcr.geometry import Array

ONE_SEED = (
    "one seed: a side that is trained here has a single seed; variation between trainings is not in the interval, "
    "so the difference is not resolved, wherever the interval lies."
)
NO_INTERVAL = "no interval: the server's answer holds no scores of single sequences."


@dataclass(frozen=True, eq=False)
class Side:
    """A quantity of a tracker or model, or a constant.

    Attributes:
        value: mean over seeds.
        replicates: (R,) of a bootstrap over sequences, each a mean over seeds; empty where there is none.
        drawn: what the replicates were drawn from; those of two sides pair where it is equal. None of a constant.
        seeds: trainings that the value is the mean of; None of what is not trained here.
        by_training: training -> its value.
    """

    value: float
    replicates: Array
    drawn: tuple[object, ...] | None
    seeds: int | None
    by_training: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, scores: Scores, metric: str) -> "Side":
        """A side from score files that hold the metric."""
        estimate, replicates = scores.estimate(metric), scores.replicates(metric)
        assert estimate.value is not None
        mean = np.empty(0) if replicates is None else replicates.mean(0)
        seeds = estimate.seeds if scores.entry.model else None
        return cls(estimate.value, mean, scores.drawn(metric), seeds, scores.by_training(metric))

    @classmethod
    def constant(cls, value: float) -> "Side":
        """A number without an uncertainty of its own, such as a reported one."""
        return cls(value, np.empty(0), None, None)

    @classmethod
    def exact(cls, value: float) -> "Side":
        """A number that does not vary: its interval is itself."""
        return cls(value, np.full(2, value), (), None)


def combined(function: Callable[..., Array | float], *sides: Side) -> Difference | None:
    """A function of the sides, applied to their values and replicate by replicate; None where there is no interval.

    The interval is over sequences and, where a side has several trainings, over these: their variance adds to that of
    the bootstrap's replicates, and Student's t for as few of them widens the whole (Welch and Satterthwaite; sequences
    count as many). Sides of the same trainings pair one by one, all others are independent.

    Raises InputError where the sides' replicates do not pair.
    """
    varying = [side for side in sides if side.drawn is not None]
    if not varying or any(len(side.replicates) == 0 for side in varying):
        return None
    if len({(side.drawn, len(side.replicates)) for side in varying}) > 1:
        raise InputError("scored on other sequences, or with another seed or number of replicates: evaluate both again")
    values = [side.value if side.drawn is None else side.replicates for side in sides]
    replicates = np.asarray(function(*values), dtype=float)
    if not np.isfinite(replicates).any():
        return None
    trainings = _over_trainings(function, sides)
    if not np.isfinite([variance for variance, _ in trainings]).all():
        return None
    return _widened(float(function(*(side.value for side in sides))), replicates, trainings)


def _over_trainings(function: Callable[..., Array | float], sides: Sequence[Side]) -> list[tuple[float, int]]:
    """The variance that each group of trainings gives the function of the sides' means, and its degrees of freedom."""
    found = []
    for group in dict.fromkeys(tuple(side.by_training) for side in sides if len(side.by_training) > 1):
        values = [
            np.array(list(side.by_training.values())) if tuple(side.by_training) == group else side.value
            for side in sides
        ]
        found.append((float(np.var(function(*values), ddof=1)) / len(group), len(group) - 1))
    return found


def _widened(value: float, replicates: Array, trainings: Sequence[tuple[float, int]]) -> Difference:
    found, between = spread(value, replicates), sum(variance for variance, _ in trainings)
    if between == 0:
        return found
    error = float(np.hypot(found.stderr, np.sqrt(between)))
    freedom = error**4 / sum(variance**2 / df for variance, df in trainings)
    share = INTERVAL[1] / 100
    normal, student = float(ndtri(share)), float(stdtrit(freedom, share))
    below, above = (
        student / normal * float(np.hypot(max(distance, 0), normal * np.sqrt(between)))
        for distance in (value - found.low, found.high - value)
    )
    return Difference(value, error, value - below, value + above)


def fewest_seeds(*sides: Side) -> int | None:
    """The fewest trainings of a side; None where no side is trained here."""
    return min((side.seeds for side in sides if side.seeds is not None), default=None)


def subtract(a: Array | float, b: Array | float) -> Array | float:
    """a - b."""
    return a - b
