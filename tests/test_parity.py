"""Scores of published raw results, to the digits that the official toolkits give for them."""

import csv
import json
import tempfile
import zipfile
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis import benchmarks, vot
from analysis.conventions import CONVENTIONS
from analysis.evaluation import evaluate
from siamrcr import datasets, results
from siamrcr.cli import main
from siamrcr.datasets.sequence import Sequence
from siamrcr.geometry import iou
from siamrcr.results import Result

# Our conventions, as the table of expected values calls them.
NAMED = {
    "official": "official",
    "devkit": "official",
    "x+w (pysot, published tables)": "published",
    "x+w-1 (MATLAB toolkit 7.0)": "matlab7",
}
TRUTH = {
    "otb2015": "otb2015/groundtruth_100.zip",
    "lasot": "lasot/groundtruth_280.zip",
    "trackingnet": "trackingnet/dummy_GT.zip",
    "vot2018": "vot2018/groundtruth_vot2018.json",
    "vot2019": "vot2019/groundtruth_vot2019.json",
}
CASES = [
    *(("otb2015", name) for name in ("MDNet", "DaSiamRPN", "SiamRPN", "matlab_toolkit_KCF", "matlab_toolkit_SRDCF")),
    ("lasot", "ATOM"),
    ("trackingnet", "dummy_subm"),
    *(("vot2018", f"challenge_{name}") for name in ("ECO", "KCF", "SiamRPN")),
    *(("vot2019", f"nano_{name}") for name in ("LightTrack", "NanoTrackV3")),
]


@cache
def truth(folder: Path, benchmark: str) -> list[Sequence]:
    return datasets.load(benchmark, None, folder / "official" / TRUTH[benchmark])


def archive(folder: Path, benchmark: str, tracker: str) -> Path:
    return folder / "official" / benchmark / ("" if benchmark == "trackingnet" else "raw_results") / f"{tracker}.zip"


def raw(folder: Path, benchmark: str, tracker: str) -> dict[str, list[Result]]:
    return results.read(archive(folder, benchmark, tracker), benchmark, truth(folder, benchmark))


def score(folder: Path, benchmark: str, tracker: str, convention: str | None = None) -> dict[str, Any]:
    """The score file that the command line writes."""
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "score.json"
        command = ["evaluate", benchmark, str(archive(folder, benchmark, tracker)), "--json", str(path)]
        command += ["--annotations", str(folder / "official" / TRUTH[benchmark]), "--set", "analysis.bootstrap=20"]
        assert main([*command, *(["--convention", convention] if convention else [])]) == 0
        return json.loads(path.read_text())


def table_values(found: dict[str, Any]) -> dict[str, float]:
    """A score under the names of the table of expected values."""
    metrics = {name: entry["value"] for name, entry in found["metrics"].items()}
    frames = sum(entry["frames"] for entry in found["sequences"].values())
    if found["benchmark"] == "trackingnet":
        names = {"Success": "success", "Precision": "precision", "NormPrecision": "normalized_precision"}
        return {name: 100 * metrics[ours] for name, ours in names.items()}
    if "EAO" in metrics:
        lost = metrics["robustness"] * frames / 100
        return {"A": metrics["accuracy"], "R": metrics["robustness"], "lost": lost, "EAO": metrics["EAO"]}
    curves = {name: np.array(curve["y"]) for name, curve in found["curves"].items()}
    values = {"AUC": metrics["success"], "P20": metrics["precision"], "SR0.5": curves["success"][10]}
    if "normalized_precision" in metrics:
        values |= {"NP0.2": metrics["normalized_precision"], "NPauc": curves["normalized_precision"].mean()}
    return values


def check(folder: Path, benchmark: str, tracker: str) -> None:
    """Compare with every row of the table that names the tracker."""
    label = {"otb2015": "OTB-2015", "lasot": "LaSOT", "trackingnet": "TrackingNet"}.get(
        benchmark, benchmark.upper().replace("VOT", "VOT-")
    )
    with (folder / "official" / "expected.csv").open(newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if (row["benchmark"], row["tracker"]) == (label, tracker)]
    assert rows
    for convention in dict.fromkeys(NAMED[row["convention"]] for row in rows):
        values = table_values(score(folder, benchmark, tracker, convention))
        wanted = {row["metric"]: float(row["value"]) for row in rows if NAMED[row["convention"]] == convention}
        assert {name: round(values[name], 5) for name in wanted} == wanted, convention


