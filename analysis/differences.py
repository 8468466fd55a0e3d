"""Differences between sides of a run: a side is a metric's value with replicates over sequences and over its seeds."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from analysis.scores import Scores
from analysis.statistics import Difference, spread
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
        replicates: (R,) of a bootstrap over sequences and, where there are several, seeds; empty where there is none.
        drawn: what the replicates were drawn from; those of two sides pair where it is equal. None of a constant.
        seeds: trainings that the value is the mean of; None of what is not trained here.
    """

    value: float
    replicates: Array
    drawn: tuple[object, ...] | None
    seeds: int | None

    @classmethod
    def of(cls, scores: Scores, metric: str, seed: int) -> "Side":
        """A side from score files that hold the metric; `seed` draws the seeds, the same one for every side."""
        pooled = scores.pooled(metric, seed)
        drawn = (pooled["benchmark"], pooled.get("seed"), *pooled["sequences"])
        seeds = scores.estimate(metric).seeds if scores.entry.model else None
        return cls(pooled["metrics"][metric]["value"], np.array(pooled["replicates"][metric], float), drawn, seeds)

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
    return spread(float(function(*(side.value for side in sides))), replicates)


def fewest_seeds(*sides: Side) -> int | None:
    """The fewest trainings of a side; None where no side is trained here."""
    return min((side.seeds for side in sides if side.seeds is not None), default=None)


def subtract(a: Array | float, b: Array | float) -> Array | float:
    """a - b."""
    return a - b
