"""Regions of differing size, kept as one flat array: a hundred thousand small arrays would cost seconds."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import SupportsIndex, overload

import numpy as np
from numpy.typing import NDArray

from siamrcr.geometry import Array


@dataclass(frozen=True, eq=False)
class Regions(Sequence[Array]):
    """N flat arrays of numbers, each a view of `values`.

    Attributes:
        values: (M,) float64, the regions one after the other.
        starts: (N + 1,) where each region begins in `values`, and where the last one ends.
    """

    values: Array
    starts: NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.starts) - 1

    @overload
    def __getitem__(self, index: SupportsIndex) -> Array: ...
    @overload
    def __getitem__(self, index: slice) -> "Regions": ...
    def __getitem__(self, index: SupportsIndex | slice) -> "Array | Regions":
        """One region, or those of a slice without a step."""
        if isinstance(index, slice):
            start, stop, step = index.indices(len(self))
            if step != 1:
                raise ValueError("regions are sliced without a step")
            return Regions(self.values, self.starts[start : max(start, stop) + 1])
        place = range(len(self))[index]
        return self.values[self.starts[place] : self.starts[place + 1]]

    @property
    def sizes(self) -> NDArray[np.intp]:
        """How many numbers each region has (N,)."""
        return np.diff(self.starts)

    def rows(self, indices: NDArray[np.intp], size: int) -> Array:
        """The regions at `indices` (n,), which all have `size` numbers, as (n, size)."""
        return self.values[self.starts[indices, None] + np.arange(size)]
