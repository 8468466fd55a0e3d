"""Where the toolkits of VOT part from one another: pysot's fragments and frames, vot-toolkit beside its own code."""

from dataclasses import replace

import numpy as np
import pytest
from test_vot import BOX, SIZE, rows, run, sequence

from analysis import vot, vot_toolkit
from analysis.statistics import Scores
from siamrcr.datasets.sequence import Sequence
from siamrcr.errors import InputError
from siamrcr.results import FAILURE, INIT, REGION, SKIPPED, Result


def values(scores: Scores) -> dict[str, float]:
    count = len(scores.metrics["EAO"].curve.numerator)
    return {name: float(metric.values(np.ones((1, count)))[0]) for name, metric in scores.metrics.items()}


def measured(rule: vot.Rule, pairs: list[tuple[Sequence, list[Result]]], interval: tuple[int, int]) -> dict[str, float]:
    known, runs = [clip for clip, _ in pairs], [several for _, several in pairs]
    return values(vot.Measured(known, runs, rule).scores(interval))


def test_a_failure_five_frames_before_the_end() -> None:
    # Of 12 frames the eighth, index 7, fails: six perfect overlaps, then six frames of which none has any.
    pairs = [(sequence(12), [run(12, failures=(7,))]), (sequence(20), [run(20)])]
    # MATLAB's toolkit has no start at frame 13, so the fragment ends with the sequence; pysot's is lost from there on,
    # and weighs 12 of the 13 frames that it would reach.
    assert measured("matlab7", pairs, (13, 13))["EAO"] == pytest.approx(1)
    weight = 12 / 13
    assert measured("pysot", pairs, (13, 13))["EAO"] == pytest.approx((1 + weight * 6 / 12) / (1 + weight))
    assert measured("published", pairs, (13, 13)) == measured("matlab7", pairs, (13, 13))
    # Before the end both see it, at those weights.
    assert measured("matlab7", pairs, (9, 9))["EAO"] == pytest.approx((1 + 6 / 8) / 2)
    assert measured("pysot", pairs, (9, 9))["EAO"] == pytest.approx((1 + weight * 6 / 8) / (1 + weight))


def test_a_failure_in_the_second_frame() -> None:
    # Fragments: frames 1 to 7, none overlapping, and 7 to 12, perfect.
    pairs = [(sequence(12), [run(12, failures=(1,))])]
    for rule in ("published", "matlab7", "pysot"):
        assert measured(rule, pairs, (2, 6))["EAO"] == pytest.approx(0.5)
        assert measured(rule, pairs, (7, 12))["EAO"] == pytest.approx(0)
        assert measured(rule, pairs, (2, 6))["robustness"] == pytest.approx(100 / 12)


def test_failures_of_a_file_that_ends_early() -> None:
    # pysot divides by the frames that the file reaches, the challenge by all.
    pairs = [(sequence(40), [rows(run(40, failures=(3,)), 25)])]
    assert measured("published", pairs, (2, 5))["robustness"] == pytest.approx(100 / 40)
    assert measured("pysot", pairs, (2, 5))["robustness"] == pytest.approx(100 / 25)


def test_how_many_repetitions_count() -> None:
    several = [run(30, failures=(4, 15)), *[run(30)] * 13]
    one, all_15 = 2 * 100 / 30, 2 / 15 * 100 / 30
    assert measured("pysot", [(sequence(30), several)], (2, 5))["robustness"] == pytest.approx(one)
    assert measured("pysot", [(sequence(30), [*several, run(30)])], (2, 5))["robustness"] == pytest.approx(all_15)
    assert measured("published", [(sequence(30), several)], (2, 5))["robustness"] == pytest.approx(one / 14)


def test_unequal_numbers_of_repetitions() -> None:
    # The mean over a sequence's runs first (NaN failures are filled with it), and each run weighs 1 / their number.
    pairs = [(sequence(30, "a"), [run(30, failures=(4,)), run(30)]), (sequence(30, "b"), [run(30, failures=(4,))])]
    for rule in ("published", "matlab7"):
        found = measured(rule, pairs, (6, 6))
        assert found["robustness"] == pytest.approx(100 * 1.5 / 60)
        # At length 6: lost fragments 3/5 with weights 1/2 and 1, perfect ones 1/2 + 1/2 and 1.
        assert found["EAO"] == pytest.approx((1.5 * 3 / 5 + 2) / 3.5)


