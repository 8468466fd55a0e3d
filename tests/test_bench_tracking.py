"""The bench of tracking at a size of seconds."""

import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the bench is no part of the package

from bench import paths, tracking


@pytest.fixture(autouse=True)
def _threads(monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.delenv("SIAMRCR_REAL_DATA", raising=False)
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_every_way_tracks_the_same_frames(tmp_path: Path) -> None:
    found = paths.throughput("small", 4, 1, tmp_path)
    assert (found["sequences"], found["frames"], found["data"]) == (8, 32, "generated")
    assert {"one by one, eager", "one by one, prepared", "2 lanes, prepared"} <= set(found["rows"])
    assert all(row["frames_per_second"] > 0 < row["processor_ms"] for row in found["rows"].values())


def test_memory_is_watched_to_the_end(tmp_path: Path) -> None:
    found = paths.memory(80, tmp_path)
    assert found["frames"] == 80
    assert found["mebibytes"] > 100


def test_the_table_tells_ratios() -> None:
    rows = {
        "one by one, eager": {"frames_per_second": 4.0, "processor_ms": 400.0},
        "2 lanes, prepared": {"frames_per_second": 6.0, "processor_ms": 300.0},
    }
    memory = {"frames": 20_000, "mebibytes": 500.0, "mebibytes_per_1000_frames": -0.02}
    lanes = {"lanes": 64, "mebibytes": 900.0, "before": 400.0}
    part = {"rows": rows, "sequences": 20, "frames": 160, "data": "real"}
    text = tracking.table(
        {"throughput": {"small": part}, "threads": 2, "memory": {"long": memory, "threads": lanes, "batch": lanes}}
    )
    assert "| 2 lanes, prepared | 6.0 | 1.50 | 300.0 |" in text
    assert "-0.020 MiB per 1000 frames of a sequence of 20,000" in text
