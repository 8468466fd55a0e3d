"""Downloads from a local server that cuts, refuses, and lies."""

import json
from pathlib import Path

import pytest

from siamrcr.datasets import transfer
from siamrcr.errors import InputError


def anything(path: Path) -> None:
    """A check that every file passes."""


def test_a_cut_download_goes_on_where_it_was(tmp_path, server):
    content = bytes(range(256)) * 40
    server.files["/a.bin"] = content
    server.cuts = [3000, 2000]
    transfer.fetch([server.address + "/a.bin"], tmp_path / "a.bin", None, anything)
    assert (tmp_path / "a.bin").read_bytes() == content
    assert server.requests == [("/a.bin", None), ("/a.bin", "bytes=3000-"), ("/a.bin", "bytes=5000-")]
    assert server.sent == len(content)
    assert [path.name for path in tmp_path.iterdir()] == ["a.bin"]


def test_many_cuts_are_survived_as_long_as_something_comes(tmp_path, server):
    server.files["/a.bin"] = bytes(range(256)) * 40
    server.cuts = [1000] * 9
    transfer.fetch([server.address + "/a.bin"], tmp_path / "a.bin", None, anything)
    assert (tmp_path / "a.bin").read_bytes() == server.files["/a.bin"]
    assert len(server.requests) == 10


def test_a_later_process_goes_on_too(tmp_path, server, monkeypatch):
    monkeypatch.setattr(transfer, "ATTEMPTS", 1)
    content = bytes(range(256)) * 40
    server.files["/a.bin"] = content
    server.cuts = [4000]
    with pytest.raises(InputError, match=r"a\.bin: cannot be downloaded: .*cut off after 4000 of 10240 bytes"):
        transfer.fetch([server.address + "/a.bin"], tmp_path / "a.bin", None, anything)
    assert not (tmp_path / "a.bin").exists()
    transfer.fetch([server.address + "/a.bin"], tmp_path / "a.bin", None, anything)
    assert (tmp_path / "a.bin").read_bytes() == content
    assert server.requests[-1] == ("/a.bin", "bytes=4000-")


def test_a_server_without_ranges_sends_it_all_again(tmp_path, server):
    content = bytes(range(256)) * 40
    server.files["/a.bin"] = content
    server.ranges = False
    server.cuts = [4000]
    transfer.fetch([server.address + "/a.bin"], tmp_path / "a.bin", None, anything)
    assert (tmp_path / "a.bin").read_bytes() == content
    assert server.sent == len(content) + 4000


def test_a_file_that_changed_meanwhile_starts_anew(tmp_path, server, monkeypatch):
    monkeypatch.setattr(transfer, "ATTEMPTS", 1)
    url, target = server.address + "/a.bin", tmp_path / "a.bin"
    server.files["/a.bin"] = b"a" * 9000
    server.cuts = [4000]
    with pytest.raises(InputError):
        transfer.fetch([url], target, None, anything)
    server.files["/a.bin"], server.versions["/a.bin"] = b"b" * 9000, '"2"'
    transfer.fetch([url], target, None, anything)
    assert target.read_bytes() == b"b" * 9000


def test_another_mirror_goes_on_only_where_the_size_is_known(tmp_path, server, monkeypatch):
    monkeypatch.setattr(transfer, "ATTEMPTS", 1)
    server.files |= {"/a.bin": b"a" * 9000, "/mirror/a.bin": b"a" * 9000}
    urls = [server.address + "/a.bin", server.address + "/mirror/a.bin"]
    for size, expected in ((None, None), (9000, "bytes=4000-")):
        server.cuts = [4000]
        transfer.fetch(urls, tmp_path / "a.bin", size, anything)
        assert server.requests[-1] == ("/mirror/a.bin", expected)
        assert (tmp_path / "a.bin").read_bytes() == b"a" * 9000


def test_a_part_that_is_whole_is_not_asked_for_again(tmp_path, server):
    url = server.address + "/a.bin"
    server.files["/a.bin"] = b"a" * 9000
    for size in (None, 9000):
        (tmp_path / "a.bin.part").write_bytes(b"a" * 9000)
        (tmp_path / "a.bin.part.json").write_text(json.dumps({"url": url, "version": '"1"'}))
        transfer.fetch([url], tmp_path / "a.bin", size, anything)
        assert (tmp_path / "a.bin").read_bytes() == b"a" * 9000
    assert server.sent == 0
    (tmp_path / "a.bin.part").write_bytes(b"a" * 9001)
    (tmp_path / "a.bin.part.json").write_text(json.dumps({"url": url, "version": '"1"'}))
    transfer.fetch([url], tmp_path / "a.bin", None, anything)
    assert (tmp_path / "a.bin").read_bytes() == b"a" * 9000


def test_a_missing_file_is_taken_from_the_mirror(tmp_path, server):
    server.files["/mirror/a.bin"] = b"content"
    transfer.fetch([server.address + p for p in ("/a.bin", "/mirror/a.bin")], tmp_path / "a.bin", None, anything)
    assert (tmp_path / "a.bin").read_bytes() == b"content"
    assert server.requests == [("/a.bin", None), ("/mirror/a.bin", None)]
    with pytest.raises(InputError, match=r"/b\.bin \(HTTP 404 Not Found\); .*/c\.bin \(HTTP 404 Not Found\)"):
        transfer.fetch([server.address + p for p in ("/b.bin", "/c.bin")], tmp_path / "b.bin", None, anything)


def test_a_busy_server_is_asked_again_ever_later(tmp_path, server, monkeypatch):
    pauses: list[float] = []
    monkeypatch.setattr(transfer, "BACKOFF", 2.0)
    monkeypatch.setattr(transfer.time, "sleep", pauses.append)
    server.files["/a.bin"] = b"content"
    server.errors = [503, 429, 500]
    transfer.fetch([server.address + "/a.bin"], tmp_path / "a.bin", None, anything)
    assert (tmp_path / "a.bin").read_bytes() == b"content"
    assert pauses == [2, 4, 8]
    server.errors = [503] * 99
    with pytest.raises(InputError, match="HTTP 503 Service Unavailable, 5 times"):
        transfer.fetch([server.address + "/a.bin"], tmp_path / "b.bin", None, anything)
    assert len(pauses) == 7


def test_a_server_that_is_not_there(tmp_path, monkeypatch):
    monkeypatch.setattr(transfer, "BACKOFF", 0.0)
    with pytest.raises(InputError, match=r"a\.bin: cannot be downloaded: .*refused.*run the same command again"):
        transfer.fetch(["http://127.0.0.1:1/a.bin"], tmp_path / "a.bin", None, anything)


def test_wrong_length_is_refused(tmp_path, server):
    server.files["/a.bin"] = b"content"
    with pytest.raises(InputError, match="7 bytes instead of 8"):
        transfer.fetch([server.address + "/a.bin"], tmp_path / "a.bin", 8, anything)


def test_the_hub_token_goes_to_the_hub_alone(monkeypatch):
    asked = []
    monkeypatch.setattr(transfer, "urlopen", lambda request, **_: asked.append(request))
    monkeypatch.setenv("HF_TOKEN", "secret")
    for url in ("https://huggingface.co/a", "http://huggingface.co/a", "https://example.org/huggingface.co"):
        transfer._open(url, {})
    assert [request.get_header("Authorization") for request in asked] == ["Bearer secret", None, None]
    # Headers of this kind are not repeated when the hub redirects to its storage.
    assert "Authorization" not in asked[0].headers
