"""Standard errors and intervals against simulation and slow loops: frames of a sequence depend on one another."""

import random
import statistics

import numpy as np
import pytest
from scipy.stats import pearsonr
from test_statistics import score, sequences, tracked

from analysis.differences import Side, combined, subtract
from analysis.evaluation import METRICS
from analysis.pearson import correlate

SEQUENCES, FRAMES = 60, 10
# Of a sequence's own part and of each frame's: standard deviation of either axis, and correlation between them.
BETWEEN, WITHIN = (1.0, 0.7), (0.6, 0.2)


def drawn(generator: np.random.Generator, count: int = SEQUENCES) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x, y and the sequence of each point: its frames share a part, so they are worth far fewer than their number."""
    clusters = np.repeat(np.arange(count), FRAMES)
    points = np.zeros((2, len(clusters)))
    for (spread, r), places in ((BETWEEN, clusters), (WITHIN, np.arange(len(clusters)))):
        normal = generator.normal(0, spread, (2, places.max() + 1))
        points += np.stack([normal[0], r * normal[0] + np.sqrt(1 - r * r) * normal[1]])[:, places]
    return points[0], points[1], clusters


def true_r() -> float:
    (a, ra), (b, rb) = BETWEEN, WITHIN
    return (ra * a * a + rb * b * b) / (a * a + b * b)


def test_the_simulation_has_the_r_that_it_says() -> None:
    x, y, _ = drawn(np.random.default_rng(0), 20_000)
    assert pearsonr(x, y).statistic == pytest.approx(true_r(), abs=0.01)


def coverage(times: int, bootstrap: int, *, by_sequence: bool) -> float:
    """The share of simulated samples whose 95 % interval holds the true R."""
    generator, hits = np.random.default_rng(1), 0
    for seed in range(times):
        x, y, clusters = drawn(generator)
        groups = clusters if by_sequence else np.arange(len(x))
        low, high = correlate(x, y, groups, int(groups.max()) + 1, bootstrap, seed).interval
        hits += low <= true_r() <= high
    return hits / times


def test_the_interval_of_r_covers_the_truth_as_often_as_it_says() -> None:
    """1500 samples: the share itself is known to 0.6 percentage points."""
    assert 0.92 <= coverage(1500, 400, by_sequence=True) <= 0.97


def test_an_interval_over_frames_would_be_far_too_narrow() -> None:
    assert coverage(100, 100, by_sequence=False) < 0.75


@pytest.mark.parametrize("benchmark", ["got10k-val", "otb2015", "lasot", "trackingnet"])
def test_the_bootstrap_error_is_that_of_a_slow_loop(benchmark: str) -> None:
    """Sequences are drawn one by one, with other random numbers; their means are taken as a reader would.

    Either error is known to about 1.6 %, since each rests on 2000 replicates.
    """
    known = sequences(25)
    # GOT-10k pools frames: a sequence weighs as much as it is long.
    weights = [len(sequence) - 1 if benchmark == "got10k-val" else 1 for sequence in known]
    found = score(benchmark, known, tracked(known, 3), bootstrap=2000)
    pick = random.Random(7)
    for metric in METRICS[benchmark]:
        each = [entry[metric] for entry in found["sequences"].values()]
        replicates = []
        for _ in range(2000):
            chosen = [pick.randrange(len(each)) for _ in each]
            total = sum(weights[place] * each[place] for place in chosen)
            replicates.append(total / sum(weights[place] for place in chosen))
        assert found["metrics"][metric]["stderr"] == pytest.approx(statistics.stdev(replicates), rel=0.08)


@pytest.mark.parametrize("seeds", [2, 3, 5])
@pytest.mark.parametrize("within", [0.0, 1.0])
def test_an_interval_over_few_trainings_covers(seeds: int, within: float) -> None:
    """Two models of equal quality: trainings deviate by 1, the sequences move one of them by `within`."""
    rng, times, held = np.random.default_rng(5), 1000, 0
    for _ in range(times):
        base, moved = rng.normal(0, within, 200), rng.normal(0, within)
        sides = []
        for name, shift, replicates in (("a", moved, base), ("b", 0.0, np.zeros(200))):
            values = shift + rng.normal(0, 1, seeds)
            trainings = {f"{name}{number}": float(value) for number, value in enumerate(values)}
            sides.append(Side(float(values.mean()), values.mean() + replicates, ("same",), seeds, trainings))
        difference = combined(subtract, *sides)
        assert difference is not None
        held += difference.low <= 0 <= difference.high
    assert 0.925 < held / times < 0.985


def test_variants_of_the_same_trainings_pair_one_by_one() -> None:
    """What both share of a training's luck is no part of their difference."""
    luck = np.array([-0.1, 0.0, 0.1])
    replicates = np.zeros(2000)
    sides = [
        Side(value, value + replicates, ("same",), 3, {str(n): value + float(x) for n, x in enumerate(luck)})
        for value in (0.5, 0.4)
    ]
    paired = combined(subtract, *sides)
    assert paired is not None
    assert (paired.low, paired.high) == pytest.approx((0.1, 0.1))
    apart = Side(0.4, sides[1].replicates, ("same",), 3, {f"other{n}": 0.4 + float(x) for n, x in enumerate(luck)})
    independent = combined(subtract, sides[0], apart)
    assert independent is not None
    # Welch: each mean has a variance of 0.01 / 3, and Student's t has four degrees of freedom.
    assert independent.high - independent.value == pytest.approx(2.776 * np.sqrt(2 * 0.01 / 3), rel=1e-3)


def test_a_training_without_a_value_leaves_no_interval() -> None:
    """A gain over a base that is 0 in one training is none, and the interval of the others would claim too much."""
    sides = [
        Side(
            float(np.mean(values)),
            np.full(100, np.mean(values)),
            ("same",),
            2,
            {f"{name}0": values[0], f"{name}1": values[1]},
        )
        for name, values in (("a", (0.5, 0.6)), ("b", (0.0, 0.8)))
    ]
    assert combined(subtract, *sides) is not None
    assert (
        combined(lambda a, b: np.where(np.asarray(b) == 0, np.nan, np.divide(a, np.maximum(b, 1e-9))), *sides) is None
    )
