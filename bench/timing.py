"""Whole commands, each a process of its own: seconds by the clock and of the processor."""

import os
import resource
import statistics
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from siamrcr.errors import InputError

THREADS = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Timing:
    """Medians over runs.

    Attributes:
        wall: seconds by the clock.
        processor: seconds of the processor, in the program and in the system: what other load hardly changes.
        runs: each run's seconds by the clock.
    """

    wall: float
    processor: float
    runs: list[float]


def seconds(command: Sequence[str | Path], runs: int) -> Timing:
    """Time a command `runs` times, after one run that fills the caches. Raises InputError where it fails."""
    words = [str(word) for word in command]
    wall, processor = [], []
    for number in range(runs + 1):
        before, start = _spent(), time.perf_counter()
        done = subprocess.run(words, capture_output=True, text=True, env={**os.environ, **THREADS}, check=False)
        elapsed, spent = time.perf_counter() - start, _spent() - before
        if done.returncode:
            raise InputError(f"{' '.join(words[:4])} ... failed: {' '.join(done.stderr.split())[-300:]}")
        if number:
            wall.append(elapsed)
            processor.append(spent)
    return Timing(statistics.median(wall), statistics.median(processor), [round(each, 3) for each in wall])


def _spent() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
