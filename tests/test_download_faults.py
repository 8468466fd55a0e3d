"""Downloads through every kind of trouble: whatever happens, no partial file is ever taken for a complete one."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import layouts
import pytest
from downloads import Table, run_in
from server import Server

from siamrcr.datasets import archives, sources, transfer, verification
from siamrcr.datasets.download import Options, download
from siamrcr.datasets.pool import DiskError, each
from siamrcr.errors import InputError

CONTENT = hashlib.shake_256(b"content").digest(240)


@pytest.fixture
def biker(tmp_path: Path, server: Server, table: Table) -> bytes:
    """OTB's Biker on the server, and a table that names it alone."""
    clip = layouts.clips(tmp_path / "clips", count=1)[0]
    content = layouts.packed(layouts.otb(tmp_path / "origin", "Biker", clip), "Biker/")
    server.files["/Biker.zip"] = content
    row = {"dataset": "otb2015", "file": "Biker.zip", "url": f"{server.address}/Biker.zip", "layout": "Biker/img"}
    table(row | {"checksum": hashlib.sha256(content).hexdigest()})
    return content


def anything(path: Path) -> None:
    """A check that every file passes."""


def exact(path: Path) -> None:
    """A check that the whole content alone passes."""
    if path.read_bytes() != CONTENT:
        raise InputError("another checksum")


@pytest.mark.parametrize("ranges", [True, False])
def test_a_cut_at_any_byte_ends_in_the_same_bytes(tmp_path, server, ranges):
    server.files["/a.bin"], server.ranges = CONTENT, ranges
    for cut in range(len(CONTENT)):
        server.cuts, server.sent = [cut], 0
        target = tmp_path / f"{cut}.bin"
        transfer.fetch([f"{server.address}/a.bin"], target, None, anything)
        assert target.read_bytes() == CONTENT
        assert server.sent == len(CONTENT) + (0 if ranges else cut)


