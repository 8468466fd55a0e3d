"""Several files under way at once: a bar each and one for the whole on a terminal, plain lines elsewhere."""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tqdm import tqdm

from siamrcr.progress import INTERVAL

Meter = Callable[[int, int], None]  # bytes done so far, and bytes of the whole file (0: not known)


def silent(done: int, total: int) -> None:
    """A meter that shows nothing."""


class Bars:
    """Progress of many files, from any number of threads.

    Args:
        label: what is done with them.
        files: how many there are, as far as known.
        size: bytes of those whose size is known; the others are added when their size is learnt.
    """

    def __init__(self, label: str, files: int, size: int = 0) -> None:
        self.label, self.files, self.total = label, files, size
        self.finished = self.count = self.fresh = 0
        self._parts: dict[str, tuple[int, int]] = {}
        self._lock = threading.RLock()
        self._start = self._last = time.monotonic()
        self._terminal = sys.stderr.isatty()
        self._whole = self._bar(label, size) if self._terminal else None

    @contextmanager
    def part(self, name: str, size: int = 0, counted: bool = True) -> Iterator[Meter]:
        """The meter of one file.

        Args:
            name: what its bar is called.
            size: its bytes, where they are in the whole's already.
            counted: whether its bytes belong to the whole's (those that are unpacked do not).
        """
        bar = self._bar(name, size) if self._terminal else None
        known, reached = size, None

        def meter(done: int, total: int) -> None:
            nonlocal known, reached
            with self._lock:
                if counted:
                    self.total, known = self.total + max(total - known, 0), max(total, known)
                    # What an earlier run brought is there, but says nothing about the rate.
                    self.fresh += 0 if reached is None else done - reached
                    self.count += done - (reached or 0)
                    self._show()
                reached = done
                self._parts[name] = (done, total)
                if bar is not None:
                    bar.total, bar.n = total or None, done
                    bar.update(0)
                elif time.monotonic() - self._last >= INTERVAL:
                    self._print()

        try:
            yield meter
            with self._lock:
                self.finished += counted
        finally:
            with self._lock:
                self._parts.pop(name, None)
                if bar is not None:
                    bar.close()

    def close(self) -> None:
        """Show the last state."""
        if self._whole is not None:
            self._show()
            self._whole.close()
        elif time.monotonic() - self._start >= 2:
            self._print()

    def _bar(self, name: str, size: int) -> "tqdm[Any]":
        whole = name == self.label
        return tqdm(
            total=size or None,
            desc=name,
            unit="B",
            unit_scale=True,
            dynamic_ncols=True,
            file=sys.stderr,
            leave=whole,
            position=0 if whole else None,
        )

    def _show(self) -> None:
        if self._whole is not None:
            self._whole.total, self._whole.n = self.total or None, self.count
            self._whole.set_postfix_str(f"{self.finished}/{self.files} files", refresh=False)
            self._whole.update(0)

    def _print(self) -> None:
        self._last = time.monotonic()
        rate = self.fresh / max(self._last - self._start, 1e-9)
        left = f", {(self.total - self.count) / rate:.0f} s left" if rate > 0 and self.count < self.total else ""
        shares = [f"{name} {100 * done / total:.0f}%" for name, (done, total) in self._parts.items() if total]
        line = f"{self.label}: {self.finished}/{self.files} files, {self.count / 1e9:.2f}/{self.total / 1e9:.2f} GB"
        print("; ".join([f"{line} ({rate / 1e6:.1f} MB/s{left})", *shares]), file=sys.stderr, flush=True)


@contextmanager
def bars(label: str, files: int, size: int = 0) -> Iterator[Bars]:
    """`Bars` that are closed when the block ends."""
    shown = Bars(label, files, size)
    try:
        yield shown
    finally:
        shown.close()
