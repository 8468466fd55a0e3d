"""A benchmark in parts: whose sequences are whose, and that the parts together are the whole."""

import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from moving_square import SMALL, draw, killed, prepared, settings, trained

from siamrcr import cli, engine, results, shards
from siamrcr.config import Run
from siamrcr.datasets.sequence import Sequence
from siamrcr.files import read_json
from siamrcr.finished import Finished
from siamrcr.shards import Shard

BENCHMARK = "otb2015"
LENGTHS = {"Gamma": 20, "Delta": 5, "Epsilon": 9}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    monkeypatch.chdir(tmp_path)
    with prepared(tmp_path) as run:
        for number, (name, length) in enumerate(LENGTHS.items()):
            draw(tmp_path / "data" / "real" / BENCHMARK, name, length, seed=5 + number)
        trained(run)
        yield run


def sequences(lengths: list[int]) -> list[Sequence]:
    known = np.ones((max(lengths), 4))
    return [
        Sequence(f"S{number}", [Path("x")] * n, known[:n], np.ones(n, dtype=bool)) for number, n in enumerate(lengths)
    ]


def manifest(folder: Path) -> dict[str, Any]:
    """What of a manifest does not change from run to run."""
    record = read_json(folder / results.MANIFEST, "")
    record["files"] = {name: value for name, value in record["files"].items() if "_time" not in name}
    return {key: value for key, value in record.items() if key not in ("seconds", "fps", "provenance")}


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_each_sequence_is_in_one_part_and_the_frames_are_balanced(count: int) -> None:
    several = sequences([40, 900, 12, 300, 310, 7, 650, 12, 80, 500])
    parts = [Shard(number, count).of(several) for number in range(1, count + 1)]
    assert sorted(each.name for part in parts for each in part) == sorted(each.name for each in several)
    frames = [sum(map(len, part)) for part in parts]
    # The longest first to the least loaded: at most 4/3 of the best, which a sequence or an equal share bounds.
    assert max(frames) <= 4 / 3 * max(900, sum(frames) / count)
    for part in parts:
        assert [each.name for each in part] == [each.name for each in several if each in part]


def test_more_parts_than_sequences_leave_some_empty() -> None:
    parts = [Shard(number, 4).of(sequences([3, 2])) for number in (1, 2, 3, 4)]
    assert [len(part) for part in parts] == [1, 1, 0, 0]


@pytest.mark.parametrize(("tracker", "count"), [("small-s0", 3), ("random", 2), ("static", 1)])
def test_any_number_of_parts_gives_the_same_digest_and_manifest(run: Run, tracker: str, count: int) -> None:
    whole, out = engine.track(run, tracker, BENCHMARK, out=Path("whole")), Path("parts")
    for number in range(count, 0, -1):
        assert engine.track(run, tracker, BENCHMARK, out=out, shard=Shard(number, count)) == out
        assert not (out / results.MANIFEST).exists()
    record = read_json(out / f".shard-1-of-{count}.json", "")
    assert (record["shard"], record["failures"]) == (f"1/{count}", {})
    kept = {path: path.stat().st_mtime_ns for path in out.glob("*.txt")}
    engine.track(run, tracker, BENCHMARK, out=out)
    assert {path: path.stat().st_mtime_ns for path in out.glob("*.txt")} == kept
    assert results.digest(out) == results.digest(whole)
    assert manifest(out) == manifest(whole)
    told = read_json(out / results.MANIFEST, "")["provenance"]["shards"]
    assert [each["shard"] for each in told] == [f"{number}/{count}" for number in range(1, count + 1)]
    assert sum(each["frames"] for each in told) == sum(LENGTHS.values()) + 24


def test_parts_that_start_at_once_after_a_change_remove_what_is_stale_once(run: Run) -> None:
    out = Path("out")
    old = results.digest(engine.track(run, "small-s0", BENCHMARK, out=out))
    other = settings(tracking={"size_rate": 0.1})
    with ThreadPoolExecutor(3) as pool:
        parts = [pool.submit(engine.track, other, "small-s0", BENCHMARK, None, out, Shard(n, 3)) for n in (1, 2, 3)]
        for part in parts:
            part.result()
    assert not (out / results.MANIFEST).exists()
    kept = {path: path.stat().st_mtime_ns for path in out.glob("*.txt")}
    engine.track(other, "small-s0", BENCHMARK, out=out)
    assert {path: path.stat().st_mtime_ns for path in out.glob("*.txt")} == kept
    whole = engine.track(other, "small-s0", BENCHMARK, out=Path("whole"))
    assert results.digest(out) == results.digest(whole) != old


