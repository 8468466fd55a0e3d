"""VOT's rasterised overlap against closed forms and a slow scan-line drawing of the same rules."""

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numba.core.dispatcher import Dispatcher

from siamrcr import raster, regions
from siamrcr.regions import overlap, overlaps, polygons

WIDE = (10_000.0, 10_000.0)
quarters = st.integers(0, 400).map(lambda k: k / 4)
points = st.lists(st.tuples(quarters, quarters), min_size=3, max_size=6)
boxes = st.tuples(st.integers(0, 40), st.integers(0, 40), st.integers(2, 30), st.integers(2, 30))


def mask(polygon: np.ndarray, width: int, height: int) -> set[tuple[int, int]]:
    """Pixels of a polygon of whole-numbered corners, row by row as region.c fills them."""
    pixels = set()
    for row in range(height):
        nodes = []
        for (x, y), (x_before, y_before) in zip(polygon, np.roll(polygon, 1, axis=0), strict=True):
            if y != y_before and min(y, y_before) <= row <= max(y, y_before):
                nodes.append(math.trunc(x + (row - y) / (y_before - y) * (x_before - x)))
        nodes.sort()
        place = 0
        while place < len(nodes) - 1:
            if nodes[place] == nodes[place + 1]:
                place += 1
                continue
            pixels |= {(c, row) for c in range(max(nodes[place], 0), min(nodes[place + 1], width - 1) + 1)}
            place += 2
    return pixels


def drawn(first: list[tuple[float, float]], second: list[tuple[float, float]], bounds: tuple[int, int]) -> float:
    """Overlap of two polygons whose bounding boxes meet, from their masks."""
    both = [np.array(first), np.array(second)]
    origin = np.min([np.maximum(np.floor(p.min(axis=0)), 0) for p in both], axis=0)
    end = np.max([np.minimum(np.ceil(p.max(axis=0)), bounds) for p in both], axis=0)
    width, height = (end - origin).astype(int) + 1
    a, b = (mask(np.floor(np.abs(p - origin) + 0.5) * np.sign(p - origin), width, height) for p in both)
    return len(a & b) / len(a | b) if a | b else math.nan


def inclusive(first: tuple[int, ...], second: tuple[int, ...], inset: int) -> float:
    """IoU of boxes of whole pixels whose last column is x + w - inset."""
    spans = [
        (min(a + s, b + t) - inset - max(a, b) + 1, s - inset + 1, t - inset + 1)
        for a, s, b, t in ((first[0], first[2], second[0], second[2]), (first[1], first[3], second[1], second[3]))
    ]
    common = max(0, spans[0][0]) * max(0, spans[1][0])
    return common / (spans[0][1] * spans[1][1] + spans[0][2] * spans[1][2] - common)


