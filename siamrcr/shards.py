"""A benchmark in parts: jobs that share its sequences, on one machine or several, and write into one folder.

Each sequence belongs to one shard with all its repetitions, which share a file. The boxes do not depend on the shards:
nothing that a tracker computes does on the sequences beside it.
"""

import fcntl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from siamrcr.datasets import sequence
from siamrcr.files import read_json, write_json

LOCK = ".settings.lock"
# Hidden, as all that is no raw result. The workflow knows the name too.
RECORD = ".shard-{}-of-{}.json"


@dataclass(frozen=True)
class Shard:
    """Part `number`, from 1, of `count`."""

    number: int
    count: int

    def of(self, sequences: Sequence[sequence.Sequence]) -> list[sequence.Sequence]:
        """The part's sequences in their order: each in turn, the longest first, went to the part with fewest frames."""
        frames, own = [0] * self.count, set()
        for each in sorted(sequences, key=lambda each: (-len(each), each.name)):
            lightest = frames.index(min(frames))
            frames[lightest] += len(each)
            if lightest == self.number - 1:
                own.add(each.name)
        return [each for each in sequences if each.name in own]

    def record(self, folder: Path) -> Path:
        """The file that says the part is done."""
        return folder / RECORD.format(self.number, self.count)


def write(folder: Path, shard: Shard, record: dict[str, Any]) -> None:
    """Say that a part is done, and how; what was said of another number of parts is removed."""
    for old in {*folder.glob(RECORD.format("*", "*"))} - {*folder.glob(RECORD.format("*", shard.count))}:
        old.unlink(missing_ok=True)
    write_json(shard.record(folder), {"shard": f"{shard.number}/{shard.count}", **record})


def read(folder: Path, settings: str) -> list[dict[str, Any]]:
    """What parts of the settings with this checksum said."""
    found = [read_json(path, "remove it") for path in sorted(folder.glob(RECORD.format("*", "*")))]
    return [each for each in found if each.get("settings_sha256") == settings]


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold a folder against other processes, so that of parts which start at once one removes what is stale.

    Without locks, as on some clusters' disks, the block runs all the same: what is then removed twice is tracked by
    whoever gathers the parts.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("w") as lock:
        with suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
