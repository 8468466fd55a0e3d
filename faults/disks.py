"""Disks that are full or cannot be written to, at each writer."""

import contextlib
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from faults.ground import TRACEBACK, BrokenError, Done, Round, copy, last
from faults.kills import STEPS

PAGE = 4096
# Of the small file system, beside what the finished run takes.
SPARE = 8 << 20


def available() -> str:
    """Why no file system can be mounted here; empty where one can."""
    done = subprocess.run(
        ["unshare", *NAMESPACE, "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True, text=True, check=False
    )
    return "" if done.returncode == 0 else f"no mounting here ({done.stderr.strip()})"


# Mounts of a process of its own, which end with it; root of a user's own where the user is none.
NAMESPACE = ["--mount"] if os.geteuid() == 0 else ["--mount", "--map-root-user"]


def full(name: str, by_snakemake: bool) -> Callable[[Round], str]:
    """A step on a disk with room for a random part of what it writes; then room, and the same command."""

    def fault(given: Round) -> str:
        with _small_disk(given) as small:
            command, needed = _prepared(small, name, by_snakemake)
            filler = small.folder / "filler"
            left = small.rng.choice([0, PAGE, small.rng.randrange(0, needed + PAGE, PAGE)])
            _fill(filler, left)
            done = small.run(command)
            given.notes.append(f"{left} of about {needed} bytes left: {_told(done)}")
            filler.unlink(missing_ok=True)
            small.continues(command)
        return "told" if done.status else "continued"

    return fault


def read_only(name: str, by_snakemake: bool) -> Callable[[Round], str]:
    """A step whose results, or whose data, lie on a disk that cannot be written to; then one that can."""

    def fault(given: Round) -> str:
        command, _ = _prepared(given, name, by_snakemake)
        place = given.folder / ("data" if name == "data" else "results")
        _mount("--bind", str(place), str(place))
        try:
            _mount("-o", "remount,bind,ro", str(place))
            done = given.run(command)
        finally:
            subprocess.run(["umount", str(place)], check=True)
        if not done.status:
            raise BrokenError("wrote to a disk that cannot be written to")
        given.notes.append(_told(done))
        given.continues(command)
        return "told"

    return fault


def _prepared(given: Round, name: str, by_snakemake: bool) -> tuple[list[str], int]:
    """The step's command, with something to do, and about how many bytes that will write."""
    step = STEPS[name]
    paths = [path for pattern in step.outputs for path in given.folder.glob(pattern)]
    files = [file for path in paths for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file()]
    needed = sum(-(-file.stat().st_size // PAGE) * PAGE for file in files)
    given.remove(*step.outputs)
    return (given.workflow(step.target) if by_snakemake else given.siamrcr(*step.verb)), needed


def _told(done: Done) -> str:
    """The line by which a command ended, if it did not end well. Raises BrokenError where there is none."""
    if not done.status:
        return "it sufficed"
    # Snakemake's own words for its own files are allowed, as far as they name the trouble.
    trouble = ("No space left on device", "Read-only file system")
    if TRACEBACK in done.printed or not (done.line or any(words in done.printed for words in trouble)):
        raise BrokenError(f"stopped without a line (status {done.status}): {last(done)}")
    return done.line or last(done)


@contextlib.contextmanager
def _small_disk(given: Round) -> Iterator[Round]:
    """The round's copy on a file system of its own that holds little more."""
    size = sum(-(-path.lstat().st_size // PAGE) * PAGE + PAGE for path in given.folder.rglob("*"))
    place = given.folder.with_suffix(".disk")
    place.mkdir()
    _mount("-t", "tmpfs", "-o", f"size={size + SPARE}", "tmpfs", str(place))
    try:
        small = Round(place / "run", given.rng, given.undisturbed, given.notes, given.sessions, given.printed)
        copy(given.folder, small.folder)
        yield small
    finally:
        given.close()
        subprocess.run(["umount", "--lazy", str(place)], check=True)
        place.rmdir()


def _fill(filler: Path, left: int) -> None:
    """Write a file until only so many bytes are left on its disk."""
    state = os.statvfs(filler.parent)
    os.close(os.open(filler, os.O_CREAT | os.O_WRONLY))
    size = max(0, state.f_bavail * state.f_frsize - left)
    handle = os.open(filler, os.O_WRONLY)
    try:
        os.posix_fallocate(handle, 0, max(size, 1))
    finally:
        os.close(handle)


def _mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True)
