"""Figures 1 and 4: does the score that ranks the boxes follow their overlap with the ground truth?"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke

from analysis import needs, pearson, reported
from analysis.scores import BENCHMARK_LABELS, map_files
from siamrcr import mapfile
from siamrcr.config import Run

PANELS = {
    "a": "Baseline: classification score",
    "b": "Centerness",
    "c": "Baseline + localization branch",
    "d": "SiamRCR",
}
# Figure 1's yellow, red and green, in the palette's shades; line styles tell them apart in grey.
Stroke = tuple[str, Any]
TRUTH: Stroke = ("#F0E442", "-")
CLASSIFICATION: Stroke = ("#D55E00", (0, (4, 2)))
TRACKING: Stroke = ("#009E73", (0, (1, 1)))
RED, GREEN = "#B03A00", "#00664A"  # darker, for text on white
OUTLINE = (withStroke(linewidth=3.4, foreground="black"),)
BOX = {"facecolor": "white", "edgecolor": "0.8", "alpha": 0.9, "linewidth": 0.5, "boxstyle": "round,pad=0.3"}
CASES = 6


def panels(name: str) -> Callable[[Run], tuple[Figure, str]]:
    """The function that draws Figure 4 over one of pearson.SAMPLES."""
    return partial(_panels, pearson.SAMPLES[name])


def _panels(sample: pearson.Sample, run: Run) -> tuple[Figure, str]:
    """Figure 4: IoU against tracking score over the points of a sample, with R there and over the other sample."""
    figure = Figure(figsize=(7.4, 6.4), layout=ConstrainedLayoutEngine(wspace=0.06))
    found: dict[str, tuple[tuple[str, ...], pearson.Correlation]] = {}
    sizes, models = [], []
    for axes, (panel, title) in zip(figure.subplots(2, 2, sharex=True, sharey=True).flat, PANELS.items(), strict=True):
        model = run.analysis.correlation.get(panel)  # type: ignore[call-overload]
        axes.set_title(f"({panel}) {title}")
        axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="Tracking score", ylabel="IoU")
        axes.label_outer()
        paths = [path for path in map_files(run, model) if path.exists()] if model else []
        if not paths:
            text = "no score maps yet" if model else "the configuration names no model for this panel"
            axes.text(0.5, 0.5, text, ha="center", va="center", color="0.35")
            continue
        maps = pearson.read(paths)
        first = maps[0]
        size, alpha = (3, 0.2) if sample.by_location else (7, 0.45)
        points = first[sample.score], first[sample.iou]
        axes.scatter(*points, s=size, alpha=alpha, color="C0", linewidths=0, rasterized=True)
        seeds = [sample.scores(run, m) for m in maps]
        found[panel] = (tuple(first["names"]), pearson.mean(seeds))
        lines = [_describe("R", seeds)]
        lines += [
            _describe(f"{other.words}: R", [other.scores(run, m) for m in maps])
            for other in pearson.SAMPLES.values()
            if other is not sample
        ]
        if panel == "a" and run.comparable and (number := reported.find("figure-4", "I", "pearson_r")):
            lines.append(f"reported R = {number.value:.2f}")
        axes.text(0.98, 0.03, "\n".join(lines), transform=axes.transAxes, ha="right", va="bottom", bbox=BOX, fontsize=8)
        sizes.append(f"({panel}) {len(points[0])}")
        models.append(f"({panel}) {' and '.join(path.stem for path in paths)}")
    return figure, _caption(run, sample, found, sizes, models)


def _caption(
    run: Run,
    sample: pearson.Sample,
    found: dict[str, tuple[tuple[str, ...], pearson.Correlation]],
    sizes: list[str],
    models: list[str],
) -> str:
    where = (
        "at every positive location of the score map (Equation 1's label)"
        if sample.by_location
        else "at the location of highest tracking score, one a frame"
    )
    text = (
        f"IoU of the predicted box against the tracking score, not windowed, {where}; the search image is centred on "
        f"the previous frame's ground truth. Frames: {run.analysis.correlation_frames} at most, drawn from "
        f"{BENCHMARK_LABELS[run.analysis.correlation_benchmark]} with seed {run.analysis.seed}. "
        "R is Pearson's, with a 95 % interval from a bootstrap over the sequences of the frames "
        f"({run.analysis.bootstrap} replicates), variation between trainings not included; of several seeds R is the "
        "mean, its interval the mean's, SD the deviation between them, and the first is drawn."
    )
    if sizes:
        text += f" Points: {', '.join(sizes)}. Models: {', '.join(models)}."
    if "a" in found and "d" in found and found["a"][0] == found["d"][0]:
        (_, a), (_, d) = found["a"], found["d"]
        difference = pearson.Correlation(d.value - a.value, d.replicates - a.replicates)
        text += f" R(d) − R(a) = {_shown(difference, '+.3f')}, the same sequences drawn for both."
    if run.comparable:
        text += " The paper does not say which frames and locations it samples."
    return text


def _describe(label: str, seeds: list[pearson.Correlation]) -> str:
    text = f"{label} = {_shown(pearson.mean(seeds), '.2f')}"
    if len(seeds) > 1:
        text += f"; {len(seeds)} seeds, SD {np.std([seed.value for seed in seeds], ddof=1):.2f}"
    return text


def _shown(correlation: pearson.Correlation, form: str) -> str:
    low, high = correlation.interval
    interval = f"[{low:{form}}, {high:{form}}]" if np.isfinite(low) else "(no interval)"
    return f"{correlation.value:{form}} {interval}".replace("-", "−")


def cases(run: Run) -> tuple[Figure, str]:
    """Figure 1: search images in which the tracking score ranks a better box first than the classification score."""
    paths = [path for path in needs.figure(run, "figure-1") if path.exists()]
    maps = mapfile.load(paths[0]) if paths else None
    count = min(CASES, len(maps["case_image"])) if maps else 0
    columns, rows = 3, max(-(-count // 3), 1)
    figure = Figure(figsize=(2.5 * columns + 0.2, 3.0 * rows + 0.5), layout="compressed")
    grid = np.atleast_2d(figure.subplots(rows, columns, squeeze=False))
    for axes in grid.flat:
        axes.set_axis_off()
    if not maps or not count:
        grid[0, 0].text(
            0.5, 0.5, "no case in the score maps" if maps else "no score maps yet", ha="center", color="0.35"
        )
    for place, axes in zip(range(count), grid.flat, strict=False):
        assert maps is not None
        _case(axes, {key: maps[key][place] for key in maps if key.startswith("case_")})
    if count:
        legend = {"ground truth": TRUTH, "winner by classification score": CLASSIFICATION}
        legend["winner by tracking score"] = TRACKING
        handles = [
            Line2D([], [], color=colour, linestyle=style, linewidth=2, path_effects=OUTLINE, label=label)
            for label, (colour, style) in legend.items()
        ]
        figure.legend(handles=handles, loc="outside upper center", ncols=3)
    source = (
        f" Model: {paths[0].stem}; benchmark: {BENCHMARK_LABELS[run.analysis.correlation_benchmark]}." if paths else ""
    )
    return figure, (
        "Search images of the sample of Figure 4 in which the overlaps of the two winners differ most in favour of the "
        "tracking score: chosen to show the effect, not to measure it. Yellow: ground truth; red, dashed: highest "
        "classification score; green, dotted: highest tracking score." + source
    )


def _case(axes: Axes, case: dict[str, Any]) -> None:
    image = case["case_image"]
    axes.imshow(image, interpolation="none")
    boxes = (
        (case["case_truth"], TRUTH),
        (case["case_by_classification"], CLASSIFICATION),
        (case["case_by_score"], TRACKING),
    )
    for (x, y, w, h), (colour, style) in boxes:
        axes.add_patch(
            Rectangle((x, y), w, h, fill=False, edgecolor=colour, linestyle=style, linewidth=2, path_effects=OUTLINE)
        )
    # A winner may reach beyond the crop: the crop is what is shown.
    axes.set(xlim=(0, image.shape[1] - 1), ylim=(image.shape[0] - 1, 0))
    texts = (
        (f"{case['case_name']}", "0.25", 0),
        (
            f"classification score {case['case_score_classification']:.2f}, IoU {case['case_iou_classification']:.2f}",
            RED,
            1,
        ),
        (f"tracking score {case['case_score_tracking']:.2f}, IoU {case['case_iou_score']:.2f}", GREEN, 2),
    )
    for text, colour, line in texts:
        axes.annotate(
            text, (0, 0), (0, -4 - 11 * line), "axes fraction", "offset points", color=colour, va="top", fontsize=8
        )
