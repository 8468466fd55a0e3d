"""SIGTERM and SIGINT as a request to stop between two iterations."""

import signal
import time
from types import FrameType, TracebackType
from typing import Self

SIGNALS = (signal.SIGTERM, signal.SIGINT)
# Seconds within which signals are one: torchrun passes on what the batch system or terminal has sent to all anyway.
ECHO = 10


class Interruption:
    """While entered, `signal` holds the number of the first such signal, 0 before; a later one acts as usual."""

    def __init__(self) -> None:
        self.signal, self._noted = 0, 0.0

    def __enter__(self) -> Self:
        self._previous = {number: signal.signal(number, self._note) for number in SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._restore()

    def _note(self, number: int, _: FrameType | None) -> None:
        if not self.signal:
            self.signal, self._noted = number, time.monotonic()
        elif time.monotonic() - self._noted > ECHO:
            self._restore()
            signal.raise_signal(number)

    def _restore(self) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
