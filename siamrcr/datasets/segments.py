"""Stretches of files, read as one file: a split archive, or an archive within another."""

import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

BUFFER = 1 << 20


@dataclass(frozen=True)
class Segment:
    """`length` bytes of a file, from `start` on."""

    path: Path
    start: int
    length: int


def joined(segments: Sequence[Segment]) -> io.BufferedReader:
    """All segments, one behind the other, as a stream that can be searched."""
    return io.BufferedReader(_Joined(segments), BUFFER)


class _Joined(io.RawIOBase):
    def __init__(self, segments: Sequence[Segment]) -> None:
        self._segments = segments
        self._ends = list(accumulate(segment.length for segment in segments))
        self._at = 0
        self._open: tuple[int, io.FileIO] | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._ends[-1]}[whence]
        if base + offset < 0:
            raise OSError("before the start of the file")
        self._at = base + offset
        return self._at

    def readinto(self, buffer: Any, /) -> int:
        number = next((n for n, end in enumerate(self._ends) if self._at < end), None)
        if number is None:
            return 0
        segment, left = self._segments[number], self._ends[number] - self._at
        if self._open is None or self._open[0] != number:
            self._shut()
            self._open = (number, io.FileIO(segment.path))
        stream = self._open[1]
        stream.seek(segment.start + segment.length - left, os.SEEK_SET)
        count = stream.readinto(memoryview(buffer)[:left]) or 0
        self._at += count
        return count

    def close(self) -> None:
        self._shut()
        super().close()

    def _shut(self) -> None:
        if self._open is not None:
            self._open[1].close()
            self._open = None