@pytest.mark.parametrize(("benchmark", "tracker"), CASES)
def test_expected_values(real_data: Path, benchmark: str, tracker: str) -> None:
    check(real_data, benchmark, tracker)


@pytest.mark.slow
def test_expected_values_of_15_runs(real_data: Path) -> None:
    check(real_data, "vot2018", "challenge_UPDT_15reps")


def test_every_expected_row_is_checked(real_data: Path) -> None:
    with (real_data / "official" / "expected.csv").open(newline="") as stream:
        trackers = {row["tracker"] for row in csv.DictReader(stream)}
    assert trackers == {tracker for _, tracker in CASES} | {"challenge_UPDT_15reps"}


@pytest.mark.parametrize("tracker", ["KCF", "SRDCF"])
def test_every_point_of_every_sequences_curves_is_the_matlab_toolkits(real_data: Path, tracker: str) -> None:
    folder = real_data / "official" / "otb2015"
    theirs = json.loads((folder / "matlab_toolkit_curves.json").read_text())
    known, runs = truth(real_data, "otb2015"), raw(real_data, "otb2015", f"matlab_toolkit_{tracker}")
    scores = benchmarks.otb(known, [runs[sequence.name] for sequence in known])
    rows = [[sequence.name for sequence in known].index(name) for name in theirs["sequence_order"]]
    for name in ("success", "precision"):
        # The file holds twelve digits; one frame more or less would differ by 1e-4.
        np.testing.assert_allclose(
            scores.curves[name].numerator[rows], theirs["trackers"][tracker][name], rtol=0, atol=1e-12
        )


def test_got10k_boxes_score_as_in_its_toolkit(real_data: Path) -> None:
    folder = real_data / "official" / "got10k"
    recorded = json.loads((folder / "crosscheck_got10k_toolkit.json").read_text())["results"]
    stems = sorted(Path(name).stem for name in zipfile.ZipFile(folder / "Ocean-offline_test_boxes.zip").namelist())
    lengths = json.loads((folder / "frame_counts_from_results.json").read_text())["test"]
    blank = [Sequence(n, (), np.zeros((lengths[n], 4)), np.ones(lengths[n], dtype=bool)) for n in stems]
    online = results.read(folder / "Ocean-online_test_submission.zip", "got10k-test", blank)
    offline = results.read(folder / "Ocean-offline_test_boxes.zip", "got10k-test", blank)
    assert not np.isnan(online[stems[0]][0].times).any()
    # The boxes of one run stand for the truth, every seventeenth frame for one without a visible target.
    known = [
        replace(
            sequence,
            boxes=online[sequence.name][0].boxes,
            cover=np.where(np.arange(len(sequence)) % 17 == 0, 0, 8),
            size=(1280, 720),
        )
        for sequence in blank
    ]
    seen = [np.arange(1, len(sequence)) % 17 != 0 for sequence in known]
    found = evaluate("got10k-val", "Ocean", known, offline, convention=None, bootstrap=20, seed=0)
    wanted = recorded["with_bound_1280x720"]
    assert sum(map(np.sum, seen)) == wanted["frames_pooled"]
    values = [found["metrics"][name]["value"] for name in ("AO", "SR0.5", "SR0.75")]
    np.testing.assert_allclose(values, [wanted["ao"], wanted["sr50"], wanted["sr75"]], rtol=0, atol=1e-11)
    assert np.mean(found["curves"]["success"]["y"]) == pytest.approx(wanted["succ_curve_mean"], abs=1e-11)
    alone = {name: entry["AO"] for name, entry in found["sequences"].items()}
    assert np.mean(list(alone.values())) == pytest.approx(wanted["mean_of_sequence_aos"], abs=1e-11)
    assert {name: alone[name] for name in wanted["first5_seq_ao"]} == pytest.approx(wanted["first5_seq_ao"], abs=1e-11)
    # Without clipping the rule is the plain overlap.
    plain = [iou(offline[s.name][0].boxes[1:], s.boxes[1:])[kept] for s, kept in zip(known, seen, strict=True)]
    assert np.concatenate(plain).mean() == pytest.approx(recorded["no_bound"]["ao"], abs=1e-11)


