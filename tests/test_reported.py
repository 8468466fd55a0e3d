"""The paper's numbers: complete, in our names, and each contradiction noted."""

import csv
from pathlib import Path

import pytest

from analysis import reported
from analysis.evaluation import METRICS
from siamrcr.config import BENCHMARKS

SCORES = {metric for metrics in METRICS.values() for metric in metrics}
TABLES = ("table-1", "table-2", "table-3", "table-4", "table-5")
EXCHANGED = {"SiamRPN++", "ATOM", "GradNet", "SiamFC", "MDNet", "DiMP50"}


def value(table: str, tracker: str, metric: str) -> float:
    number = reported.find(table, tracker, metric)
    assert number is not None
    assert number.value is not None
    return number.value


def test_every_table_is_whole() -> None:
    cells = {table: sum(number.table == table for number in reported.read()) for table in TABLES}
    assert cells == {"table-1": 4, "table-2": 5 * 3, "table-3": 10 * 3, "table-4": 11 * 2, "table-5": 6 * 3}


def test_no_number_is_given_twice() -> None:
    keys = [(n.table, n.benchmark, n.split, n.tracker, n.metric) for n in reported.read()]
    assert len(set(keys)) == len(keys)


def test_names_are_ours_and_scores_are_fractions() -> None:
    for number in reported.read():
        assert number.benchmark in ("", "got10k-train", *BENCHMARKS)
        assert number.source
        if number.table in TABLES:
            assert number.metric in METRICS[number.benchmark]
        if number.metric in SCORES and number.value is not None:
            assert 0 < number.value < 1


def test_the_text_repeats_the_tables() -> None:
    table = {"trackingnet": "table-3", "lasot": "table-4"}
    repeated = [n for n in reported.read() if n.table == "text" and n.metric in SCORES]
    assert len(repeated) == 5
    for number in repeated:
        assert number.value == value(table[number.benchmark], number.tracker, number.metric)


def test_figure_5_repeats_table_1() -> None:
    assert value("figure-5", "SiamRCR", "AO") == value("table-1", "IV", "AO") == value("table-2", "r=2", "AO")


@pytest.mark.parametrize("numeral", ["II", "III", "IV"])
def test_relative_gains_follow_from_table_1(numeral: str) -> None:
    gain = value("table-1", numeral, "AO") / value("table-1", "I", "AO") - 1
    assert round(gain, 4) == value("text", numeral, "relative_gain_AO")


@pytest.mark.parametrize("metric", ["success", "precision"])
def test_a_gain_over_ocean_follows_from_table_4_or_is_noted(metric: str) -> None:
    gain = value("table-4", "SiamRCR", metric) / value("table-4", "Ocean", metric) - 1
    said = reported.find("text", "SiamRCR", f"relative_gain_{metric}_over_Ocean")
    assert said is not None
    assert (round(gain, 3) == said.value) is (said.note == "")


def test_exchanged_columns_are_noted_and_no_others() -> None:
    noted = {n.tracker for n in reported.read() if n.table == "table-4" and "exchanged" in n.note}
    assert noted == EXCHANGED
    assert all(bool(n.note) == (n.tracker in EXCHANGED) for n in reported.read() if n.table == "table-4")


def test_the_best_radius_is_noted_where_it_is_not_the_best() -> None:
    for metric in METRICS["got10k-test"]:
        best = max((f"r={r}" for r in range(1, 6)), key=lambda row: value("table-2", row, metric))
        claimed = reported.find("table-2", "r=2", metric)
        assert claimed is not None
        assert (best == "r=2") is (claimed.note == "")


def test_what_the_supplementary_holds_is_left_open() -> None:
    missing = [n for n in reported.read() if n.value is None]
    assert {n.benchmark for n in missing} == {"otb2015", "vot2018"}
    assert all(n.note for n in missing)


def test_trackers_keep_the_papers_order() -> None:
    assert reported.trackers("table-5") == ("SPM", "SiamRPN++", "SiamMask", "SiamBAN", "Ocean", "SiamRCR")


def test_tables_equal_an_independent_transcription(real_data: Path) -> None:
    names = {"Success": "success", "Precision": "precision", "NormPrecision": "normalized_precision"}
    names |= {"Accuracy": "accuracy", "Robustness": "robustness"}
    with (real_data / "reported.csv").open(newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["table"] in {f"Table {n}" for n in range(1, 6)}]
    theirs = {}
    for row in rows:
        tracker = row["tracker"]
        if row["table"] == "Table 1":
            tracker = tracker.split()[0].removeprefix("SiamRCR-")
        if row["table"] == "Table 2":
            tracker = tracker.split("(")[1].split(",")[0]
        table = row["table"].lower().replace(" ", "-")
        theirs[table, tracker, names.get(row["metric"], row["metric"])] = float(row["value"])
    assert {(n.table, n.tracker, n.metric): n.value for n in reported.read() if n.table in TABLES} == theirs


def test_every_number_equals_a_second_transcription() -> None:
    """Of the tables and the text, in their order, made apart from ours; `row@benchmark` where the row is not enough."""
    with Path(__file__).with_name("data").joinpath("transcription.csv").open(newline="") as stream:
        theirs = [(row["table"], row["row"], row["metric"], row["value"]) for row in csv.DictReader(stream)]
    keys = [key[:3] for key in theirs]
    assert len(set(keys)) == len(keys)
    with reported.FILE.open(newline="") as stream:
        printed = [row for row in csv.DictReader(stream) if row["value"]]
    ours = {}
    for row in printed:
        apart = row["table"] == "text" and (row["metric"] in SCORES or not row["tracker"])
        name = f"{row['tracker']}@{row['benchmark']}" if apart and row["benchmark"] else row["tracker"]
        ours[row["table"], name, row["metric"]] = row["value"]
    assert len(ours) == len(printed)
    second = {(table, row, metric): number for table, row, metric, number in theirs}
    # Digit by digit in the tables, which are printed to three places; the text's per cents are fractions here.
    assert {k: v for k, v in ours.items() if k[0] in TABLES} == {k: v for k, v in second.items() if k[0] in TABLES}
    assert {k: float(v) for k, v in ours.items()} == {k: float(v) for k, v in second.items()}
