"""Fixtures that tests share."""

import os
import signal
from pathlib import Path

import pytest
from downloads import sources_table as sources_table
from hypothesis import HealthCheck, settings
from server import patient_server as patient_server

# A shell without job control starts what goes to the background with Ctrl-C ignored, and all its children inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# What an example takes depends on what else the machine does, and on what was compiled before. The same examples every
# time: a new one that fails is for those who look for it (HYPOTHESIS_PROFILE=default), not for whom it befalls.
settings.register_profile("same", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real sequences, ground truth and raw results; the test is skipped where it is not provided."""
    folder = os.environ.get("SIAMRCR_REAL_DATA")
    if not folder:
        pytest.skip("real sequences and results are not provided: set SIAMRCR_REAL_DATA to their folder")
    path = Path(folder)
    assert path.is_dir(), f"SIAMRCR_REAL_DATA names {path}, which is not a folder"
    return path
