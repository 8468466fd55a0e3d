"""The command `siamrcr evaluate` on whole benchmarks, start-up and reading included, beside the official toolkits."""

import sys
import tempfile
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

from bench import layout, peers
from bench.inputs import Inputs, inputs
from bench.timing import Timing, seconds
from siamrcr.files import write_json
from siamrcr.progress import progress
from siamrcr.provenance import provenance

# Benchmark and runs of the tracker.
TASKS = (("lasot", 1), ("otb2015", 1), ("got10k-val", 1), ("vot2018", 1), ("vot2018", 15))
# Resamples: the default, and the least that the configuration allows, which costs as little as none.
BOOTSTRAP = {"bootstrap": 2000, "no bootstrap": 1}
ROOT = Path(__file__).resolve().parents[1]


def measure(path: Path, runs: int, share: float) -> None:
    """Time every task, print the table and write it to `path`. Raises InputError where a command fails."""
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as temporary, progress("evaluation", len(TASKS) * 3, "commands") as bar:
        for benchmark, repetitions in TASKS:
            work = Path(temporary) / f"{benchmark}-{repetitions}"
            given = inputs(benchmark, repetitions, work, share)
            bar.advance(0, note=f"{benchmark}, {given.source}")
            toolkit = layout.PEERS.get(benchmark, "")
            theirs = _theirs(given, toolkit, work / "peer", runs) if toolkit else None
            bar.advance()
            for kind, count in BOOTSTRAP.items():
                rows.append(_row(given, kind, _ours(given, count, runs), toolkit, theirs))
                bar.advance()
    write_json(path, {"rows": rows, "runs": runs, "share": share, "provenance": _provenance()})
    print(table(rows))
    print(path)


def _ours(given: Inputs, bootstrap: int, runs: int) -> Timing:
    command: list[str | Path] = [sys.executable, "-m", "siamrcr", "evaluate", given.benchmark, given.tracks]
    command += ["--annotations", given.truth, "--configfile", ROOT / "workflow/config/mini.yaml"]
    return seconds([*command, "--set", f"analysis.bootstrap={bootstrap}"], runs)


def _theirs(given: Inputs, toolkit: str, folder: Path, runs: int) -> Timing:
    layout.lay_out(given, folder)
    return seconds([sys.executable, Path(peers.__file__), toolkit, folder], runs)


def _row(given: Inputs, kind: str, ours: Timing, toolkit: str, theirs: Timing | None) -> dict[str, Any]:
    several = "1 run" if given.runs == 1 else f"{given.runs} runs"
    return {
        "task": f"{given.benchmark}, {several}, {kind}",
        "data": given.source,
        "ours": asdict(ours),
        "peer": f"{toolkit} {metadata.version(toolkit)}" if toolkit else None,
        "theirs": asdict(theirs) if theirs else None,
        "ratio": theirs.wall / ours.wall if theirs else None,
    }


def _provenance() -> dict[str, Any]:
    toolkits = {name: metadata.version(name) for name in (*sorted(set(layout.PEERS.values())), "numba")}
    return provenance(toolkits=toolkits, command=" ".join(["python -m bench", *sys.argv[1:]]))


def table(rows: list[dict[str, Any]]) -> str:
    """The rows as a Markdown table; the ratio is the peer's seconds over ours."""
    shown = ["| task | data | ours s | peer | peer s | ratio |", "|---|---|---|---|---|---|"]
    for row in rows:
        ours, theirs = row["ours"]["wall"], row["theirs"]
        cells = [row["peer"], f"{theirs['wall']:.2f}", f"{row['ratio']:.1f}"] if theirs else ["-"] * 3
        shown.append(f"| {' | '.join([row['task'], row['data'], f'{ours:.2f}', *cells])} |")
    return "\n".join(shown)