def test_an_unknown_overlap_in_a_run_that_never_fails() -> None:
    # The mean over a fragment with a NaN is NaN, and such lengths are left out of EAO's mean, whoever else has them.
    gap = run(20)
    gap.codes[9] = SKIPPED
    gap.boxes[9] = np.nan
    pairs = [(sequence(20, "a"), [gap]), (sequence(20, "b"), [run(20, shift=10)])]
    shifted = 21 * 21 / (2 * 31 * 21 - 21 * 21)
    scores = vot.Measured([clip for clip, _ in pairs], [runs for _, runs in pairs], "published").scores((2, 20))
    curve = scores.curves["expected_overlap"].values(np.ones((1, 2)))[0]
    np.testing.assert_allclose(curve[1:9], (1 + shifted) / 2)
    assert curve[9] == pytest.approx(shifted)  # at its own length the gap's fragment is not usable
    assert np.isnan(curve[10:]).all()
    expected = (8 * (1 + shifted) / 2 + shifted) / 9
    assert values(scores)["EAO"] == pytest.approx(expected)
    # A resample without the first sequence knows them all.
    alone = scores.curves["expected_overlap"].values(np.array([[0.0, 2.0]]))[0]
    np.testing.assert_allclose(alone[1:], shifted)


class Clip:
    """What vot-toolkit's functions ask of a sequence."""

    size = SIZE

    def __init__(self, regions: list[str]) -> None:
        from vot.region.io import parse_region

        self.regions = [parse_region(region) for region in regions]

    def groundtruth(self) -> list[object]:
        return self.regions

    def __len__(self) -> int:
        return len(self.regions)


def text(region: np.ndarray) -> str:
    return ",".join(repr(value) for value in region.tolist())


def wild(frames: int, generator: np.random.Generator) -> tuple[Sequence, Result]:
    """A sequence of polygons, and a run that fails at random, of boxes and polygons with quarters of pixels."""
    corners = np.array([0, 0, 30, 4, 27, 24, -3, 20]) + np.tile(BOX[:2], 4)
    truth = tuple(corners + np.round(generator.uniform(-60, 60, 8) / 4) / 4 for _ in range(frames))
    clip = replace(sequence(frames), regions=truth)
    failures, at = [], int(generator.integers(1, frames))
    while at < frames:
        failures.append(at)
        at += int(generator.integers(6, 20))
    tracked = run(frames, tuple(failures))
    shifts = np.round(generator.uniform(-40, 40, (frames, 4))) / 4
    regions = []
    for frame, code in enumerate(tracked.codes):
        polygon = truth[frame] + np.repeat(shifts[frame, :1], 8)
        region = polygon if generator.random() < 0.5 else BOX + shifts[frame]
        tracked.boxes[frame] = BOX + shifts[frame] if code == REGION else np.nan
        regions.append(region if code == REGION else np.zeros(1))
    return clip, replace(tracked, regions=tuple(regions))


@pytest.mark.parametrize("seed", range(6))
def test_scores_are_those_of_vot_toolkit(seed: int) -> None:
    from vot.analysis import supervised
    from vot.region.io import parse_region
    from vot.region.raster import calculate_overlaps

    generator = np.random.default_rng(seed)
    pairs = [wild(int(generator.integers(20, 60)), generator) for _ in range(4)]
    pairs[0] = (pairs[0][0], run(len(pairs[0][0])))
    marks = {INIT: "1", FAILURE: "2", SKIPPED: "0"}
    fragments, failed, sums = [], [], np.zeros(3)
    for known, tracked in pairs:
        rows_ = tracked.regions if tracked.regions is not None else tracked.boxes
        trajectory = [
            parse_region(marks.get(int(code)) or text(row)) for code, row in zip(tracked.codes, rows_, strict=True)
        ]
        clip = Clip([text(region) for region in known.regions or ()])
        accuracy = supervised.compute_accuracy(trajectory, clip)[0]
        losses, starts = supervised.locate_failures_inits(trajectory)
        sums += np.array([accuracy, supervised.count_failures(trajectory)[0], 1]) * len(clip)
        overlaps = calculate_overlaps(trajectory, clip.groundtruth(), clip.size)
        # As EAOCurve.subcompute cuts them.
        for start, end in zip(starts, losses, strict=False):
            fragments.append(overlaps[start:end])
            failed.append(True)
        if len(starts) > len(losses):
            fragments.append(overlaps[starts[-1] :] if losses else overlaps)
            failed.append(False)
    curve = supervised.compute_eao_curve(fragments, [1] * len(fragments), [not lost for lost in failed])
    scores = vot_toolkit.scores([clip for clip, _ in pairs], [[tracked] for _, tracked in pairs], (5, 15))
    found = values(scores)
    assert found["accuracy"] == pytest.approx(sums[0] / sums[2], abs=1e-12)
    assert found["robustness"] == pytest.approx(sums[1] / sums[2], abs=1e-12)
    # The toolkit's curve is of float32.
    np.testing.assert_allclose(scores.curves["expected_overlap"].values(np.ones((1, 4)))[0], curve, atol=1e-6)
    assert found["EAO"] == pytest.approx(float(np.mean(curve[5:16])), abs=1e-6)


def test_vot_toolkit_refuses_what_its_own_code_does() -> None:
    with pytest.raises(InputError, match="clip: 20 lines for 30 frames: vot-toolkit needs them all"):
        vot_toolkit.scores([sequence(30)], [[rows(run(30), 20)]], (5, 15))
    with pytest.raises(InputError, match="eao_interval 30 to 40"):
        vot_toolkit.scores([sequence(30)], [[run(30)]], (30, 40))
