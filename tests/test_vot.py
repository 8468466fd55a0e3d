"""Accuracy, robustness and expected overlap: by hand, and against a literal reading of their definition."""

import numpy as np
import pytest

from analysis import vot
from siamrcr.datasets.sequence import Sequence
from siamrcr.errors import InputError
from siamrcr.results import FAILURE, INIT, REGION, SKIPPED, Result

SIZE = (400, 300)
BOX = np.array([50.0, 60, 30, 20])


def sequence(frames: int, name: str = "clip", **tags: list[int]) -> Sequence:
    boxes = np.tile(BOX, (frames, 1))
    attributes = {tag: np.array(values, dtype=bool) for tag, values in tags.items()}
    return Sequence(name, (), boxes, np.ones(frames, dtype=bool), tuple(boxes), size=SIZE, attributes=attributes)


def run(frames: int, failures: tuple[int, ...] = (), shift: float = 0.0) -> Result:
    """A run that is `shift` pixels off to the right, fails where told, and starts again five frames later."""
    codes = np.full(frames, REGION, dtype=np.int8)
    codes[0] = INIT
    for failure in failures:
        codes[failure : failure + 5] = SKIPPED
        codes[failure] = FAILURE
        if failure + 5 < frames:
            codes[failure + 5] = INIT
    boxes = np.where((codes == REGION)[:, None], BOX + np.array([shift, 0, 0, 0]), np.nan)
    unknown = np.full(frames, np.nan)
    return Result(boxes, codes, unknown, unknown)


def rows(tracked: Result, stop: int) -> Result:
    return Result(*(part[:stop] for part in (tracked.boxes, tracked.codes, tracked.times, tracked.confidence)))


def scores(
    sequences: list[Sequence], runs: list[list[Result]], interval: tuple[int, int] = (2, 20), tag: str | None = None
) -> dict[str, float]:
    found = vot.Measured(sequences, runs, "published").scores(interval, tag)
    return {name: float(metric.values(np.ones((1, len(sequences))))[0]) for name, metric in found.metrics.items()}


def test_perfect_boxes() -> None:
    assert scores([sequence(30)], [[run(30)]]) == {"EAO": 1, "accuracy": 1, "robustness": 0}


def test_accuracy_leaves_out_ten_frames_from_each_start() -> None:
    tracked = run(30, failures=(12,))
    tracked.boxes[1:10, 0] += 400  # burn-in of the first start
    tracked.boxes[18:27, 0] += 400  # and of the second, on frame 17
    assert scores([sequence(30)], [[tracked]])["accuracy"] == 1
    tracked.boxes[27, 0] += 400
    assert scores([sequence(30)], [[tracked]])["accuracy"] == pytest.approx(1 - 1 / 5)  # frames 10, 11, 27, 28, 29


def test_accuracy_pools_frames_of_all_sequences() -> None:
    shifted = 6 * 21 / (2 * 31 * 21 - 6 * 21)  # 25 px off: 6 of 31 columns shared
    both = scores([sequence(15), sequence(40)], [[run(15)], [run(40, shift=25)]])
    assert both["accuracy"] == pytest.approx((5 + 30 * shifted) / 35)


def test_accuracy_takes_the_mean_over_runs_first() -> None:
    late = run(30, failures=(20,))  # no region on frames 20 to 24, burn-in from 25
    off = run(30, shift=400)
    assert scores([sequence(30)], [[late, off]])["accuracy"] == pytest.approx((10 * 0.5 + 10 * 0) / 20)


def test_robustness_is_the_failure_rate_in_per_cent_averaged_over_runs() -> None:
    runs = [[run(30, failures=(5, 20)), run(30)], [run(70, failures=(9,))]]
    assert scores([sequence(30), sequence(70)], runs)["robustness"] == pytest.approx(100 * (1 + 1) / 100)


def test_expected_overlap_of_one_failure_by_hand() -> None:
    # Two fragments: frames 0..8, perfect to frame 2, then lost; and frames 8..11 perfect to the end.
    found = vot.Measured([sequence(12)], [[run(12, failures=(3,))]], "published").scores((2, 12))
    curve = found.curves["expected_overlap"].values(np.ones((1, 1)))[0]
    first = [1, 1, 1, 2 / 3, 2 / 4, 2 / 5, 2 / 6, 2 / 7, 2 / 8, 2 / 9, 2 / 10, 2 / 11]
    second = [1, 1, 1, 1]
    expected = [(a + b) / 2 for a, b in zip(first, second, strict=False)] + first[4:]
    np.testing.assert_allclose(curve, expected)
    value = found.metrics["EAO"].values(np.ones((1, 1)))[0]
    assert value == pytest.approx(np.mean(expected[1:]))


