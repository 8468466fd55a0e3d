"""Speed alone: what is counted where, on trackers of known cost, and the arithmetic of known networks."""

import time
from collections.abc import Iterator
from pathlib import Path

import moving_square
import numpy as np
import pytest
import torch

from siamrcr import baselines, cli, config, speed, stages
from siamrcr.config import Network, Run, Tracking
from siamrcr.datasets.sequence import Sequence
from siamrcr.errors import InputError
from siamrcr.files import read_json
from siamrcr.model import Maps, SiamRCR
from siamrcr.tracker import SiamTracker

BENCHMARK = "otb2015"


class Clock:
    """Time that passes only where it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def perf_counter(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    for module in (speed, stages):
        monkeypatch.setattr(module, "time", made)
    return made


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    monkeypatch.chdir(tmp_path)
    with moving_square.prepared(tmp_path) as run:
        yield run


def test_decoding_and_updating_are_timed_apart_after_the_warm_up(
    run: Run, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def image(_: Sequence, index: int) -> np.ndarray:
        clock.sleep(0.004)
        asked.append(index)
        return np.zeros((60, 80, 3), dtype=np.uint8)

    class Slow(baselines.Static):
        calls = 0

        def init(self, image: np.ndarray, box: np.ndarray) -> None:
            clock.sleep(7)
            super().init(image, box)

        def update(self, image: np.ndarray) -> np.ndarray:
            Slow.calls += 1
            clock.sleep(5 if Slow.calls <= 3 else 0.01 * Slow.calls)
            return super().update(image)

    monkeypatch.setattr(Sequence, "image", image)
    monkeypatch.setattr(baselines, "source", lambda *_: baselines.Source(lambda *_: Slow(), {"command": "slow"}))
    path = speed.measure(run, "stay", BENCHMARK, sequence="Beta", frames=21, warm_up=3)
    found = read_json(path, "")
    assert path == run.folder / "speed" / "stay.json"
    assert [found["sequence"], found["frames"], found["batch"], found["label"]] == ["Beta", 21, 1, "stays"]
    numbers = list(range(moving_square.FRAMES))
    assert asked[:27] == [*numbers, *numbers, 0, 1, 2]
    # Calls 4 to 24 take 40 to 240 ms, 140 in the middle.
    assert list(found["milliseconds"]) == ["decode", "update"]
    assert found["milliseconds"]["decode"] == pytest.approx({"mean": 4, "median": 4, "p90": 4})
    assert found["milliseconds"]["update"] == pytest.approx({"mean": 140, "median": 140, "p90": 220})
    assert found["frames_per_second"] == pytest.approx(1 / 0.140)
    assert found["frames_per_second_with_decoding"] == pytest.approx(1 / 0.144)


def test_a_networks_stages_add_up_to_its_update(run: Run) -> None:
    moving_square.trained(run)
    found = read_json(speed.measure(run, "small-s0", BENCHMARK, frames=15, warm_up=2), "")
    milliseconds = found["milliseconds"]
    stages_of_the_update = ["crop", "backbone", "correlation", "head", "post-processing"]
    assert list(milliseconds) == ["decode", *stages_of_the_update, "update"]
    assert all(milliseconds[stage]["median"] > 0 for stage in stages_of_the_update)
    assert found["parameters"]["total"] == sum(p.numel() for p in SiamRCR(Network(**moving_square.SMALL)).parameters())
    assert found["provenance"]["packages"]["torch"] == torch.__version__.split("+")[0]


def test_each_stage_gets_its_own_time(clock: Clock) -> None:
    network = SiamRCR(Network(**moving_square.SMALL), pretrained=False).eval()
    kernels, image = network.exemplar(torch.zeros(1, 3, 63, 63)), torch.zeros(1, 3, 127, 127)
    network.backbone.register_forward_pre_hook(lambda *_: clock.sleep(3))
    network.neck.register_forward_pre_hook(lambda *_: clock.sleep(5))
    watched = stages.Watched(network)
    for branch in (network.classification, network.regression):
        # This hook stands behind the mark that ends the head's part.
        branch.search.register_forward_hook(lambda *_: clock.sleep(1))
        branch.tower.register_forward_hook(lambda *_: clock.sleep(10))
    with torch.inference_mode():
        watched.search(kernels, image)
        clock.sleep(1000)
        watched.start()
        clock.sleep(4)
        watched.search(kernels, image)
        clock.sleep(6)
        found = watched.stop()
    assert found == {"crop": 4, "backbone": 3, "head": 5 + 2 * 10, "correlation": 2, "post-processing": 6}
    watched.release()
    assert len(network.classification.search._forward_hooks) == 1


def test_another_runtime_is_timed_as_a_whole() -> None:
    network = SiamRCR(Network(**moving_square.SMALL), pretrained=False).eval()

    settings = network.network

    class Other:
        device = torch.device("cpu")

        @property
        def network(self) -> Network:
            return settings

        def exemplar(self, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
            return network.exemplar(images)

        def search(self, kernels: tuple[torch.Tensor, ...], images: torch.Tensor) -> Maps:
            return network.search(kernels, images)

    watched = stages.Watched(Other())
    tracker, plain = SiamTracker(watched, Tracking()), SiamTracker(network, Tracking())
    image = np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8)
    for each in (tracker, plain):
        each.init(image, [40, 50, 24, 24])
    watched.start()
    assert np.array_equal(tracker.update(image), plain.update(image))
    assert set(watched.stop()) == {"crop", "network", "post-processing"}


def test_flops_are_those_of_the_literature() -> None:
    # A stock ResNet-50 to its third stage at stride 8: 19.2 GFLOP on one 255 x 255 image.
    found = stages.flops(SiamRCR(Network(weights="random"), pretrained=False).eval())
    assert found["backbone"] / 1e9 == pytest.approx(19.2, abs=0.05)
    # Two correlations of 256 channels: an 8 x 8 kernel at 25 x 25 places.
    assert found["correlation"] == 2 * 2 * 256 * 64 * 625
    # Neck 1024 -> 256 on 32 x 32 cells; two 3 x 3 layers before the correlation; two towers of three after it; outputs.
    neck, layer, tower = 2 * 1024 * 256 * 1024, 2 * 9 * 256 * 256 * 1024, 2 * 9 * 256 * 256 * 625
    assert found["head"] == neck + 2 * layer + 6 * tower + (1 + 4 + 1) * 2 * 9 * 256 * 625
    assert found["frame"] == found["backbone"] + found["correlation"] + found["head"]
    assert found["exemplar"] == pytest.approx(found["frame"] / 5, rel=0.1)


def test_others_at_work_are_noticed(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(speed, "_others", lambda *_: 1.24)
    path = speed.measure(run, "static", BENCHMARK, frames=2, warm_up=1)
    assert "other processes kept 1.2 cores busy" in capsys.readouterr().err
    assert read_json(path, "")["other_cores_busy"] == 1.24
    monkeypatch.setattr(speed, "_others", lambda *_: 0.05)
    speed.measure(run, "static", BENCHMARK, frames=2, warm_up=1)
    assert capsys.readouterr().err == ""


def test_the_busy_time_of_this_process_is_not_others() -> None:
    before, spent = speed._busy(), time.process_time()
    while time.process_time() - spent < 1:
        pass
    after = speed._busy()
    assert before is not None
    assert after is not None
    assert after[1] - before[1] == pytest.approx(1, abs=0.15)
    assert after[0] - before[0] >= 0.7


def test_what_is_not_ours_is_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "_busy", lambda: (120.0, 38.0))
    assert speed._others((100.0, 30.0), 10) == pytest.approx(1.2)
    assert speed._others((115.0, 30.0), 10) == 0
    assert speed._others(None, 10) is None


def test_the_command_prints_a_table_beside_the_reported_speed(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    moving_square.trained(run)
    raw = {"run": "test", "source": "real", "models": {"small": {"network": moving_square.SMALL}}}
    config.write(raw, Path("my.yaml"))
    words = [
        "speed",
        "small-s0",
        "--benchmark",
        BENCHMARK,
        "--frames",
        "4",
        "--warm-up",
        "1",
        "--configfile",
        "my.yaml",
    ]
    assert cli.main(words) == 0
    text = capsys.readouterr().out
    assert [line.split()[0] for line in text.splitlines()[2:9]] == [
        *("decode", "crop", "backbone", "correlation", "head", "post-processing", "update")
    ]
    assert "reported: 65 frames/s (Abstract, Sections 1 and 5; a Tesla P40 (Section 4.1))" in text
    assert text.splitlines()[-1] == "results/test/speed/small-s0.json"


def test_mistakes_are_named(run: Run) -> None:
    with pytest.raises(InputError, match="no sequence 'Gamma'; its first is 'Alpha'"):
        speed.measure(run, "static", BENCHMARK, sequence="Gamma")
    with pytest.raises(InputError, match="no tracker 'nobody'"):
        speed.measure(run, "nobody", BENCHMARK)
    with pytest.raises(SystemExit) as caught:
        cli.main(["speed", "static", "--frames", "0"])
    assert caught.value.code == 2
