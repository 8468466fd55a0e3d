"""Which runs of a tracker are whole: a line each, with the checksums of its files, added once they are written.

A run that is not in the list, or whose files are no longer what the list says, is tracked again.
"""

import os
from collections.abc import Iterable
from pathlib import Path

from siamrcr.files import checksum

# Hidden, so that it is no raw result. It outlives the manifest, which a workflow removes before it starts again.
NAME = ".finished"


class Finished:
    """The list of a folder of raw results; a file's last line counts.

    Attributes:
        known: path of a file below the folder -> its checksum.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.known: dict[str, str] = {}
        try:
            lines = (folder / NAME).read_bytes().decode(errors="replace").splitlines()
        except FileNotFoundError:
            return
        for line in lines:
            value, _, name = line.partition(" ")
            self.known[name] = value

    def add(self, names: Iterable[str]) -> None:
        """Note files that are there, as one line of the disk each; a machine that stops half-way loses this run."""
        found = {name: checksum((self.folder / name).read_bytes()) for name in names if (self.folder / name).is_file()}
        self.known |= found
        # The line end before it closes one that was cut off.
        text = "".join(f"\n{value} {name}" for name, value in found.items()) + "\n"
        with (self.folder / NAME).open("ab", buffering=0) as stream:
            stream.write(text.encode())
            os.fsync(stream.fileno())

    def holds(self, name: str) -> bool:
        """Whether a file is there and is what was written."""
        path = self.folder / name
        return path.is_file() and checksum(path.read_bytes()) == self.known.get(name)
