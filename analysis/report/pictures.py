"""The static figures, as the report embeds them."""

import base64
from dataclasses import dataclass

from analysis import needs, plots
from analysis.captions import Captions
from analysis.scores import BENCHMARK_LABELS
from siamrcr.config import Run
from siamrcr.errors import InputError

# A larger SVG holds an image; the PNG says the same in fewer bytes.
LARGEST_SVG = 500_000
KINDS = {"ranking": "EAO ranking", "accuracy-robustness": "Accuracy and robustness", "attributes": "By attribute"}
TITLES = {
    **{name: curves.title for name, curves in plots.CURVES.items()},
    **{name: f"{KINDS[name.partition('-')[2]]} on {BENCHMARK_LABELS[b]}" for name, b in needs.SCORED.items()},
    "figure-1": "Figure 1. Which box wins",
    "figure-4": "Figure 4. Overlap against tracking score",
    "figure-4-winners": "Figure 4 over the winners of the frames",
    "figure-5": "Figure 5. Success on GOT-10k",
    "radius": "Effect of the radius",
    "sequence-differences": "Differences by sequence",
    "training-curves": "Course of training",
}


@dataclass(frozen=True)
class Picture:
    """A figure inside the report."""

    name: str
    title: str
    caption: str
    source: str  # a data URI


def picture(run: Run, name: str) -> Picture:
    """A figure with its caption. Raises InputError, naming the command, where it was not drawn yet."""
    folder = run.folder / "figures"
    svg, png = folder / f"{name}.svg", folder / f"{name}.png"
    if not (svg.exists() and png.exists()):
        raise InputError(f"{svg}: not drawn yet: run siamrcr figure {name}")
    chosen, kind = (svg, "svg+xml") if svg.stat().st_size <= LARGEST_SVG else (png, "png")
    data = base64.b64encode(chosen.read_bytes()).decode()
    return Picture(name, TITLES[name], Captions(folder)[name], f"data:image/{kind};base64,{data}")
