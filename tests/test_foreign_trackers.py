"""Raw results of other trackers, named in a configuration, are rows and curves as any tracker's, mini or paper."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from layouts import packed
from official import BOXES, got10k_sequence, images, lasot_sequence, otb_sequence, trackingnet_sequence, write
from official import lines as text

from analysis import figures, tables
from analysis.scoring import evaluate_tracks
from siamrcr import config
from siamrcr.config import Run
from siamrcr.files import write_json

VOT_BOXES = np.array([[10.0, 20, 30, 40]] * 14)  # longer than the burn-in of accuracy
# Where a toolkit of each benchmark puts a tracker's results over its two sequences.
RESULTS = {
    "got10k-val": "{tracker}/{name}/{name}_001.txt",
    "otb2015": "results/OTB/2015/{tracker}/{name}.txt",
    "lasot": "{tracker}_tracking_result/{name}.txt",
    "trackingnet": "{name}.txt",
    "vot2018": "{tracker}/baseline/{name}/{name}_001.txt",
}
NAMES = {
    "got10k-val": ("GOT-10k_Val_000001", "GOT-10k_Val_000002"),
    "otb2015": ("Basketball", "Biker"),
    "lasot": ("airplane-1", "bear-2"),
    "trackingnet": ("a1qoB1eERn0_0", "a3In51YCqMg_0"),
    "vot2018": ("ants1", "bag"),
}
TABLES = {
    "got10k-val": "got10k-val",
    "otb2015": "otb2015",
    "lasot": "table-4",
    "trackingnet": "table-3",
    "vot2018": "vot2018",
}
FIGURES = ("otb2015-success", "otb2015-precision", "lasot-success", "trackingnet-success", "vot2018-expected-overlap")


def ground_truth(root: Path) -> dict[str, Any]:
    """Small benchmarks in their official layouts, and what the configuration must say of them."""
    for index in range(2):
        got10k_sequence(root / "got10k", "val", index + 1)
        otb_sequence(root / "otb2015", NAMES["otb2015"][index])
        lasot_sequence(root / "lasot", NAMES["lasot"][index])
        trackingnet_sequence(root / "trackingnet" / "TEST", NAMES["trackingnet"][index], BOXES[:1], 4)
        write(root / "held" / f"{NAMES['trackingnet'][index]}.txt", text(BOXES))
        folder = root / "vot2018" / NAMES["vot2018"][index]
        write(folder / "groundtruth.txt", text(VOT_BOXES))
        write(folder / "sequence", "width=320\nheight=240\n")
        images(folder / "color", 1, len(VOT_BOXES), 8)
    return {"trackingnet": {"annotations": str(root / "held")}, "vot2018": {"eao_interval": [2, 4]}}


def raw_results(folder: Path, tracker: str, shift: float, zipped: bool) -> dict[str, str]:
    """Benchmark -> where a tracker's raw results lie: boxes that are off by some pixels after the first frame."""
    places = {}
    for benchmark, pattern in RESULTS.items():
        place = folder / f"{tracker}-{benchmark}"
        for name in NAMES[benchmark]:
            boxes = (VOT_BOXES if benchmark == "vot2018" else BOXES).copy()
            boxes[1:, :2] += shift
            first = "1\n" if benchmark == "vot2018" else ""
            content = first + text(boxes[1:] if first else boxes)
            write(place / pattern.format(tracker=tracker, name=name), content)
        if zipped:
            place.with_suffix(".zip").write_bytes(packed(place))
        places[benchmark] = str(place.with_suffix(".zip") if zipped else place)
    return places


@pytest.fixture(params=["mini", "real"])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Run:
    benchmarks = ground_truth(tmp_path / "data" / request.param)
    trackers = {
        "Near": {"results": raw_results(tmp_path / "given", "Near", 2, zipped=False)},
        "Far": {"label": "Far away", "results": raw_results(tmp_path / "given", "Far", 15, zipped=True)},
    }
    return config.resolve(
        {
            "source": request.param,
            "data": str(tmp_path / "data"),
            "results": str(tmp_path / "results"),
            "trackers": trackers,
            "benchmarks": benchmarks,
            "analysis": {"bootstrap": 20},
        }
    )


def test_other_trackers_are_in_every_table_and_plot(run: Run) -> None:
    assert len(run.jobs()) == 10
    for tracker, benchmark in run.jobs():
        tracks = run.trackers[tracker].results[benchmark]
        score = evaluate_tracks(run, benchmark, tracks, tracker=tracker)
        write_json(run.folder / "scores" / tracker / f"{benchmark}.json", score)
        assert all(metric["value"] is not None for metric in score["metrics"].values())
    for name in (*TABLES.values(), "summary"):
        _, values, *_ = tables.write(run, name)
        rows = values.read_text().splitlines()
        for label in ("Near", "Far away"):
            assert any(label in row and "not run" not in row for row in rows), (name, label)
    for name in FIGURES:
        drawing = next(path for path in figures.write(run, name) if path.suffix == ".svg").read_text()
        assert "Near" in drawing
        assert "Far away" in drawing


def test_the_nearer_tracker_scores_higher_everywhere(run: Run) -> None:
    for benchmark in RESULTS:
        near, far = (
            evaluate_tracks(run, benchmark, run.trackers[name].results[benchmark], tracker=name)["metrics"]
            for name in ("Near", "Far")
        )
        headline = next(iter(near))
        assert near[headline]["value"] > far[headline]["value"], benchmark
