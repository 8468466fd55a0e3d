"""One GPU a process."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from siamrcr import device
from siamrcr.errors import InputError

HOLD = """
import sys
from pathlib import Path
from siamrcr.device import lease
index, lock = lease(["a", "b"], Path(sys.argv[1]))
print(index, flush=True)
sys.stdin.read()
"""


def holder(folder: Path) -> subprocess.Popen[str]:
    """A process that leases one of two devices and keeps it until it is ended."""
    return subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def test_processes_lease_different_devices_and_death_frees_them(tmp_path: Path) -> None:
    first = holder(tmp_path)
    assert first.stdout.readline() == "0\n"
    index, lock = device.lease(["a", "b"], tmp_path)
    assert index == 1
    third = holder(tmp_path)  # waits: both are held
    first.kill()
    first.wait()
    assert third.stdout.readline() == "0\n"
    third.kill()
    third.wait()
    lock.close()


def test_names_of_devices() -> None:
    assert device.select("cpu") == torch.device("cpu")
    assert device.select("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    with pytest.raises(InputError, match=r"'abacus'.*auto, cpu or cuda"):
        device.select("abacus")


def test_single_precision_is_not_shortened() -> None:
    device.select("cpu")
    assert torch.backends.cudnn.allow_tf32 is False
    assert torch.backends.cuda.matmul.allow_tf32 is False
