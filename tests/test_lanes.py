"""Many runs at once, by threads and by batches: the same boxes, whatever runs beside them; frames decoded ahead."""

import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from moving_square import FRAMES, SMALL, draw, killed, prepared, trained

from siamrcr import baselines, cli, datasets, device, engine, lanes, results, runtime, tracker
from siamrcr.config import Run, Tracking
from siamrcr.cutting import Device
from siamrcr.datasets.sequence import Sequence
from siamrcr.errors import InputError
from siamrcr.files import read_json
from siamrcr.finished import Finished
from siamrcr.lanes import Job
from siamrcr.protocols import one_pass, reset_based
from siamrcr.results import Result
from siamrcr.runtime import Runtime
from siamrcr.tracker import SiamTracker, Targets

LENGTHS = (12, 7, 9, 4, 10)


class Frames:
    """Counts them."""

    count = 0

    def advance(self, amount: int = 1) -> None:
        self.count += amount


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    monkeypatch.chdir(tmp_path)
    with prepared(tmp_path) as run:
        trained(run)
        yield run


def several(folder: Path) -> list[Sequence]:
    for number, length in enumerate(LENGTHS):
        draw(folder, f"S{number}", length, seed=number)
    return datasets.load("otb2015", folder)


def jobs(sequences: list[Sequence], protocol: Any = one_pass) -> list[Job]:
    return [Job(sequence, 1, protocol) for sequence in sequences]


def network(run: Run) -> tuple[Runtime, Tracking]:
    ours, tracking, _ = baselines.network(run, "small-s0")
    return ours, tracking


def side_by_side(run: Run, work: list[Job], count: int) -> dict[str, Result]:
    bar = Frames()
    found = {job.sequence.name: outcome for job, outcome in lanes.lockstep(work, Targets(*network(run), count), bar)}
    assert bar.count == sum(len(job.sequence) for job in work)
    return found


def in_threads(run: Run, work: list[Job], count: int) -> dict[str, Result]:
    bar, ours = Frames(), network(run)
    outcomes = lanes.threads(work, lambda *_: SiamTracker(*ours), count, bar, lambda: None, lambda: None)
    found = {job.sequence.name: outcome for job, outcome in outcomes}
    assert bar.count == sum(len(job.sequence) for job in work)
    return found


def same(one: dict[str, Result], other: dict[str, Result]) -> bool:
    return one.keys() == other.keys() and all(
        np.array_equal(one[name].boxes, other[name].boxes, equal_nan=True)
        and np.array_equal(one[name].codes, other[name].codes)
        and np.array_equal(one[name].confidence, other[name].confidence, equal_nan=True)
        for name in one
    )


def test_lanes_in_any_order_and_company_give_identical_bits(run: Run, tmp_path: Path) -> None:
    work = jobs(several(tmp_path / "several"))
    found = side_by_side(run, work, 3)
    assert same(side_by_side(run, work[::-1], 3), found)
    assert same(side_by_side(run, [work[i] for i in (2, 4, 0, 3, 1)], 3), found)
    alone = [side_by_side(run, [job], 3) for job in work]
    assert same({name: result for each in alone for name, result in each.items()}, found)
    assert len({tuple(result.boxes[3]) for result in found.values()}) == len(LENGTHS)


def test_threads_give_the_bits_of_one_after_another(run: Run, tmp_path: Path) -> None:
    work = jobs(several(tmp_path / "several"))
    one = in_threads(run, work, 1)
    assert same(in_threads(run, work, 3), one)
    assert same(side_by_side(run, work, 1), one)
    batch = side_by_side(run, work, 3)
    assert max(np.abs(batch[name].boxes - one[name].boxes).max() for name in one) < 1e-3


@pytest.mark.parametrize("count", [1, 3])
def test_resets_side_by_side_are_those_of_one_after_another(run: Run, tmp_path: Path, count: int) -> None:
    jumping = []
    for sequence in several(tmp_path / "several"):
        boxes = sequence.boxes.copy()
        boxes[3::4, 0] += 80  # for one frame the target is elsewhere
        jumping.append(replace(sequence, boxes=boxes))
    work = jobs(jumping, reset_based)
    one, batch = in_threads(run, work, 1), side_by_side(run, work, count)
    assert sum((result.codes == results.FAILURE).sum() for result in one.values()) >= len(LENGTHS)
    assert sum((result.codes == results.INIT).sum() for result in one.values()) > len(LENGTHS)
    for name, result in one.items():
        assert result.codes.tolist() == batch[name].codes.tolist()
        assert np.allclose(result.boxes, batch[name].boxes, atol=0 if count == 1 else 1e-3, equal_nan=True)


