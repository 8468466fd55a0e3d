"""Which files each table and figure reads: a function of the configuration alone, for the workflow to plan with."""

import difflib
from collections.abc import Iterable
from pathlib import Path

from analysis.scores import cards, entries, entry, manifests, map_files, plotted, score_files, speeds
from siamrcr.config import BENCHMARKS, Run
from siamrcr.errors import InputError

# Table -> the benchmark that it is about.
COMPARISONS = {
    "table-3": "trackingnet",
    "table-4": "lasot",
    "table-5": "vot2019",
    "got10k-val": "got10k-val",
    "otb2015": "otb2015",
    "vot2018": "vot2018",
}
# Figure of curves -> its benchmarks, a panel each.
CURVES = {
    "figure-5": ("got10k-val", "got10k-test"),
    "otb2015-success": ("otb2015",),
    "otb2015-precision": ("otb2015",),
    "lasot-success": ("lasot",),
    "trackingnet-success": ("trackingnet",),
    "vot2018-expected-overlap": ("vot2018",),
    "vot2019-expected-overlap": ("vot2019",),
}
# The paper scores its ablations on the second, whose ground truth is not public.
ABLATION_SPLITS = ("got10k-val", "got10k-test")

TABLES = ("table-1", "table-2", *COMPARISONS, "summary", "cost")
FIGURES = ("figure-1", "figure-4", *CURVES, "radius", "training-curves")


def table(run: Run, name: str) -> list[Path]:
    """Files that a table reads. Raises InputError for an unknown table."""
    known(name, TABLES, "table")
    if name in ("table-1", "table-2"):
        return _ablation(run, (run.analysis.components if name == "table-1" else run.analysis.radius).values())
    if name == "cost":
        return [*cards(run), *manifests(run), *speeds(run)]
    benchmarks = (COMPARISONS[name],) if name in COMPARISONS else BENCHMARKS
    return [path for b in benchmarks for path in score_files(run, entries(run, b), b)]


def figure(run: Run, name: str) -> list[Path]:
    """Files that a figure reads. Raises InputError for an unknown figure."""
    known(name, FIGURES, "figure")
    if name == "figure-1":
        return [map_files(run, model)[0] for model in (run.analysis.reference,) if model in run.models]
    if name == "figure-4":
        return [path for model in dict.fromkeys(run.analysis.correlation.values()) for path in map_files(run, model)]
    if name == "radius":
        return _ablation(run, run.analysis.radius.values())
    if name == "training-curves":
        return cards(run)
    return [path for b in CURVES[name] for path in score_files(run, plotted(run), b)]


def known(name: str, names: tuple[str, ...], kind: str) -> None:
    """Raise InputError, with the nearest name, for one that does not exist."""
    if name not in names:
        close = difflib.get_close_matches(name, names, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(names)}"
        raise InputError(f"no {kind} {name!r}; {hint}")


def _ablation(run: Run, models: Iterable[str]) -> list[Path]:
    chosen = [entry(run, model) for model in dict.fromkeys(models)]
    return [path for split in ABLATION_SPLITS for path in score_files(run, chosen, split)]
