"""The paper's figures and a few of our own, as SVG, PDF and PNG; the caption is stored inside each file."""

from collections.abc import Callable
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from analysis import correlation, needs, plots
from analysis.scores import GENERATED
from siamrcr.config import Run
from siamrcr.files import atomic

STYLE = Path(__file__).with_name("matplotlibrc")
DRAW: dict[str, Callable[[Run], tuple[Figure, str]]] = {
    "figure-1": correlation.cases,
    "figure-4": correlation.panels,
    **{name: plots.curves(name) for name in plots.CURVES},
    "radius": plots.radius,
    "training-curves": plots.training,
}
NAMES = needs.FIGURES
SUFFIXES = ("svg", "pdf", "png")


def write(run: Run, name: str) -> list[Path]:
    """Write results/{run}/figures/{name}.{svg,pdf,png} and give their paths; the same inputs give the same bytes."""
    needs.known(name, NAMES, "figure")
    paths = []
    with matplotlib.rc_context(fname=STYLE):
        figure, caption = DRAW[name](run)
        if not run.comparable:
            figure.supxlabel(GENERATED, fontsize=8, color="#B03A00", style="italic")
            caption = f"{caption} ({GENERATED[0].upper()}{GENERATED[1:]}.)"
        for suffix in SUFFIXES:
            path = run.folder / "figures" / f"{name}.{suffix}"
            with atomic(path) as temporary:
                figure.savefig(temporary, metadata=_metadata(suffix, caption))
            paths.append(path)
    return paths


def _metadata(suffix: str, caption: str) -> dict[str, str | None]:
    if suffix == "svg":
        return {"Date": None, "Description": caption}
    return {"CreationDate": None, "Subject": caption} if suffix == "pdf" else {"Description": caption}
