"""The numbers that the paper prints, each with its place and, where the paper contradicts itself, a note."""

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FILE = Path(__file__).with_name("reported.csv")
OURS = "SiamRCR"


@dataclass(frozen=True)
class Number:
    """One reported number; `value` is None where the paper leaves it to a supplementary that was not found."""

    table: str  # the name of our table or figure, or `text`
    benchmark: str  # ours; empty where the number belongs to none
    split: str
    tracker: str  # as printed; in Table 1 the row's numeral, in Table 2 `r=1` to `r=5`
    metric: str  # ours; fractions, not per cent
    value: float | None
    source: str
    note: str


@cache
def read() -> tuple[Number, ...]:
    """Every number, in the order of the paper."""
    with FILE.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    texts = ("table", "benchmark", "split", "tracker", "metric", "source", "note")
    return tuple(
        Number(**{t: row[t] for t in texts}, value=float(row["value"]) if row["value"] else None) for row in rows
    )


def trackers(table: str) -> tuple[str, ...]:
    """The trackers of a table, in its order."""
    return tuple(dict.fromkeys(number.tracker for number in read() if number.table == table))


def find(table: str, tracker: str, metric: str) -> Number | None:
    """The number that a table prints for a tracker, or None where it prints none."""
    return next((n for n in read() if (n.table, n.tracker, n.metric) == (table, tracker, metric)), None)


def contradicted(number: Number) -> tuple[Number, ...]:
    """Numbers of the text that rest on one of a table and contradict it, or themselves: those with a note."""
    about = [n for n in read() if n.table == "text" and n.note and number.metric in n.metric.split("_")]
    return tuple(n for n in about if (n.benchmark, n.tracker) == (number.benchmark, number.tracker))
