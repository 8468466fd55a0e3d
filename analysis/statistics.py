"""Uncertainty: the bootstrap over sequences, each replicate aggregated as the benchmark does, and paired differences.

Every metric here is a read-out of a ratio of two sums over sequences, so a resample is a vector of counts, one a
sequence, and thousands of them are one matrix product.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from siamrcr.errors import InputError
from siamrcr.geometry import Array

INTERVAL = (2.5, 97.5)  # percentiles: the 95 % interval


@dataclass(frozen=True, eq=False)
class Curve:
    """What a benchmark averages over S sequences at K points: sum of numerators over sum of denominators.

    Attributes:
        x: (K,) abscissae.
        numerator: (S, K).
        denominator: (S, K) or (S, 1); 0 leaves a sequence out.
    """

    x: Array
    numerator: Array
    denominator: Array

    def values(self, counts: Array) -> Array:
        """Curves (R, K) of R resamples given as how often each sequence occurs (R, S); NaN where undefined.

        A NaN numerator leaves the point undefined in every resample that holds its sequence.
        """
        unknown = np.isnan(self.numerator)
        with np.errstate(invalid="ignore", divide="ignore"):
            values = (counts @ np.where(unknown, 0, self.numerator)) / (counts @ self.denominator)
        return np.where(counts @ unknown > 0, np.nan, values) if unknown.any() else values


@dataclass(frozen=True, eq=False)
class Metric:
    """A weighted mean of a curve's defined points; `weights` is (K,)."""

    curve: Curve
    weights: Array

    def values(self, counts: Array) -> Array:
        """Values (R,) of R resamples (R, S); NaN where the curve is defined at no weighted point."""
        used = np.flatnonzero(self.weights)
        denominator = np.broadcast_to(self.curve.denominator, self.curve.numerator.shape)
        points = Curve(self.curve.x[used], self.curve.numerator[:, used], denominator[:, used]).values(counts)
        defined, weights = ~np.isnan(points), self.weights[used]
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(defined, points, 0) @ weights / (defined @ weights)


@dataclass(frozen=True, eq=False)
class Scores:
    """A tracker's scores on the S sequences of a benchmark, ready to be aggregated over any resample."""

    metrics: dict[str, Metric]
    curves: dict[str, Curve]


@dataclass(frozen=True)
class Difference:
    """A difference a - b with its standard error and 95 % interval."""

    value: float
    stderr: float
    low: float
    high: float


def resamples(sequences: int, replicates: int, seed: int) -> Array:
    """Counts (replicates, sequences): how often each sequence occurs in each bootstrap sample."""
    generator = np.random.default_rng(seed)
    return generator.multinomial(sequences, np.full(sequences, 1 / sequences), size=replicates).astype(np.float64)


def stderr(replicates: Array) -> Array:
    """Standard error (...) from bootstrap values (R, ...), undefined ones left out; NaN from fewer than two."""
    defined = np.count_nonzero(~np.isnan(replicates), axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.nansum(replicates, axis=0) / defined
        return np.sqrt(np.nansum((replicates - mean) ** 2, axis=0) / np.where(defined > 1, defined - 1, np.nan))


def paired(a: dict[str, Any], b: dict[str, Any], metric: str) -> Difference:
    """Difference of two trackers' metric, from the bootstrap replicates in their score files.

    Both files must come from the same sequences, seed and number of replicates: then the replicates pair. Raises
    InputError where they do not, or one has none.
    """
    for score in (a, b):
        if not score.get("replicates", {}).get(metric):
            raise InputError(f"{_name(score)}: no bootstrap replicates of {metric}: run siamrcr evaluate again")
    same = [(score["benchmark"], score.get("seed"), list(score["sequences"])) for score in (a, b)]
    replicates = [np.array(score["replicates"][metric], dtype=np.float64) for score in (a, b)]
    if same[0] != same[1] or len(replicates[0]) != len(replicates[1]):
        raise InputError(
            f"{_name(a)} and {_name(b)} were scored on other sequences, or with another seed or number of replicates: "
            f"run siamrcr evaluate on both with one configuration"
        )
    value = a["metrics"][metric]["value"] - b["metrics"][metric]["value"]
    return spread(value, replicates[0] - replicates[1])


def spread(value: float, replicates: Array) -> Difference:
    """A value with the standard error and 95 % percentile interval of its replicates (R,), undefined ones left out."""
    low, high = np.nanpercentile(replicates, INTERVAL)
    return Difference(float(value), float(stderr(replicates)), float(low), float(high))


def _name(score: dict[str, Any]) -> str:
    return f"{score.get('tracker', '?')} on {score.get('benchmark', '?')}"


def mean_weights(points: int) -> Array:
    """Weights (points,) of a plain mean."""
    return np.full(points, 1 / points)


def point_weight(points: int, index: int) -> Array:
    """Weights (points,) that read one point."""
    return (np.arange(points) == index).astype(np.float64)


def area_weights(points: int) -> Array:
    """Weights (points,) of the trapezoidal area under a curve whose equally spaced abscissae span one unit."""
    weights = np.full(points, 1 / (points - 1))
    weights[[0, -1]] /= 2
    return weights


def stack(rows: Sequence[Array]) -> Array:
    """Rows (K,) of S sequences as (S, K)."""
    return np.stack([np.asarray(row, dtype=np.float64) for row in rows])
