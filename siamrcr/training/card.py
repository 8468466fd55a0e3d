"""The model's card: what was trained, on what, and how the loss went."""

from typing import Any

from torch import Tensor

from siamrcr.config import Training
from siamrcr.training.pairs import Pool
from siamrcr.training.schedule import learning_rate

# Columns of the loss history.
LOSSES = ("loss", "classification", "regression", "localization")
POINTS = 200


def curve(history: Tensor, settings: Training) -> list[dict[str, float]]:
    """At most POINTS points, each the mean of the losses (n, 4) over as many iterations; the rate is the last one's."""
    width = max(1, -(-len(history) // POINTS))
    points: list[dict[str, float]] = []
    for first in range(0, len(history), width):
        part = history[first : first + width]
        means = dict(zip(LOSSES, part.mean(dim=0).tolist(), strict=True))
        last = first + len(part)
        points.append({"iteration": last, **means, "lr": learning_rate(settings, last - 1)})
    return points


def data(pools: tuple[Pool, ...]) -> dict[str, Any]:
    """What each training set gave: its share of the pairs, sequences, usable frames, and what was left out."""
    return {
        pool.name: {
            "share": pool.share,
            "sequences": len(pool.index),
            "frames": len(pool.index.frame),
            "left_out": pool.index.left_out,
        }
        for pool in pools
    }
