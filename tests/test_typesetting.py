"""Typesetting: numbers, Markdown, LaTeX and CSV of any table."""

import csv
import re

import pytest
from fake_run import configuration, fill

from analysis import tables
from analysis.typesetting import Cell, Column, Grid, Table, latex, markdown, number, signed
from siamrcr.config import Run


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = configuration(tmp_path_factory.mktemp("real"))
    fill(run)
    return run


def test_numbers_have_true_signs() -> None:
    assert (signed(0.0204), signed(-0.0204), signed(-0.0004), number(-1.25, 1)) == ("+0.020", "−0.020", "0.000", "−1.2")


def test_markdown_and_latex_escape_what_they_would_misread() -> None:
    cells = (Cell("a|b_c & 50 % {x} \\y #1 $2 ^~", 1), Cell("−0.5 ± 0.1", 2, ("a note",)))
    table = Table("t", "Table 9. Title", (Grid((Column("", "Tracker", cells, False),)),), ())
    assert "**a\\|b_c & 50 % {x} \\y #1 $2 ^~**" in markdown(table)
    text = latex(table)
    assert "\\textbf{a|b\\_c \\& 50 \\% \\{x\\} \\textbackslash{}y \\#1 \\$2 \\^{}\\~{}}" in text
    assert "\\underline{$-$0.5 $\\pm$ 0.1}\\textsuperscript{1}" in text
    assert "\\caption{Title}" in text


@pytest.mark.parametrize("name", tables.NAMES)
def test_latex_is_well_formed(real: Run, name: str) -> None:
    text = tables.write(real, name)[2].read_text()
    assert text.isascii()
    assert len(re.findall(r"(?<!\\){", text)) == len(re.findall(r"(?<!\\)}", text))
    environments = re.findall(r"\\(begin|end){(\w+)}", text)
    open_ones: list[str] = []
    for kind, environment in environments:
        if kind == "begin":
            open_ones.append(environment)
        else:
            assert open_ones.pop() == environment
    assert not open_ones
    rows = [line for line in text.splitlines() if line.endswith("\\\\")]
    (columns,) = {len(spec) for spec in re.findall(r"begin{tabular}{([lr]+)}", text)} or {0}
    widths = {line.count(" & ") + 1 for line in rows if "multicolumn" not in line}
    assert widths <= {columns}


@pytest.mark.parametrize("name", tables.NAMES)
def test_csv_is_rectangular_and_unrounded(real: Run, name: str) -> None:
    with tables.write(real, name)[1].open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert rows
    assert all(None not in row and None not in row.values() for row in rows)
    values = [row["value"] for row in rows if row["value"] and row["seeds"] == "1" and name != "cost"]
    assert not values or max(len(value) for value in values) > 8