def test_real_resets_side_by_side_write_the_same_files(run: Run, real_data: Path, tmp_path: Path) -> None:
    """A box that drifts to the right: failures come often, and do not hang on a network's last bits."""

    class Drifting:
        lanes = 3

        def __init__(self) -> None:
            self.steps = np.zeros(3)
            self.first = np.zeros((3, 4))

        def frame(self, image: Any) -> Any:
            return image

        def init(self, lane: int, _: Any, box: Any) -> None:
            self.first[lane], self.steps[lane] = box, 0

        def update(self, frames: dict[int, Any]) -> tuple[Any, Any]:
            lanes_ = list(frames)
            self.steps[lanes_] += 1
            return self.first + self.steps[:, None] * [1.5, 0, 0, 0], self.steps.copy()

    class One:
        deterministic, confidence = True, float("nan")

        def __init__(self) -> None:
            self.inner = Drifting()

        def init(self, image: Any, box: Any) -> None:
            self.inner.init(0, image, box)

        def update(self, image: Any) -> Any:
            boxes, confidence = self.inner.update({0: image})
            self.confidence = float(confidence[0])
            return boxes[0]

    assert run
    sequences = datasets.load("vot2018", real_data / "sequences" / "vot")
    for folder, outcomes in (
        ("one", lanes.threads(jobs(sequences, reset_based), lambda *_: One(), 1, Frames(), lambda: None, lambda: None)),
        ("side", lanes.lockstep(jobs(sequences, reset_based), Drifting(), Frames())),
    ):
        for job, outcome in outcomes:
            results.write(tmp_path / folder, "vot2018", job.sequence.name, 1, outcome)
    assert results.digest(tmp_path / "one") == results.digest(tmp_path / "side")


