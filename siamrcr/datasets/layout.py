"""What a reader of one dataset's official layout offers: the functions of its module."""

from pathlib import Path
from typing import Protocol

from siamrcr.datasets.images import FrameFiles
from siamrcr.datasets.truth import Truth


class Layout(Protocol):
    """Four functions; a module that has them is a layout."""

    def sequences(self, root: Path, split: str) -> dict[str, Path]:
        """Name -> folder of the sequences that are there, in the benchmark's order. Raises InputError where none."""

    def truth(self, folder: Path, name: str) -> Truth:
        """Ground truth of a sequence, from the files beside its frames."""

    def images(self, folder: Path, name: str, count: int | None) -> FrameFiles:
        """The `count` frames of a sequence that have boxes; None: all, where a server keeps the boxes."""

    def parse(self, text: str, origin: object, name: str) -> Truth:
        """Ground truth of the dataset's one file of boxes or regions, with coordinates from 0."""
