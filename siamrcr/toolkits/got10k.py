"""Trackers for got10k's experiments.

    from got10k.experiments import ExperimentGOT10k
    from siamrcr.toolkits.got10k import Got10kTracker

    ExperimentGOT10k("data/real/got10k", "val").run(Got10kTracker("siamrcr-s0"))

Its readers of OTB and LaSOT hand over boxes that count from 1, as their files do: `one_based=True` there, or everything
is a pixel off. For VOT there is vot-toolkit: got10k's experiment starts on boxes a pixel larger, measures overlap
without pixels, and needs NumPy 1.
"""

from pathlib import Path
from typing import Any

import numpy as np
from got10k.trackers import Tracker
from numpy.typing import ArrayLike

from siamrcr import baselines
from siamrcr.geometry import Array
from siamrcr.results import FROM_CORNER
from siamrcr.toolkits import CONFIGURATION, source


class Got10kTracker(Tracker):
    """A tracker of ours behind got10k's interface.

    One that draws random numbers gets new seeds at every start, for got10k does not say which sequence it is: its boxes
    are other than those of `siamrcr track`.

    Args:
        tracker: any name that `siamrcr track` knows; relative paths start from the current folder.
        configfile: the run's configuration.
        one_based: whether the boxes that come and go count from 1.
        name: of the folder of results; the tracker's where absent.

    Raises:
        InputError: nothing of that name is there.
    """

    def __init__(
        self, tracker: str, configfile: Path = CONFIGURATION, one_based: bool = False, name: str | None = None
    ) -> None:
        self._source = source(tracker, configfile)
        super().__init__(name or baselines.short(tracker), is_deterministic=self._source.deterministic)
        self._offset = FROM_CORNER * one_based
        self._starts = 0

    def init(self, image: Any, box: ArrayLike) -> None:
        """Start on a box (4,) x, y, w, h in a PIL image in RGB. Raises InputError where the box is outside it."""
        self._starts += 1
        self._tracker = self._source.make("", self._starts)
        self._tracker.init(np.asarray(image), np.asarray(box, dtype=np.float64) - self._offset)

    def update(self, image: Any) -> Array:
        """Box (4,) in the next PIL image in RGB."""
        return self._tracker.update(np.asarray(image)) + self._offset
