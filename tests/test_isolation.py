"""A user's tracker that misbehaves fails one sequence, with the reason, and nothing else."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml
from moving_square import prepared, settings
from workspace import environment

from analysis.scoring import evaluate_tracks
from siamrcr import baselines, cli, engine, results
from siamrcr.config import Run
from siamrcr.errors import InputError, TrackerError
from siamrcr.files import read_json
from siamrcr.isolation import Isolated, Limits

# Each misbehaves at the third frame of the first sequence it is started on, and never again.
MODULE = """
import os, sys, time
import numpy as np

class Stays:
    def init(self, image, box):
        self.box, self.count = np.array(box), 0
        self.first = not os.path.exists("started")
        open("started", "a").close()

    def update(self, image):
        self.count += 1
        return self.misbehave() if self.first and self.count == 3 else self.box

    def misbehave(self):
        return self.box

class Raises(Stays):
    def misbehave(self):
        raise ValueError("no\\nidea")

class Hangs(Stays):
    def misbehave(self):
        while True:
            pass

class Nowhere(Stays):
    def misbehave(self):
        return np.full(4, np.nan)

class Nothing(Stays):
    def misbehave(self):
        return None

class Three(Stays):
    def misbehave(self):
        return [1, 2, 3]

class Words(Stays):
    def misbehave(self):
        return "left of the tree"

class Exits(Stays):
    def misbehave(self):
        sys.exit("enough")

class Ends(Stays):
    def misbehave(self):
        print("last words", flush=True)
        os._exit(3)

class Crashes(Stays):
    def misbehave(self):
        os.kill(os.getpid(), 11)

class Interrupts(Stays):
    def misbehave(self):
        raise KeyboardInterrupt

class Eats(Stays):
    def misbehave(self):
        eaten = []
        while True:
            eaten.append(np.empty(100_000_000))

class Floods(Stays):
    def misbehave(self):
        for _ in range(20_000):
            print("x" * 1000)
            sys.stderr.write("y" * 1000)
        return self.box

class Unready:
    def __init__(self):
        raise OSError("no GPU")

    def init(self, image, box): ...
    def update(self, image): ...
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    monkeypatch.chdir(tmp_path)
    with prepared(tmp_path):
        (tmp_path / "bad.py").write_text(MODULE)
        yield settings()


def children(process: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{process}/task").iterdir():
        with contextlib.suppress(OSError):  # a thread that has just ended
            found += [int(each) for each in (task / "children").read_text().split()]
    return found


def gone(process: int) -> bool:
    """Whether a process has ended, if need be in a few seconds."""
    for _ in range(500):
        try:
            if Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.01)
    return False


def of(name: str) -> Run:
    """A run with a tracker that may take two seconds and three gigabytes."""
    return settings(trackers={"bad": {"command": f"bad:{name}", "timeout": 2, "memory_gb": 3}})


