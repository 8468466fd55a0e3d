"""Every number of every table, from raw tracks on generated benchmarks to the cell, by a computation of its own."""

import csv
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import obvious
import pytest
from fake_run import PROVENANCE, card

from analysis import tables
from analysis.pairing import compare
from analysis.scoring import evaluate_tracks
from analysis.typesetting import Cell, Grid, Table
from siamrcr.config import BENCHMARKS, Run, resolve
from siamrcr.datasets.mini import generate
from siamrcr.files import read_json, write_json, write_text

BOOTSTRAP, SEED = 40, 3
# Tracker id -> how far it strays, in shares of the target's size.
STRAYS = {"baseline-s0": 0.22, "localization-s0": 0.18, "siamrcr-s0": 0.12, "radius-3-s0": 0.2, "shaken": 0.3}
LABELS = {
    "baseline-s0": "I",
    "localization-s0": "II",
    "siamrcr-s0": "SiamRCR",
    "radius-3-s0": "wide",
    "shaken": "Ocean",
}
METRICS = {
    "got10k": {"AO ↑": "AO", "SR@0.5 ↑": "SR0.5", "SR@0.75 ↑": "SR0.75"},
    "box": {"Succ. ↑": "success", "Prec. ↑": "precision", "N-Prec. ↑": "normalized_precision"},
    "vot": {"EAO ↑": "EAO", "Accuracy ↑": "accuracy", "Robustness ↓": "robustness"},
}
HEADLINE = {b: "AO" if b[:3] == "got" else "EAO" if b[:3] == "vot" else "success" for b in BENCHMARKS}
ABOUT = {"table-3": "trackingnet", "table-4": "lasot", "table-5": "vot2019"}
ABOUT |= {name: name for name in ("got10k-val", "otb2015", "vot2018")}
Scored = dict[tuple[str, str], tuple[dict[str, float], dict[str, np.ndarray]]]


def truth_of(run: Run, benchmark: str) -> Path:
    """The folder whose text files hold a miniature benchmark's boxes."""
    data = run.data / "mini"
    places = {"got10k-val": "got10k/val", "got10k-test": "server/got10k-test", "trackingnet": "server/trackingnet"}
    return data / places.get(benchmark, benchmark)


def track(run: Run, tracker: str, benchmark: str) -> None:
    """Raw results in the official layout: the truth, shaken, with failures where the protocol has them."""
    generator = np.random.default_rng([ord(letter) for letter in tracker + benchmark])
    folder, places = run.folder / "tracks" / tracker / benchmark, truth_of(run, benchmark)
    if benchmark.startswith("got10k"):
        files = {p: folder / p.name / f"{p.name}_001.txt" for p in sorted(places.glob("GOT-10k_*"))}
        files = {path / "groundtruth.txt": out for path, out in files.items()}
    elif benchmark == "otb2015":
        files = {p: folder / f"{p.parent.name}{p.stem[16:].replace('.', '-')}.txt" for p in places.glob("*/*rect*.txt")}
    elif benchmark == "lasot":
        files = {path: folder / f"{path.parent.name}.txt" for path in places.glob("*/*/groundtruth.txt")}
    elif benchmark == "trackingnet":
        files = {path: folder / path.name for path in places.glob("*.txt")}
    else:
        names = {path: path.parent.name for path in places.glob("*/groundtruth.txt")}
        files = {path: folder / "baseline" / name / f"{name}_001.txt" for path, name in names.items()}
    for path in sorted(files):
        lines = []
        for box in obvious.rows(path):
            x, y, w, h = box if len(box) == 4 else hull(box)
            sides = STRAYS[tracker] * generator.normal(size=2)
            grown = np.exp(STRAYS[tracker] * generator.normal(size=2))
            lines.append(",".join(f"{v:.3f}" for v in (x + sides[0] * w, y + sides[1] * h, w * grown[0], h * grown[1])))
        lines[0] = ",".join(f"{value:.3f}" for value in (obvious.rows(path)[0]))
        if benchmark.startswith("vot"):
            lines[0] = "1"
            if generator.uniform() < 0.6:
                at = int(generator.integers(3, 9))
                lines[at : at + 6] = ["2", "0", "0", "0", "0", "1"]
        write_text(files[path], "\n".join(lines) + "\n")


