"""The training sets of a run."""

import os
from functools import partial

from siamrcr import datasets
from siamrcr.config import Run, Training
from siamrcr.errors import InputError
from siamrcr.training.index import opened
from siamrcr.training.pairs import Pool, check


def pools(run: Run, settings: Training) -> tuple[Pool, ...]:
    """The usable targets of every training set, with the shares normalised. Raises InputError where a set is absent."""
    total = sum(settings.datasets.values())
    # Runs share an index, and where the datasets are read-only each keeps its own.
    beside = run.data / run.source / "index"
    nearest = next(place for place in (beside, *beside.parents) if place.exists())
    home = beside if os.access(nearest, os.W_OK) else run.folder / "index"
    found = []
    for name, share in settings.datasets.items():
        root = run.training_root(name)
        if not root.is_dir():
            remedy = f"siamrcr mini {name}" if run.source == "mini" else f"siamrcr download {name}"
            raise InputError(f"{root}: training set {name} is not there: run `{remedy}` or set training_roots.{name}")
        read = partial(datasets.load, f"{name}-train", root)
        index = opened(home, f"{name}-train", root, settings, read, beside)
        found.append(Pool(name, share / total, index))
    check(tuple(found), settings)
    return tuple(found)