@pytest.mark.usefixtures("run")
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("Raises", "bad:Raises: ValueError: no idea"),
        ("Hangs", "bad:Hangs: no answer in 2 s"),
        ("Nowhere", "frame 4: the box is nan, nan, nan, nan: one-pass evaluation"),
        ("Nothing", "bad:Nothing: update gave None: return x, y, w, h in pixels"),
        ("Three", "update gave [1, 2, 3]"),
        ("Words", "update gave 'left of the tree'"),
        ("Exits", "SystemExit: enough"),
        ("Ends", "its process ended with exit status 3 (last words)"),
        ("Crashes", "its process was ended by SIGSEGV"),
        ("Interrupts", "KeyboardInterrupt"),
        ("Eats", "MemoryError"),
    ],
)
def test_a_misbehaviour_fails_its_sequence_alone(name: str, reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    folder = engine.track(of(name), "bad", "otb2015")
    record = read_json(folder / results.MANIFEST, "")
    assert list(record["failures"]) == ["Alpha, repetition 1"]
    assert reason in record["failures"]["Alpha, repetition 1"]
    assert reason in capsys.readouterr().err
    assert [results.exists(folder, "otb2015", sequence, 1) for sequence in ("Alpha", "Beta")] == [False, True]
    with pytest.raises(InputError, match=r"failed on 1 runs, first on Alpha, repetition 1 .*--subset"):
        evaluate_tracks(of(name), "otb2015", folder, tracker="bad")
    kept = (folder / "Beta.txt").stat().st_mtime_ns
    engine.track(of(name), "bad", "otb2015")
    assert read_json(folder / results.MANIFEST, "")["failures"] == {}
    assert results.exists(folder, "otb2015", "Alpha", 1)
    assert (folder / "Beta.txt").stat().st_mtime_ns == kept


def test_what_a_tracker_prints_harms_nobody(run: Run, capfd: pytest.CaptureFixture[str]) -> None:
    folder = engine.track(run, "bad:Floods", "otb2015")
    assert read_json(folder / results.MANIFEST, "")["failures"] == {}
    assert "xxx" not in "".join(capfd.readouterr())


def test_lost_is_a_failure_of_vots_protocol_and_no_mishap(run: Run, real_data: Path) -> None:
    folder = engine.track(run, "bad:Nowhere", "vot2018", root=real_data / "sequences" / "vot")
    assert read_json(folder / results.MANIFEST, "")["failures"] == {}
    assert (folder / "baseline" / "ball1" / "ball1_001.txt").read_text().split()[3] != "2"
    first = (folder / "baseline" / "bag" / "bag_001.txt").read_text().split()
    assert first[3] == "2"


@pytest.mark.usefixtures("run")
def test_the_command_ends_with_1_and_a_tracker_that_cannot_be_made_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    Path("run.yaml").write_text(yaml.safe_dump({"run": "test", "source": "real"}))
    assert cli.main(["track", "bad:Raises", "otb2015", "--configfile", "run.yaml"]) == 1
    assert "1 runs failed" in capsys.readouterr().err
    assert cli.main(["track", "bad:Raises", "otb2015", "--configfile", "run.yaml"]) == 0
    assert cli.main(["track", "bad:Unready", "otb2015", "--configfile", "run.yaml"]) == 2
    assert capsys.readouterr().err == "siamrcr: bad:Unready: OSError: no GPU\n"


def test_all_sequences_may_fail(run: Run) -> None:
    Path("own.py").write_text("class Wrong:\n def init(self, i, b): pass\n def update(self, i): return None\n")
    record = read_json(engine.track(run, "own:Wrong", "otb2015") / results.MANIFEST, "")
    assert len(record["failures"]) == 2
    assert record["fps"] is None


@pytest.mark.usefixtures("run")
def test_a_process_serves_many_runs_and_ends_with_its_owner() -> None:
    image = np.zeros((60, 80, 3), dtype=np.uint8)
    others = set(children(os.getpid()))  # of tests before, as a browser's

    def own() -> set[int]:
        return set(children(os.getpid())) - others

    tracker = Isolated("bad:Raises", Limits(20))
    tracker.init(image, (10, 10, 20, 20))
    (child,) = own()
    assert [tracker.update(image).tolist() for _ in range(2)] == [[10, 10, 20, 20]] * 2
    tracker.init(image, (12, 10, 20, 20))
    assert tracker.update(image)[0] == 12
    assert own() == {child}
    assert np.isnan(tracker.confidence)
    tracker.close()
    assert gone(child)
    with pytest.raises(TrackerError, match="has ended"):
        tracker.update(image)
    tracker.init(image, (12, 10, 20, 20))
    (child,) = own()
    del tracker
    assert gone(child)


def test_a_killed_benchmark_leaves_no_tracker_behind(run: Run) -> None:
    assert run
    command = [sys.executable, "-m", "siamrcr", "track", "bad:Hangs", "otb2015", "--configfile", "run.yaml"]
    Path("run.yaml").write_text(yaml.safe_dump({"run": "test", "source": "real"}))
    with subprocess.Popen(command, env=environment(), stderr=subprocess.DEVNULL) as process:
        while not Path("started").exists() and process.poll() is None:
            time.sleep(0.01)
        time.sleep(0.3)
        (child,) = children(process.pid)
        os.kill(process.pid, signal.SIGKILL)
    assert gone(child)


def test_a_run_draws_by_its_sequence_and_repetition_alone(run: Run) -> None:
    image = np.zeros((60, 80, 3), dtype=np.uint8)
    make = baselines.source(run, "random").make

    def track(sequence: str, repetition: int) -> list[list[float]]:
        tracker = make(sequence, repetition)
        tracker.init(image, (10, 10, 20, 20))
        return [tracker.update(image).tolist() for _ in range(3)]

    first = track("Alpha", 1)
    others = [track("Alpha", 2), track("Beta", 1)]
    assert track("Alpha", 1) == first
    assert first not in others
