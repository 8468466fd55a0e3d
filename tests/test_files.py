"""Outputs appear whole or not at all; progress and provenance tell what they should; a guarded job ends."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from siamrcr import files
from siamrcr.errors import DiskError, InputError
from siamrcr.progress import Progress
from siamrcr.provenance import provenance


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "score.json"
    files.write_json(path, {"AO": 1})

    def fail_half_way() -> None:
        with files.atomic(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_half_way()
    assert files.read_json(path, "") == {"AO": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_written_files_can_be_read_by_others(tmp_path: Path) -> None:
    files.write_text(tmp_path / "a.txt", "x")
    (tmp_path / "b.txt").write_text("x")
    assert (tmp_path / "a.txt").stat().st_mode == (tmp_path / "b.txt").stat().st_mode


def test_broken_json_names_file_and_remedy(tmp_path: Path) -> None:
    path = tmp_path / "broken.json"
    path.write_text("{")
    with pytest.raises(InputError, match=r"broken\.json: not valid JSON .*: make it again"):
        files.read_json(path, "make it again")
    with pytest.raises(InputError, match=r"absent\.json: cannot be read"):
        files.read_json(tmp_path / "absent.json", "make it")


def test_any_flipped_bit_of_a_sealed_file_is_noticed(tmp_path: Path) -> None:
    path, wanted = tmp_path / "score.json", {"tracker": "a", "AO": 0.25, "seed": None, "curve": [1.5, float("inf")]}
    files.write_json(path, wanted)
    whole = path.read_bytes()
    for bit in range(8 * len(whole)):
        data = bytearray(whole)
        data[bit // 8] ^= 1 << bit % 8
        path.write_bytes(data)
        try:
            found = files.read_json(path, "make it again")
        except InputError as error:
            found, said = None, str(error)
        # Only the word `seal` itself may be hit unnoticed: the rest is what it was.
        assert found.items() >= wanted.items() if found is not None else str(path) in said and "make it again" in said
    for length in range(len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"score\.json: not valid JSON .*: make it again"):
            files.read_json(path, "make it again")


def test_a_file_in_anothers_place_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "score.json"
    files.write_json(path, {"tracker": "a"})
    assert files.read_json(path, "make it again", tracker="a") == {"tracker": "a"}
    with pytest.raises(InputError, match=r"score\.json: is of tracker 'a', not 'b': make it again"):
        files.read_json(path, "make it again", tracker="b")
    path.write_text('{"tracker": "by hand"}')
    assert files.read_json(path, "") == {"tracker": "by hand"}


def test_litter_of_killed_writers_is_swept_and_that_of_living_ones_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    litter = tmp_path / ".a.killed.pt"
    litter.write_bytes(b"half")
    with files.atomic(path) as temporary:
        files.sweep(path)
        assert temporary.exists()
        assert not litter.exists()
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("folder", "folder: is a folder, not a file: name another"),
        ("file/x.json", "file: is a file, not a folder: name another"),
        ("file/sub/x.json", "file: is a file, not a folder: name another"),
    ],
)
def test_an_output_of_the_wrong_kind_is_named_before_it_is_made(tmp_path: Path, name: str, said: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("something")

    def begin() -> None:
        with files.atomic(tmp_path / name):
            raise AssertionError("the work was begun")

    with pytest.raises(DiskError) as caught:
        begin()
    assert str(caught.value) == str(tmp_path / said)
    with pytest.raises(DiskError, match="is a file, not a folder"):
        files.probe(tmp_path / "file")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


def test_settings_hash_ignores_order() -> None:
    assert files.settings_hash({"a": 1, "b": 2}) == files.settings_hash({"b": 2, "a": 1})
    assert files.settings_hash({"a": 1}) != files.settings_hash({"a": 2})


def test_progress_prints_plain_lines_elsewhere_than_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("siamrcr.progress.INTERVAL", 0.0)
    bar = Progress("train", 4, "pairs")
    bar.resume(2)
    bar.advance(1, "loss 0.5")
    bar.close()
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("train: 3/4 pairs (")
    assert lines[0].endswith("loss 0.5")


def test_provenance_names_versions_and_takes_more() -> None:
    record = provenance(seed=3)
    assert record["seed"] == 3
    assert record["packages"]["numpy"]
    assert len(record["commit"] or "0" * 40) == 40
    assert {"command", "date", "processor", "cores", "dirty", "threads"} <= set(record)


def alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="the guard reads /proc, which this system does not have"
)
def test_a_job_ends_with_a_killed_workflow(tmp_path: Path) -> None:
    job = (
        "import os, time, pathlib; from siamrcr.guard import end_with_workflow; end_with_workflow();"
        f"pathlib.Path(r'{tmp_path}/job').write_text(str(os.getpid())); time.sleep(60)"
    )
    # A stand-in for Snakemake: it starts a shell, which starts the job.
    shell = f'{sys.executable} -c "{job}" | cat'
    workflow = subprocess.Popen(
        [sys.executable, "-c", f"import subprocess; subprocess.run(['bash', '-c', {shell!r}])"],
        env=os.environ | {"SIAMRCR_GUARD": "1"},
    )
    deadline = time.monotonic() + 60
    while not (tmp_path / "job").exists() or not (tmp_path / "job").read_text():
        assert time.monotonic() < deadline, "the job did not start"
        time.sleep(0.05)
    process = int((tmp_path / "job").read_text())
    assert alive(process)
    workflow.send_signal(signal.SIGKILL)
    workflow.wait()
    deadline = time.monotonic() + 60
    while alive(process):
        assert time.monotonic() < deadline, "the job outlived its workflow"
        time.sleep(0.1)
