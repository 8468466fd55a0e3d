"""A finished run of the tiny workflow, copies of it to disturb, and the verdict on what came of one."""

import os
import random
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from siamrcr.errors import InputError
from siamrcr.files import settings_hash, sha256
from siamrcr.results import digest

REPOSITORY = Path(__file__).resolve().parents[1]
PARTS = ("Snakefile", "workflow", "analysis", "siamrcr", "profiles", "tests/tiny.yaml", "faults")
CONFIGURATION = ("--configfile", "tests/tiny.yaml")
RUN = Path("results/tiny")
# What must be the same bytes as in an undisturbed run, times and dates left out.
COUNTED = ("models", "maps", "tracks", "scores", "tables")
FILES = ("submissions", "figures")  # the same bytes outright
LIMIT, WHOLE = 300, 3600  # seconds that a command of a round, which takes ten, and the undisturbed run may take
TRACEBACK = "Traceback (most recent call last)"


@dataclass(frozen=True)
class Done:
    """A command that ended: its exit status, all that it printed, and whether it was ended for taking too long."""

    status: int
    printed: str
    late: bool = False

    @property
    def line(self) -> str:
        """The last line by which the project says what is wrong; empty where there is none."""
        lines = [line.strip() for line in self.printed.splitlines()]
        ours = [line for line in lines if line.startswith("siamrcr: ")]
        # What stops a workflow before its first job follows a line that says just that.
        theirs = [f"{line} {after}" for line, after in pairwise(lines) if line.startswith("WorkflowError")]
        return next(reversed(ours or theirs), "")


class BrokenError(Exception):
    """A round whose end is neither of the two that are allowed; its text says what happened."""


@dataclass
class Round:
    """One disturbed copy of the finished run.

    Attributes:
        folder: the copy, a workspace of its own.
        rng: decides where and when.
        undisturbed: digest of each part of the finished run.
        notes: what the round did, for the table.
        sessions: of the commands that were started.
        printed: where the last command's output is: beside the copy, whose disk may be full.
    """

    folder: Path
    rng: random.Random
    undisturbed: dict[str, str]
    notes: list[str] = field(default_factory=list)
    sessions: list[int] = field(default_factory=list)
    printed: Path = Path()

    def __post_init__(self) -> None:
        if self.printed == Path():
            self.printed = self.folder.with_suffix(".printed")

    def close(self) -> None:
        """End whatever still runs."""
        for session in self.sessions:
            end(session)

    @property
    def results(self) -> Path:
        """The run's results."""
        return self.folder / RUN

    def siamrcr(self, *words: str) -> list[str]:
        """A verb on the tiny run."""
        return [sys.executable, "-m", "siamrcr", *words, *CONFIGURATION]

    def workflow(self, *targets: str) -> list[str]:
        """What `make reproduce` runs, for some targets."""
        return [sys.executable, "workflow/reproduce.py", *targets, *CONFIGURATION]

    def start(self, command: Sequence[str], **more: str) -> subprocess.Popen[str]:
        """A command in the copy, in a session of its own; what it prints goes to a file."""
        with self.printed.open("w") as stream:
            process = subprocess.Popen(
                command,
                cwd=self.folder,
                env=environment() | more,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                text=True,
            )
        self.sessions.append(process.pid)
        return process

    def run(self, command: Sequence[str], **more: str) -> Done:
        """Run a command to its end."""
        return self.finish(self.start(command, **more))

    def finish(self, process: subprocess.Popen[str], limit: float = LIMIT) -> Done:
        """Wait for a command; one that takes too long is ended with all that it started."""
        try:
            status, late = process.wait(limit), False
        except subprocess.TimeoutExpired:
            end(process.pid)
            status, late = process.wait(), True
        return Done(status, self.printed.read_text(errors="replace"), late)

    def remove(self, *patterns: str) -> None:
        """Take outputs away, so that there is something to do."""
        for pattern in patterns:
            for path in self.folder.glob(pattern):
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    def compare(self) -> None:
        """Raise BrokenError where any part differs from the undisturbed run's."""
        different = [part for part, value in digests(self.folder).items() if value != self.undisturbed[part]]
        if different:
            raise BrokenError(f"ended with other bytes than an undisturbed run: {', '.join(different)}")

    def continues(self, command: Sequence[str]) -> None:
        """The same command ends well, in the same bytes."""
        done = self.run(command)
        if done.status:
            raise BrokenError(f"the same command did not continue (status {done.status}): {last(done)}")
        self.compare()

    def settles(self, command: Sequence[str], named: Sequence[str] = (), mend: Callable[[], None] | None = None) -> str:
        """The same command ends in the same bytes, or names one of the files and the remedy, which then helps.

        Gives "continued", or "told" where the line had to be followed. A remedy is followed as it is written: what it
        says to remove is removed and what it says to run is run; `mend` does what only a person can.
        """
        followed = 0
        done = self.run(command)
        while done.status:
            if done.late or TRACEBACK in done.printed or not done.line:
                raise BrokenError(f"stopped without a line (status {done.status}): {last(done)}")
            if named and not any(name in done.line for name in named):
                raise BrokenError(f"the line names none of {', '.join(named)}: {done.line}")
            self.notes.append(done.line)
            followed += 1
            if followed > 3:
                raise BrokenError(f"the remedy does not help: {done.line}")
            self._follow(done.line)
            if mend is not None:
                mend()
            done = self.run(command)
        if mend is not None:
            mend()
        self.compare()
        return "told" if followed else "continued"

    def _follow(self, line: str) -> None:
        """Do what a line says."""
        path = re.search(r"(?:siamrcr|WorkflowError): (\S+?):? ", line)
        for what in re.findall(r"(?:remove|delete) (it|the folder|\S+)", line):
            target = path[1] if what in ("it", "the folder") and path else what.rstrip(",:;")
            place = self.folder / target
            shutil.rmtree(place) if place.is_dir() else place.unlink(missing_ok=True)
        for command in re.findall(r"`siamrcr ([^`]+)`", line):
            done = self.run([sys.executable, "-m", "siamrcr", *shlex.split(command)])
            if done.status:
                raise BrokenError(f"the remedy `siamrcr {command}` failed: {last(done)}")


