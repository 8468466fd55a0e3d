"""The bench of one whole frame: what its table says of known figures, and one small measurement."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from bench import goals, loading, step, ways
from bench.goals import Goal


def row(network: str, threads: int, runtime: str, whole: float, processor: float) -> dict[str, object]:
    parts = {"decode": 3.0, "other": 1.5, "forward": whole - 4.5, "whole": whole, "processor": processor}
    return {"network": network, "threads": threads, "runtime": runtime, **parts, "of_product": 0.8}


def test_each_row_is_compared_with_its_own_eager_one() -> None:
    rows = [
        row("resnet50", 1, "eager", 300, 298),
        row("resnet50", 1, "onnx", 200, 199),
        row("resnet50", 2, "eager", 180, 340),
        row("resnet50", 2, "onnx", 120, 200),
    ]
    lines = step.table(rows).splitlines()[2:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert [line[6:8] for line in cells] == [["3.33", "1.00"], ["5.00", "1.50"], ["5.56", "1.00"], ["8.33", "1.50"]]
    assert [line[10] for line in cells] == ["1.00", "1.50", "1.00", "1.70"]
    assert cells[1][3:6] == ["3.00", "1.50", "195.50"]


def test_goals_are_told_of_the_fastest_way_of_the_large_network_with_two_threads() -> None:
    rows = [
        row("resnet50", 1, "onnx", 50, 50),
        row("resnet50", 2, "eager", 180, 340),
        row("resnet50", 2, "torch", 140, 250),
        row("resnet50", 2, "onnx", 120, 200),
        row("resnet50", 2, "bf16", 60, 100),
        row("mini", 2, "eager", 8, 8),
        row("mini", 2, "onnx", 6, 6),
    ]
    lines = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in goals.table(step.reached(rows, "cpu")).splitlines()[2:]
    ]
    assert [cells[1:] for cells in lines] == [["1.50", "met"], ["3.00", "met"], ["80 %", "not met"], ["4.50 ms", "met"]]
    assert [cells[0].partition(":")[0] for cells in lines] == [
        f"ResNet-50, {w}" for w in ("onnx", "bf16", "onnx", "onnx")
    ]
    assert len(step.reached(rows, "cuda")) == 3
    exact = [row for row in rows if row["runtime"] != "bf16"]
    assert [len(step.reached(exact, device)) for device in ("cpu", "cuda")] == [3, 2]


def test_a_goal_is_met_at_its_bound_and_by_no_missing_figure() -> None:
    verdicts = [Goal("", value, ("", ""), least=2).verdict for value in (1.9, 2, 3, float("nan"))]
    assert verdicts == ["not met", "met", "met", "not met"]
    verdicts = [Goal("", value, ("", ""), most=2).verdict for value in (1.9, 2, 3, float("nan"))]
    assert verdicts == ["met", "met", "not met", "not met"]
    assert Goal("", 1, ("", "")).verdict == "stated"


def test_a_gpu_has_the_precisions_and_the_compiler_that_it_can_use(monkeypatch: pytest.MonkeyPatch) -> None:
    for bf16, triton, compiler, expected in (
        (True, True, "cc", ("eager", "torch", "bf16", "fp16", "compiled", "compiled bf16", "compiled fp16")),
        (False, True, "cc", ("eager", "torch", "fp16", "compiled", "compiled fp16")),
        (True, False, "cc", ("eager", "torch", "bf16", "fp16")),
        (True, True, None, ("eager", "torch", "bf16", "fp16")),
    ):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda found=bf16, **_: found)
        monkeypatch.setattr(ways, "find_spec", lambda _, found=triton: found)
        monkeypatch.setattr(ways, "which", lambda _, found=compiler: found)
        assert ways.names("cuda") == expected


def test_a_processor_has_the_precision_that_it_computes_with(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for words, compiler, expected in (
        ("avx2 avx512_bf16", None, ("eager", "torch", "bf16", "onnx")),
        ("avx2 avx512f", "g++", ("eager", "torch", "compiled", "onnx")),
        ("amx_bf16", "g++", ("eager", "torch", "bf16", "compiled", "compiled bf16", "onnx")),
    ):
        (tmp_path / "cpuinfo").write_text(f"flags : {words}\n")
        monkeypatch.setattr(ways, "PROCESSOR", tmp_path / "cpuinfo")
        monkeypatch.setattr(ways, "which", lambda _, found=compiler: found)
        assert ways.names("cpu") == expected


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    made, threads = tmp_path_factory.mktemp("frames"), torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(loading, "FRAMES", 2)
        patched.setattr(loading, "TARGETS", 4)
        patched.setitem(step.SIDE, "cpu", 256)
        loading.write(made)
        yield made
    torch.set_num_threads(threads)


@pytest.mark.parametrize("way", ["eager", "torch", "onnx", "bf16"])
def test_a_frame_is_timed_in_every_way(way: str, folder: Path) -> None:
    found = step.one("mini", way, "cpu", 1, 4, folder)
    assert all(np.isfinite(value) and value > 0 for value in found.values())
