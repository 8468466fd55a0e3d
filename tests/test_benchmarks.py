"""Each benchmark's rule on arrays small enough to count by hand, and against got10k's toolkit."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from analysis import benchmarks, overlap
from analysis.conventions import CONVENTIONS
from analysis.statistics import Scores
from siamrcr.datasets.sequence import Sequence
from siamrcr.errors import InputError
from siamrcr.geometry import iou
from siamrcr.results import Result

TRUTH = np.array([[10.0, 20, 30, 40]] * 10)
any_boxes = st.integers(1, 12).flatmap(
    lambda n: st.tuples(*[arrays(np.float64, (n, 4), elements=st.floats(-50, 200, width=32))] * 2)
)


def sequence(boxes: np.ndarray, **more: object) -> Sequence:
    fields = {"visible": np.ones(len(boxes), dtype=bool), "size": (200, 150)} | more
    return Sequence(str(more.pop("name", "clip")), (), boxes, **{k: v for k, v in fields.items() if k != "name"})


def run(boxes: np.ndarray) -> Result:
    unknown = np.full(len(boxes), np.nan)
    return Result(np.array(boxes, dtype=np.float64), np.zeros(len(boxes), dtype=np.int8), unknown, unknown)


def values(scores: Scores) -> dict[str, float]:
    count = len(next(iter(scores.curves.values())).numerator)
    return {name: float(metric.values(np.ones((1, count)))[0]) for name, metric in scores.metrics.items()}


def curve(scores: Scores, name: str) -> np.ndarray:
    return scores.curves[name].values(np.ones((1, len(scores.curves[name].numerator))))[0]


def score(rule: Callable[..., Scores], truth: Sequence | np.ndarray, *boxes: np.ndarray) -> dict[str, float]:
    known = truth if isinstance(truth, Sequence) else sequence(truth)
    return values(rule([known], [[run(each) for each in boxes]]))


def moved(row: int, by: float) -> np.ndarray:
    boxes = TRUTH.copy()
    boxes[row:, 0] += by
    return boxes


class TestPerFrame:
    @settings(deadline=None)
    @given(any_boxes)
    def test_iou_is_symmetric_and_between_0_and_1(self, pair: tuple[np.ndarray, np.ndarray]) -> None:
        a, b = (np.concatenate([each[:, :2], np.abs(each[:, 2:]) + 1], axis=1) for each in pair)
        for measure in (overlap.inclusive_iou, lambda p, q: overlap.clipped_iou(p, q, (200, 150))):
            forward = measure(a, b)
            np.testing.assert_array_equal(forward, measure(b, a))
            assert ((forward >= 0) & (forward <= 1 + 1e-12)).all()
        np.testing.assert_allclose(overlap.inclusive_iou(a, b), iou(a, b), rtol=0, atol=1e-9)
        np.testing.assert_allclose(overlap.inclusive_iou(a, a), 1)

    @settings(deadline=None)
    @given(any_boxes)
    def test_clipped_iou_is_that_of_got10k(self, pair: tuple[np.ndarray, np.ndarray]) -> None:
        from got10k.utils.metrics import rect_iou

        # The toolkit clips its arguments in place.
        expected = rect_iou(pair[0].copy(), pair[1].copy(), bound=(120, 90))
        np.testing.assert_array_equal(overlap.clipped_iou(*pair, (120, 90)), expected)

    def test_clipping_keeps_the_width_of_a_box_that_hangs_out_on_the_left(self) -> None:
        hanging, inside = np.array([[-5.0, 0, 10, 10]]), np.array([[0.0, 0, 10, 10]])
        assert overlap.clipped_iou(hanging, inside, (100, 100))[0] == pytest.approx(1)
        right, edge = np.array([[95.0, 0, 10, 10]]), np.array([[95.0, 0, 5, 10]])
        assert overlap.clipped_iou(right, edge, (100, 100))[0] == pytest.approx(1)

    def test_an_invalid_box_repeats_the_last_valid_one(self) -> None:
        boxes = np.arange(20.0).reshape(5, 4)
        np.testing.assert_array_equal(overlap.carried(boxes, [False, True, True, False, True]), boxes[[0, 0, 0, 3, 3]])
        np.testing.assert_array_equal(overlap.carried(boxes, [True, True, False, False, False]), boxes[[0, 0, 2, 3, 4]])

    def test_a_value_on_a_threshold(self) -> None:
        at = np.array([0.5, np.nan])
        assert overlap.above(at, np.array([0.4, 0.5])).tolist() == [1, 0]
        assert overlap.within(at, np.array([0.4, 0.5])).tolist() == [0, 1]


class TestGot10k:
    def test_perfect_boxes(self) -> None:
        assert score(benchmarks.got10k, TRUTH, TRUTH) == pytest.approx({"AO": 1, "SR0.5": 1, "SR0.75": 1})

    def test_the_first_frame_does_not_count(self) -> None:
        boxes = TRUTH.copy()
        boxes[0] = 0
        assert score(benchmarks.got10k, TRUTH, boxes)["AO"] == pytest.approx(1)

    def test_frames_without_a_visible_target_do_not_count(self) -> None:
        cover = np.array([8] * 5 + [0] * 5)
        assert score(benchmarks.got10k, sequence(TRUTH, cover=cover), moved(5, 500))["AO"] == pytest.approx(1)

    def test_frames_of_all_sequences_are_pooled(self) -> None:
        short, far = TRUTH[:3], moved(0, 100)[:3]
        scores = benchmarks.got10k([sequence(TRUTH), sequence(short)], [[run(TRUTH)], [run(far)]])
        assert values(scores)["AO"] == pytest.approx(9 / 11)
        assert curve(scores, "success")[:2].tolist() == pytest.approx([9 / 11, 9 / 11])

    def test_repetitions_are_pooled(self) -> None:
        assert score(benchmarks.got10k, TRUTH, TRUTH, moved(0, 500))["AO"] == pytest.approx(0.5)

    def test_an_overlap_at_a_threshold_is_no_success(self) -> None:
        half = TRUTH * [1, 1, 0.5, 1]
        assert score(benchmarks.got10k, TRUTH, half) == pytest.approx({"AO": 0.5, "SR0.5": 0, "SR0.75": 0})

    def test_a_box_that_is_not_a_number_has_no_score(self) -> None:
        # The toolkit's mean is NaN then; a frame that it leaves out does no harm.
        boxes = TRUTH.copy()
        boxes[6, 2] = np.nan
        with pytest.raises(InputError, match="clip: line 7 holds a NaN"):
            score(benchmarks.got10k, TRUTH, TRUTH, boxes)
        cover = np.where(np.arange(10) == 6, 0, 8)
        assert score(benchmarks.got10k, sequence(TRUTH, cover=cover), boxes)["AO"] == pytest.approx(1)

    def test_the_frame_size_is_needed(self) -> None:
        with pytest.raises(InputError, match="clip: frame size unknown"):
            score(benchmarks.got10k, sequence(TRUTH, size=None), TRUTH)

    @settings(deadline=None)
    @given(st.lists(any_boxes, min_size=1, max_size=4))
    def test_scores_are_those_of_got10k(self, pairs: list[tuple[np.ndarray, np.ndarray]]) -> None:
        from got10k.experiments.got10k import ExperimentGOT10k
        from got10k.utils.metrics import rect_iou

        pairs = [(np.concatenate([a[:1], a]), np.concatenate([b[:1], b])) for a, b in pairs]
        ious = np.concatenate([rect_iou(b[1:].copy(), a[1:].copy(), bound=(200, 150)) for a, b in pairs])
        experiment = ExperimentGOT10k.__new__(ExperimentGOT10k)
        average, rate, _, curve_there = experiment._evaluate(ious, np.ones(1))
        scores = benchmarks.got10k([sequence(a) for a, _ in pairs], [[run(b)] for _, b in pairs])
        assert values(scores)["AO"] == pytest.approx(average, abs=1e-12)
        assert values(scores)["SR0.5"] == rate
        np.testing.assert_allclose(curve(scores, "success"), curve_there, atol=1e-12)


class TestOtb:
    def test_perfect_boxes_reach_20_of_21_points(self) -> None:
        assert score(benchmarks.otb, TRUTH, TRUTH) == pytest.approx({"success": 20 / 21, "precision": 1})

    def test_the_first_box_is_replaced_and_counts(self) -> None:
        boxes = np.full((10, 4), 300.0)
        assert score(benchmarks.otb, TRUTH, boxes) == pytest.approx({"success": 2 / 21, "precision": 0.1})

    def test_a_box_without_size_or_all_unknown_repeats_the_one_before(self) -> None:
        for lost in ([5, 5, 0, 9], [5, 5, 9, -1], [np.nan] * 4):
            boxes = TRUTH.copy()
            boxes[4:7] = lost
            assert score(benchmarks.otb, TRUTH, boxes)["precision"] == 1
        # Before the second frame stands the tracker's own first box, not the true one that replaces it.
        boxes = moved(0, 500)
        boxes[1] = np.nan
        assert score(benchmarks.otb, TRUTH, boxes)["precision"] == pytest.approx(0.1)

    def test_a_frame_without_a_true_box_misses_and_hits(self) -> None:
        truth = TRUTH.copy()
        truth[3] = [-1, -1, 0, 0]  # 0, 0, 0, 0 on disk
        assert score(benchmarks.otb, truth, TRUTH) == pytest.approx({"success": 0.9 * 20 / 21, "precision": 1})
        truth[3] = [-1, 20, 30, 40]  # x is 0 on disk
        assert score(benchmarks.otb, truth, truth)["success"] == pytest.approx(0.9 * 20 / 21)

    def test_missing_frames_miss_unless_the_truth_is_invalid(self) -> None:
        assert score(benchmarks.otb, TRUTH, TRUTH[:9]) == pytest.approx({"success": 0.9 * 20 / 21, "precision": 0.9})
        truth = TRUTH.copy()
        truth[9] = [-1, -1, 0, 0]
        assert score(benchmarks.otb, truth, TRUTH[:9])["precision"] == 1

    def test_an_unknown_corner_gives_way_to_the_true_one(self) -> None:
        # MATLAB's max and min pass over a NaN, so such a box overlaps as if its corner were the true one; its centre is
        # unknown. A NaN in its size leaves nothing known.
        boxes = TRUTH.copy()
        boxes[5, 0] = np.nan
        assert score(benchmarks.otb, TRUTH, boxes) == pytest.approx({"success": 20 / 21, "precision": 0.9})
        boxes[5] = [10, 20, np.nan, 40]
        assert score(benchmarks.otb, TRUTH, boxes) == pytest.approx({"success": 0.9 * 20 / 21, "precision": 0.9})

    def test_a_lost_box_stays_where_the_truth_is_unknown(self) -> None:
        # calcSeqErrRobust repeats the box before only where the true box is known, and then from the row before.
        truth, boxes = TRUTH.copy(), TRUTH.copy()
        truth[4] = np.nan
        boxes[4] = 0
        boxes[5] = np.nan
        assert score(benchmarks.otb, truth, boxes)["precision"] == pytest.approx(0.9)
        assert score(benchmarks.otb, TRUTH, boxes)["precision"] == 1

    def test_sequences_weigh_the_same_whatever_their_length(self) -> None:
        scores = benchmarks.otb([sequence(TRUTH), sequence(TRUTH[:2])], [[run(TRUTH)], [run(TRUTH[:2] + 300.0)]])
        assert values(scores)["precision"] == pytest.approx((1 + 0.5) / 2)

    def test_a_sequence_whose_whole_curve_is_zero_is_left_out(self) -> None:
        nothing = np.tile([-1.0, -1, 0, 0], (4, 1))
        scores = benchmarks.otb([sequence(TRUTH), sequence(nothing)], [[run(TRUTH)], [run(nothing)]])
        assert values(scores) == pytest.approx({"success": 20 / 21, "precision": 1})

    def test_precision_is_the_value_at_20_pixels(self) -> None:
        assert score(benchmarks.otb, TRUTH, moved(1, 20))["precision"] == 1
        assert score(benchmarks.otb, TRUTH, moved(1, 20.01))["precision"] == pytest.approx(0.1)

    def test_the_grid_is_matlabs(self) -> None:
        # 0:0.05:1 reaches both ends exactly and is symmetric about its middle.
        grid = benchmarks.OTB_OVERLAPS
        assert (grid[0], grid[10], grid[20]) == (0, 0.5, 1)
        assert grid[7] == 7 * 0.05
        assert grid[13] == 1 - 7 * 0.05
        assert grid[13] != 13 * 0.05

    def test_repetitions_are_averaged(self) -> None:
        assert score(benchmarks.otb, TRUTH, TRUTH, moved(0, 300))["precision"] == pytest.approx(0.55)


class TestLasot:
    def test_perfect_boxes_reach_the_visible_share(self) -> None:
        perfect = {"success": 20 / 21, "precision": 1, "normalized_precision": 1}
        assert score(benchmarks.lasot, TRUTH, TRUTH) == pytest.approx(perfect)
        visible = np.array([True] * 7 + [False] * 3)
        shared = {name: 0.7 * value for name, value in perfect.items()}
        assert score(benchmarks.lasot, sequence(TRUTH, visible=visible), TRUTH) == pytest.approx(shared)

    def test_a_box_with_any_unknown_number_repeats_the_one_before(self) -> None:
        boxes = TRUTH.copy()
        boxes[4, 2] = np.nan
        assert score(benchmarks.lasot, TRUTH, boxes)["precision"] == 1

    def test_a_short_result_is_refused(self) -> None:
        with pytest.raises(InputError, match="clip: 9 lines for 10 frames: LaSOT's toolkit needs them all"):
            score(benchmarks.lasot, TRUTH, TRUTH[:9])

    def test_the_first_frame_may_be_absent(self) -> None:
        visible = np.arange(10) > 0
        expected = {"success": 0.9 * 20 / 21, "precision": 0.9, "normalized_precision": 0.9}
        assert score(benchmarks.lasot, sequence(TRUTH, visible=visible), TRUTH) == pytest.approx(expected)

    def test_a_visible_frame_without_a_true_box_hits_in_precision_alone(self) -> None:
        truth = TRUTH.copy()
        truth[3] = [-1, -1, 0, 0]
        expected = {"success": 0.9 * 20 / 21, "precision": 1, "normalized_precision": 1}
        assert score(benchmarks.lasot, truth, TRUTH) == pytest.approx(expected)

    def test_normalized_precision_is_the_value_at_a_fifth_of_the_size(self) -> None:
        assert score(benchmarks.lasot, TRUTH, moved(1, 6))["normalized_precision"] == 1  # a fifth of 30
        assert score(benchmarks.lasot, TRUTH, moved(1, 6.01))["normalized_precision"] == pytest.approx(0.1)
        assert score(benchmarks.lasot, TRUTH, moved(1, 20.01))["precision"] == pytest.approx(0.1)


class TestTrackingnet:
    def test_perfect_boxes_reach_1(self) -> None:
        perfect = {"success": 1, "precision": 1, "normalized_precision": 1}
        assert score(benchmarks.trackingnet, TRUTH, TRUTH) == pytest.approx(perfect)

    def test_known_boxes_far_off_keep_the_floor(self) -> None:
        truth, far = TRUTH[:2], moved(1, 500)[:2]
        expected = {"success": (1 + 0.025) / 2, "precision": 0.5, "normalized_precision": 0.5}
        assert score(benchmarks.trackingnet, truth, far) == pytest.approx(expected)
        far[1] = np.nan
        assert score(benchmarks.trackingnet, truth, far)["success"] == pytest.approx(0.5)

    def test_boxes_of_zeros_keep_the_floor_and_what_lies_near_the_corner(self) -> None:
        # What the devkit scores where a file is missing: centres at 0.5, 0.5; the true one here at 5.5, 5.5.
        truth = np.array([[0.0, 0, 10, 10], [0, 0, 10, 10]])
        found = score(benchmarks.trackingnet, truth, np.zeros((2, 4)))
        assert found["success"] == pytest.approx((1 + 0.025) / 2)
        # 7.07 px is met from 7.5 px on: 18 of 21 thresholds, the last at half weight.
        assert found["precision"] == pytest.approx((1 + 17.5 / 20) / 2)
        assert found["normalized_precision"] == pytest.approx(0.5)  # 0.707 of the size

    def test_an_unknown_corner_gives_way_to_the_true_one(self) -> None:
        # So do pandas' row-wise max and min, which the devkit uses.
        boxes = TRUTH[:2].copy()
        boxes[1, 1] = np.nan
        expected = {"success": 1, "precision": 0.5, "normalized_precision": 0.5}
        assert score(benchmarks.trackingnet, TRUTH[:2], boxes) == pytest.approx(expected)

    def test_precision_is_an_area_to_50_pixels_and_half_the_size(self) -> None:
        scores = score(benchmarks.trackingnet, TRUTH[:2], moved(1, 10)[:2])
        # 10 px is met from 10 px on: 17 of 21 thresholds, the last at half weight.
        assert scores["precision"] == pytest.approx((1 + 16.5 / 20) / 2)
        # A third of the width is met from 0.35 on: 7 of 21 thresholds.
        assert scores["normalized_precision"] == pytest.approx((1 + 6.5 / 20) / 2)

    def test_coordinates_are_rounded_halves_to_even(self) -> None:
        truth = np.array([[10.0, 20, 30, 40], [10.5, 20, 30, 40]])
        at_ten, at_eleven = (np.array([[10.0, 20, 30, 40], [x, 20, 30, 40]]) for x in (10.0, 11.0))
        assert score(benchmarks.trackingnet, truth, at_ten)["success"] == pytest.approx(1)
        assert score(benchmarks.trackingnet, truth, at_eleven)["success"] < 1


class TestConventions:
    def test_perfect_boxes(self) -> None:
        for benchmark, rules in CONVENTIONS.items():
            ceiling = {"trackingnet": 1, "lasot": 20 / 21, "otb2015": 20 / 21}.get(benchmark)
            for rule in rules.values():
                found = score(rule, TRUTH, TRUTH)
                assert found.get("success", ceiling) == pytest.approx(ceiling)
                assert all(found[name] == pytest.approx(1) for name in found if name != "success")

    def test_frames_without_a_true_box(self) -> None:
        truth = TRUTH.copy()
        truth[3] = [-1, -1, 0, 0]
        hits = {name: score(rule, truth, TRUTH)["precision"] for name, rule in CONVENTIONS["otb2015"].items()}
        assert hits == pytest.approx({"official": 1, "got10k": 0.9, "pysot": 1, "pytracking": 0.9})

    def test_otb_curves_of_got10k(self) -> None:
        from got10k.experiments.otb import ExperimentOTB
        from got10k.utils.metrics import center_error, rect_iou

        generator = np.random.default_rng(0)
        truth = generator.uniform(5, 60, (50, 4))
        boxes = truth + generator.normal(0, 8, (50, 4))
        boxes[5], boxes[9, 2:], boxes[13, 0] = np.nan, 0, np.nan
        there = np.concatenate([truth[:1], boxes[1:]])
        experiment = ExperimentOTB.__new__(ExperimentOTB)
        experiment.nbins_iou, experiment.nbins_ce = 21, 51
        success, precision = experiment._calc_curves(rect_iou(there, truth), center_error(there, truth))
        scores = CONVENTIONS["otb2015"]["got10k"]([sequence(truth)], [[run(boxes)]])
        np.testing.assert_allclose(curve(scores, "success"), success)
        np.testing.assert_allclose(curve(scores, "precision"), precision)

    def test_curves_of_got10k_with_lost_boxes_and_unequal_lengths(self) -> None:
        rule = CONVENTIONS["otb2015"]["got10k"]
        boxes = TRUTH.copy()
        boxes[5:7] = [[np.nan] * 4, [10, 20, 0, 0]]
        # Centre of the empty box: 15 and 20 pixels off.
        assert score(rule, TRUTH, boxes) == pytest.approx({"success": 0.8 * 20 / 21, "precision": 0.8})
        assert score(rule, TRUTH, TRUTH[:4]) == pytest.approx({"success": 20 / 21, "precision": 1})

    def test_pysot_takes_the_first_box_as_given(self) -> None:
        first = TRUTH.copy()
        first[0] += 500
        for benchmark in ("otb2015", "lasot"):
            assert score(CONVENTIONS[benchmark]["pysot"], TRUTH, first)["precision"] == pytest.approx(0.9)
            assert score(CONVENTIONS[benchmark]["pytracking"], TRUTH, first)["precision"] == 1

    def test_which_true_boxes_are_valid(self) -> None:
        truth = TRUTH.copy()
        truth[3] = [-31, 20, 30, 40]  # sized, its centre left of the frame: valid by size, not by place
        far = moved(1, 500)
        expected = {"official": 0.2, "got10k": 0.1, "pysot": 0.2, "pytracking": 0.1}
        rules = CONVENTIONS["otb2015"]
        assert {name: score(rule, truth, far)["precision"] for name, rule in rules.items()} == pytest.approx(expected)
        expected = {"official": 0.9, "got10k": 1, "pysot": 1, "pytracking": 1}
        found = {name: score(rule, truth, truth)["success"] * 21 / 20 for name, rule in rules.items()}
        assert found == pytest.approx(expected)

    def test_absent_frames_on_lasot(self) -> None:
        truth, visible = TRUTH.copy(), np.array([True] * 7 + [False] * 3)
        truth[7:] = [-1, -1, 0, 0]
        truth[6] = [-1, -1, 0, 0]  # visible, but without a size
        known = sequence(truth, visible=visible)
        found = {name: score(rule, known, TRUTH) for name, rule in CONVENTIONS["lasot"].items()}
        assert {name: each["success"] * 21 / 20 for name, each in found.items()} == pytest.approx(
            {"official": 0.6, "got10k": 0.6, "pysot": 0.6, "pytracking": 0.6}
        )
        assert {name: each["precision"] for name, each in found.items()} == pytest.approx(
            {"official": 0.7, "got10k": 0.6, "pysot": 0.7, "pytracking": 0.6}
        )
        assert {name: each["normalized_precision"] for name, each in found.items()} == pytest.approx(
            {"official": 0.7, "got10k": 0.6, "pysot": 0.7, "pytracking": 0.7}
        )

    def test_normalized_precision_of_got10k_is_a_mean(self) -> None:
        # A fifth of the width is met from 0.2 on: 31 of 51 thresholds.
        found = score(CONVENTIONS["lasot"]["got10k"], TRUTH[:2], moved(1, 6)[:2])
        assert found["normalized_precision"] == pytest.approx((1 + 31 / 51) / 2)

    def test_pytracking_repeats_empty_boxes_but_not_past_the_end(self) -> None:
        boxes = TRUTH[:8].copy()
        boxes[6:] = [[0, 0, 0, 9], [0, 0, 9, 0]]
        found = score(CONVENTIONS["otb2015"]["pytracking"], TRUTH, boxes)
        assert found == pytest.approx({"success": 0.8 * 20 / 21, "precision": 0.8})

    def test_what_a_rule_refuses(self) -> None:
        boxes = TRUTH.copy()
        for lost in ([np.nan] * 4, [1, 1, -1, 5]):
            boxes[2] = lost
            for benchmark in ("otb2015", "lasot"):
                with pytest.raises(InputError, match="clip: line 3 has a NaN or a negative size"):
                    score(CONVENTIONS[benchmark]["pytracking"], TRUTH, boxes)
        short = {("otb2015", "pysot"), ("lasot", "official"), ("lasot", "pysot"), ("lasot", "pytracking")}
        for benchmark, name in short:
            with pytest.raises(InputError, match="clip: 9 lines for 10 frames"):
                score(CONVENTIONS[benchmark][name], TRUTH, TRUTH[:9])
        for benchmark in ("otb2015", "lasot"):
            for name, rule in CONVENTIONS[benchmark].items():
                if (benchmark, name) not in short:
                    score(rule, TRUTH, TRUTH[:9])
