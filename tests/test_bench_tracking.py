"""The bench of tracking at a size of seconds."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from moving_square import SMALL

import bench.__main__ as bench
from bench import paths, tracking
from siamrcr.config import Network, Tracking
from siamrcr.errors import InputError
from siamrcr.model import SiamRCR
from siamrcr.tracker import Targets


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SIAMRCR_REAL_DATA", raising=False)
    # Two threads that wait for each other by spinning take minutes beside other tests.
    monkeypatch.setattr(torch, "set_num_threads", lambda _: None)


def test_every_way_tracks_the_same_frames(tmp_path: Path) -> None:
    found = paths.throughput("small", 4, 1, "cpu", tmp_path)
    assert (found["sequences"], found["frames"], found["data"]) == (8, 32, "generated")
    assert {"one by one, eager", "one by one, torch", "2 lanes, torch"} <= set(found["rows"])
    assert all(row["frames_per_second"] > 0 < row["processor_ms"] for row in found["rows"].values())
    for way, row in found["rows"].items():
        assert 0 < row["waiting"] < 1 if "lanes" in way else np.isnan(row["waiting"])


def test_memory_is_watched_to_the_end(tmp_path: Path) -> None:
    found = paths.memory(80, "cpu", tmp_path)
    assert found["frames"] == 80
    assert found["mebibytes"] > 100


def test_what_lies_between_steps_is_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(paths.time, "perf_counter", lambda: now[0])

    def step(*_: object) -> tuple[np.ndarray, np.ndarray]:
        now[0] += 3
        return np.zeros((1, 4)), np.zeros(1)

    monkeypatch.setattr(Targets, "init", step)
    monkeypatch.setattr(Targets, "update", step)
    targets = paths.Waiting(SiamRCR(Network(**SMALL), pretrained=False), Tracking(), 1)
    for work in (lambda: targets.init(0, None, []), lambda: targets.update({}), lambda: targets.update({})):
        now[0] += 2
        work()
    assert (targets.waited, targets.last - targets.begin) == (6, 15)


def measured(**changed: float) -> dict[str, Any]:
    row = {"frames_per_second": 4.0, "processor_ms": 400.0, "waiting": float("nan")}
    lanes = {"frames_per_second": 8.0, "processor_ms": 300.0, "waiting": 0.02}
    rows = {
        "one by one, eager": row,
        "one by one, torch": row | {"frames_per_second": 9.0},
        "2 lanes, torch": lanes | {"frames_per_second": 6.0},
        "2 lanes, onnx": lanes | {key: value for key, value in changed.items() if key in lanes},
    }
    memory = {"frames": 20_000, "mebibytes": 500.0, "mebibytes_per_1000_frames": changed.get("growth", -0.02)}
    many = {"lanes": 64, "mebibytes": 900.0, "before": 400.0}
    part = {"rows": rows, "sequences": 20, "frames": 160, "data": "real"}
    found = {"small": part, "ResNet-50": part}
    return {
        "throughput": found,
        "threads": 2,
        "device": "cpu",
        "memory": {"long": memory, "threads": many, "batch": many | {"mebibytes": 950.0}},
    }


def test_the_table_tells_ratios() -> None:
    text = tracking.table(measured())
    assert "| 2 lanes, torch | 6.0 | 1.50 | 300.0 | 2.0% |" in text
    assert "| one by one, eager | 4.0 | 1.00 | 400.0 | - |" in text
    assert "-0.020 MiB per 1000 frames of a sequence of 20,000" in text
    assert "64 lanes (batch, small network): at most 950 MiB, of which 400 before the first frame." in text


def test_goals_are_told_of_the_fastest_lanes() -> None:
    told = tracking.reached(measured())
    assert [goal.verdict for goal in told] == ["met"] * 5 + ["stated"] * 2
    assert [goal.measured for goal in told] == [2, 2, 2, 2, -0.02, 900, 950]
    assert all(goal.text.split(": ")[0].endswith(", 2 lanes, onnx") for goal in told[:4])
    told = tracking.reached(measured(frames_per_second=6.4, waiting=0.06, growth=0.2))
    assert [goal.verdict for goal in told[:5]] == ["not met", "not met", "met", "not met", "not met"]


def test_a_gpu_measures_what_has_one_and_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[tuple[object, ...]] = []
    for name in bench.SUBJECTS:
        monkeypatch.setitem(bench.SUBJECTS, name, lambda *given: asked.append(given))
    arguments = ["bench", "--runs", "1", "--out", str(tmp_path), "--device", "cuda"]
    monkeypatch.setattr(sys, "argv", [*arguments, "training"])
    with pytest.raises(SystemExit):
        bench.main()
    assert "training has no GPU to measure" in capsys.readouterr().err
    monkeypatch.setattr(sys, "argv", arguments)

    def absent(name: str) -> None:
        raise InputError(f"device {name!r} cannot be used")

    monkeypatch.setattr(bench.device, "select", absent)
    assert bench.main() == 2
    assert not asked
    assert capsys.readouterr().err == "bench: device 'cuda' cannot be used\n"
    monkeypatch.setattr(bench.device, "select", lambda _: None)
    assert bench.main() == 0
    assert asked == [(tmp_path / f"{name}-cuda.json", 1, 1.0, "cuda") for name in ("step", "tracking")]
