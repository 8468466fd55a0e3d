"""Runs of the workflow in a folder of their own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
PARTS = ("Snakefile", "workflow", "analysis", "siamrcr", "profiles", "tests")


def workspace(folder: Path) -> Path:
    """A copy of what the workflow needs, so that a run leaves the repository alone."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in PARTS:
        source = REPOSITORY / name
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(source, folder / name, ignore=ignore) if source.is_dir() else shutil.copy(source, folder / name)
    return folder


def command(*arguments: str) -> list[str]:
    """Snakemake on two cores."""
    return [sys.executable, "-m", "snakemake", "--cores", "2", *arguments]


def environment() -> dict[str, str]:
    """One thread a job, and no model hub."""
    return os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}


def snakemake(folder: Path, *arguments: str) -> str:
    """Run Snakemake in a folder and give what it printed; fail with that text where Snakemake failed."""
    done = subprocess.run(command(*arguments), cwd=folder, capture_output=True, text=True, env=environment())
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def siamrcr(folder: Path, *arguments: str) -> str:
    """Run a verb in a folder and give what it printed; fail with its complaint where it failed."""
    verb = [sys.executable, "-m", "siamrcr", *arguments]
    done = subprocess.run(verb, cwd=folder, capture_output=True, text=True, env=environment())
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
