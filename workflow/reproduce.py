"""`make reproduce`: become Snakemake, taking over from a run that was killed."""

import fcntl
import os
import subprocess
import sys
from pathlib import Path

from siamrcr.errors import DiskError
from siamrcr.files import probe

ROOT = Path(__file__).resolve().parents[1]
# Bytes for Snakemake's own records and log, whose lack of room it tells by a traceback.
RECORDS = 1 << 20
SNAKEMAKE = [sys.executable, "-m", "snakemake"]


def main() -> None:
    """Replace this process by Snakemake in the repository; exit with a message where one is at work there."""
    os.chdir(ROOT)
    state = Path(".snakemake")
    try:
        probe(state, RECORDS)
    except DiskError as error:
        sys.exit(f"siamrcr: {error}")
    # The kernel frees this lock when its holder dies, which Snakemake's own lock files outlive. Snakemake inherits it.
    lock = os.open(state / "reproduce.lock", os.O_CREAT | os.O_WRONLY)
    os.set_inheritable(lock, True)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit("another `make reproduce` is running in this folder: wait for it or stop it")
    if any((state / "locks").glob("*")) and not working_here():
        subprocess.run([*SNAKEMAKE, "--unlock", "--quiet"], check=True)
    os.execv(sys.executable, [*SNAKEMAKE, "--cores", "all", *sys.argv[1:]])


def working_here() -> bool:
    """Whether a Snakemake that was started otherwise has this folder as its own; its locks must stay."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            here = (process / "cwd").resolve() == ROOT and process.name != str(os.getpid())
            words = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if here and any(word == b"snakemake" or word.endswith(b"/snakemake") for word in words):
            return True
    return False


if __name__ == "__main__":
    main()
