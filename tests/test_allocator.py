"""Memory that is freed is used again."""

import platform
import subprocess
import sys

import pytest

CODE = """
import resource
import numpy as np
from siamrcr import allocator
{call}
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(3):
    np.ones(40 * 2**20, dtype=np.uint8)
before = faults()
for _ in range(10):
    np.ones(40 * 2**20, dtype=np.uint8)
print(faults() - before)
"""


def page_faults(call: str) -> int:
    """Of ten blocks of 40 MiB, one after the other, in a process of its own."""
    done = subprocess.run([sys.executable, "-c", CODE.format(call=call)], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
def test_blocks_that_were_freed_cost_no_page_faults() -> None:
    # With huge pages a block of 40 MiB costs at least 20.
    assert page_faults("assert allocator.keep()") < 10 * 20 / 2 < page_faults("")
