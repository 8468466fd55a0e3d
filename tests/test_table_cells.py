"""Cells of tables: ranks, footnotes, costs and the footer."""

import pytest
from fake_run import configuration, fill
from test_tables import column, records

from analysis import tables
from analysis.typesetting import rank
from siamrcr.config import Run


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = configuration(tmp_path_factory.mktemp("real"))
    fill(run)
    return run


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = configuration(tmp_path_factory.mktemp("generated"), source="mini")
    fill(run)
    return run


@pytest.mark.parametrize(
    ("name", "row", "heading", "words"),
    [
        ("table-4", "SiamRCR", "Succ. ↑", "Section 4.3 says 8.5 %: Table 4 gives 0.575 / 0.526, which is +9.3 %."),
        ("table-4", "ATOM", "Succ. ↑", "success and precision are exchanged"),
        ("table-1", "IV", "AO ↑", "Section 4.2 says 5.05 %: called nearly equal to the sum"),
        ("table-5", "SiamRCR", "Accuracy ↑", "SiamBAN's is printed with the same value"),
    ],
)
def test_what_contradicts_itself_has_a_footnote(
    generated: Run, real: Run, name: str, row: str, heading: str, words: str
) -> None:
    (note,) = column(tables.build(generated, name), heading, grid=1)[row].notes
    assert words in note
    prefix = "GOT-10k test, reported " if name == "table-1" else ""
    shown = column(tables.build(real, name), f"{prefix}{heading}{'' if prefix else ' reported'}")[row]
    assert shown.notes == (note,)
    assert not column(tables.build(generated, "table-4"), "Succ. ↑", grid=1)["Ocean"].notes


def test_ranks_share_places_as_printed() -> None:
    assert rank([0.1, 0.3004, 0.3001, None, 0.2], lower=False) == [0, 1, 1, 0, 2]
    assert rank([0.1, 0.3, 0.2], lower=True) == [1, 0, 2]
    assert rank([0.5, None, 0.5], lower=False) == [0, 0, 0]


def test_the_papers_best_are_bold(real: Run) -> None:
    table = tables.build(real, "table-5")
    ranks = {
        m: {t: c.rank for t, c in column(table, f"{m} reported").items() if c.rank} for m in ("EAO ↑", "Robustness ↓")
    }
    assert ranks["EAO ↑"] == {"SiamRCR": 1, "SiamBAN": 2, "Ocean": 2}
    assert ranks["Robustness ↓"] == {"Ocean": 1, "SiamRCR": 2}


def test_the_records_of_costs_hold_no_times(real: Run) -> None:
    assert {record["metric"] for record in tables.build(real, "cost").records} == {"parameters", "training_pairs"}


def test_parameters_are_counted_once(real: Run) -> None:
    assert {r["value"] for r in records(tables.build(real, "cost"), metric="parameters")} == {9_700_000, None}


def test_the_footer_tells_how_it_was_made(real: Run) -> None:
    text = " ".join(tables.build(real, "table-4").footer)
    for words in ("last epoch", "penalty 0.04", "window 0.21", "size rate 0.52", "nothing was tuned on a test set"):
        assert words in text
    for words in ("Seeds: 0", "protocol II", "convention published", "Commit 0123456789", "A processor", "2030-01-02"):
        assert words in text
