"""The training sets of a run."""

from siamrcr import datasets
from siamrcr.config import Run, Training
from siamrcr.errors import InputError
from siamrcr.training.pairs import Pool, check, pool


def pools(run: Run, settings: Training) -> tuple[Pool, ...]:
    """The usable targets of every training set, with the shares normalised. Raises InputError where a set is absent."""
    total = sum(settings.datasets.values())
    found = []
    for name, share in settings.datasets.items():
        folder = run.training_root(name)
        if not folder.is_dir():
            remedy = f"siamrcr mini {name}" if run.source == "mini" else f"siamrcr download {name}"
            raise InputError(f"{folder}: training set {name} is not there: run `{remedy}` or set training_roots.{name}")
        found.append(pool(name, share / total, datasets.load(f"{name}-train", folder), settings))
    check(tuple(found), settings)
    return tuple(found)