def hull(polygon: tuple[float, ...]) -> tuple[float, float, float, float]:
    xs, ys = polygon[::2], polygon[1::2]
    return min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run whose tracks were shaken out of the truth; from there on all is the project's own."""
    folder = tmp_path_factory.mktemp("traced")
    every = list(BENCHMARKS)
    given = {b: str(folder / "results" / "traced" / "tracks" / "shaken" / b) for b in every}
    interval = {"eao_interval": [4, 18]}
    raw = {
        "run": "traced",
        "data": str(folder / "data"),
        "results": str(folder / "results"),
        "models": {
            "baseline": {"label": "I", "network": {"localization": False}, "loss": {"reciprocal": False}},
            "localization": {"label": "II", "loss": {"reciprocal": False}},
            "siamrcr": {"label": "SiamRCR", "benchmarks": every},
            "radius-3": {"label": "wide", "loss": {"radius": 3}},
        },
        "trackers": {"shaken": {"label": "Ocean", "results": given}},
        "mini": {"train_sequences": 1, "val_sequences": 6, "sequences": 4, "frames": 28},
        "benchmarks": {
            "got10k-test": {"annotations": str(folder / "data/mini/server/got10k-test")},
            "trackingnet": {"annotations": str(folder / "data/mini/server/trackingnet")},
            "vot2018": interval,
            "vot2019": interval,
        },
        "analysis": {
            "bootstrap": BOOTSTRAP,
            "seed": SEED,
            "components": {"I": "baseline", "II": "localization", "IV": "siamrcr"},
            "radius": {"2": "siamrcr", "3": "radius-3"},
        },
    }
    for name in ("baseline", "localization", "radius-3"):
        raw["models"][name]["benchmarks"] = ["got10k-val"]  # type: ignore[index]
    made = resolve(raw)
    for dataset in ("got10k", "trackingnet", "lasot", "otb2015", "vot2018", "vot2019"):
        generate(dataset, made.data / "mini", made.mini)
    for tracker, benchmark in made.jobs():
        track(made, tracker, benchmark)
        score = evaluate_tracks(made, benchmark, made.folder / "tracks" / tracker / benchmark, tracker=tracker)
        write_json(made.folder / "scores" / tracker / f"{benchmark}.json", score)
    return made


@pytest.fixture(scope="module")
def scored(run: Run) -> Scored:
    """(tracker, benchmark) -> values and replicates, computed the slow way."""
    found = {}
    for tracker, benchmark in run.jobs():
        clips = obvious.clips(benchmark, truth_of(run, benchmark), run.folder / "tracks" / tracker / benchmark)
        # A resample is the same one only where the sequences stand in the same order.
        order = list(read_json(run.folder / "scores" / tracker / f"{benchmark}.json", "")["sequences"])
        assert sorted(order) == sorted(clip.name for clip in clips)
        clips.sort(key=lambda clip: order.index(clip.name))
        rule = obvious.RULES[benchmark]
        drawn = obvious.replicates(rule, clips, BOOTSTRAP, SEED)
        found[tracker, benchmark] = (rule(clips), {key: np.array([each[key] for each in drawn]) for key in drawn[0]})
    return found


def estimate(scored: Scored, tracker: str, benchmark: str, metric: str) -> tuple[float, float]:
    values, drawn = scored[tracker, benchmark]
    return values[metric], float(np.std(drawn[metric], ddof=1))


def difference(scored: Scored, a: str, b: str, benchmark: str, metric: str) -> tuple[float, float, float, float]:
    """Value, standard error and 95 % interval of a - b, by sorting: numpy's percentile is linear between neighbours."""
    each = sorted(scored[a, benchmark][1][metric] - scored[b, benchmark][1][metric])
    ends = []
    for share in (0.025, 0.975):
        place = share * (len(each) - 1)
        low = int(place)
        ends.append(each[low] + (place - low) * (each[min(low + 1, len(each) - 1)] - each[low]))
    value = scored[a, benchmark][0][metric] - scored[b, benchmark][0][metric]
    return value, float(np.std(each, ddof=1)), float(ends[0]), float(ends[1])


def plain(value: float) -> str:
    return f"{value:.3f}".replace("-", "−")


def pair_text(values: tuple[float, ...]) -> str:
    shown = [f"{value:+.3f}".replace("-", "−") for value in (values[0], values[2], values[3])]
    value, low, high = [text[1:] if text[1:] == "0.000" else text for text in shown]
    return f"{value} [{low}, {high}]"


def cells(grid: Grid) -> list[tuple[str, str, Cell]]:
    """Row, heading and cell of every column but the first."""
    first, *others = grid.columns
    names = [cell.text for cell in first.cells]
    return [(name, c.heading, cell) for c in others for name, cell in zip(names, c.cells, strict=True)]


def headings(name: str, benchmark: str) -> dict[str, str]:
    kind = "got10k" if benchmark.startswith("got10k") else "vot" if benchmark.startswith("vot") else "box"
    prefix = "GOT-10k val " if name in ("table-1", "table-2") else ""
    return {prefix + heading: metric for heading, metric in METRICS[kind].items()}


