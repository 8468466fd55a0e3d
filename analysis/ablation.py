"""Tables 1 and 2: one change at a time. The paper scores them on GOT-10k test, whose ground truth is not public."""

from collections.abc import Sequence
from typing import Literal

from analysis import reported
from analysis.comparison import (
    Record,
    Row,
    difference_column,
    footer,
    heading,
    load,
    reported_cells,
    reported_grid,
    reported_record,
    score_columns,
    titled,
)
from analysis.needs import ABLATION_SPLITS, ABLATIONS
from analysis.scores import BENCHMARK_LABELS, NOT_RUN, REASONS, Scores, arrow, entry
from analysis.typesetting import Cell, Column, Grid, Table
from siamrcr.config import Model, Run

Numeral = Literal["I", "II", "III", "IV"]
Radius = Literal["1", "2", "3", "4", "5"]
# Localization branch, reciprocal links: the paper's rows.
COMPONENTS: dict[Numeral, tuple[bool, bool]] = {
    "I": (False, False),
    "II": (True, False),
    "III": (False, True),
    "IV": (True, True),
}
RADII: tuple[Radius, ...] = ("1", "2", "3", "4", "5")


def rows(run: Run, name: str) -> list[Row]:
    """The rows of `table-1` or `table-2`, with the models that the configuration names for them."""
    named = ABLATIONS[name](run)
    shown = COMPONENTS if name == "table-1" else [f"r={r}" for r in RADII]
    return [Row(row, entry(run, named[row]) if row in named else None, row) for row in shown]


def build(run: Run, name: str) -> Table:
    """Table 1: localization branch and reciprocal links; Table 2: the radius of the positive locations."""
    if name == "table-1":
        return _table(run, name, "Table 1. Ablation of the components on GOT-10k", ("AO",))
    return _table(run, name, "Table 2. Radius of the positive locations on GOT-10k", ("AO", "SR0.5", "SR0.75"))


def _first(name: str, models: Sequence[Model | None]) -> list[Column]:
    """What sets the rows apart: their models' settings, the paper's where there is none."""
    if name == "table-1":
        marks = [
            (m.network.localization, m.loss.reciprocal) if m else paper
            for m, paper in zip(models, COMPONENTS.values(), strict=True)
        ]
        columns = [heading("", COMPONENTS), heading("Localization branch", [_mark(branch) for branch, _ in marks])]
        return [*columns, heading("Reciprocal links", [_mark(links) for _, links in marks])]
    radii = [(m.loss.radius, m.network.stride) if m else (float(r), 8) for m, r in zip(models, RADII, strict=True)]
    columns = [Column("", "r", tuple(Cell(f"{r:g}") for r, _ in radii))]
    return [*columns, Column("", "R (px)", tuple(Cell(f"{r * stride:g}") for r, stride in radii))]


def _mark(value: bool | str) -> str:
    return value if isinstance(value, str) else "✓" if value else ""


def _table(run: Run, name: str, title: str, shown: Sequence[str]) -> Table:
    chosen = rows(run, name)
    columns = _first(name, [run.models[row.entry.name] if row.entry else None for row in chosen])
    records: list[Record] = []
    held: list[Scores | None] = []
    for benchmark in ABLATION_SPLITS:
        scores = load(run, chosen, benchmark)
        compare = run.comparable and benchmark == "got10k-test"
        prefix = BENCHMARK_LABELS[benchmark]
        # Generated, a split that scores one row alone compares nothing.
        if benchmark == "got10k-val" or _scored(scores) > (0 if run.comparable else 1):
            held += scores
            block, more = score_columns(run, name, chosen, scores, shown, compare=compare, prefix=prefix)
            columns, records = columns + block, records + more
            if name == "table-1":
                column, more = difference_column(run, chosen, scores, scores[0], "AO", "I", prefix)
                columns, records = [*columns, column], records + more
        elif compare:
            for metric in shown:
                numbers = [reported.find(name, row.reported, metric) for row in chosen]
                columns.append(Column(f"{prefix}, reported", arrow(metric), reported_cells(numbers, metric)))
                records += [reported_record(n) for n in numbers if n]
    grids = [Grid(tuple(columns))]
    if not run.comparable:
        more_grids, more = reported_grid(
            name, shown, BENCHMARK_LABELS["got10k-test"], _first(name, [None] * len(chosen))
        )
        grids, records = grids + more_grids, records + more
    return Table(name, titled(run, title), tuple(grids), tuple(records), _remarks(run, chosen), footer(run, held))


def _scored(scores: Sequence[Scores | None]) -> int:
    return sum(score is not None and bool(score.scored) for score in scores)


def _remarks(run: Run, rows: Sequence[Row]) -> tuple[str, ...]:
    if not run.comparable:
        return ()
    test = load(run, rows, "got10k-test")
    if _scored(test):
        return ("Reported and reproduced are compared on GOT-10k test alone; val is another split.",)
    reasons = dict.fromkeys(NOT_RUN if score is None else score.missing() for score in test)
    why = "; ".join(f"{reason} ({REASONS[reason]})" for reason in reasons)
    return (
        "Reproduced on GOT-10k val, reported on GOT-10k test: two splits, so no difference is taken between them. "
        f"Reproduced scores on test: {why}.",
    )
