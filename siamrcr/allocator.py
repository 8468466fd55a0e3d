"""Memory of frames and feature maps is used again rather than given back to the system and asked for anew."""

import ctypes
import sys

# glibc's numbers for mallopt. Of the largest block that is not mapped on its own, of the free end of the heap that is
# kept, and of what the heap grows by at a time. By itself glibc maps whole frames one by one: each costs page faults
# for every 4 KiB, a third of the time that loading a pair takes, and up to half of a training step on a CPU.
SETTINGS = {-3: 2_000_000_000, -1: 2_000_000_000, -2: 200_000_000}


def keep() -> bool:
    """Have this process keep the memory that it frees; False where the C library is not glibc."""
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and all(mallopt(key, value) for key, value in SETTINGS.items())
