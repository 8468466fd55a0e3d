"""The Hugging Face hub, played by a local server: sizes and checksums, pieces, and what it refuses."""

import hashlib
import json
import tarfile
from pathlib import Path

import layouts
import pytest
from downloads import run_in
from server import Server

from siamrcr.datasets import hub, sources, transfer
from siamrcr.datasets.download import Options, download
from siamrcr.errors import InputError

PAGE = "https://huggingface.co/datasets/SilvioGiancola/TrackingNet"


def put(server: Server, files: dict[str, bytes]) -> None:
    """Files of datasets/owner/name, and what the hub tells of them."""
    told = []
    for path, content in files.items():
        server.files[f"/datasets/owner/name/resolve/main/{path}"] = content
        large = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 130}
        told.append({"type": "file", "path": path, "size": len(content), "oid": "1" * 40, "lfs": large})
    server.files["/api/datasets/owner/name/paths-info/main"] = json.dumps(told).encode()


def test_sizes_and_checksums_come_from_the_hub(tmp_path, server, table):
    layouts.lasot(tmp_path / "origin", ["cat-1", "dog-1"])
    names = ("cat", "dog")
    content = {f"{name}.zip": layouts.packed(tmp_path / "origin" / name, f"{name}/") for name in names}
    put(server, content)
    row = {"dataset": "lasot"}
    base = f"{server.address}/datasets/owner/name/resolve/main"
    table(*(row | {"file": f"{n}.zip", "url": f"{base}/{n}.zip", "layout": f"{n}/{n}-*"} for n in names))
    told = {source.file: source for source in sources.described(sources.read("lasot"))}
    assert {name: source.bytes for name, source in told.items()} == {n: len(c) for n, c in content.items()}
    assert told["cat.zip"].checksum == hashlib.sha256(content["cat.zip"]).hexdigest()
    # One request for all files; another content of the same length is not taken for the file.
    assert [path for path, _ in server.requests] == ["/api/datasets/owner/name/paths-info/main"]
    server.files["/datasets/owner/name/resolve/main/cat.zip"] = content["cat.zip"][:-1] + b"!"
    run = run_in(tmp_path / "data")
    with pytest.raises(InputError, match=r"cat\.zip: cannot be downloaded: .*sha256 \w+ instead of"):
        download(run, "lasot")
    assert (tmp_path / "data" / "real" / "lasot" / "dog").is_dir()
    assert not (tmp_path / "data" / "real" / "checksums.csv").exists()  # nothing was to be learnt


def test_a_hub_that_tells_nothing_may_still_give_the_files(server, table, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda _: None)  # the library waits between its attempts
    table({"dataset": "lasot", "file": "cat.zip", "url": f"{server.address}/datasets/owner/name/resolve/main/cat.zip"})
    assert sources.described(sources.read("lasot")) == sources.read("lasot")
    with pytest.raises(InputError, match="does not list its files"):
        hub.listing("http://127.0.0.1:1/datasets/owner/name/tree/main/TRAIN_0")


@pytest.mark.parametrize(("status", "word"), [(401, "HTTP 401"), (403, "HTTP 403"), (404, "HTTP 404")])
def test_a_hub_that_refuses_is_one_clear_line(server, status, word):
    server.errors = [status] * 3
    with pytest.raises(InputError) as error:
        hub.listing(f"{server.address}/datasets/owner/name/tree/main/TRAIN_0")
    assert word in str(error.value)
    assert "\n" not in str(error.value)


def test_what_to_do_about_a_token():
    wanted = f"; accept the terms on {PAGE} and set HF_TOKEN to a token of your account"
    assert hub.hint(f"{PAGE}/resolve/main/TEST/zips/a.zip", 401) == wanted
    assert hub.hint(f"{PAGE}/tree/main/TEST", 403) == wanted
    assert hub.hint(f"{PAGE}/tree/main/TEST", 404) == ""
    assert hub.hint("https://example.org/a/b/resolve/main/c", 401) == ""


def test_a_file_that_needs_a_token(tmp_path, server, monkeypatch):
    monkeypatch.setattr(hub, "HOST", "127.0.0.1")
    server.errors = [401]
    url = f"{server.address}/datasets/owner/name/resolve/main/a.zip"
    with pytest.raises(InputError) as error:
        transfer.fetch([url], tmp_path / "a.zip", None, lambda _: None)
    page = f"{server.address}/datasets/owner/name"
    assert f"HTTP 401 Unauthorized; accept the terms on {page} and set HF_TOKEN" in str(error.value)


def test_copies_are_taken_when_the_user_accepts_the_terms(tmp_path, server, table):
    layouts.vid(tmp_path / "ILSVRC2015", layouts.clips(tmp_path / "clips", count=2))
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "ILSVRC2015", "ILSVRC2015")
    content = (tmp_path / "a.tar.gz").read_bytes()
    half = len(content) // 2
    put(server, {"VID.tar.gz.aa": content[:half], "VID.tar.gz.ab": content[half:]})
    base = f"{server.address}/datasets/owner/name/resolve/main"
    # The first copy is gone, the second in two pieces.
    copies = f"{server.address}/old/VID.tar.gz {base}/VID.tar.gz.aa+{base}/VID.tar.gz.ab"
    row = {"dataset": "vid", "file": "VID.tar.gz", "layout": "Annotations/VID/train/*", "mirror": copies}
    table(row | {"access": "registration", "url": "https://owner.example/register"})
    run = run_in(tmp_path / "data", expected={"vid": 2})
    with pytest.raises(InputError, match=r"register at https://owner\.example/register, .* or add --accept-terms"):
        download(run, "vid")
    assert not server.requests
    server.cuts = [half // 2]
    record = json.loads(_bring(run).read_text())
    assert record["splits"]["vid"]["sequences"] == 2
    asked = [path.rpartition("/")[2] for path, _ in server.requests if "resolve" in path or "old" in path]
    assert asked == ["VID.tar.gz", "VID.tar.gz.aa", "VID.tar.gz.aa", "VID.tar.gz.ab"]
    left = [path.name for path in (tmp_path / "data" / "real" / "vid" / "archives").iterdir()]
    assert sorted(left) == ["VID.tar.gz.json", "lock"]


def _bring(run: object) -> Path:
    marker = download(run, "vid", Options(accept_terms=True))  # type: ignore[arg-type]
    assert marker is not None
    return marker
