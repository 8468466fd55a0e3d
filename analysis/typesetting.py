"""A table as data, and its Markdown, CSV, LaTeX and JSON."""

import csv
import io
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

FIELDS = (
    *("table", "row", "benchmark", "data", "metric", "value", "stderr", "seed_deviation", "seeds", "low", "high"),
    *("reported", "difference", "reason", "note"),
)
NUMBER = r"^Table \d\. "  # LaTeX numbers its tables itself
TEX = {
    **{character: f"\\{character}" for character in "&%_#${}"},
    "\\": "\\textbackslash{}",
    "±": "$\\pm$",
    "−": "$-$",
    "×": "$\\times$",
    "↑": "$\\uparrow$",
    "↓": "$\\downarrow$",
    "✓": "\\checkmark{}",
    "Δ": "$\\Delta$",
    "–": "--",
    "<": "$<$",
    ">": "$>$",
    "^": "\\^{}",
    "~": "\\~{}",
}


@dataclass(frozen=True)
class Cell:
    """What a table prints at one place."""

    text: str
    rank: int = 0  # 1: best of its column, 2: second best
    notes: tuple[str, ...] = ()  # footnotes, in full
    reason: str = ""  # why there is no value, said once beneath the table


@dataclass(frozen=True)
class Column:
    """One column; neighbours with the same `group` share a heading above theirs."""

    group: str
    label: str
    cells: tuple[Cell, ...]
    numeric: bool = True

    @property
    def heading(self) -> str:
        """Group and label in one line."""
        return " ".join(part for part in (self.group, self.label) if part)


@dataclass(frozen=True)
class Grid:
    """Columns of equal length under one heading."""

    columns: tuple[Column, ...]
    heading: str = ""

    @property
    def rows(self) -> list[tuple[Cell, ...]]:
        """The cells, row by row."""
        return list(zip(*(column.cells for column in self.columns), strict=True))

    @property
    def groups(self) -> list[tuple[str, int]]:
        """Headings of neighbouring columns with the number of columns that each spans."""
        spans: list[tuple[str, int]] = []
        for column in self.columns:
            if spans and column.group and spans[-1][0] == column.group:
                spans[-1] = (column.group, spans[-1][1] + 1)
            else:
                spans.append((column.group, 1))
        return spans


@dataclass(frozen=True)
class Table:
    """A titled table: grids for people, records (one a score) for programs."""

    name: str
    title: str
    grids: tuple[Grid, ...]
    records: tuple[dict[str, Any], ...]
    remarks: tuple[str, ...] = ()  # beneath the title
    footer: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(init=False)  # footnotes, numbered from 1
    reasons: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        cells = [cell for grid in self.grids for row in grid.rows for cell in row]
        object.__setattr__(self, "notes", tuple(dict.fromkeys(note for cell in cells for note in cell.notes)))
        object.__setattr__(self, "reasons", tuple(dict.fromkeys(cell.reason for cell in cells if cell.reason)))

    def marks(self, cell: Cell) -> list[int]:
        """Numbers of the cell's footnotes."""
        return [self.notes.index(note) + 1 for note in cell.notes]


def rank(values: Sequence[float | None], lower: bool, digits: int = 3) -> list[int]:
    """1 for every best value, 2 for every second best, as printed with `digits` decimals; 0 for the others."""
    printed = [None if value is None else round(value, digits) for value in values]
    order = sorted({value for value in printed if value is not None}, reverse=not lower)
    places = {value: place for place, value in enumerate(order[:2], 1)} if len(order) > 1 else {}
    return [0 if value is None else places.get(value, 0) for value in printed]


def number(value: float, digits: int = 3) -> str:
    """A value with a true minus sign."""
    return f"{value:.{digits}f}".replace("-", "−")


def signed(value: float, digits: int = 3) -> str:
    """A difference with its sign; what rounds to zero has none."""
    text = f"{value:+.{digits}f}".replace("-", "−")
    return text[1:] if float(f"{value:.{digits}f}") == 0 else text


