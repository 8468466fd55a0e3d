"""Every rule of a benchmark side by side: what each does, in one line, and what each makes of the same raw results."""

from pathlib import Path
from typing import Any

from analysis.evaluation import conventions
from analysis.scoring import task, tracker_name
from siamrcr.config import Run
from siamrcr.errors import InputError

_OTB = {
    "official": "MATLAB toolkit: first box replaced, lost boxes repeat the last, invalid truth misses but is precise",
    "got10k": "got10k's toolkit: first box replaced, nothing repeated, every true box valid, the shorter length counts",
    "pysot": "pysot: first box as given, nothing repeated, invalid by size (success) or by centre (precision)",
    "pytracking": "pytracking: first box replaced, empty boxes repeat the last, short results go on empty, "
    "true boxes without size miss",
}
_LASOT = {
    "official": "LaSOT's toolkit: first box replaced, lost boxes repeat the last, absent frames miss, "
    "normalized precision at 0.2",
    "got10k": "got10k's toolkit: absent frames count as any other, normalized precision is the mean from 0 to 0.5",
    "pysot": "pysot: first box as given, nothing repeated, absent frames miss, normalized precision at 0.2",
    "pytracking": "pytracking: first box replaced, empty boxes repeat the last, absent frames miss, "
    "normalized precision at 0.2",
}
_VOT = {
    "published": "challenge's rule with a box's corners at x + w, as in the published tables",
    "matlab7": "challenge's rule with a box's corners at x + w - 1, as its MATLAB toolkit 7",
    "pysot": "pysot: corners at x + w, one run unless there are 15, a failure 5 frames before the end opens a fragment",
    "vot-toolkit": "vot-toolkit (Python): accuracy and failures per sequence weighted by length, fragments end before "
    "their failure, window one frame later",
}
# The first rule of each is the one that papers print.
WORDS: dict[str, dict[str, str]] = {
    "got10k-val": {"official": "got10k's toolkit: frames pooled, the first and hidden ones left out"},
    "got10k-test": {"official": "got10k's toolkit: frames pooled, the first and hidden ones left out"},
    "otb2015": _OTB,
    "lasot": _LASOT,
    "trackingnet": {"official": "devkit: whole pixels, areas under the curves, missing files count as boxes of zeros"},
    "vot2018": _VOT,
    "vot2019": _VOT,
}


def compare_rules(run: Run, benchmark: str, tracks: Path, annotations: Path | None, subset: bool) -> dict[str, Any]:
    """Every rule's metrics of the same raw results, the default rule first, as a JSON-like mapping.

    A rule that refuses the results has `refused` and the reason. Raises InputError where only a server can score.
    """
    what, rows = task(run, benchmark, annotations, subset), []
    for convention in conventions(benchmark):
        row: dict[str, Any] = {"convention": convention, "says": WORDS[benchmark][convention], "metrics": {}}
        try:
            score = what.score(tracks, tracker_name(tracks), convention, bootstrap=0)
        except InputError as error:
            row["refused"] = str(error)
        else:
            if score.get("status") == "server":
                raise InputError(f"{benchmark}: the ground truth is the server's: give it with --annotations PATH")
            row["metrics"] = {name: {"value": entry["value"]} for name, entry in score["metrics"].items()}
            row["notes"] = score["notes"]
        rows.append(row)
    first = rows[0]["metrics"]
    for row in rows:
        for name, entry in row["metrics"].items():
            pair = entry["value"], first.get(name, {}).get("value")
            entry["difference"] = None if None in pair else pair[0] - pair[1]
    return {"benchmark": benchmark, "tracker": tracker_name(tracks), "rules": rows}


def table(compared: dict[str, Any]) -> str:
    """What the terminal shows of `compare_rules`: a line a rule with its metrics, and one with what it does."""
    names = list(next((row["metrics"] for row in compared["rules"] if row["metrics"]), {}))
    lines = [f"{compared['tracker']} on {compared['benchmark']}: value, and difference to the first rule"]
    lines.append(f"  {'rule':<12}" + "".join(f"{name:>22}" for name in names))
    for row in compared["rules"]:
        cells = [f"{_plain(each['value'], '')} {_plain(each['difference'], '+')}" for each in row["metrics"].values()]
        refusal = f"  refused: {row['refused']}" if "refused" in row else ""
        lines.append(f"  {row['convention']:<12}" + "".join(f"{cell:>22}" for cell in cells) + refusal)
        lines.append(f"  {'':<12}  {row['says']}")
    return "\n".join(lines)


def _plain(value: float | None, sign: str) -> str:
    return "undefined" if value is None else f"{value:{sign}.5f}"
