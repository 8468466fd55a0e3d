"""Trackers of somebody else that do not behave, while the file that WHEN names is there."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

WHEN = Path("misbehave")


class Static:
    """A box that stays."""

    def init(self, image: Any, box: Any) -> None:  # noqa: ARG002 (a tracker's interface)
        """Take the box."""
        self.box, self.frames = box, 0

    def update(self, image: Any) -> Any:  # noqa: ARG002 (a tracker's interface)
        """The box, unless something happens."""
        self.frames += 1
        if self.frames == 5 and WHEN.exists():
            self.misbehave()
        return self.box

    def misbehave(self) -> None:
        """What happens."""


class Hangs(Static):
    """It gives no answer."""

    def misbehave(self) -> None:
        """Sleep."""
        time.sleep(3600)


class Forks(Static):
    """It starts processes that do not end, then ends."""

    def misbehave(self) -> None:
        """Start processes."""
        for _ in range(3):
            subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
        if os.fork() == 0:
            time.sleep(3600)
        os._exit(3)


class Floods(Static):
    """It prints without end, then goes on."""

    def misbehave(self) -> None:
        """Print 64 MB."""
        for _ in range(64):
            print("x" * (1 << 20))


class Exits(Static):
    """It ends its process."""

    def misbehave(self) -> None:
        """End."""
        sys.exit("no more")


class Crashes(Static):
    """It ends as a fault of memory does."""

    def misbehave(self) -> None:
        """End at once."""
        os.abort()


class Grows(Static):
    """It eats memory."""

    def misbehave(self) -> None:
        """Take more than it may."""
        self.eaten = [bytearray(1 << 28) for _ in range(64)]