def traced(table: Table, scored: Scored, rows: dict[str, str], benchmark: str, name: str, base: str) -> int:
    """Check every cell of a table's own numbers and give their count."""
    known, count = headings(name, benchmark), 0
    for row, heading, cell in cells(table.grids[0]):
        tracker = rows.get(row)
        if heading in known and tracker:
            value, error = estimate(scored, tracker, benchmark, known[heading])
            assert cell.text == f"{plain(value)} ± {plain(error)}", (row, heading)
        elif "difference to" in heading and tracker and tracker != base:
            expected = pair_text(difference(scored, tracker, base, benchmark, HEADLINE[benchmark]))
            assert cell.text.startswith(expected), (row, heading)
        else:
            assert not re.search(r"\d\.\d", cell.text) or heading == "R (px)", (row, heading, cell.text)
            continue
        count += 1
    return count


def best(table: Table, name: str, benchmark: str) -> None:
    """The best of each column is marked once, and the second: among what is printed, in the column's direction."""
    for column in table.grids[0].columns:
        if column.heading not in headings(name, benchmark):
            continue
        held = {float(c.text.split(" ±")[0]) for c in column.cells if re.match(r"\d", c.text)}
        order = sorted(held, reverse="↓" not in column.heading)
        for cell in column.cells:
            place = order.index(float(cell.text.split(" ±")[0])) if re.match(r"\d", cell.text) else 9
            assert cell.rank == (place + 1 if place < 2 and len(order) > 1 else 0), (name, column.heading, cell.text)


@pytest.mark.parametrize("name", ABOUT)
def test_a_benchmarks_table(run: Run, scored: Scored, name: str) -> None:
    benchmark = ABOUT[name]
    rows = {LABELS[t]: t for t, b in scored if b == benchmark}
    table = tables.build(run, name)
    count = traced(table, scored, rows, benchmark, name, "siamrcr-s0")
    metrics = len(scored["siamrcr-s0", benchmark][0])
    assert count == len(rows) * metrics + len(rows) - 1
    best(table, name, benchmark)


@pytest.mark.parametrize(
    ("name", "rows", "metrics"),
    [
        ("table-1", {"I": "baseline-s0", "II": "localization-s0", "IV": "siamrcr-s0"}, 1),
        ("table-2", {"2": "siamrcr-s0", "3": "radius-3-s0"}, 3),
    ],
)
def test_an_ablations_table(run: Run, scored: Scored, name: str, rows: dict[str, str], metrics: int) -> None:
    table = tables.build(run, name)
    count = traced(table, scored, rows, "got10k-val", name, "baseline-s0")
    assert count == len(rows) * metrics + (len(rows) - 1 if name == "table-1" else 0)
    best(table, name, "got10k-val")


def test_the_summary(run: Run, scored: Scored) -> None:
    places = {"GOT-10k val AO ↑": "got10k-val", "GOT-10k test AO ↑": "got10k-test", "OTB-2015 Succ. ↑": "otb2015"}
    places |= {"LaSOT Succ. ↑": "lasot", "TrackingNet Succ. ↑": "trackingnet"}
    places |= {"VOT-2018 EAO ↑": "vot2018", "VOT-2019 EAO ↑": "vot2019"}
    trackers = {label: tracker for tracker, label in LABELS.items()}
    count = 0
    for row, heading, cell in cells(tables.build(run, "summary").grids[0]):
        pair = trackers[row], places[heading]
        if pair not in scored:
            assert cell.text == "not run"
            continue
        value, error = estimate(scored, *pair, HEADLINE[pair[1]])
        assert cell.text == f"{plain(value)} ± {plain(error)}"
        count += 1
    assert count == len(scored)


@pytest.mark.parametrize("name", [*ABOUT, "table-1", "table-2", "summary"])
def test_the_records_hold_the_same_numbers_unrounded(run: Run, scored: Scored, name: str) -> None:
    labels = {label: tracker for tracker, label in LABELS.items()}
    labels |= {"IV": "siamrcr-s0", "r=2": "siamrcr-s0", "r=3": "radius-3-s0"}
    found = [r for r in tables.build(run, name).records if r.get("value") is not None]
    for record in found:
        tracker, benchmark, metric = labels[record["row"]], record["benchmark"], record["metric"]
        if " difference to " in metric:
            base = "baseline-s0" if metric.endswith(" I") else "siamrcr-s0"
            expected = difference(scored, tracker, base, benchmark, metric.split()[0])
            # Score files keep six decimals of a replicate.
            assert [record[key] for key in ("value", "stderr", "low", "high")] == pytest.approx(expected, abs=2e-6)
        else:
            expected_pair = estimate(scored, tracker, benchmark, metric)
            assert (record["value"], record["stderr"]) == pytest.approx(expected_pair, abs=1e-9)
    assert len(found) >= 2


