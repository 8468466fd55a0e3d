"""Pearson's R between the score that ranks the boxes and their overlap, with a bootstrap over sequences."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from siamrcr import mapfile
from siamrcr.config import Run
from siamrcr.errors import InputError


@dataclass(frozen=True)
class Correlation:
    """Pearson's R with its bootstrap replicates over clusters."""

    value: float
    replicates: np.ndarray

    @property
    def interval(self) -> tuple[float, float]:
        """95 % percentile interval; NaN where every replicate is."""
        low, high = (
            np.nanpercentile(self.replicates, (2.5, 97.5)) if np.isfinite(self.replicates).any() else (np.nan, np.nan)
        )
        return float(low), float(high)


def correlate(x: np.ndarray, y: np.ndarray, clusters: np.ndarray, count: int, bootstrap: int, seed: int) -> Correlation:
    """Pearson's R of two (N,) arrays, with replicates that draw whole clusters, whose points depend on each other.

    `clusters` (N,) holds indices below `count`; R is NaN where a column does not vary, the replicates are where the
    points lie in fewer than two clusters. The same count, bootstrap and seed draw the same clusters: two correlations
    over the same clusters may be averaged or subtracted replicate by replicate.
    """
    # Centring first keeps the moments exact to the last digits.
    x, y = (np.asarray(a, dtype=float) - np.mean(a, dtype=float) for a in (x, y))
    moments = np.stack([np.bincount(clusters, v, count) for v in (np.ones(len(x)), x, y, x * x, y * y, x * y)])
    draws = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=bootstrap)
    replicates = _pearson(moments @ draws.T) if len(np.unique(clusters)) > 1 else np.full(bootstrap, np.nan)
    return Correlation(float(_pearson(moments.sum(1))), replicates)


def _pearson(moments: np.ndarray) -> np.ndarray:
    n, x, y, xx, yy, xy = moments
    vx, vy = n * xx - x * x, n * yy - y * y
    # Rounding leaves a constant column a variance of about 1e-16 of its moment; such a sample has no correlation.
    flat = (vx <= 1e-12 * n * xx) | (vy <= 1e-12 * n * yy)
    return np.where(flat, np.nan, (n * xy - x * y) / np.sqrt(np.where(flat, 1, vx * vy)))


@dataclass(frozen=True)
class Sample:
    """Which points of a maps file are correlated: their scores, their overlaps, and what they are called."""

    score: str
    iou: str
    words: str
    by_location: bool  # several points a frame

    def scores(self, run: Run, maps: dict[str, Any]) -> Correlation:
        """R over the points, with replicates over the sequences of their frames."""
        sequences = _sequences(maps)
        clusters = sequences[maps["frame"]] if self.by_location else sequences
        count = int(sequences.max()) + 1
        return correlate(maps[self.score], maps[self.iou], clusters, count, run.analysis.bootstrap, run.analysis.seed)


# The paper does not say which points it correlates.
SAMPLES = {
    "positives": Sample("score", "iou", "positive locations", by_location=True),
    "winners": Sample("winner_score", "winner_iou", "winners of the frames", by_location=False),
}


def _sequences(maps: dict[str, Any]) -> np.ndarray:
    """The sequence (F,) of each frame, numbered from 0: frames of one sequence depend on each other."""
    return np.unique([str(name).rpartition("/")[0] for name in maps["names"]], return_inverse=True)[1]


def mean(seeds: list[Correlation]) -> Correlation:
    """Mean over seeds, each replicate over the same sequences."""
    return Correlation(float(np.mean([s.value for s in seeds])), np.mean([s.replicates for s in seeds], axis=0))


def read(paths: Sequence[Path]) -> list[dict[str, Any]]:
    """Arrays of a model's maps files, one a seed. Raises InputError for a damaged one, and for one of other frames."""
    found = [mapfile.load(path) for path in paths]
    for path, maps in zip(paths, found, strict=True):
        if not np.array_equal(maps["names"], found[0]["names"]):
            commands = f"{mapfile.again(paths[0])} and {mapfile.again(path)}"
            raise InputError(f"{path}: other frames than in {paths[0]}: run {commands}")
    return found
