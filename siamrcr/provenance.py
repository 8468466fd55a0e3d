"""Where a result came from: commit, versions, hardware, command, date."""

import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = ("numpy", "onnxruntime", "opencv-contrib-python-headless", "pandas", "siamrcr", "snakemake", "timm", "torch")


@cache
def _fixed() -> dict[str, Any]:
    commit, dirty = _commit()
    return {
        "commit": commit,
        "dirty": dirty,
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
    }


def provenance(**more: Any) -> dict[str, Any]:
    """What is needed to make a result again, with `more` (settings, seeds, checksums) added.

    The accelerator is named only where torch is already imported: nothing is loaded for the sake of this record.
    """
    torch = sys.modules.get("torch")
    cuda = torch is not None and torch.cuda.is_available()
    record = dict(_fixed())
    record["accelerator"] = torch.cuda.get_device_name() if torch is not None and cuda else None
    record["threads"] = torch.get_num_threads() if torch is not None else None
    record["command"] = " ".join(["siamrcr", *sys.argv[1:]])
    record["date"] = datetime.now(UTC).isoformat(timespec="seconds")
    return record | more


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _commit() -> tuple[str | None, bool | None]:
    here = Path(__file__).resolve().parents[1]

    def git(*words: str) -> str | None:
        try:
            done = subprocess.run(
                ["git", "-C", str(here), *words], capture_output=True, text=True, timeout=10, check=True
            )
        except (OSError, subprocess.SubprocessError):
            return None
        return done.stdout.strip()

    commit = git("rev-parse", "HEAD")
    status = git("status", "--porcelain", "--untracked-files=no")
    return commit, None if status is None else bool(status)


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