def test_the_longest_come_first_and_the_manifest_says_what_the_times_are(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw(Path("data/real/otb2015"), "Gamma", FRAMES + 5, seed=4)
    seen: list[str] = []
    write = results.write
    monkeypatch.setattr(results, "write", lambda *each: seen.append(each[2]) or write(*each))
    one = engine.track(run.model_copy(update={"lanes": 1}), "static", "otb2015", out=Path("one"))
    assert seen == ["Gamma", "Alpha", "Beta"]
    many = engine.track(run.model_copy(update={"lanes": 2}), "small-s0", "otb2015", out=Path("many"))
    assert results.digest(many) == results.digest(engine.track(run, "small-s0", "otb2015", out=Path("default")))
    records = [read_json(folder / results.MANIFEST, "") for folder in (one, many)]
    assert [record["lanes"] for record in records] == [1, 2]
    assert records[0]["times"] == "a frame's own"
    assert records[1]["times"].startswith("amortised")


def test_a_batch_is_what_the_engine_runs_where_the_source_has_one(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    real, ours = baselines.source(run, "small-s0"), network(run)
    made = replace(real, lanes=2, batch=lambda: Targets(*ours, 2))
    threads = engine.track(run, "small-s0", "otb2015", out=Path("threads"))
    monkeypatch.setattr(baselines, "source", lambda *_: made)
    batch = engine.track(run, "small-s0", "otb2015", out=Path("batch"))
    both = [
        results.read(folder, "otb2015", datasets.load("otb2015", run.root("otb2015"))) for folder in (threads, batch)
    ]
    for name in ("Alpha", "Beta"):
        assert np.allclose(both[0][name][0].boxes, both[1][name][0].boxes, atol=2e-3)
    assert "batch" in read_json(batch / results.MANIFEST, "")["times"]


def test_a_batch_whose_crops_are_cut_where_the_network_is_finds_the_same(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = jobs(several(tmp_path / "several"))
    one = in_threads(run, work, 1)
    monkeypatch.setattr(tracker, "cutter", Device)
    found = side_by_side(run, work, 3)
    assert max(np.abs(found[name].boxes - one[name].boxes).max() for name in one) < 0.2
    assert same(side_by_side(run, work[::-1], 3), found)


def test_a_gpu_follows_many_in_a_batch_unless_told_otherwise(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "select", lambda _: torch.device("cuda"))
    monkeypatch.setattr(runtime, "prepared", lambda model, _: model)
    source = baselines.source(run, "small-s0")
    assert source.lanes == 16
    assert source.batch is not None
    assert source.batch().lanes == 16
    alone = baselines.source(run.model_copy(update={"lanes": 1}), "small-s0")
    assert (alone.lanes, alone.batch) == (1, None)


def test_many_lanes_take_one_thread_each_and_the_caller_keeps_its_own(run: Run) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        source = baselines.source(run, "small-s0")
        assert source.lanes == 2
        counts: list[int] = []

        def start() -> None:
            source.start()
            counts.append(torch.get_num_threads())

        thread = threading.Thread(target=start)
        thread.start()
        thread.join()
        assert counts == [1]
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_a_bad_frame_in_one_lane_ends_all_and_keeps_what_was_finished(run: Run) -> None:
    root = Path("data/real/otb2015")
    draw(root, "Long", 40, seed=5)
    (root / "Long" / "img" / "0039.png").write_bytes(b"")
    for count in (1, 2):
        out = Path(f"lanes-{count}")
        with pytest.raises(InputError, match=r"0039\.png"):
            engine.track(run.model_copy(update={"lanes": count}), "static", "otb2015", out=out)
        assert not (out / results.MANIFEST).exists()
        assert not results.exists(out, "otb2015", "Long", 1)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith(("lane", "decode"))]


def test_a_kill_keeps_finished_sequences_and_the_digest(run: Run) -> None:
    for number in range(4):
        draw(Path("data/real/otb2015"), f"More{number}", 40, seed=10 + number)
    file = {"run": "test", "source": "real", "device": "cpu", "network": SMALL, "models": {"small": {}}, "lanes": 2}
    Path("run.yaml").write_text(yaml.safe_dump(file))
    whole = engine.track(run, "small-s0", "otb2015", out=Path("whole"))
    track = ["track", "small-s0", "otb2015", "--configfile", "run.yaml", "--out", "out"]
    assert killed(*track, after=2) == -signal.SIGKILL
    # A run is finished once it is listed, a moment after its boxes are there.
    listed = Finished(Path("out")).known
    kept = {path: path.stat().st_mtime_ns for path in Path("out").glob("*.txt") if path.name in listed}
    assert kept
    assert not (Path("out") / results.MANIFEST).exists()
    assert cli.main(track) == 0
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert results.digest(Path("out")) == results.digest(whole)


def test_times_leave_decoding_out(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that moves one second for every frame decoded and ten for every answer of the tracker."""
    clock = {"now": 0.0}
    real_image, real_update = Sequence.image, baselines.Static.update

    def tick(seconds: float, function: Any) -> Any:
        def ticking(*arguments: Any) -> Any:
            clock["now"] += seconds
            return function(*arguments)

        return ticking

    monkeypatch.setattr(lanes.time, "perf_counter", lambda: clock["now"])
    monkeypatch.setattr(lanes, "AHEAD", 1)
    monkeypatch.setattr(baselines.Static, "update", tick(10, real_update))
    monkeypatch.setattr(lanes, "decoded", lambda s, *_: (tick(1, real_image)(s, i) for i in range(len(s))))
    folder = engine.track(run, "static", "otb2015")
    times = results.read(folder, "otb2015", datasets.load("otb2015", Path("data/real/otb2015")))["Alpha"][0].times
    assert times.tolist() == [0.0] + [10.0] * (FRAMES - 1)


class Counted:
    """A sequence whose frames are numbers; it counts those decoded and fails at one."""

    def __init__(self, frames: int, bad: int | None = None) -> None:
        self.frames, self.bad, self.count = frames, bad, 0
        self.threads: set[int] = set()

    def __len__(self) -> int:
        return self.frames

    def image(self, index: int) -> int:
        self.count += 1
        self.threads.add(threading.get_ident())
        if index == self.bad:
            raise InputError(f"frame {index}")
        return index


def test_frames_come_in_order_from_a_thread_that_runs_ahead_within_a_bound() -> None:
    sequence = Counted(40)
    frames = lanes.decoded(sequence, ahead=5)  # type: ignore[arg-type]
    for index in range(40):
        assert next(frames) == index
        time.sleep(0.001)
        assert sequence.count <= index + 6
    assert list(frames) == []
    assert sequence.count == 40
    assert threading.get_ident() not in sequence.threads


def test_an_unreadable_frame_is_reported_when_its_turn_comes() -> None:
    frames = lanes.decoded(Counted(9, bad=4), ahead=8)  # type: ignore[arg-type]
    assert [next(frames) for _ in range(4)] == [0, 1, 2, 3]
    with pytest.raises(InputError, match="frame 4"):
        next(frames)