@pytest.mark.parametrize(
    ("benchmark", "tracker", "convention", "metric", "printed"),
    [
        ("otb2015", "SiamRPN", "pysot", "success", 0.6292),
        ("otb2015", "SiamRPN", "pysot", "precision", 0.8468),
        ("lasot", "ATOM", "got10k", "success", 0.5154),
        ("lasot", "ATOM", "got10k", "precision", 0.5068),
        ("lasot", "ATOM", "got10k", "normalized_precision", 0.5384),
        *(
            ("lasot", "ATOM", name, metric, printed)
            for name in ("pysot", "pytracking")
            for metric, printed in (("success", 0.5143), ("precision", 0.5054), ("normalized_precision", 0.5768))
        ),
        ("vot2018", "challenge_SiamRPN", "pysot", "EAO", 0.3827),
        ("vot2018", "challenge_SiamRPN", "vot-toolkit", "EAO", 0.3717),
        ("vot2018", "challenge_ECO", "vot-toolkit", "EAO", 0.2774),
        ("vot2018", "challenge_KCF", "vot-toolkit", "EAO", 0.1332),
    ],
)
def test_conventions_of_other_toolkits(
    real_data: Path, benchmark: str, tracker: str, convention: str, metric: str, printed: float
) -> None:
    assert round(score(real_data, benchmark, tracker, convention)["metrics"][metric]["value"], 4) == printed


def test_a_curve_that_pysot_toolkit_prints(real_data: Path) -> None:
    # Its README's precision of DaSiamRPN on Biker is the mean of the 51 points, .448; the official curve's is .497.
    known, runs = truth(real_data, "otb2015"), raw(real_data, "otb2015", "DaSiamRPN")
    biker = [sequence for sequence in known if sequence.name == "Biker"]
    for convention, printed in (("pysot", 0.448), ("official", 0.497)):
        curve = CONVENTIONS["otb2015"][convention](biker, [runs["Biker"]]).curves["precision"]
        assert round(curve.numerator.mean(), 3) == printed


def test_shares_that_bound_the_scores(real_data: Path) -> None:
    """Frames that no tracker can hit, as counted in the benchmarks' own files."""
    lasot = truth(real_data, "lasot")
    assert sum(len(sequence) for sequence in lasot) == 685_360
    assert sum(int((~sequence.visible).sum()) for sequence in lasot) == 18_346
    assert sum(len(sequence) for sequence in truth(real_data, "vot2018")) == 21_356
    assert sum(len(sequence) for sequence in truth(real_data, "vot2019")) == 19_935
    # The truth itself as a result: it reaches the visible share in precision.
    perfect = [[Result(s.boxes, np.zeros(len(s), dtype=np.int8), *[np.full(len(s), np.nan)] * 2)] for s in lasot]
    scores = benchmarks.lasot(lasot, perfect)
    share = np.mean([sequence.visible.mean() for sequence in lasot])
    assert scores.metrics["precision"].values(np.ones((1, 280)))[0] == pytest.approx(share)


def test_vot_runs_read_from_a_folder_score_as_from_the_zip(real_data: Path, tmp_path: Path) -> None:
    archive = real_data / "official" / "vot2018" / "raw_results" / "challenge_KCF.zip"
    with zipfile.ZipFile(archive) as zipped:
        zipped.extractall(tmp_path)
    known = truth(real_data, "vot2018")
    runs = [
        [found[sequence.name] for sequence in known]
        for found in (results.read(path, "vot2018", known) for path in (archive, tmp_path / "KCF" / "baseline"))
    ]
    values = [
        vot.Measured(known, each, "published").scores((100, 356)).metrics["EAO"].values(np.ones((1, 60)))
        for each in runs
    ]
    assert values[0] == values[1]
