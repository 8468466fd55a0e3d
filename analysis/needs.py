"""Which files each table and figure reads: a function of the configuration alone, for the workflow to plan with."""

import difflib
from collections.abc import Callable, Iterable
from pathlib import Path

from analysis import reported
from analysis.comparison import match
from analysis.scores import Entry, cards, entries, entry, manifests, map_files, plotted, score_files, speeds
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
BOX_CURVES = ("success", "precision", "normalized-precision")
# Figure of curves -> its benchmarks, a panel each.
CURVES = {
    "figure-5": ("got10k-val", "got10k-test"),
    "otb2015-success": ("otb2015",),
    "otb2015-precision": ("otb2015",),
    **{f"lasot-{curve}": ("lasot",) for curve in BOX_CURVES},
    **{f"trackingnet-{curve}": ("trackingnet",) for curve in BOX_CURVES},
    "vot2018-expected-overlap": ("vot2018",),
    "vot2019-expected-overlap": ("vot2019",),
}
# Figure of one benchmark's scores -> that benchmark.
SCORED = {
    **{f"{b}-{kind}": b for b in ("vot2018", "vot2019") for kind in ("ranking", "accuracy-robustness")},
    **{f"{b}-attributes": b for b in ("otb2015", "lasot", "vot2018", "vot2019")},
}
# The paper scores its ablations on the second, whose ground truth is not public.
ABLATION_SPLITS = ("got10k-val", "got10k-test")

# Table of an ablation -> its rows' models.
ABLATIONS: dict[str, Callable[[Run], dict[str, str]]] = {
    "table-1": lambda run: {str(row): model for row, model in run.analysis.components.items()},
    "table-2": lambda run: {f"r={r}": model for r, model in run.analysis.radius.items()},
}
# What claims are judged on, the paper's own benchmark first.
JUDGED = {
    **dict.fromkeys((*ABLATIONS, "figure-5"), ABLATION_SPLITS[::-1]),
    **{name: (benchmark,) for name, benchmark in COMPARISONS.items()},
}

TABLES = ("table-1", "table-2", *COMPARISONS, "summary", "cost", "claims")
FIGURES = (
    *("figure-1", "figure-4", "figure-4-winners", *CURVES, *SCORED),
    *("sequence-differences", "radius", "training-curves"),
)


def table(run: Run, name: str) -> list[Path]:
    """Files that a table reads. Raises InputError for an unknown table."""
    known(name, TABLES, "table")
    if name in ("table-1", "table-2"):
        return _ablation(run, ABLATIONS[name](run).values())
    if name == "cost":
        return [*cards(run), *manifests(run), *speeds(run)]
    if name == "claims":
        return _claims(run)
    benchmarks = (COMPARISONS[name],) if name in COMPARISONS else BENCHMARKS
    return [path for b in benchmarks for path in score_files(run, entries(run, b), b)]


def figure(run: Run, name: str) -> list[Path]:
    """Files that a figure reads. Raises InputError for an unknown figure."""
    known(name, FIGURES, "figure")
    if name == "figure-1":
        return [map_files(run, model)[0] for model in (run.analysis.reference,) if model in run.models]
    if name in ("figure-4", "figure-4-winners"):
        return [path for model in dict.fromkeys(run.analysis.correlation.values()) for path in map_files(run, model)]
    if name == "radius":
        return _ablation(run, run.analysis.radius.values())
    if name == "training-curves":
        return cards(run)
    benchmarks = BENCHMARKS if name == "sequence-differences" else CURVES.get(name) or (SCORED[name],)
    return [path for b in benchmarks for path in score_files(run, plotted(run), b)]


def rivals(run: Run, benchmark: str) -> dict[str, Entry]:
    """SiamRCR and the trackers that the paper compares with it, by the paper's names, as far as the run scores them."""
    names = dict.fromkeys([reported.OURS, *(name for table in COMPARISONS for name in reported.trackers(table))])
    scored = entries(run, benchmark)
    found = {name: match(run, scored, name) for name in names}
    return {name: entry for name, entry in found.items() if entry is not None}


def known(name: str, names: tuple[str, ...], kind: str) -> None:
    """Raise InputError, with the nearest name, for one that does not exist."""
    if name not in names:
        close = difflib.get_close_matches(name, names, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(names)}"
        raise InputError(f"no {kind} {name!r}; {hint}")


def _ablation(run: Run, models: Iterable[str]) -> list[Path]:
    chosen = [entry(run, model) for model in dict.fromkeys(models)]
    return [path for split in ABLATION_SPLITS for path in score_files(run, chosen, split)]


def _claims(run: Run) -> list[Path]:
    """Scores of the ablations and of the rankings, the maps of Figure 4, and the reference model's cost."""
    ablations = [path for name in ABLATIONS for path in _ablation(run, ABLATIONS[name](run).values())]
    splits = dict.fromkeys(split for name in ("figure-5", *COMPARISONS) for split in JUDGED[name])
    ranked = [path for split in splits for path in score_files(run, [*rivals(run, split).values()], split)]
    cost = [p for p in (*cards(run), *speeds(run)) if p.stem.rpartition("-s")[0] == run.analysis.reference]
    return [*dict.fromkeys((*ablations, *ranked, *figure(run, "figure-4"), *cost))]
