"""Readers of the benchmarks and training sets: official layouts in, `Sequence` out."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from siamrcr.config import BENCHMARKS, DATASET, SERVED, TRAINING_SETS, Run
from siamrcr.datasets import annotations as apart
from siamrcr.datasets import coco, got10k, ilsvrc, lasot, otb, trackingnet, vot
from siamrcr.datasets.images import FrameFiles
from siamrcr.datasets.layout import Layout
from siamrcr.datasets.sequence import Sequence
from siamrcr.datasets.truth import Truth
from siamrcr.errors import InputError

__all__ = ["Sequence", "load", "there"]

LAYOUTS: dict[str, Layout] = {
    "got10k": got10k,
    "trackingnet": trackingnet,
    "lasot": lasot,
    "otb2015": otb,
    "vot2018": vot,
    "vot2019": vot,
}
# Training sets that are no benchmark have no order, no hidden boxes and no second form of ground truth.
OTHERS: dict[str, Callable[[Path], list[Sequence]]] = {
    "coco-train": coco.read,
    "vid-train": ilsvrc.read_vid,
    "det-train": ilsvrc.read_det,
}
TRAINING = tuple(f"{name}-train" for name in TRAINING_SETS)


def load(benchmark: str, root: Path | None, annotations: Path | None = None) -> list[Sequence]:
    """The sequences of a benchmark or training set, in the benchmark's order; no image is decoded.

    Args:
        benchmark: a benchmark's name, or `{set}-train` for a training set.
        root: the dataset's folder in its official layout; every sequence that is there is given.
        annotations: ground truth kept apart from the frames (see `annotations.read`): with `root` it replaces the
            boxes, without it the sequences have no frames.

    Raises:
        InputError: naming the file or folder, where ground truth or frames are missing, wrong, or do not fit together.
    """
    if benchmark not in (*BENCHMARKS, *TRAINING):
        raise InputError(f"unknown benchmark {benchmark!r}: choose one of {', '.join((*BENCHMARKS, *TRAINING))}")
    if root is None and annotations is None:
        raise InputError(f"{benchmark}: neither a folder nor annotations given: name one of them")
    if benchmark in OTHERS:
        if root is None:
            raise InputError(f"{benchmark}: its boxes belong to its images: give the dataset's folder")
        return OTHERS[benchmark](root)
    dataset, _, split = benchmark.partition("-")
    dataset, split = DATASET.get(benchmark, dataset), split or "test"
    layout = LAYOUTS[dataset]
    given = apart.read(benchmark, layout, split, annotations) if annotations is not None else {}
    if root is None:
        if benchmark in SERVED and all(len(truth.boxes) == 1 for truth in given.values()):
            raise InputError(
                f"{annotations}: first boxes alone, and {benchmark}'s server holds the others: give them all"
            )
        sizes = vot.SIZES if layout is vot else {}
        truths = {name: replace(truth, size=truth.size or sizes.get(name)) for name, truth in given.items()}
        return [_sequence(name, (), truth) for name, truth in truths.items()]
    found = []
    for name, folder in layout.sequences(root, split).items():
        truth = layout.truth(folder, name)
        if annotations is not None:
            if name not in given:
                raise InputError(f"{annotations}: no ground truth of {name}, which is in {root}: remove one of them")
            truth = _replaced(truth, given[name])
        first_only = benchmark in SERVED and len(truth.boxes) == 1
        files = layout.images(folder, name, None if first_only else len(truth.boxes))
        if first_only:
            truth = Truth(_padded(truth.boxes, len(files)), size=truth.size)
        found.append(_sequence(name, files, truth))
    return found


def there(run: Run, benchmark: str, root: Path | None = None) -> list[Sequence]:
    """`load` from a folder, the configuration's where absent.

    Raises InputError as `load` does, and where the folder is not there with the command that brings the dataset.
    """
    place = root or run.root(benchmark)
    try:
        return load(benchmark, place)
    except InputError:
        if place.is_dir():
            raise
        remedy = f"give its folder with --root DIR, or {brings(run, benchmark)}"
        raise InputError(f"{place}: no {benchmark} there: {remedy}") from None


def brings(run: Run, benchmark: str) -> str:
    """The command after which a benchmark's or training set's files are in the configuration's folder, as a remedy."""
    return f"run `siamrcr {'mini' if run.source == 'mini' else 'download'} {benchmark.partition('-')[0]}`"


def _sequence(name: str, files: FrameFiles | tuple[()], truth: Truth) -> Sequence:
    visible = np.ones(len(truth.boxes), dtype=bool) if truth.visible is None else truth.visible
    return Sequence(name, files, truth.boxes, visible, truth.regions, truth.cover, truth.size, truth.attributes)


def _replaced(own: Truth, given: Truth) -> Truth:
    """Ground truth from elsewhere, with what only the frames' own folder says."""
    whole = len(own.boxes) == len(given.boxes)
    return replace(
        given,
        visible=own.visible if given.visible is None and whole else given.visible,
        cover=own.cover if given.cover is None and whole else given.cover,
        size=given.size or own.size,
        attributes=given.attributes or (own.attributes if whole else {}),
    )


def _padded(boxes: np.ndarray, count: int) -> np.ndarray:
    return np.concatenate([boxes, np.full((count - len(boxes), 4), np.nan)])
