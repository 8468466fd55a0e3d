"""A job of a workflow that was killed ends too, rather than hold a device for nobody."""

import os
import signal
import threading
import time
from pathlib import Path

INTERVAL = 1.0


def end_with_workflow() -> None:
    """Where the workflow asks for it, send this process SIGTERM once the process above its shell is gone.

    The shell of a job outlives a workflow that was killed outright, so the parent alone says nothing.
    """
    if os.environ.get("SIAMRCR_GUARD") != "1":
        return
    shell = os.getppid()
    workflow = _parent(shell)
    if workflow is not None:
        threading.Thread(target=_watch, args=(shell, workflow), daemon=True).start()


def _watch(shell: int, workflow: int) -> None:
    while os.getppid() == shell and _parent(shell) == workflow:
        time.sleep(INTERVAL)
    os.kill(os.getpid(), signal.SIGTERM)


def _parent(process: int) -> int | None:
    """Parent of a process; None where the system does not tell."""
    try:
        # The command's name may hold spaces and brackets: the fields follow its last closing one.
        return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, ValueError, IndexError):
        return None