def test_a_folder_is_held_by_one_at_a_time(tmp_path: Path) -> None:
    inside, most = [], []

    def enter() -> None:
        with shards.alone(tmp_path):
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.01)
            inside.pop()

    threads = [threading.Thread(target=enter) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1, 1, 1, 1]


def test_another_number_of_parts_tracks_nothing_again(run: Run) -> None:
    out = Path("out")
    for number in (1, 2, 3):
        engine.track(run, "static", BENCHMARK, out=out, shard=Shard(number, 3))
    kept = {path: path.stat().st_mtime_ns for path in out.glob("*.txt")}
    engine.track(run, "static", BENCHMARK, out=out, shard=Shard(2, 2))
    assert [path.name for path in out.glob(".shard-*")] == [".shard-2-of-2.json"]
    assert {path: path.stat().st_mtime_ns for path in out.glob("*.txt")} == kept


def test_a_part_of_a_finished_benchmark_leaves_its_manifest(run: Run) -> None:
    out = engine.track(run, "static", BENCHMARK, out=Path("out"))
    before = (out / results.MANIFEST).read_bytes()
    engine.track(run, "static", BENCHMARK, out=out, shard=Shard(1, 2))
    assert (out / results.MANIFEST).read_bytes() == before
    (out / "Gamma.txt").unlink()
    engine.track(run, "static", BENCHMARK, out=out, shard=Shard(2, 2))
    assert (out / results.MANIFEST).exists(), "the longest sequence is the first part's"
    engine.track(run, "static", BENCHMARK, out=out, shard=Shard(1, 2))
    assert not (out / results.MANIFEST).exists()


def test_a_killed_part_resumes_to_the_digest(run: Run) -> None:
    for number in range(4):
        draw(Path("data/real") / BENCHMARK, f"More{number}", 40, seed=10 + number)
    file = {"run": "test", "source": "real", "device": "cpu", "network": SMALL, "models": {"small": {}}, "lanes": 1}
    Path("run.yaml").write_text(yaml.safe_dump(file))
    whole = engine.track(run, "small-s0", BENCHMARK, out=Path("whole"))
    track = ["track", "small-s0", BENCHMARK, "--configfile", "run.yaml", "--out", "out", "--shard", "1/2"]
    assert killed(*track, after=1) == -signal.SIGKILL
    assert not list(Path("out").glob(".shard-*"))
    # A run is finished once it is listed, a moment after its boxes are there.
    listed = Finished(Path("out")).known
    kept = {path: path.stat().st_mtime_ns for path in Path("out").glob("*.txt") if path.name in listed}
    assert 0 < len(kept) < len(Shard(1, 2).of(engine.datasets.load(BENCHMARK, run.root(BENCHMARK))))
    for number in (1, 2):
        engine.track(run, "small-s0", BENCHMARK, out=Path("out"), shard=Shard(number, 2))
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    engine.track(run, "small-s0", BENCHMARK, out=Path("out"))
    assert results.digest(Path("out")) == results.digest(whole)


@pytest.mark.usefixtures("run")
def test_a_part_whose_tracker_fails_says_so_and_the_whole_tries_again(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["track", "own:Wrong", BENCHMARK, "--set", "source=real", "--out", "out"]
    assert cli.main([*arguments, "--shard", "1/2"]) == 1
    first = read_json(Path("out/.shard-1-of-2.json"), "")["failures"]
    assert "the same command tries them again" in capsys.readouterr().err
    assert set(first) == {f"{name}, repetition 1" for name in ("Gamma", "Epsilon")}
    assert cli.main(arguments) == 1
    assert len(read_json(Path("out") / results.MANIFEST, "")["failures"]) == 5


@pytest.mark.parametrize("text", ["2", "0/2", "3/2", "1/2/3", "a/b", "-1/2", "/"])
def test_a_part_that_is_none(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["track", "static", BENCHMARK, f"--shard={text}"])
    assert f"{text}: write I/N, as in 2/3" in capsys.readouterr().err
