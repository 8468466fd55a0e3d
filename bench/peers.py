"""Other toolkits' evaluation, as a program of its own that imports nothing of ours.

`python bench/peers.py TOOLKIT FOLDER` scores the folder that `layout.lay_out` made. got10k's report is spared its plots
and the search for frames, vot-toolkit its look-up of a newer version.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

TRACKER = "tracker"


class Boxes:
    """got10k's dataset as its reports use it: boxes and labels, without a search for the frames."""

    def __init__(self, folder: Path, fetch_meta: Callable[[str], Any] | None) -> None:
        self.folder, self.fetch_meta = folder, fetch_meta
        self.seq_names = (folder / "list.txt").read_text().split()

    def __len__(self) -> int:
        return len(self.seq_names)

    def __getitem__(self, index: int | str) -> tuple[Any, ...]:
        folder = self.folder / (index if isinstance(index, str) else self.seq_names[index])
        boxes = np.loadtxt(folder / "groundtruth.txt", delimiter=",")
        return ((), boxes) if self.fetch_meta is None else ((), boxes, self.fetch_meta(str(folder)))


def got10k(folder: Path) -> dict[str, float]:
    """Scores by got10k's report."""
    from got10k.datasets import GOT10k
    from got10k.experiments import ExperimentGOT10k, ExperimentOTB

    labelled = any((folder / "truth").glob("*/meta_info.ini"))
    kind = ExperimentGOT10k if labelled else ExperimentOTB
    # The constructors look for the frames, or download them.
    experiment = kind.__new__(kind)
    experiment.result_dir, experiment.report_dir = str(folder / "results"), str(folder / "reports")
    fetch = GOT10k._fetch_meta.__get__(GOT10k.__new__(GOT10k)) if labelled else None
    experiment.dataset = Boxes(folder / "truth", fetch)
    experiment.subset, experiment.nbins_iou, experiment.nbins_ce = "val", 101 if labelled else 21, 51
    experiment.plot_curves = lambda *_: None
    overall = experiment.report([TRACKER])[TRACKER]["overall"]
    return {name: float(value) for name, value in overall.items() if not isinstance(value, list)}


def vot_toolkit(folder: Path) -> dict[str, list[float]]:
    """Scores by vot-toolkit's analyses of the baseline experiment."""
    from cachetools import LRUCache
    from vot.analysis import AnalysisProcessor
    from vot.utilities import ThreadPoolExecutor
    from vot.workspace import Workspace

    workspace = Workspace.load(str(folder))
    storage = workspace.storage.substorage("results")
    trackers = workspace.registry.resolve(TRACKER, storage=storage, skip_unknown=False)
    experiment = workspace.stack.experiments["baseline"]
    sequences = list(experiment.transform(workspace.dataset))
    executor = ThreadPoolExecutor(1)
    scores = {}
    with AnalysisProcessor(executor, LRUCache(1000)):
        for analysis in experiment.analyses:
            found = AnalysisProcessor.default().run(analysis, experiment, trackers, sequences)
            numbers = [value for value in found[0, 0] if isinstance(value, float)]
            scores[type(analysis).__name__] = [float(number) for number in numbers]
    executor.shutdown(wait=True)
    return scores


if __name__ == "__main__":
    print({"got10k": got10k, "vot-toolkit": vot_toolkit}[sys.argv[1]](Path(sys.argv[2])))
