"""Whole benchmarks tracked on two cores: a sequence after the other as toolkits do, or in lanes as `siamrcr track`."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from bench import goals
from bench.goals import Goal
from bench.paths import EAGER, NETWORKS, THREADS
from bench.ways import precision
from siamrcr.errors import InputError
from siamrcr.files import write_json
from siamrcr.progress import progress
from siamrcr.provenance import provenance

# Frames of each sequence, at most: what a ResNet-50 does in some minutes.
FRAMES = {"small": 100, "ResNet-50": 8}
LONG, LANES = 20_000, 64
# Of the fastest lanes to the eager loop.
LEAST = {"small": 2, "ResNet-50": 1.4}
# Percent of the lanes' time, and mebibytes of 1000 frames.
MOST_WAITING, MOST_GROWTH = 5, 0.1


def measure(path: Path, runs: int, share: float, device: str = "cpu") -> None:
    """Time every way on a device, print table and goals and write them to `path`.

    Raises InputError where a part fails.
    """
    # Threads are how a processor's lanes run.
    kinds = ("threads", "batch") if device == "cpu" else ("batch",)
    found: dict[str, Any] = {}
    with progress("tracking", len(NETWORKS) + 1 + len(kinds), "parts") as bar:
        for name in NETWORKS:
            frames = max(4, round(share * FRAMES[name if device == "cpu" else "small"]))
            found[name] = _part("throughput", name, str(frames), str(runs), device)
            bar.advance(note=name)
        memory = {"long": _part("memory", str(max(80, round(share * LONG))), device)}
        bar.advance(note="a long sequence")
        count = max(2, round(share * LANES))
        for kind in kinds:
            memory[kind] = _part("many", kind, str(count), device)
            bar.advance(note=f"{count} lanes")
    whole = {"throughput": found, "memory": memory, "device": device, "threads": THREADS, "runs": runs, "share": share}
    write_json(path, whole | {"provenance": provenance(command=f"python -m bench tracking --device {device}")})
    print(f"{table(whole)}\n\n{goals.table(reached(whole))}")
    print(path)


def table(found: dict[str, Any]) -> str:
    """The figures as Markdown."""
    lines = []
    for name, part in found["throughput"].items():
        lines += [
            f"{name}: {part['sequences']} {part['data']} sequences, {part['frames']} frames, "
            f"{found['threads']} threads, {found['device']}:",
            "",
            "| way | frames/s | to eager | processor ms a frame | lanes wait for frames |",
            "|---|---|---|---|---|",
        ]
        eager = part["rows"][EAGER]["frames_per_second"]
        for way, row in part["rows"].items():
            rate, waiting = row["frames_per_second"], row["waiting"]
            told = "-" if math.isnan(waiting) else f"{waiting:.1%}"
            lines.append(f"| {way} | {rate:.1f} | {rate / eager:.2f} | {row['processor_ms']:.1f} | {told} |")
        lines.append("")
    memory = found["memory"]
    lines.append(
        f"Memory: {memory['long']['mebibytes_per_1000_frames']:+.3f} MiB per 1000 frames of a sequence of "
        f"{memory['long']['frames']:,} ({memory['long']['mebibytes']:.0f} MiB in all)."
    )
    for kind in ("threads", "batch"):
        if kind in memory:
            lines.append(
                f"{memory[kind]['lanes']} lanes ({kind}, small network): at most {memory[kind]['mebibytes']:.0f} MiB, "
                f"of which {memory[kind]['before']:.0f} before the first frame"
                + (f"; {memory[kind]['on_device']:.0f} on the GPU." if "on_device" in memory[kind] else ".")
            )
    return "\n".join(lines)


def reached(found: dict[str, Any]) -> list[Goal]:
    """The goals of throughput and memory, by the fastest lanes."""
    reached = []
    for name, part in found["throughput"].items():
        # Half precision changes scores: it has its rows, and no part in the goals.
        whole = {way: row for way, row in part["rows"].items() if precision(way) == "fp32"}
        lanes = {way: row for way, row in whole.items() if not math.isnan(row["waiting"])}
        way, best = max(lanes.items(), key=lambda item: item[1]["frames_per_second"])
        ratio = best["frames_per_second"] / part["rows"][EAGER]["frames_per_second"]
        reached += [
            Goal(
                f"{name}, {way}: at least {LEAST[name]} times the frames/s of the eager loop, one by one",
                ratio,
                (".2f", ""),
                LEAST[name],
            ),
            Goal(
                f"{name}, {way}: lanes wait for frames at most {MOST_WAITING} % of their time",
                100 * best["waiting"],
                (".1f", " %"),
                most=MOST_WAITING,
            ),
        ]
    memory = found["memory"]
    text = f"memory stays flat over {memory['long']['frames']:,} frames: at most {MOST_GROWTH} MiB per 1000"
    reached.append(Goal(text, memory["long"]["mebibytes_per_1000_frames"], ("+.3f", " MiB"), most=MOST_GROWTH))
    for kind in ("threads", "batch"):
        if kind in memory:
            text = f"memory with {memory[kind]['lanes']} lanes ({kind})"
            reached.append(Goal(text, memory[kind]["mebibytes"], (".0f", " MiB")))
    return reached


def _part(part: str, *rest: str) -> Any:
    """What a part prints, as JSON. Raises InputError where it fails."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.paths", part, *rest],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).resolve().parents[1],
        # Threads that wait for one another by spinning are many times slower beside other work.
        env={**os.environ, "OMP_NUM_THREADS": str(THREADS), "OMP_WAIT_POLICY": "passive"},
    )
    if done.returncode:
        raise InputError(f"bench.paths {part} failed: {' '.join(done.stderr.split())[-300:]}")
    return json.loads(done.stdout)