@pytest.mark.parametrize("ranges", [True, False])
def test_a_process_that_is_killed_anywhere_goes_on(tmp_path, server, ranges):
    content = hashlib.shake_256(b"long").digest(2_000_000)
    server.files["/a.bin"], server.ranges = content, ranges
    server.piece, server.pause = 4000, 0.002
    target = tmp_path / "a.bin"
    program = "import sys; from pathlib import Path; from siamrcr.datasets import transfer\n"
    program += "transfer.fetch([sys.argv[1]], Path(sys.argv[2]), None, lambda path: None)"
    command = [sys.executable, "-c", program, f"{server.address}/a.bin", str(target)]
    for kill_at in (1, 30_000, 130_001, 260_000):
        before = server.sent
        process = subprocess.Popen(command)
        while server.sent - before < (kill_at if not ranges else kill_at // 3) and process.poll() is None:
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not target.exists()
    assert subprocess.run(command, check=False).returncode == 0
    assert target.read_bytes() == content
    assert [path.name for path in tmp_path.iterdir()] == ["a.bin"]


def test_a_silent_server_is_left_and_asked_for_the_rest(tmp_path, server, monkeypatch):
    monkeypatch.setattr(transfer, "TIMEOUT", 1)
    server.files["/a.bin"], server.silent_after = CONTENT, 100
    transfer.fetch([f"{server.address}/a.bin"], tmp_path / "a.bin", None, anything)
    assert (tmp_path / "a.bin").read_bytes() == CONTENT
    # Whatever was slow besides is asked for again.
    assert list(dict.fromkeys(asked for _, asked in server.requests)) == [None, "bytes=100-", "bytes=200-"]
    server.silent_after = 0
    with pytest.raises(InputError, match="timed out, 5 times"):
        transfer.fetch([f"{server.address}/a.bin"], tmp_path / "b.bin", None, anything)


def test_a_trickle_is_no_download(tmp_path, server, monkeypatch):
    monkeypatch.setattr(transfer, "TIMEOUT", 0.6)
    server.files |= {"/a.bin": CONTENT, "/mirror/a.bin": CONTENT}
    server.piece, server.pause = 1, 0.02  # 50 bytes a second
    with pytest.raises(InputError, match=r"only \d+ bytes in \d+ s, 5 times"):
        transfer.fetch([f"{server.address}/a.bin"], tmp_path / "a.bin", None, anything)
    assert not (tmp_path / "a.bin").exists()
    assert server.sent < 300


def test_a_server_says_when_to_come_again(tmp_path, server, monkeypatch):
    pauses: list[float] = []
    monkeypatch.setattr(transfer.time, "sleep", pauses.append)
    server.files["/a.bin"] = CONTENT
    server.errors, server.headers = [429, 503], {"Retry-After": "7"}
    transfer.fetch([f"{server.address}/a.bin"], tmp_path / "a.bin", None, anything)
    server.errors, server.headers = [503], {"Retry-After": "86400"}
    transfer.fetch([f"{server.address}/a.bin"], tmp_path / "b.bin", None, anything)
    assert pauses == [7, 7, transfer.PATIENCE]


def test_a_false_beginning_is_thrown_away_once(tmp_path, server):
    """What lies there from before is another file's: the same server then gives the right one."""
    server.files["/a.bin"] = CONTENT
    (tmp_path / "a.bin.part").write_bytes(b"x" * 100)
    transfer.fetch([f"{server.address}/a.bin"], tmp_path / "a.bin", len(CONTENT), exact)
    assert (tmp_path / "a.bin").read_bytes() == CONTENT
    assert [asked for _, asked in server.requests] == ["bytes=100-", None]
    (tmp_path / "a.bin.part.json").write_text("{half a fi")  # nor does a torn note stop anything
    (tmp_path / "a.bin.part").write_bytes(CONTENT[:50])
    transfer.fetch([f"{server.address}/a.bin"], tmp_path / "a.bin", None, exact)


def test_an_answer_without_a_length_must_still_be_the_file(tmp_path, server):
    server.files["/a.bin"], server.lengths = CONTENT, False
    server.cuts = [150]
    with pytest.raises(InputError, match="another checksum"):
        transfer.fetch([f"{server.address}/a.bin"], tmp_path / "a.bin", None, exact)
    assert not list(tmp_path.iterdir()) or not (tmp_path / "a.bin").exists()
    server.cuts = [150]
    transfer.fetch([f"{server.address}/a.bin"], tmp_path / "a.bin", len(CONTENT), exact)
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


def test_a_full_disk_while_downloading(tmp_path, server):
    server.files["/a.bin"] = CONTENT
    (tmp_path / "a.bin.part").symlink_to("/dev/full")
    with pytest.raises(DiskError, match=r"a\.bin\.part: the disk is full: free some space and run the same command"):
        transfer.fetch([f"{server.address}/a.bin"], tmp_path / "a.bin", None, anything)
    assert len(server.requests) == 1  # it is no use to try again
    assert not (tmp_path / "a.bin").exists()
    (tmp_path / "a.bin.part").unlink()
    transfer.fetch([f"{server.address}/a.bin"], tmp_path / "a.bin", None, exact)


@pytest.mark.usefixtures("biker")
def test_a_full_disk_while_unpacking(tmp_path, monkeypatch):
    run = run_in(tmp_path, expected={"otb2015": 1})
    write = archives._write

    def full(_: object, target: Path) -> None:
        with transfer.writing(target):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(archives, "_write", full)
    with pytest.raises(DiskError, match="the disk is full"):
        download(run, "otb2015")
    assert not (tmp_path / "real" / "otb2015" / "Biker").exists()
    assert not (tmp_path / "real" / "otb2015.json").exists()
    monkeypatch.setattr(archives, "_write", write)
    download(run, "otb2015")
    assert sorted(path.name for path in (tmp_path / "real" / "otb2015" / "archives").iterdir()) == ["lock"]


def test_a_root_that_cannot_be_written(server, biker, monkeypatch):
    folder = Path(tempfile.mkdtemp())
    (folder / "sources.csv").write_bytes(sources.TABLE.read_bytes())
    monkeypatch.setattr(sources, "TABLE", folder / "sources.csv")
    folder.chmod(0o555)
    user = os.geteuid()
    try:
        if user == 0:
            os.seteuid(65534)  # the superuser may write anywhere
        with pytest.raises(InputError, match=r"archives: cannot be written \(Permission denied\): name another folder"):
            download(run_in(folder, expected={"otb2015": 1}), "otb2015")
    finally:
        os.seteuid(user)
        folder.chmod(0o755)
        shutil.rmtree(folder)
    assert not server.requests
    assert len(biker) > 0


def test_a_complete_dataset_on_a_read_only_disk_is_fine(tmp_path, biker, monkeypatch):
    run = run_in(tmp_path, expected={"otb2015": 1})
    marker = download(run, "otb2015")

    def refuse(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    for name in ("mkdir", "write_text", "touch", "unlink", "replace"):
        monkeypatch.setattr(Path, name, refuse)
    assert download(run, "otb2015") == marker
    assert len(biker) > 0


def test_two_downloads_of_one_set_at_once(tmp_path, server, biker, capfd):
    server.piece, server.pause = max(1, len(biker) // 20), 0.02
    run = run_in(tmp_path, expected={"otb2015": 1})
    made: list[Path | None] = []
    threads = [threading.Thread(target=lambda: made.append(download(run, "otb2015"))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [tmp_path / "real" / "otb2015.json"] * 3
    assert [path for path, _ in server.requests] == ["/Biker.zip"]
    assert server.sent == len(biker)
    assert f"process {os.getpid()} downloads it too; waiting for it" in capfd.readouterr().out


def test_what_was_checked_is_not_loaded_again(tmp_path, server, biker, monkeypatch):
    run = run_in(tmp_path, expected={"otb2015": 1})
    extract = archives.extract

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(archives, "extract", interrupted)
    with pytest.raises(KeyboardInterrupt):
        download(run, "otb2015")
    monkeypatch.setattr(archives, "extract", extract)
    download(run, "otb2015")
    assert server.sent == len(biker)
    assert not list(tmp_path.rglob("*.checked"))


def test_one_file_that_fails_leaves_the_others_alone(tmp_path, server, biker, table):
    rows = []
    for name in ("Bird1", "Biker", "Bolt"):
        rows.append({"dataset": "otb2015", "file": f"{name}.zip", "layout": f"{name}/img"})
        rows[-1]["url"] = f"{server.address}/{name}.zip"
    table(*rows)
    with pytest.raises(InputError, match=r"(Bird1|Bolt)\.zip: cannot be downloaded.*\(and 1 more files failed\)"):
        download(run_in(tmp_path), "otb2015", Options(jobs=2))
    assert (tmp_path / "real" / "otb2015" / "Biker" / "img").is_dir()
    assert not verification.complete(run_in(tmp_path), "otb2015")
    assert len(biker) > 0


def test_a_full_disk_stops_all():
    done = []

    def work(number: int) -> None:
        done.append(number)
        if number == 3:
            raise DiskError("full")

    with pytest.raises(DiskError):
        each(range(1000), work, 1)
    assert done == [0, 1, 2, 3]


def test_an_interrupt_waits_for_no_server(tmp_path, server):
    server.files["/a.bin"], server.silent_after = CONTENT, 10
    program = "import sys; from pathlib import Path; from siamrcr.datasets import transfer, pool\n"
    program += "get = lambda n: transfer.fetch([sys.argv[1]], Path(sys.argv[2], str(n)), None, print)\n"
    program += "pool.each(range(4), get, 4)"
    command = [sys.executable, "-c", program, f"{server.address}/a.bin", str(tmp_path)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE)
    while len(server.requests) < 4 and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    assert process.wait(30) != 0
    assert b"KeyboardInterrupt" in (process.stderr.read() if process.stderr else b"")


def test_lines_say_how_far_all_and_each_are(tmp_path, server, biker, monkeypatch, capfd):
    monkeypatch.setattr("siamrcr.datasets.bars.INTERVAL", 0.0)
    server.piece, server.pause = max(1, len(biker) // 10), 0.01
    download(run_in(tmp_path, expected={"otb2015": 1}), "otb2015")
    lines = capfd.readouterr().err.splitlines()
    assert all(line.startswith("download otb2015: ") for line in lines)
    assert any("0/1 files" in line and "; Biker.zip " in line and "MB/s" in line for line in lines)
    assert any("unpack Biker.zip" in line for line in lines)
    record = json.loads((tmp_path / "real" / "otb2015.json").read_text())
    assert record["splits"]["otb2015"]["sequences"] == 1
