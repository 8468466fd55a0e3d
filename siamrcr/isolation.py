"""A tracker in a process of its own, where it may raise, hang, print, end or eat memory: one sequence fails by it.

`python -m siamrcr.isolation` is the other side: it answers over a socket until the tracker's owner is gone.
"""

import contextlib
import ctypes
import importlib
import inspect
import os
import random
import resource
import signal
import socket
import struct
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import ArrayLike

from siamrcr.crops import Image
from siamrcr.errors import InputError, TrackerError
from siamrcr.geometry import Array
from siamrcr.protocols import initial_box

# Of what a tracker prints, the last bytes are kept, to say why it ended.
KEPT = 2000
# Seconds that the start of a process may take at least, its imports included: a limit for an answer says nothing of it.
STARTING = 60.0
# Linux: a signal for this process when the thread that started it is gone.
PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Limits:
    """What a tracker's process may take.

    Attributes:
        seconds: for one answer.
        gigabytes: of address space; no limit where None.
    """

    seconds: float
    gigabytes: float | None = None


class Isolated:
    """A tracker in its own process. A failure ends the process, and the next `init` starts another.

    Attributes:
        confidence: the tracker's own, NaN where it has none.
        deterministic: the same frames and first box give the same boxes.
        code: the file of the tracker's class; None where it has none.
    """

    def __init__(self, name: str, limits: Limits, deterministic: bool = True) -> None:
        self.name, self.deterministic = name, deterministic
        self.confidence = float("nan")
        self.seed = 0
        self.code: Path | None = None
        self._limits = limits
        self._process: _Process | None = None

    def start(self) -> None:
        """Start the process, where none runs. Raises TrackerError where the tracker cannot be made."""
        if self._process is None:
            self._process = process = _Process(self.name, self._limits)
            code = self._answer()
            process.allow(self._limits.seconds)
            self.code = Path(code) if code else None

    def init(self, image: Image, box: ArrayLike) -> None:
        """Start on a box (4,) in an image (H, W, 3) uint8 RGB. Raises TrackerError."""
        first = initial_box(image, box)
        self.start()
        _, self.confidence = self._ask("init", self.seed, np.asarray(image), first)

    def update(self, image: Image) -> Array:
        """Box (4,) in the next frame; NaN where the tracker says so. Raises TrackerError."""
        box, self.confidence = self._ask("update", np.asarray(image))
        return np.array(box)

    def close(self) -> None:
        """End the process, whatever it does."""
        process, self._process = self._process, None
        if process is not None:
            process.end()

    def _ask(self, *request: Any) -> Any:
        if self._process is None:
            raise TrackerError(f"{self.name}: its process has ended")
        with contextlib.suppress(OSError):  # the answer tells why
            self._process.connection.send(request)
        return self._answer()

    def _answer(self) -> Any:
        process = self._process
        assert process is not None
        try:
            fine, answer = process.connection.recv()
        except BlockingIOError:
            why = f"no answer in {process.seconds:g} s"
        except (EOFError, OSError):
            why = process.ending()
        else:
            if fine:
                return answer
            why = str(answer)
        self.close()
        raise TrackerError(f"{self.name}: {why}")


class _Process:
    def __init__(self, name: str, limits: Limits) -> None:
        ours, theirs = socket.socketpair()
        memory = "" if limits.gigabytes is None else str(int(limits.gigabytes * 2**30))
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, name, str(theirs.fileno()), memory],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for us; and all that the tracker starts ends with it
            )
        self.connection = Connection(ours.detach())
        self.allow(max(limits.seconds, STARTING))
        self._said = bytearray()
        self._listener = threading.Thread(target=_listen, args=(self._process.stdout, self._said), daemon=True)
        self._listener.start()
        # Also where nobody asked, and before this process ends.
        self.end = weakref.finalize(self, _end, self._process, self.connection, self._listener)

    def allow(self, seconds: float) -> None:
        """Limit what the next answers may take."""
        self.seconds, whole = seconds, int(seconds)
        wait = struct.pack("ll", whole, int((seconds - whole) * 1e6))
        with socket.socket(fileno=os.dup(self.connection.fileno())) as ours:
            for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
                ours.setsockopt(socket.SOL_SOCKET, option, wait)

    def ending(self) -> str:
        """How the process ended, and the last it said."""
        try:
            status = self._process.wait(5)
        except subprocess.TimeoutExpired:
            return "its process closed the connection"
        self._listener.join(1)
        said = self._said.decode(errors="replace").strip().splitlines()
        how = f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended with exit status {status}"
        return f"its process {how}" + (f" ({said[-1][:200]})" if said else "")


def _listen(stream: IO[bytes], said: bytearray) -> None:
    with stream:
        while data := stream.read1(2**16):  # type: ignore[attr-defined]
            said += data
            del said[:-KEPT]


def _end(process: subprocess.Popen[bytes], connection: Connection, listener: threading.Thread) -> None:
    """End a process and all that it started."""
    connection.close()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    listener.join(1)


def main() -> None:
    """Answer for the tracker that the command line names until the other side is gone."""
    name, handle, memory = sys.argv[1:]
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a crash is told at once
    if memory:
        resource.setrlimit(resource.RLIMIT_AS, (int(memory), int(memory)))
    connection = Connection(int(handle))
    tracker: Any = None

    def made() -> str | None:
        nonlocal tracker
        tracker, code = _made(name)
        return code

    _reply(connection, made)
    while True:
        try:
            method, *arguments = connection.recv()
        except (EOFError, OSError):
            os._exit(0)  # whatever threads the tracker has
        if method == "init":
            seed, *arguments = arguments
            _seed(seed)
        _reply(connection, lambda: _call(tracker, method, arguments))  # noqa: B023 (called at once)


def _reply(connection: Connection, work: Callable[[], Any]) -> None:
    """Send what the work gives, or why it failed."""
    try:
        answer = (True, work())
    except BaseException as error:  # a tracker may also raise SystemExit
        words = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
        answer = (False, " ".join(words.split())[:300])
    try:
        connection.send(answer)
    except OSError:
        os._exit(0)


def _made(name: str) -> tuple[Any, str | None]:
    """The tracker of a name `opencv:NAME` or `module:Class`, and the file of its code."""
    module, _, attribute = name.partition(":")
    if module == "opencv":
        from siamrcr.opencv import OpenCV

        return OpenCV(attribute), None
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ModuleNotFoundError, AttributeError) as error:
        raise InputError(f"{error}: start from the module's folder, or put that folder on PYTHONPATH") from None
    missing = [method for method in ("init", "update") if not hasattr(found, method)]
    if missing:
        raise InputError(f"it has no {missing[0]}: a tracker has init(image, box) and update(image) -> box")
    return found(), inspect.getsourcefile(found)


def _call(tracker: Any, method: str, arguments: list[Any]) -> tuple[list[float] | None, float]:
    """The box and the confidence after a call of a tracker's method."""
    given = getattr(tracker, method)(*arguments)
    confidence = float(getattr(tracker, "confidence", np.nan))
    if method == "init":
        return None, confidence
    try:
        box = np.asarray(given, dtype=np.float64).reshape(-1)
    except (TypeError, ValueError):
        box = np.empty(0)
    if box.size != 4:
        raise InputError(f"update gave {repr(given)[:100]}: return x, y, w, h in pixels")
    return box.tolist(), confidence


def _seed(seed: int) -> None:
    """The draws of a run must not depend on those before."""
    random.seed(seed)
    np.random.seed(seed)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(seed)
    if "cv2" in sys.modules:
        sys.modules["cv2"].setRNGSeed(seed)


if __name__ == "__main__":
    main()
