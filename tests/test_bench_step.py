"""The bench of one whole frame: what its table says of known figures, and one small measurement."""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the bench is no part of the package

from bench import loading, step


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


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    made, threads = tmp_path_factory.mktemp("frames"), torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(loading, "FRAMES", 2)
        patched.setattr(loading, "TARGETS", 4)
        patched.setattr(step, "SIDE", 256)
        loading.write(made)
        yield made
    torch.set_num_threads(threads)


@pytest.mark.parametrize("runtime", step.RUNTIMES)
def test_a_frame_is_timed_in_every_runtime(runtime: str, folder: Path) -> None:
    found = step.one("mini", runtime, 1, 4, folder)
    assert all(np.isfinite(value) and value > 0 for value in found.values())
    assert found["decode"] + found["other"] + found["forward"] == pytest.approx(found["whole"], rel=0.6)
    assert found["of_product"] < 1.5