def test_the_claims(run: Run, scored: Scored) -> None:
    """All that the run has both sides of: the components, the radius, and the ranking against the paper's trackers."""
    names = {"I": "baseline-s0", "II": "localization-s0", "IV": "siamrcr-s0", "r=2": "siamrcr-s0", "r=3": "radius-3-s0"}
    names |= {label: tracker for tracker, label in LABELS.items()}
    found = [r for r in tables.build(run, "claims").records if "low" in r and r["benchmark"] and not r["sample"]]
    for record in found:
        a, b, benchmark, metric = names[record["a"]], names[record["b"]], record["benchmark"], record["metric"]
        held = [record[key] for key in ("value", "stderr", "low", "high")]
        sides = [scored[tracker, benchmark] for tracker in (a, b)]
        assert [record["a_value"], record["b_value"]] == pytest.approx([each[0][metric] for each in sides], abs=1e-9)
        if record["quantity"] == "difference":
            expected = difference(scored, a, b, benchmark, metric)
            assert held == pytest.approx(expected, abs=2e-6), record["row"]
        else:
            value = sides[0][0][metric] / sides[1][0][metric] - 1
            drawn = sides[0][1][metric] / sides[1][1][metric] - 1
            expected = (value, float(np.std(drawn, ddof=1)), *map(float, np.percentile(drawn, (2.5, 97.5))))
            assert held == pytest.approx(expected, abs=1e-5), record["row"]
        within = record["quantity"] == "difference" and expected[2] <= 0 <= expected[3] and not record["reason"]
        assert record["verdict"] == ("within noise" if within else "cannot be judged")
    judged = {(record["row"], record["benchmark"]) for record in found}
    assert {("both", "got10k-val"), ("radius", "got10k-val"), ("lasot-ocean-success", "lasot")} <= judged
    assert len({row for row, _ in judged}) >= 12


def test_a_comparison_has_the_numbers_of_the_tables(run: Run, scored: Scored) -> None:
    found = compare(run, "siamrcr", "shaken")
    assert set(found["benchmarks"]) == set(BENCHMARKS)
    for benchmark, each in found["benchmarks"].items():
        for metric, numbers in each["metrics"].items():
            expected = difference(scored, "siamrcr-s0", "shaken", benchmark, metric)
            held = [numbers[key] for key in ("difference", "stderr", "low", "high")]
            assert held == pytest.approx(expected, abs=2e-6)
            for side, tracker in (("a", "siamrcr-s0"), ("b", "shaken")):
                held = [numbers[side]["value"], numbers[side]["stderr"]]
                assert held == pytest.approx(estimate(scored, tracker, benchmark, metric), abs=1e-9)
        clips = [
            obvious.clips(benchmark, truth_of(run, benchmark), run.folder / "tracks" / tracker / benchmark)
            for tracker in ("siamrcr-s0", "shaken")
        ]
        rule, metric = obvious.RULES[benchmark], HEADLINE[benchmark]
        apart = {a.name: rule([a])[metric] - rule([b])[metric] for a, b in zip(*clips, strict=True)}
        assert each["sequences"] == pytest.approx(apart, abs=1e-9)
        assert all(a >= b for a, b in pairwise(each["sequences"].values()))


def test_costs_are_those_of_cards_and_manifests(run: Run) -> None:
    write_json(run.folder / "models/siamrcr-s0.json", card("siamrcr", 0, has_branch=True))
    for benchmark, seconds, fps in (("lasot", 4.0, 100.0), ("vot2018", 12.0, 20.0)):
        path = run.folder / "tracks/siamrcr-s0" / benchmark / "manifest.json"
        names = {"tracker": "siamrcr-s0", "benchmark": benchmark}
        write_json(path, names | {"seconds": seconds, "fps": fps, "provenance": PROVENANCE})
    shown = {heading: c.text for row, heading, c in cells(tables.build(run, "cost").grids[0]) if row == "SiamRCR"}
    whole: dict[str, Any] = {"Parameters (M)": "9.700", "Training pairs": "8,000", "Training (min)": "1.5"}
    assert shown == whole | {"Tracking (frames/s)": f"{(400 + 240) / 16:.1f}", "Machine": "A processor"}


@pytest.mark.parametrize("number", range(1, 6))
def test_reported_cells_are_those_of_the_transcription(run: Run, number: int) -> None:
    name, shown = f"table-{number}", {}
    with Path(__file__).with_name("data").joinpath("transcription.csv").open(newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["table"] == name]
    for row, heading, cell in cells(tables.build(run, name).grids[1]):
        metric = next((m for kind in METRICS.values() for h, m in kind.items() if h == heading), "")
        if metric:
            shown[f"r={row}" if number == 2 else row, metric] = cell.text
    assert shown == {(row["row"], row["metric"]): row["value"] for row in rows}
