"""Downloads from loopback against curl: 100 small files, and one of a gibibyte, with and without its checksum.

Our seconds are those of the transfers, without the start of Python; curl's are those of its whole process.
"""

import json
import math
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from siamrcr.errors import InputError
from siamrcr.files import write_json
from siamrcr.progress import progress
from siamrcr.provenance import provenance

SMALL, SMALL_BYTES = 100, 1 << 20
LARGE_BYTES = 1 << 30
GOAL, MEMORY = 0.8, 200.0
SHORT = 5
KINDS = {
    "small": "small files, 4 at once",
    "large": "one large file",
    "checked": "one large file and its SHA-256",
}


def measure(path: Path, runs: int, share: float) -> None:
    """Time all kinds, ours and curl's in turn, print a table and write it to `path`.

    Raises InputError where curl is missing or a transfer fails.
    """
    if shutil.which("curl") is None:
        raise InputError("curl: not found, though downloads are compared with it: install it")
    rows = []
    steps = sum(_runs(kind, runs) + 1 for kind in KINDS)
    with tempfile.TemporaryDirectory() as temporary, progress("downloads", steps, "runs") as bar:
        folder = Path(temporary)
        count, size = max(2, round(share * SMALL)), max(1 << 20, round(share * LARGE_BYTES))
        _write(folder / "served", count, size)
        with _serving(folder / "served") as address:
            for kind in KINDS:
                ours, theirs, memory = [], [], 0.0
                for number in range(_runs(kind, runs) + 1):
                    first, peak = _ours(kind, address, folder / "ours", count)
                    second = _theirs(kind, address, folder / "theirs", count)
                    memory = max(memory, peak)
                    if number:
                        ours.append(first)
                        theirs.append(second)
                    bar.advance(note=kind)
                total = count * SMALL_BYTES if kind == "small" else size
                mine, curl = statistics.median(ours), statistics.median(theirs)
                rows.append(
                    {
                        "kind": kind,
                        "bytes": total,
                        "ours_seconds": mine,
                        "curl_seconds": curl,
                        "ours_runs": ours,
                        "curl_runs": theirs,
                        "ratio": curl / mine,
                        "memory_mebibytes": memory,
                    }
                )
    print(table(rows, count))
    write_json(path, {"rows": rows, "goal": GOAL, "memory_goal": MEMORY, "provenance": provenance()})


def table(rows: list[dict[str, Any]], count: int) -> str:
    """The figures as Markdown."""
    lines = [
        f"Downloads from loopback ({count} small files of 1 MiB; seconds by the clock, medians; goal {GOAL} of curl's "
        f"throughput in less than {MEMORY:.0f} MiB):",
        "",
        "| what | MiB | ours s | curl s | ours MB/s | ratio | peak MiB |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        cells = [
            KINDS[row["kind"]],
            f"{row['bytes'] / 2**20:.0f}",
            f"{row['ours_seconds']:.3f}",
            f"{row['curl_seconds']:.3f}",
            f"{row['bytes'] / row['ours_seconds'] / 1e6:.0f}",
            f"{row['ratio']:.2f}",
            f"{row['memory_mebibytes']:.0f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def get(kind: str, address: str, folder: Path, count: int) -> dict[str, float]:
    """Download as `siamrcr download` does, in this process: seconds, and the process's peak memory in MiB."""
    from functools import partial

    from siamrcr.datasets import archives, checksums, install, pool, transfer
    from siamrcr.datasets.bars import bars

    names = [f"{number}.bin" for number in range(count)] if kind == "small" else ["large.bin"]
    start = time.perf_counter()

    def check(part: Path) -> None:
        archive = archives.of(part, part.stem)
        archives.check(archive, archive.name)
        if kind == "checked":
            checksums.digest(archive, "sha256")

    with bars("bench", len(names)) as shown:

        def fetch(check: Any, name: str) -> None:
            with shown.part(name) as meter:
                transfer.fetch([f"{address}/{name}"], folder / name, None, check, meter)

        pool.each(names, partial(fetch, check), install.JOBS)
    seconds = time.perf_counter() - start
    # Not getrusage's: that begins with what the parent held.
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return {"seconds": seconds, "mebibytes": int(peak[1]) / 1024 if peak else math.nan}


def serve(folder: Path) -> None:
    """Serve a folder's files at a port that is printed, by the kernel's own copying: the server is not the limit."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    print(listener.getsockname()[1], flush=True)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=_answer, args=(connection, folder), daemon=True).start()


def _answer(connection: socket.socket, folder: Path) -> None:
    with connection, connection.makefile("rb") as asked:
        while (line := asked.readline()).startswith(b"GET"):
            closing = False
            while (header := asked.readline()) not in (b"\r\n", b""):
                closing = closing or header.lower().startswith(b"connection: close")
            path = folder / line.split()[1].decode().lstrip("/")
            with path.open("rb") as stream:
                head = f'HTTP/1.1 200 OK\r\nContent-Length: {path.stat().st_size}\r\nETag: "1"\r\n'
                kind = "Content-Type: application/octet-stream\r\n"
                connection.sendall(
                    f"{head}{kind}{'Connection: close' if closing else 'Connection: keep-alive'}\r\n\r\n".encode()
                )
                connection.sendfile(stream)
            if closing:
                return


@contextmanager
def _serving(folder: Path) -> Iterator[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.downloads", "serve", folder], stdout=subprocess.PIPE, cwd=_ROOT
    )
    try:
        port = int(process.stdout.readline()) if process.stdout else 0
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


_ROOT = Path(__file__).resolve().parents[1]


def _write(folder: Path, count: int, size: int) -> None:
    folder.mkdir()
    block = os.urandom(SMALL_BYTES)
    for number in range(count):
        (folder / f"{number}.bin").write_bytes(block)
    with (folder / "large.bin").open("wb") as stream:
        for start in range(0, size, SMALL_BYTES):
            stream.write(block[: size - start])


def _runs(kind: str, runs: int) -> int:
    """Short ones are disturbed most by other work, and cost least."""
    return SHORT * runs if kind == "small" else runs


def _ours(kind: str, address: str, folder: Path, count: int) -> tuple[float, float]:
    folder.mkdir()
    command = [sys.executable, "-m", "bench.downloads", "get", kind, address, str(folder), str(count)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=_ROOT)
    if done.returncode:
        raise InputError(f"our download failed: {' '.join(done.stderr.split())[-300:]}")
    found = json.loads(done.stdout)
    shutil.rmtree(folder)
    return found["seconds"], found["mebibytes"]


def _theirs(kind: str, address: str, folder: Path, count: int) -> float:
    folder.mkdir()
    last = f"[0-{count - 1}].bin" if kind == "small" else "large.bin"
    target = "#1.bin" if kind == "small" else "large.bin"
    several = ["--parallel", "--parallel-max", "4"] if kind == "small" else []
    command = ["curl", "--fail", "--silent", "--show-error", *several, "--output", str(folder / target)]
    start = time.perf_counter()
    done = subprocess.run([*command, f"{address}/{last}"], capture_output=True, text=True, check=False)
    if done.returncode == 0 and kind == "checked":
        done = subprocess.run(["sha256sum", str(folder / target)], capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - start
    if done.returncode:
        raise InputError(f"curl failed: {' '.join(done.stderr.split())[-300:]}")
    shutil.rmtree(folder)
    return seconds


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(Path(sys.argv[2]))
    print(json.dumps(get(sys.argv[2], sys.argv[3], Path(sys.argv[4]), int(sys.argv[5]))))
