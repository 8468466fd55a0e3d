"""Counts of frames at thresholds, against the comparisons that define them."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from analysis.benchmarks import LASOT_NORMALIZED, OTB_OVERLAPS, OTB_PIXELS
from analysis.overlap import above, within

GRIDS = st.sampled_from([OTB_OVERLAPS, OTB_PIXELS, LASOT_NORMALIZED, np.array([0.5, 0.75])])


@given(GRIDS, st.lists(st.floats(-2, 60) | st.sampled_from([-1.0, np.nan, np.inf]), max_size=30), st.data())
def test_counts_follow_the_comparisons(grid: np.ndarray, drawn: list[float], data: st.DataObject) -> None:
    # Values on a threshold and one bit beside it decide whether the comparison is strict.
    on = np.array(data.draw(st.lists(st.sampled_from(grid.tolist()), max_size=10)), dtype=np.float64)
    values = np.concatenate([drawn, on, np.nextafter(on, -1), np.nextafter(on, 99)])
    np.testing.assert_array_equal(above(values, grid), [sum(value > each for value in values) for each in grid])
    np.testing.assert_array_equal(within(values, grid), [sum(value <= each for value in values) for each in grid])
