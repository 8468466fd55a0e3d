"""Checksums: those that a source publishes, and those that were learnt from the first download, for others to share.

Learnt ones are rows of `checksums.csv` in the folder of the datasets, or of a file that the user names: dataset, file,
bytes, sha256. Who gets that file downloads what its author did, or is told that a source has changed.
"""

import csv
import fcntl
import hashlib
import io
from dataclasses import dataclass
from pathlib import Path

from siamrcr.datasets import hub
from siamrcr.datasets.archives import Archive
from siamrcr.datasets.bars import Meter, silent
from siamrcr.datasets.transfer import writing
from siamrcr.errors import InputError
from siamrcr.files import write_text

DIGESTS = {32: "md5", 40: "sha1", 64: "sha256", 128: "sha512"}
COLUMNS = ("dataset", "file", "bytes", "sha256")
CHUNK = 1 << 20


def algorithm(checksum: str) -> str | None:
    """How a published checksum was made, told by its length; None for kinds that are not known here."""
    return "sha1" if checksum.startswith(hub.GIT) else DIGESTS.get(len(checksum))


def digest(archive: Archive, name: str, prefix: bytes = b"", meter: Meter = silent) -> str:
    """Hexadecimal checksum of all bytes, read anew from the disk: what is there counts, not what was sent."""
    found = hashlib.new(name, prefix, usedforsecurity=False)
    done = 0
    with archive.open() as stream:
        while chunk := stream.read(CHUNK):
            found.update(chunk)
            done += len(chunk)
            meter(done, archive.bytes)
    return found.hexdigest()


def check(archive: Archive, checksum: str, name: str, meter: Meter = silent) -> None:
    """Compare with a published checksum; one of an unknown kind is passed over. Raises InputError naming both."""
    kind = algorithm(checksum)
    if kind is None:
        return
    # Git sums up a file behind its length.
    prefix = f"blob {archive.bytes}\0".encode() if checksum.startswith(hub.GIT) else b""
    found, wanted = digest(archive, kind, prefix, meter), checksum.removeprefix(hub.GIT).lower()
    if found != wanted:
        raise InputError(f"{name}: {kind} {found} instead of {wanted}: download it again")


@dataclass(frozen=True)
class Lock:
    """The learnt checksums; several processes and threads may use the file at once."""

    path: Path

    def check(self, dataset: str, file: str, archive: Archive, name: str, meter: Meter = silent) -> None:
        """Compare with what was learnt, or learn it. Raises InputError where they differ, or the file is malformed."""
        found = digest(archive, "sha256", meter=meter)
        known = self.read().get((dataset, file))
        if known is None:
            self._add((dataset, file), (archive.bytes, found))
        elif known[1] != found:
            raise InputError(
                f"{name}: sha256 {found} instead of {known[1]}, which {self.path} has from an earlier download: it is "
                f"damaged, or its source changed; if you trust the new one, delete that line of {self.path.name}"
            )

    def read(self) -> dict[tuple[str, str], tuple[int, str]]:
        """(dataset, file) -> bytes and SHA-256. Raises InputError naming the line that is malformed."""
        if not self.path.is_file():
            return {}
        known = {}
        with self.path.open(newline="") as stream:
            rows = csv.reader(stream)
            for number, row in enumerate(rows, start=1):
                if number == 1 and tuple(row) == COLUMNS:
                    continue
                if number == 1 or len(row) != len(COLUMNS) or not row[2].isdecimal() or len(row[3]) != 64:
                    columns = ",".join(COLUMNS)
                    raise InputError(f"{self.path}: line {number} is not {columns}: restore the file, or delete it")
                known[row[0], row[1]] = (int(row[2]), row[3])
        return known

    def _add(self, key: tuple[str, str], value: tuple[int, str]) -> None:
        with writing(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.with_name(f".{self.path.name}.lock").open("w") as guard:
                fcntl.flock(guard, fcntl.LOCK_EX)
                text = io.StringIO()
                rows = csv.writer(text, lineterminator="\n")
                rows.writerow(COLUMNS)
                rows.writerows((*each, *entry) for each, entry in sorted((self.read() | {key: value}).items()))
                write_text(self.path, text.getvalue())
