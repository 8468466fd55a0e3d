"""The static figures, as the report embeds them."""

import base64
from dataclasses import dataclass

from analysis import captions, needs, plots
from analysis.scores import BENCHMARK_LABELS
from siamrcr.config import Run

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
    """A figure with its caption. Raises InputError, naming the command, where it is not drawn yet or is damaged."""
    folder = run.folder / "figures"
    data, kind = captions.vector(folder / f"{name}.svg"), "svg+xml"
    if len(data) > LARGEST_SVG:
        data, kind = captions.raster(folder / f"{name}.png"), "png"
    source = f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
    return Picture(name, TITLES[name], captions.Captions(folder)[name], source)