def literal(runs: list[list[tuple[np.ndarray, np.ndarray]]], lengths: list[int], low: int, high: int) -> float:
    """EAO from overlaps and codes, with every fragment a row of a matrix as long as the longest sequence."""
    longest = max(lengths)
    rows, weights = [], []
    for several, length in zip(runs, lengths, strict=True):
        for overlaps, codes in several:
            failed = [k for k in range(len(codes)) if codes[k] == FAILURE]
            starts = [0] + [k + 5 for k in failed if k + 5 < len(codes)]
            known = np.where(np.isnan(overlaps), 0, overlaps) if failed else overlaps
            for place, start in enumerate(starts):
                last = place == len(starts) - 1
                piece = known[start:] if last else known[start : starts[place + 1] + 1]
                row = np.full(longest, np.nan if last else 0.0)
                row[: len(piece)] = piece
                rows.append(row)
                weights.append((len(piece) / (length - start) if last and failed else 1) / len(several))
    table, weight = np.array(rows), np.array(weights)
    curve = []
    for length in range(low, high + 1):
        usable = ~np.isnan(table[:, length - 1])
        means = table[usable, 1:length].mean(axis=1)
        curve.append((means * weight[usable]).sum() / weight[usable].sum())
    return float(np.mean(curve))


@pytest.mark.parametrize("seed", range(20))
def test_expected_overlap_follows_its_definition(seed: int) -> None:
    generator = np.random.default_rng(seed)
    sequences, runs = [], []
    for number in range(4):
        frames = int(generator.integers(8, 40)) if number else 40
        several = []
        for _ in range(int(generator.integers(1, 4))):
            failures, at = [], int(generator.integers(1, 12))
            while at < frames and generator.random() < 0.7:
                failures.append(at)
                at += 6 + int(generator.integers(0, 12))
            tracked = run(frames, tuple(failures))
            tracked.boxes[:, 0] += np.round(generator.uniform(0, 25, frames))
            if number and generator.random() < 0.3:  # a file that was cut short
                tracked = rows(tracked, int(generator.integers(max(failures, default=0) + 1, frames + 1)))
            several.append(tracked)
        sequences.append(sequence(frames, f"clip-{number}"))
        runs.append(several)
    measured = vot.Measured(sequences, runs, "published")
    pairs = [
        [(overlaps, tracked.codes) for overlaps, tracked in zip(expected, several, strict=True)]
        for expected, several in zip(measured.expected, runs, strict=True)
    ]
    value = measured.scores((5, 30)).metrics["EAO"].values(np.ones((1, 4)))[0]
    assert value == pytest.approx(literal(pairs, [len(s) for s in sequences], 5, 30), abs=1e-12)


def test_a_run_that_was_cut_short_weighs_what_it_saw() -> None:
    cut = rows(run(20, failures=(2,)), 10)
    sequences, runs = [sequence(20, "a"), sequence(20, "b")], [[cut], [run(20, shift=10)]]
    measured = vot.Measured(sequences, runs, "published")
    pairs = [[(m[0], r[0].codes)] for m, r in zip(measured.expected, runs, strict=True)]
    value = measured.scores((2, 20)).metrics["EAO"].values(np.ones((1, 2)))[0]
    assert value == pytest.approx(literal(pairs, [20, 20], 2, 20))


def test_limits_of_accuracy_and_expected_overlap_differ_by_a_column() -> None:
    # The true region reaches one column past the last: accuracy counts column W, expected overlap does not.
    width = 79
    clip = Sequence("clip", (), np.tile(BOX, (12, 1)), np.ones(12, dtype=bool), size=(width, 300))
    measured = vot.Measured([clip], [[run(12, shift=-10)]], "published")
    assert measured.accuracy[0][0][5] == pytest.approx(21 / 40)  # columns 50 to 70 of 40 to 79
    assert measured.expected[0][0][5] == pytest.approx(21 / 39)


def test_a_tag_counts_its_own_frames() -> None:
    tagged = [0] * 10 + [1] * 10 + [0] * 10
    tracked = run(30, failures=(22,))
    tracked.boxes[10:20, 0] += 25
    found = scores([sequence(30, occlusion=tagged)], [[tracked]], tag="occlusion")
    assert found["accuracy"] == pytest.approx(6 / 56)
    assert found["robustness"] == 0
    everywhere = scores([sequence(30, occlusion=[1] * 30)], [[tracked]], tag="occlusion")
    assert everywhere == scores([sequence(30)], [[tracked]])


def test_an_interval_that_no_sequence_reaches_is_refused() -> None:
    with pytest.raises(InputError, match="the longest sequence has 30 frames"):
        scores([sequence(30)], [[run(30)]], interval=(31, 40))


def test_the_official_intervals() -> None:
    assert vot.INTERVALS == {"vot2018": (100, 356), "vot2019": (46, 291)}
