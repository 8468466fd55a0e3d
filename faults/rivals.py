"""Several at work on one folder, processes that vanish, clocks that jump, and trackers that do not behave."""

import contextlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from faults.ground import BrokenError, Round, last, members, wait_for, words
from faults.kills import STEPS
from siamrcr.files import read_json
from siamrcr.results import digest

YEARS = 10 * 365.25 * 86400


def two_workflows(given: Round) -> str:
    """The same command twice at once: one does the work, the other waits for nothing and says so, or both end well."""
    step = STEPS["track a network"]
    command = given.workflow(step.target)
    given.remove(*step.outputs)
    first = given.start(command)
    time.sleep(given.rng.uniform(0, 3))
    other = Round(given.folder, given.rng, given.undisturbed, printed=given.folder.with_suffix(".second"))
    done = other.run(command)
    given.finish(first)
    given.notes.append(f"the second ended with status {done.status}: {last(done)}")
    if done.status and "running" not in done.printed and "lock" not in done.printed:
        raise BrokenError(f"the second stopped without saying that another is running: {last(done)}")
    given.continues(command)
    return "told" if done.status else "continued"


def loader_killed(given: Round) -> str:
    """A process of the loader is killed while a model is trained."""
    step = STEPS["train"]
    given.remove(*step.outputs)
    command = given.siamrcr(*step.verb)
    process = given.start([*command, "--set", "training.workers=2"])

    def workers() -> list[int]:
        return [p for p in members(process.pid) if p != process.pid and "radius-3" in words(p)]

    if not wait_for(lambda: len(workers()) == 2, process):
        raise BrokenError("no loader processes came up")
    time.sleep(given.rng.uniform(0, 0.5))
    with contextlib.suppress(ProcessLookupError, IndexError):
        os.kill(given.rng.choice(workers()), signal.SIGKILL)
    done = given.finish(process)
    given.notes.append(f"status {done.status}: {last(done)}")
    if done.status and not done.line:
        raise BrokenError(f"stopped without a line (status {done.status}): {last(done)}")
    given.continues(command)
    return "told" if done.status else "continued"


def clock(by: float) -> Callable[[Round], str]:
    """Dates of a third of all files jump by some years, as where a machine's clock was wrong or a copy lost them."""

    def fault(given: Round) -> str:
        files = sorted(
            path for top in ("data", "results") for path in (given.folder / top).rglob("*") if path.is_file()
        )
        moved = given.rng.sample(files, len(files) // 3)
        for path in moved:
            when = path.stat().st_mtime + by * given.rng.uniform(0.1, 1)
            os.utime(path, (when, when))
        given.notes.append(f"{len(moved)} files moved")
        return given.settles(given.workflow("scores"))

    return fault


def stranger(kind: str) -> Callable[[Round], str]:
    """A tracker that does not behave fails its sequences only, leaves nothing behind, and is tracked again."""

    def fault(given: Round) -> str:
        out = given.folder / "stranger"
        setting = f"trackers={{stranger: {{command: 'faults.strangers:{kind}', timeout: 3, memory_gb: 8}}}}"
        command = given.siamrcr("track", "stranger", "got10k-val", "--out", str(out), "--set", setting)
        when = given.folder / "misbehave"
        when.touch()
        process = given.start(command)
        done = given.finish(process)
        left = [p for p in members(process.pid) if p != process.pid] + _orphans(given.folder)
        if left:
            raise BrokenError(f"left {len(left)} processes behind: {' '.join(words(left[0]))[:100]}")
        manifest = read_json(out / "manifest.json", "") if (out / "manifest.json").is_file() else None
        if manifest is None:
            raise BrokenError(f"no manifest (status {done.status}): {last(done)}")
        failed = manifest["failures"]
        given.notes.append(f"status {done.status}, {len(failed)} failed: {next(iter(failed.values()), 'none')}")
        if bool(failed) != (done.status == 1):
            raise BrokenError(f"status {done.status} with {len(failed)} failures")
        when.unlink()
        done = given.run(command)
        if done.status:
            raise BrokenError(f"the same command did not continue (status {done.status}): {last(done)}")
        found = digest(out)
        plain = given.folder / "plain"
        done = given.run(given.siamrcr("track", "faults.strangers:Static", "got10k-val", "--out", str(plain)))
        if done.status or digest(plain) != found:
            raise BrokenError("ended with other bytes than a tracker that behaves")
        given.compare()
        return "told" if failed else "continued"

    return fault


def _orphans(folder: Path) -> list[int]:
    """Processes that still have the copy as their own folder."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (place / "cwd").resolve() == folder.resolve():
                found.append(int(place.name))
    return found
