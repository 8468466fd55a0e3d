"""Whole benchmarks tracked on two cores: a sequence after the other as toolkits do, or in lanes as `siamrcr track`."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from bench.paths import NETWORKS, THREADS
from siamrcr.errors import InputError
from siamrcr.files import write_json
from siamrcr.progress import progress
from siamrcr.provenance import provenance

# Frames of each sequence, at most: what a ResNet-50 does in some minutes.
FRAMES = {"small": 100, "ResNet-50": 8}
LONG, LANES = 20_000, 64
EAGER = "one by one, eager"


def measure(path: Path, runs: int, share: float) -> None:
    """Time every way, print the table and write it to `path`. Raises InputError where a part fails."""
    found: dict[str, Any] = {}
    with progress("tracking", len(NETWORKS) + 3, "parts") as bar:
        for name in NETWORKS:
            frames = max(4, round(share * FRAMES[name]))
            found[name] = _part("throughput", name, str(frames), str(runs))
            bar.advance(note=name)
        memory = {"long": _part("memory", str(max(80, round(share * LONG))))}
        bar.advance(note="a long sequence")
        count = max(2, round(share * LANES))
        for kind in ("threads", "batch"):
            memory[kind] = _part("many", kind, str(count))
            bar.advance(note=f"{count} lanes")
    whole = {"throughput": found, "memory": memory, "threads": THREADS, "runs": runs, "share": share}
    write_json(path, whole | {"provenance": provenance(command="python -m bench tracking")})
    print(table(whole))
    print(path)


def table(found: dict[str, Any]) -> str:
    """The figures as Markdown."""
    lines = []
    for name, part in found["throughput"].items():
        lines += [
            f"{name}: {part['sequences']} {part['data']} sequences, {part['frames']} frames, {found['threads']} cores:",
            "",
            "| way | frames/s | to eager | processor ms a frame |",
            "|---|---|---|---|",
        ]
        eager = part["rows"][EAGER]["frames_per_second"]
        for way, row in part["rows"].items():
            rate = row["frames_per_second"]
            lines.append(f"| {way} | {rate:.1f} | {rate / eager:.2f} | {row['processor_ms']:.1f} |")
        lines.append("")
    memory = found["memory"]
    lines.append(
        f"Memory: {memory['long']['mebibytes_per_1000_frames']:+.3f} MiB per 1000 frames of a sequence of "
        f"{memory['long']['frames']:,} ({memory['long']['mebibytes']:.0f} MiB in all); at most "
        f"{memory['threads']['mebibytes']:.0f} MiB with {memory['threads']['lanes']} lanes in threads, "
        f"{memory['batch']['mebibytes']:.0f} MiB in a batch, of which {memory['batch']['before']:.0f} before the first "
        f"frame (small network)."
    )
    return "\n".join(lines)


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
