"""What a benchmark's server answered, in the forms that users have it in.

- JSON of our own: metric -> value.
- GOT-10k's report, as its server and toolkit write it: {tracker: {overall: {ao, sr, succ_curve, ...}}}, fractions.
- EvalAI's result of TrackingNet: [{split: {Success, Precision, Normalized Precision, Coverage}}], per cent.
- CSV or TSV of two columns, metric and value.
"""

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from analysis.evaluation import METRICS
from siamrcr.errors import InputError

# Names that servers give, without case, spaces and signs, -> ours.
NAMES = {
    "ao": "AO",
    "sr": "SR0.5",
    "sr05": "SR0.5",
    "sr050": "SR0.5",
    "sr50": "SR0.5",
    "sr075": "SR0.75",
    "sr75": "SR0.75",
    "success": "success",
    "precision": "precision",
    "normalizedprecision": "normalized_precision",
    "normprecision": "normalized_precision",
}
OTHERS = {"coverage", "speedfps", "fps", "hz", "speed", "succcurve", "length"}  # what servers tell besides
CURVE = 101  # points of GOT-10k's success curve, 0 to 1


def read(path: Path, benchmark: str, tracker: str) -> dict[str, float]:
    """Metric -> value from 0 to 1, as far as the server gave it.

    Values are per cent where the form says so (EvalAI) or where all of them exceed 1, fractions where none does. Raises
    InputError, naming the file, for another form, an unknown metric, a tracker that is not there, and for values of
    which only some exceed 1.
    """
    remedy = f"save the server's answer as JSON or CSV of {', '.join(METRICS[benchmark])}"
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not a text"
        raise InputError(f"{path}: cannot be read ({reason}): {remedy}") from None
    given, evalai = _pairs(text, path, tracker, remedy)
    values: dict[str, float] = {}
    for name, value in given:
        key = "".join(letter for letter in name.lower() if letter.isalnum())
        metric = NAMES.get(key)
        if key in OTHERS:
            continue
        if metric not in METRICS[benchmark] or metric in values:
            raise InputError(f"{path}: {name!r} is no metric of {benchmark}, or there twice: {remedy}")
        values[metric] = _number(value, name, path, remedy)
    if not values:
        raise InputError(f"{path}: holds none of the metrics of {benchmark}: {remedy}")
    return _fractions(values, evalai, path)


def _pairs(text: str, path: Path, tracker: str, remedy: str) -> tuple[list[tuple[str, Any]], bool]:
    """Names and values, and whether they are EvalAI's."""
    if not text.lstrip().startswith(("{", "[")):
        return _table(text, path, remedy), False
    try:
        data = json.loads(text)
    except ValueError as error:
        raise InputError(f"{path}: not readable JSON ({error}): {remedy}") from None
    if isinstance(data, dict) and isinstance(data.get("result"), list):
        data = data["result"]
    if isinstance(data, list):
        splits = [split for entry in data if isinstance(entry, dict) for split in entry.values()]
        if len(splits) != 1 or not isinstance(splits[0], dict):
            raise InputError(f"{path}: holds {len(splits)} splits of a challenge instead of one: {remedy}")
        return list(splits[0].items()), True
    reports = {name: entry["overall"] for name, entry in data.items() if isinstance(entry, dict) and "overall" in entry}
    if not reports:
        return list(data.items()), False
    if tracker not in reports and len(reports) > 1:
        raise InputError(f"{path}: a report of {', '.join(reports)}, not of {tracker}: name one with --tracker")
    report = reports.get(tracker, next(iter(reports.values())))
    if not isinstance(report, dict):
        raise InputError(f"{path}: its `overall` is no mapping of metrics: {remedy}")
    curve = report.get("succ_curve")
    named = any(NAMES.get("".join(filter(str.isalnum, key.lower()))) == "SR0.75" for key in report)
    # The report's success rates are points of its curve, which counts overlaps above each hundredth.
    more = [("SR0.75", curve[75])] if isinstance(curve, list) and len(curve) == CURVE and not named else []
    return [*report.items(), *more], False


def _table(text: str, path: Path, remedy: str) -> list[tuple[str, Any]]:
    """Rows of two columns; a first row without a number is a heading."""
    delimiter = next((sign for sign in ("\t", ";") if sign in text), ",")
    rows = [[cell.strip() for cell in row] for row in csv.reader(io.StringIO(text), delimiter=delimiter) if any(row)]
    wrong = next((row for row in rows if len(row) != 2), None)
    if wrong is not None or not rows:
        raise InputError(f"{path}: {'empty' if wrong is None else f'{wrong} is not a metric and a value'}: {remedy}")
    heading = not any(sign.isdigit() for sign in rows[0][1])
    return [(name, value) for name, value in rows[heading:]]


def _number(value: Any, name: str, path: Path, remedy: str) -> float:
    """A value from 0 to 100."""
    try:
        number = float(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else -1.0
    except ValueError:
        number = -1.0
    if not 0 <= number <= 100:
        raise InputError(f"{path}: {name} is {value!r}: {remedy}, as fractions or per cent")
    return number


def _fractions(values: dict[str, float], evalai: bool, path: Path) -> dict[str, float]:
    above = [name for name, value in values.items() if value > 1]
    if len(above) == len(values):
        return {name: value / 100 for name, value in values.items()}
    if above or evalai:
        below: Sequence[str] = [name for name in values if name not in above]
        reason = "EvalAI gives per cent" if evalai else f"{above[0]} of {values[above[0]]:g} is per cent"
        raise InputError(
            f"{path}: {reason}, but {below[0]} of {values[below[0]]:g} may be a fraction: write fractions as JSON"
        )
    return values
