"""Speeds measured alone, in the table of what the trackers cost."""

from pathlib import Path

import fake_run
import pytest

from analysis import needs, tables
from analysis.typesetting import Table
from siamrcr.config import Run
from siamrcr.files import write_json

COLUMNS = ["Alone (frames/s)", "Alone, with decoding (frames/s)", "GFLOP a frame"]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    run = fake_run.configuration(tmp_path)
    fake_run.fill(run)
    return run


def measured(run: Run, tracker: str, rate: float, others: float = 0.02, **more: object) -> Path:
    path = run.folder / "speed" / f"{tracker}.json"
    rates = {"frames_per_second": rate, "frames_per_second_with_decoding": rate / 2, "other_cores_busy": others}
    write_json(path, rates | {"provenance": fake_run.PROVENANCE} | more)
    return path


def cells(table: Table, label: str) -> dict[str, str]:
    """Tracker -> text of a column."""
    first, *rest = table.grids[0].columns
    (column,) = (each for each in rest if each.label == label)
    return {name.text: cell.text for name, cell in zip(first.cells, column.cells, strict=True)}


def test_speeds_are_shown_where_they_were_measured(run: Run) -> None:
    table = tables.build(run, "cost")
    assert not set(COLUMNS) & {column.label for column in table.grids[0].columns}
    before = needs.table(run, "cost")
    paths = [measured(run, "baseline-s0", 64.04, flops={"frame": 61_230_000_000}), measured(run, "kcf", 500.0)]
    assert [path for path in needs.table(run, "cost") if path not in before] == paths
    table = tables.build(run, "cost")
    alone, whole, flops = (cells(table, label) for label in COLUMNS)
    assert [alone["baseline"], alone["KCF"], alone["localization"]] == ["64.0", "500.0", "not recorded"]
    assert [whole["baseline"], whole["KCF"]] == ["32.0", "250.0"]
    assert [flops["baseline"], flops["KCF"]] == ["61.23", "not trained here"]
    assert "Alone: one sequence, batch 1" in " ".join(table.footer)
    assert "kept busy" not in " ".join(table.footer)
    assert {record["metric"] for record in table.records} == {"parameters", "training_pairs"}


def test_a_disturbed_measurement_is_said_to_be_one(run: Run) -> None:
    measured(run, "baseline-s0", 20, others=1.34)
    measured(run, "kcf", 20)
    footer = tables.build(run, "cost").footer
    assert "Cores that other processes kept busy meanwhile: baseline 1.3." in footer
