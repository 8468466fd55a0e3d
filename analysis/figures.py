"""The paper's figures and a few of our own, as SVG, PDF and PNG; the caption is stored inside each file."""

from collections.abc import Callable, Sequence
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from analysis import breakdown, captions, challenge, correlation, needs, pairing, plots
from analysis.scores import GENERATED
from siamrcr.config import Run
from siamrcr.errors import InputError
from siamrcr.files import atomic

STYLE = Path(__file__).with_name("matplotlibrc")
DRAW: dict[str, Callable[[Run], tuple[Figure, str]]] = {
    "figure-1": correlation.cases,
    "figure-4": correlation.panels("positives"),
    "figure-4-winners": correlation.panels("winners"),
    **{name: plots.curves(name) for name in plots.CURVES},
    **{f"{benchmark}-ranking": challenge.ranking(benchmark) for benchmark in ("vot2018", "vot2019")},
    **{f"{b}-accuracy-robustness": challenge.accuracy_robustness(b) for b in ("vot2018", "vot2019")},
    **{name: breakdown.attributes(needs.SCORED[name]) for name in needs.SCORED if name.endswith("-attributes")},
    "sequence-differences": breakdown.sequences,
    "radius": plots.radius,
    "training-curves": plots.training,
}
NAMES = needs.FIGURES
SUFFIXES = ("svg", "pdf", "png")


def write(run: Run, name: str) -> list[Path]:
    """Write results/{run}/figures/{name}.{svg,pdf,png} and give their paths; the same inputs give the same bytes."""
    needs.known(name, NAMES, "figure")
    paths = [run.folder / "figures" / f"{name}.{suffix}" for suffix in SUFFIXES]
    _save(run, DRAW[name], paths)
    return paths


def draw_pair(run: Run, a: str, b: str, path: Path) -> None:
    """Draw the per-sequence differences of two trackers or models. Raises InputError for a format that is not known."""
    if path.suffix.removeprefix(".") not in SUFFIXES:
        raise InputError(f"{path}: end the name in {', '.join(f'.{suffix}' for suffix in SUFFIXES)}")
    _save(run, breakdown.pair(pairing.named(run, a), pairing.named(run, b)), [path])


def _save(run: Run, draw: Callable[[Run], tuple[Figure, str]], paths: Sequence[Path]) -> None:
    with matplotlib.rc_context(fname=STYLE):
        figure, caption = draw(run)
        if not run.comparable:
            figure.supxlabel(GENERATED, fontsize=8, color="#B03A00", style="italic")
            caption = f"{caption} ({GENERATED[0].upper()}{GENERATED[1:]}.)"
        for path in paths:
            with atomic(path) as temporary:
                figure.savefig(temporary, metadata=_metadata(path, caption))
                if path.suffix == ".svg":
                    captions.seal(temporary, path.stem)


def _metadata(path: Path, caption: str) -> dict[str, str | None]:
    if path.suffix == ".svg":
        return {"Date": None, "Description": caption}
    if path.suffix == ".pdf":
        return {"CreationDate": None, "Subject": caption}
    return {captions.TITLE: path.stem, "Description": caption}
