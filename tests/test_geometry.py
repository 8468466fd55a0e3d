"""Boxes and the score map's grid."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siamrcr import geometry
from siamrcr.errors import InputError

coordinate = st.floats(-500, 500, allow_nan=False)
side = st.floats(0.5, 400, allow_nan=False)
boxes = st.tuples(coordinate, coordinate, side, side).map(np.array)


@given(boxes, boxes)
def test_iou_is_symmetric_and_bounded(a: np.ndarray, b: np.ndarray) -> None:
    value = geometry.iou(a, b)
    assert 0 <= value <= 1 + 1e-12
    assert value == geometry.iou(b, a)


@given(boxes, coordinate, coordinate)
def test_iou_ignores_translation(box: np.ndarray, dx: float, dy: float) -> None:
    other = box + np.array([3, -2, 0, 0])
    shift = np.array([dx, dy, 0, 0])
    np.testing.assert_allclose(geometry.iou(box + shift, other + shift), geometry.iou(box, other), atol=1e-9)


def test_iou_by_hand() -> None:
    np.testing.assert_allclose(geometry.iou([0, 0, 2, 2], [[0, 0, 2, 2], [1, 0, 2, 2], [5, 5, 1, 1]]), [1, 1 / 3, 0])
    assert geometry.iou([0, 0, 0, 0], [0, 0, 0, 0]) == 0


@given(boxes)
def test_corners_round_trip(box: np.ndarray) -> None:
    np.testing.assert_allclose(geometry.from_corners(geometry.corners(box)), box, atol=1e-9)


def test_bounding_box_of_a_diamond() -> None:
    np.testing.assert_array_equal(geometry.bounding_box([1, 0, 2, 1, 1, 2, 0, 1]), [0, 0, 2, 2])


@pytest.mark.parametrize(
    ("exemplar", "search", "stride", "cells"), [(127, 255, 8, 8), (63, 127, 4, 8), (63, 127, 8, 4)]
)
def test_centre_cell_lies_on_the_centre_pixel(exemplar: int, search: int, stride: int, cells: int) -> None:
    size = geometry.score_map_size(exemplar, search, stride, cells)
    grid = geometry.score_grid(search, size, stride)
    np.testing.assert_array_equal(grid[size // 2, size // 2], [(search - 1) / 2] * 2)
    # x runs along the second axis.
    np.testing.assert_array_equal(grid[0, 1] - grid[0, 0], [stride, 0])


def test_the_papers_grid() -> None:
    assert geometry.score_map_size(127, 255, 8, 8) == 25
    assert geometry.score_offset(255, 25, 8) == 31


@pytest.mark.parametrize(
    ("sizes", "word"), [((127, 250, 8, 8), "centre"), ((127, 255, 8, 7), "parity"), ((127, 255, 8, 18), "cells")]
)
def test_grids_off_the_centre_are_refused(sizes: tuple[int, int, int, int], word: str) -> None:
    with pytest.raises(InputError, match=word):
        geometry.score_map_size(*sizes)


def test_context_side_of_a_square_is_twice_its_side() -> None:
    np.testing.assert_allclose(geometry.context_side([40, 40], 0.5), 80)
