"""Progress that people see: a bar on a terminal, a plain line every ten seconds elsewhere."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tqdm import tqdm

INTERVAL = 10.0


class Progress:
    """Counts units of work; `note` is shown beside the rate."""

    def __init__(self, label: str, total: int, unit: str, shown: bool = True) -> None:
        self.label, self.total, self.unit, self.shown = label, total, unit, shown
        self.count, self.first = 0, 0
        self.note = ""
        self._start = self._last = time.monotonic()
        terminal = sys.stderr.isatty()
        self._bar = (
            tqdm(total=total, desc=label, unit=unit, dynamic_ncols=True, file=sys.stderr)
            if terminal and shown
            else None
        )

    def resume(self, count: int) -> None:
        """Say how much was already done before this process began."""
        self.count = self.first = count
        if self._bar is not None:
            self._bar.n = self._bar.initial = count
            self._bar.refresh()

    def advance(self, amount: int = 1, note: str = "") -> None:
        """Add finished units."""
        self.count += amount
        self.note = note or self.note
        if self._bar is not None:
            self._bar.update(amount)
            self._bar.set_postfix_str(self.note, refresh=False)
        elif time.monotonic() - self._last >= INTERVAL:
            self._print()

    def close(self) -> None:
        """Print the last state."""
        if self._bar is not None:
            self._bar.close()
        elif time.monotonic() - self._start >= 2:
            self._print()

    def _print(self) -> None:
        self._last = time.monotonic()
        if not self.shown:
            return
        seconds = self._last - self._start
        rate = (self.count - self.first) / seconds if seconds > 0 else 0.0
        left = f", {(self.total - self.count) / rate:.0f} s left" if rate > 0 and self.count < self.total else ""
        note = f", {self.note}" if self.note else ""
        line = f"{self.label}: {self.count}/{self.total} {self.unit} ({rate:.1f}/s{left}){note}"
        print(line, file=sys.stderr, flush=True)


@contextmanager
def progress(label: str, total: int, unit: str, shown: bool = True) -> Iterator[Progress]:
    """A `Progress` that is closed when the block ends; of several processes only one shows it."""
    bar = Progress(label, total, unit, shown)
    try:
        yield bar
    finally:
        bar.close()