def markdown(table: Table) -> str:
    """GitHub Markdown: best bold, second best italic."""

    def shown(cell: Cell) -> str:
        text = cell.text.replace("|", "\\|")
        text = {1: f"**{text}**", 2: f"*{text}*"}.get(cell.rank, text)
        marks = ",".join(map(str, table.marks(cell)))
        return f"{text}<sup>{marks}</sup>" if marks else text

    lines = [f"### {table.title}", "", *_spaced(table.remarks)]
    for grid in table.grids:
        lines += [f"**{grid.heading}**", ""] if grid.heading else []
        lines.append("| " + " | ".join(column.heading for column in grid.columns) + " |")
        lines.append("|" + "|".join("---:" if column.numeric else ":---" for column in grid.columns) + "|")
        lines += ["| " + " | ".join(map(shown, row)) + " |" for row in grid.rows]
        lines.append("")
    lines += _spaced(f"<sup>{index}</sup> {note}" for index, note in enumerate(table.notes, 1))
    lines += _spaced((*table.reasons, *table.footer))
    return "\n".join(lines).rstrip() + "\n"


def comma_separated(table: Table) -> str:
    """One line a score, unrounded: a fixed set of columns, then what a table has of its own."""
    stream = io.StringIO()
    fields = dict.fromkeys((*FIELDS, *(key for record in table.records for key in record)))
    writer = csv.DictWriter(stream, fields, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows({"table": table.name, **record} for record in table.records)
    return stream.getvalue()


def json_text(table: Table) -> str:
    """The records and what is said beneath them; the footer, which tells dates and machines, as their provenance."""
    whole = {"name": table.name, "title": table.title, "remarks": table.remarks, "records": table.records}
    said = {"notes": table.notes, "reasons": table.reasons, "provenance": table.footer}
    return json.dumps(whole | said, indent=1, ensure_ascii=False) + "\n"


def latex(table: Table) -> str:
    """A booktabs table (packages adjustbox, amssymb, booktabs): best bold, second best underlined."""

    def shown(cell: Cell) -> str:
        text = _tex(cell.text)
        text = {1: f"\\textbf{{{text}}}", 2: f"\\underline{{{text}}}"}.get(cell.rank, text)
        marks = ",".join(map(str, table.marks(cell)))
        return f"{text}\\textsuperscript{{{marks}}}" if marks else text

    lines = [
        "\\begin{table}[t]",
        "\\centering",
        f"\\caption{{{_tex(re.sub(NUMBER, '', table.title))}}}",
        f"\\label{{tab:{table.name}}}",
    ]
    lines += [f"{{\\small {_tex(text)}\\par}}" for text in table.remarks]
    for grid in table.grids:
        lines += [f"\\medskip {_tex(grid.heading)}\\par\\smallskip"] if grid.heading else []
        lines += ["\\begin{adjustbox}{max width=\\linewidth}"]
        lines += [f"\\begin{{tabular}}{{{''.join('r' if column.numeric else 'l' for column in grid.columns)}}}"]
        lines += ["\\toprule"]
        if any(group for group, _ in grid.groups):
            lines.append(
                " & ".join(f"\\multicolumn{{{n}}}{{c}}{{{_tex(group)}}}" for group, n in grid.groups) + " \\\\"
            )
        lines += [" & ".join(_tex(column.label) for column in grid.columns) + " \\\\", "\\midrule"]
        lines += [" & ".join(map(shown, row)) + " \\\\" for row in grid.rows]
        lines += ["\\bottomrule", "\\end{tabular}", "\\end{adjustbox}"]
    notes = [f"\\textsuperscript{{{index}}} {_tex(note)}" for index, note in enumerate(table.notes, 1)]
    lines += ["\\par\\smallskip", "\\begin{minipage}{\\linewidth}\\footnotesize\\raggedright"]
    lines += [f"{line}\\par" for line in (*notes, *map(_tex, (*table.reasons, *table.footer)))]
    return "\n".join([*lines, "\\end{minipage}", "\\end{table}"]) + "\n"


def _spaced(lines: Iterable[str]) -> list[str]:
    return [part for line in lines for part in (line, "")]


def _tex(text: str) -> str:
    return "".join(TEX.get(character, character) for character in text)
