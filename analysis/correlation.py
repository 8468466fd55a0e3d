"""Figures 1 and 4: does the score that ranks the boxes follow their overlap with the ground truth?"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke

from analysis import needs, reported
from analysis.scores import BENCHMARK_LABELS, map_files
from siamrcr.config import Run
from siamrcr.errors import InputError

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


@dataclass(frozen=True)
class Correlation:
    """Pearson's R with its bootstrap replicates over clusters."""

    value: float
    replicates: np.ndarray

    @property
    def interval(self) -> tuple[float, float]:
        """95 % percentile interval; NaN where every replicate is."""
        low, high = (
            np.nanpercentile(self.replicates, (2.5, 97.5)) if np.isfinite(self.replicates).any() else (np.nan, np.nan)
        )
        return float(low), float(high)


def correlate(x: np.ndarray, y: np.ndarray, clusters: np.ndarray, count: int, bootstrap: int, seed: int) -> Correlation:
    """Pearson's R of two (N,) arrays, with replicates that draw whole clusters, whose points depend on each other.

    `clusters` (N,) holds indices below `count`; R is NaN where a column does not vary, the replicates are where the
    points lie in fewer than two clusters. The same count, bootstrap and seed draw the same clusters: two correlations
    over the same clusters may be averaged or subtracted replicate by replicate.
    """
    # Centring first keeps the moments exact to the last digits.
    x, y = (np.asarray(a, dtype=float) - np.mean(a, dtype=float) for a in (x, y))
    moments = np.stack([np.bincount(clusters, v, count) for v in (np.ones(len(x)), x, y, x * x, y * y, x * y)])
    draws = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=bootstrap)
    replicates = _pearson(moments @ draws.T) if len(np.unique(clusters)) > 1 else np.full(bootstrap, np.nan)
    return Correlation(float(_pearson(moments.sum(1))), replicates)


def _pearson(moments: np.ndarray) -> np.ndarray:
    n, x, y, xx, yy, xy = moments
    vx, vy = n * xx - x * x, n * yy - y * y
    # Rounding leaves a constant column a variance of about 1e-16 of its moment; such a sample has no correlation.
    flat = (vx <= 1e-12 * n * xx) | (vy <= 1e-12 * n * yy)
    return np.where(flat, np.nan, (n * xy - x * y) / np.sqrt(np.where(flat, 1, vx * vy)))


def panels(run: Run) -> tuple[Figure, str]:
    """Figure 4: IoU against tracking score over positive locations, with R there and over the frames' winners."""
    figure = Figure(figsize=(7.4, 6.4), layout=ConstrainedLayoutEngine(wspace=0.06))
    found: dict[str, tuple[tuple[str, ...], Correlation]] = {}
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
        maps = [_load(path) for path in paths]
        first = maps[0]
        for path, other in zip(paths, maps, strict=True):
            if not np.array_equal(other["names"], first["names"]):
                raise InputError(f"{path}: other frames than in {paths[0]}: remove both and run siamrcr maps again")
        axes.scatter(first["score"], first["iou"], s=3, alpha=0.2, color="C0", linewidths=0, rasterized=True)
        positives = [_positives(run, m) for m in maps]
        found[panel] = (tuple(first["names"]), _mean(positives))
        lines = [_describe("R", positives), _describe("winners: R", [_winners(run, m) for m in maps])]
        if panel == "a" and run.comparable and (number := reported.find("figure-4", "I", "pearson_r")):
            lines.append(f"reported R = {number.value:.2f}")
        axes.text(0.98, 0.03, "\n".join(lines), transform=axes.transAxes, ha="right", va="bottom", bbox=BOX, fontsize=8)
        sizes.append(f"({panel}) {len(first['iou'])}")
        models.append(f"({panel}) {' and '.join(path.stem for path in paths)}")
    return figure, _caption(run, found, sizes, models)


def _caption(
    run: Run, found: dict[str, tuple[tuple[str, ...], Correlation]], sizes: list[str], models: list[str]
) -> str:
    text = (
        "IoU of the predicted box against the tracking score, not windowed, at every positive location of the score "
        "map (Equation 1's label); the search image is centred on the previous frame's ground truth. "
        f"Frames: {run.analysis.correlation_frames} at most, drawn from "
        f"{BENCHMARK_LABELS[run.analysis.correlation_benchmark]} with seed {run.analysis.seed}. "
        "R is Pearson's, with a 95 % interval from a bootstrap over the sequences of the frames "
        f"({run.analysis.bootstrap} replicates), variation between trainings not included; of several seeds R is the "
        "mean, its interval the mean's, SD the deviation between them, and the first is drawn. "
        "Winners: over the locations of highest tracking score, one a frame."
    )
    if sizes:
        text += f" Locations: {', '.join(sizes)}. Models: {', '.join(models)}."
    if "a" in found and "d" in found and found["a"][0] == found["d"][0]:
        (_, a), (_, d) = found["a"], found["d"]
        difference = Correlation(d.value - a.value, d.replicates - a.replicates)
        text += f" R(d) − R(a) = {_shown(difference, '+.3f')}, the same sequences drawn for both."
    if run.comparable:
        text += " The paper does not say which frames and locations it samples."
    return text


def _positives(run: Run, maps: dict[str, Any]) -> Correlation:
    sequences = _sequences(maps)
    return _over_sequences(run, maps["score"], maps["iou"], sequences[maps["frame"]], sequences)


def _winners(run: Run, maps: dict[str, Any]) -> Correlation:
    sequences = _sequences(maps)
    return _over_sequences(run, maps["winner_score"], maps["winner_iou"], sequences, sequences)


def _over_sequences(run: Run, x: np.ndarray, y: np.ndarray, clusters: np.ndarray, sequences: np.ndarray) -> Correlation:
    return correlate(x, y, clusters, int(sequences.max()) + 1, run.analysis.bootstrap, run.analysis.seed)


def _sequences(maps: dict[str, Any]) -> np.ndarray:
    """The sequence (F,) of each frame, numbered from 0: frames of one sequence depend on each other."""
    return np.unique([str(name).rpartition("/")[0] for name in maps["names"]], return_inverse=True)[1]


def _mean(seeds: list[Correlation]) -> Correlation:
    """Mean over seeds, each replicate over the same sequences."""
    return Correlation(float(np.mean([s.value for s in seeds])), np.mean([s.replicates for s in seeds], axis=0))


def _describe(label: str, seeds: list[Correlation]) -> str:
    text = f"{label} = {_shown(_mean(seeds), '.2f')}"
    if len(seeds) > 1:
        text += f"; {len(seeds)} seeds, SD {np.std([seed.value for seed in seeds], ddof=1):.2f}"
    return text


def _shown(correlation: Correlation, form: str) -> str:
    low, high = correlation.interval
    interval = f"[{low:{form}}, {high:{form}}]" if np.isfinite(low) else "(no interval)"
    return f"{correlation.value:{form}} {interval}".replace("-", "−")


def cases(run: Run) -> tuple[Figure, str]:
    """Figure 1: search images in which the tracking score ranks a better box first than the classification score."""
    paths = [path for path in needs.figure(run, "figure-1") if path.exists()]
    maps = _load(paths[0]) if paths else None
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


def _load(path: Path) -> dict[str, Any]:
    """Arrays of a maps file. Raises InputError for a damaged one."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return {key: arrays[key] for key in arrays.files}
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        raise InputError(f"{path}: not a maps file ({error}): remove it and run siamrcr maps again") from None