@settings(deadline=None)
@given(boxes, boxes)
def test_boxes_of_whole_pixels_overlap_as_counted(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    for convention, inset in (("published", 0), ("matlab7", 1)):
        touching = inclusive(a, b, inset + 1) > 0
        expected = inclusive(a, b, inset) if touching else 0.0
        assert overlap(a, b, WIDE, convention) == pytest.approx(expected, abs=1e-7)


@settings(deadline=None)
@given(points, points)
def test_any_polygons_overlap_as_drawn(a: list[tuple[float, float]], b: list[tuple[float, float]]) -> None:
    bounds = (90, 70)
    corners = [np.clip(np.array(p), 0, bounds) for p in (a, b)]
    low, high = (np.array([f(c, axis=0) for c in corners]) for f in (np.min, np.max))
    inner = np.minimum(*np.ceil(high)) - np.maximum(*np.floor(low))
    # Where a window is empty or the bounding boxes do not meet, no masks are drawn.
    assume((np.ceil(high) - np.floor(low) > 0).all() and (inner > 0).all() and (np.floor(low) < bounds).all())
    expected = drawn(a, b, bounds)
    found = overlaps(np.array([a]), np.array([b]), bounds)[0]
    assert found == pytest.approx(expected, abs=1e-7, nan_ok=True)


@settings(deadline=None)
@given(points, points)
def test_overlap_is_symmetric_and_moves_with_the_regions(
    a: list[tuple[float, float]], b: list[tuple[float, float]]
) -> None:
    first, second = np.array([a]), np.array([b])
    by = np.array([7, 3])
    value = overlaps(first, second, WIDE)
    np.testing.assert_array_equal(overlaps(second, first, WIDE), value)
    np.testing.assert_array_equal(overlaps(first + by, second + by, WIDE), value)
    assert np.isnan(value[0]) or 0 <= value[0] <= 1


@settings(deadline=None)
@given(st.floats(3, 40), st.floats(3, 40), st.floats(0, 3.1), st.floats(50, 90))
def test_a_region_covers_itself(width: float, height: float, angle: float, center: float) -> None:
    half = np.array([[-width, -height], [width, -height], [width, height], [-width, height]]) / 2
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    polygon = (half @ turn + center).ravel()
    assert overlap(polygon, polygon, WIDE) == 1


def test_the_conventions_differ_by_a_column_and_a_row() -> None:
    a, b = (0, 0, 10, 10), (5, 0, 10, 10)
    assert overlap(a, b, WIDE) == pytest.approx(66 / 176)
    assert overlap(a, b, WIDE, "matlab7") == pytest.approx(50 / 150)


def test_only_what_is_inside_the_bounds_counts() -> None:
    a, b = polygons([np.array([-5.0, 0, 10, 9])]), polygons([np.array([0.0, 0, 10, 9])])
    assert overlaps(a, b, WIDE)[0] == pytest.approx(6 / 11)
    assert overlaps(a, b, (7, 100))[0] == pytest.approx(6 / 8)
    assert overlaps(a, a - [100, 0], WIDE)[0] == 0


def test_the_bounds_decide_over_a_failure_at_the_border() -> None:
    tracked, true = np.array([16.0, 2, 8, 5]), np.array([20.0, 2, 9, 5])
    assert overlap(tracked, true, (20, 40)) == 0  # only column 20 is left of the true region
    assert overlap(tracked, true, (21, 40)) == pytest.approx(2 / 6)


def test_an_unknown_region_has_no_overlap() -> None:
    assert np.isnan(overlap([np.nan, 0, 3, 3], [0, 0, 3, 3], WIDE))


def test_a_region_far_outside_has_no_pixel_inside() -> None:
    box, far = polygons([np.array([0.0, 0, 10, 9])]), np.float32(1e30)
    kite = np.array([[[0, 0], [10, 0], [10, 9], [0, far]]], dtype=np.float32)
    assert overlaps(kite, box, (20, 20))[0] == pytest.approx(110 / 231)
    assert overlaps(box + far, box, WIDE)[0] == 0
    with pytest.raises(ValueError, match="2 regions against 1"):
        overlaps(np.concatenate([box, box]), box, WIDE)


def test_regions_of_several_forms_stack() -> None:
    mixed = [np.array([1.0, 2, 3, 4]), np.array([0.0, 0, 9, 0, 5, 5]), np.array([0.0, 0, 9, 0, 9, 9, 4, 12, 0, 9])]
    stacked = polygons(mixed)
    assert stacked.shape == (3, 5, 2)
    alone = [polygons([region]) for region in mixed]
    other = polygons([np.array([2.0, 1, 6, 6])])
    for index, each in enumerate(alone):
        assert overlaps(stacked[index : index + 1], other, WIDE) == overlaps(each, other, WIDE)
    assert polygons([]).shape[0] == 0


def test_many_frames_at_once_equal_one_at_a_time() -> None:
    generator = np.random.default_rng(0)
    a, b = generator.uniform(0, 300, (2, 300, 4, 2))
    one_by_one = [overlaps(a[k : k + 1], b[k : k + 1], (320, 240))[0] for k in range(300)]
    np.testing.assert_array_equal(overlaps(a, b, (320, 240)), one_by_one)


def test_a_chosen_few_of_many_regions_stack() -> None:
    mixed = [np.array([1.0]), np.array([1.0, 2, 3, 4]), np.array([0.0, 0, 9, 0, 5, 5, 1, 8]), np.array([4.0, 3, 2, 1])]
    chosen = polygons(mixed, "published", np.array([3, 2]))
    np.testing.assert_array_equal(chosen, polygons([mixed[3], mixed[2]]))


def test_the_compiler_is_imported_once_a_mask_is_needed() -> None:
    program = (
        "import sys; from siamrcr import regions; assert 'numba' not in sys.modules;"
        "print(regions.overlap((0, 0, 10, 10), (5, 0, 10, 10), (99, 99)))"
    )
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert float(printed.stdout) == pytest.approx(66 / 176)


def test_masks_need_no_folder_to_keep_compiled_code_in(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(*_: object) -> None:
        raise RuntimeError("cannot cache function: no locator available")

    monkeypatch.setattr(Dispatcher, "enable_caching", nowhere)
    assert raster.compiled(twice)(3.0) == 6


def twice(value: float) -> float:
    return 2 * value


@settings(deadline=None)
@given(points)
def test_the_axis_aligned_box_keeps_area_centre_and_shape(polygon: list[tuple[float, float]]) -> None:
    corners = np.array(polygon)
    x, y, w, h = regions.axis_aligned(corners.ravel())
    rolled = np.roll(corners, -1, axis=0)
    area = abs(np.sum(corners[:, 0] * rolled[:, 1] - rolled[:, 0] * corners[:, 1])) / 2
    extent = np.ptp(corners, axis=0)
    if area == 0:
        np.testing.assert_allclose([x, y, w, h], [*corners.min(axis=0), *extent])
        return
    assert w * h == pytest.approx(area)
    assert w * extent[1] == pytest.approx(h * extent[0])
    np.testing.assert_allclose([x + w / 2, y + h / 2], corners.mean(axis=0))


def test_the_axis_aligned_box_of_a_box_is_itself() -> None:
    np.testing.assert_array_equal(regions.axis_aligned([3, 4, 5, 6]), [3, 4, 5, 6])
    np.testing.assert_allclose(regions.axis_aligned([3, 4, 8, 4, 8, 10, 3, 10]), [3, 4, 5, 6])
