"""What a training costs beside its network: the loader, the index of a training set, the step's own overhead."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench import loading
from bench.timing import THREADS
from siamrcr.errors import InputError
from siamrcr.files import write_json
from siamrcr.progress import progress
from siamrcr.provenance import provenance

# What each loader's process does with memory that it frees: what the C library does by itself, and what `siamrcr` does.
MEMORY = ("plain", "kept")
PAIRS = 400
BOXES, VIDEOS = 14_000_000, 30_000  # TrackingNet's
STEPS = 12


def measure(path: Path, runs: int, share: float) -> None:
    """Time all three, print the tables and write them to `path`. Raises InputError where a command fails."""
    with tempfile.TemporaryDirectory() as temporary, progress("training", len(MEMORY) * runs + 3, "parts") as bar:
        folder = Path(temporary)
        loading.write(folder / "frames")
        bar.advance(note="frames written")
        several: dict[str, list[dict[str, Any]]] = {memory: [] for memory in MEMORY}
        for _ in range(runs):
            for memory, done in several.items():
                command = ["-m", "bench.loading", str(folder / "frames"), str(max(4, round(share * PAIRS))), memory]
                done.append(_python(command))
                bar.advance(note="loader")
        loader = _loader(several, folder / "frames")
        opened = _index(folder / "index", share)
        bar.advance(note="index")
        step = _python(["-m", "bench.costs", "step", str(max(2, round(share * STEPS)))])
        bar.advance(note="step")
    found = {"loader": loader, "index": opened, "step": step, "runs": runs, "share": share}
    write_json(path, found | {"provenance": provenance(command="python -m bench training")})
    print(table(found))
    print(path)


def _loader(several: dict[str, list[dict[str, Any]]], frames: Path) -> dict[str, Any]:
    first = several[MEMORY[0]][0]
    pairs, kinds = first["pairs"], first["seconds"]
    rows: dict[str, Any] = {kind: {} for kind in kinds}
    for memory, runs in several.items():
        for kind, row in rows.items():
            seconds = {stage: statistics.median(run["seconds"][kind][stage] for run in runs) for stage in kinds[kind]}
            row[memory] = {
                "pairs_per_second": pairs / seconds.pop("whole"),
                "milliseconds": {stage: 1000 * value / pairs for stage, value in seconds.items()},
            }
    sizes = [file.stat().st_size for file in frames.rglob("*.jpg")]
    return {"rows": rows, "reductions": first["reductions"], "bytes": statistics.mean(sizes)}


def _index(folder: Path, share: float) -> dict[str, float]:
    """Seconds to build and to open an index of TrackingNet's size, and private memory of a process that draws pairs."""
    boxes, videos = round(share * BOXES), max(2, round(share * VIDEOS))
    built = _python(["-m", "bench.costs", "build", str(folder), str(boxes), str(videos)])
    return {"boxes": boxes, **built, **_python(["-m", "bench.costs", "open", str(folder)])}


def _python(arguments: list[str], environment: dict[str, str] | None = None) -> Any:
    """What a Python process prints, as JSON. Raises InputError where it fails."""
    done = subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).resolve().parents[1],
        env={**os.environ, **THREADS, **(environment or {})},
    )
    if done.returncode:
        raise InputError(f"{' '.join(arguments)[:40]} ... failed: {' '.join(done.stderr.split())[-300:]}")
    return json.loads(done.stdout)


def table(found: dict[str, Any]) -> str:
    """The figures as Markdown."""
    loader, index, step = found["loader"], found["index"], found["step"]
    mix = ", ".join(
        f"{loader['reductions'].count(n)} of {len(loader['reductions'])} at 1/{n}"
        for n in sorted(set(loader["reductions"]))
    )
    lines = [
        f"Loader, one core, 1280 x 720 JPEG of {loader['bytes'] / 1000:.0f} kB, targets of {loading.SIDES[0]:.0f} to "
        f"{loading.SIDES[1]:.0f} pixels (decoded {mix}):",
        "",
        "| loader | pairs/s | to naive | memory kept | to naive | draw ms | decode ms | crop ms | augment ms |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for kind, row in loader["rows"].items():
        cells = [kind]
        for memory in MEMORY:
            speed, naive = (each[memory]["pairs_per_second"] for each in (row, loader["rows"]["naive"]))
            cells += [f"{speed:.0f}", f"{speed / naive:.2f}"]
        stages = row["kept"]["milliseconds"]
        cells += [f"{stages[stage]:.2f}" if stage in stages else "-" for stage in ("draw", "decode", "crop", "augment")]
        lines.append(f"| {' | '.join(cells)} |")
    chosen, naive = loader["rows"]["reduced decoding"], loader["rows"]["naive"]
    shipped = chosen["kept"]["pairs_per_second"] / naive["plain"]["pairs_per_second"]
    lines += [
        "",
        f"As they come (`siamrcr train` keeps its memory, a script does not): {shipped:.2f} times the naive loader.",
        "",
        f"Index of {index['boxes']:,} boxes: built in {index['build_seconds']:.1f} s, "
        f"opened in {index['open_seconds']:.3f} s; {index['worker_mebibytes']:.1f} MiB of private memory "
        f"in a process that draws 5,000 pairs beside another.",
        f"Training step (mini): {step['step_seconds']:.3f} s, {step['outside_share']:.1%} of it outside forward and "
        f"backward.",
    ]
    return "\n".join(lines)
