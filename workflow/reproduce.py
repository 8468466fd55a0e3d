"""`make reproduce`: run the workflow, taking over from a run that was killed."""

import fcntl
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SNAKEMAKE = [sys.executable, "-m", "snakemake"]


def main() -> int:
    """Run Snakemake in the repository; the exit status is Snakemake's."""
    state = ROOT / ".snakemake"
    state.mkdir(exist_ok=True)
    with (state / "reproduce.lock").open("w") as lock:
        try:
            # The kernel frees this lock when its holder dies, which Snakemake's own lock files outlive.
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("another `make reproduce` is running in this folder: wait for it or stop it", file=sys.stderr)
            return 1
        if any((state / "locks").glob("*")):
            subprocess.run([*SNAKEMAKE, "--unlock", "--quiet"], cwd=ROOT, check=True)
        return subprocess.run([*SNAKEMAKE, "--cores", "all", *sys.argv[1:]], cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