def environment() -> dict[str, str]:
    """One thread a job, no model hub, and no setting of an outer workflow."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("SIAMRCR_")}
    return kept | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "PYTHONUNBUFFERED": "1"}


def end(session: int) -> None:
    """Kill every process of a session."""
    for process in members(session):
        try:
            os.kill(process, signal.SIGKILL)
        except ProcessLookupError:
            continue


def members(session: int) -> list[int]:
    """The processes of a session, as far as they live."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            fields = (place / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] != "Z":
            found.append(int(place.name))
    return found


def words(process: int) -> list[str]:
    """The command line of a process; empty where it is gone."""
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return []


def last(done: Done) -> str:
    """The line that matters most in what a command printed."""
    if done.late:
        return f"no end in {LIMIT} s"
    lines = [line.strip() for line in done.printed.splitlines() if line.strip()]
    wrong = [line for line in lines if re.match(r"\w*(Error|Exception)\b", line)]
    return done.line or (wrong or lines or ["it printed nothing"])[-1]


def digests(folder: Path) -> dict[str, str]:
    """Digest of each counted part of a run; of one that is damaged, the reason."""
    found = {}
    for part in COUNTED:
        try:
            found[part] = digest(folder / RUN / part)
        except InputError as error:
            found[part] = str(error).replace(str(folder), "")
    for part in FILES:
        paths = sorted(path for path in (folder / RUN / part).rglob("[!.]*") if path.is_file())
        found[part] = settings_hash([(str(path.relative_to(folder)), sha256(path)) for path in paths])
    return found


def copy(source: Path, target: Path) -> Path:
    """A copy with all dates."""
    subprocess.run(["cp", "-a", "--reflink=auto", str(source), str(target)], check=True)
    return target


def finished(folder: Path, *targets: str) -> Path:
    """A workspace in which the tiny workflow has run. Raises InputError where that failed."""
    folder.mkdir(parents=True)
    for name in PARTS:
        source, target = REPOSITORY / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    made = Round(folder, random.Random(0), {})
    done = made.finish(made.start(made.workflow(*targets)), WHOLE)
    if done.status:
        raise InputError(f"{folder}: the undisturbed run failed ({last(done)}): see {made.printed}")
    return folder


def wait_for(ready: Callable[[], bool], process: subprocess.Popen[str], seconds: float = 60) -> bool:
    """Whether something became true before the process ended, or the time was up."""
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        if ready():
            return True
        if process.poll() is not None:
            return False
        time.sleep(0.01)
    return False
