"""Every dataset from nothing to its marker, from a local server and from what the user brings."""

import hashlib
import json
import shutil
from pathlib import Path

import layouts
import pytest
from downloads import run_in

from siamrcr.config import Run
from siamrcr.datasets import archives, transfer, verification
from siamrcr.datasets.download import Options
from siamrcr.datasets.download import download as bring
from siamrcr.errors import InputError


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> list[layouts.Clip]:
    return layouts.clips(tmp_path_factory.mktemp("clips"), count=3, frames=3)


def download(run: Run, dataset: str, **options: object) -> Path:
    return bring(run, dataset, Options(**options))  # type: ignore[arg-type, return-value]


def test_an_open_dataset_from_nothing_to_marker(tmp_path, server, table, videos):
    rows = []
    for name, clip in zip(("Biker", "Bird1"), videos, strict=False):
        content = layouts.packed(layouts.otb(tmp_path / "origin", name, clip), f"{name}/")
        server.files[f"/{name}.zip"] = content
        rows.append({"file": f"{name}.zip", "url": f"{server.address}/{name}.zip", "layout": f"{name}/img"})
        rows[-1] |= {"dataset": "otb2015", "bytes": len(content), "checksum": hashlib.sha256(content).hexdigest()}
    table(*rows)
    run = run_in(tmp_path / "data", expected={"otb2015": 2})
    marker = download(run, "otb2015")
    assert marker == tmp_path / "data" / "real" / "otb2015.json"
    record = json.loads(marker.read_text())
    files = [p for p in (tmp_path / "origin").rglob("*") if p.is_file()]
    assert record["splits"]["otb2015"]["sequences"] == 2
    assert record["splits"]["otb2015"]["frames"] == 6
    assert record["parts"] == ["otb2015"]
    assert (record["files"], record["bytes"]) == (len(files), sum(p.stat().st_size for p in files))
    assert not list((tmp_path / "data").rglob("*.zip*"))
    before = len(server.requests)
    marker.unlink()
    shutil.rmtree(tmp_path / "data" / "real" / "otb2015" / "Biker")
    download(run, "otb2015")
    assert [path for path, _ in server.requests[before:]] == ["/Biker.zip"]
    server.requests.clear()
    again = json.loads(download(run, "otb2015").read_text())
    assert not server.requests
    assert {**again, "date": ""} == {**record, "date": ""}


def test_an_interrupted_placement_is_done_again(tmp_path, server, table, videos, monkeypatch):
    origin = layouts.otb(tmp_path / "origin", "Biker", videos[0])
    server.files["/Biker.zip"] = layouts.packed(origin, "Biker/")
    table({"dataset": "otb2015", "file": "Biker.zip", "url": f"{server.address}/Biker.zip", "layout": "Biker/img"})
    run = run_in(tmp_path / "data", expected={"otb2015": 1})
    place = archives.place

    def interrupted(staging: Path, root: Path, _: str) -> list[str]:
        (root / "Biker").mkdir()
        (staging / "Biker" / "img").rename(root / "Biker" / "img")
        raise KeyboardInterrupt

    monkeypatch.setattr(archives, "place", interrupted)
    with pytest.raises(KeyboardInterrupt):
        download(run, "otb2015")
    assert not verification.complete(run, "otb2015")
    monkeypatch.setattr(archives, "place", place)
    download(run, "otb2015")
    assert verification.complete(run, "otb2015")


@pytest.mark.parametrize("fault", ["page", "checksum", "size", "missing"])
def test_a_bad_archive_is_replaced_by_the_mirrors(tmp_path, server, table, videos, fault):
    good = layouts.packed(layouts.otb(tmp_path / "origin", "Biker", videos[0]), "Biker/")
    bad = {"page": b"<html>log in</html>" + b" " * len(good), "checksum": good[:-1] + b"!", "size": good + b"!"}
    if fault != "missing":
        server.files["/Biker.zip"] = bad[fault][: None if fault == "size" else len(good)]
    server.files["/mirror/Biker.zip"] = good
    row = {"dataset": "otb2015", "file": "Biker.zip", "layout": "Biker/img", "bytes": len(good)}
    row |= {"checksum": hashlib.md5(good).hexdigest(), "url": f"{server.address}/Biker.zip"}
    table(row | {"mirror": f"{server.address}/mirror/Biker.zip"})
    run = run_in(tmp_path / "data", expected={"otb2015": 1})
    download(run, "otb2015")
    shutil.rmtree(tmp_path / "data")
    del server.files["/mirror/Biker.zip"]
    table(row)
    words = {"page": "a web page", "checksum": "md5 .* instead of", "size": "bytes instead of", "missing": "HTTP 404"}
    with pytest.raises(InputError, match=rf"Biker\.zip: cannot be downloaded: .*{words[fault]}") as error:
        download(run, "otb2015")
    assert "\n" not in str(error.value)
    assert not list((tmp_path / "data").rglob("*.part"))


def test_a_short_archive_that_the_user_brings_is_refused(tmp_path, table, videos):
    path = tmp_path / "real" / "otb2015" / "archives" / "Biker.zip"
    path.parent.mkdir(parents=True)
    path.write_bytes(layouts.packed(layouts.otb(tmp_path / "origin", "Biker", videos[0]), "Biker/"))
    size = path.stat().st_size
    row = {"dataset": "otb2015", "file": "Biker.zip", "layout": "Biker/img", "url": "http://127.0.0.1:1/Biker.zip"}
    table(row | {"bytes": size + 1})
    with pytest.raises(InputError, match=rf"{path}: {size} bytes instead of {size + 1}"):
        download(run_in(tmp_path, expected={"otb2015": 1}), "otb2015")


def test_a_page_is_recognised_by_its_type(tmp_path, server, table):
    server.files["/Biker.zip"], server.types["/Biker.zip"] = b"please log in", "text/html; charset=utf-8"
    table({"dataset": "otb2015", "file": "Biker.zip", "url": f"{server.address}/Biker.zip", "layout": "Biker/img"})
    with pytest.raises(InputError, match="a web page, not the file"):
        download(run_in(tmp_path), "otb2015")


def test_vot_comes_by_its_description(tmp_path, server, table, videos):
    sequences = []
    for number, clip in enumerate(videos[:2]):
        frames = layouts.zipped({f"{i:08d}.jpg": path.read_bytes() for i, path in enumerate(clip.frames, start=1)})
        truth = layouts.zipped({"groundtruth.txt": "1,1,5,1,5,5,1,5\n" * 3, "occlusion.tag": "0\n" * 3})
        server.files |= {f"/sequences/{number}abc.zip": frames, f"/vot2018/main/ball{number}.zip": truth}
        algorithm = (hashlib.md5, hashlib.sha1)[number]
        color = {
            "url": f"../../sequences/{number}abc.zip",
            "pattern": "%08d.jpg",
            "checksum": algorithm(frames).hexdigest(),
        }
        annotations = {"url": f"ball{number}.zip", "checksum": algorithm(truth).hexdigest()}
        sequences.append({"name": f"ball{number}", "annotations": annotations, "channels": {"color": color}})
    server.files["/vot2018/main/description.json"] = json.dumps({"name": "VOT2018", "sequences": sequences}).encode()
    url = f"{server.address}/vot2018/main/description.json"
    table({"dataset": "vot2018", "file": "description.json", "url": url, "layout": "list.txt"})
    run = run_in(tmp_path, expected={"vot2018": 2})
    record = json.loads(download(run, "vot2018").read_text())
    assert record["splits"]["vot2018"]["frames"] == 6
    root = tmp_path / "real" / "vot2018"
    assert (root / "list.txt").read_text() == "ball0\nball1\n"
    assert (root / "ball1" / "color" / "00000003.jpg").read_bytes() == videos[1].frames[2].read_bytes()
    assert (root / "ball1" / "occlusion.tag").is_file()
    # What the user has is not downloaded, and is left where it is.
    shutil.rmtree(root)
    given = tmp_path / "given" / "ball0_color.zip"
    given.parent.mkdir()
    given.write_bytes(server.files["/sequences/0abc.zip"])
    server.requests.clear()
    download(run, "vot2018", source_folder=given.parent)
    assert given.is_file()
    assert not any("0abc" in path for path, _ in server.requests)
    sequences[1]["channels"]["color"]["checksum"] = "0" * 40
    server.files["/vot2018/main/description.json"] = json.dumps({"sequences": sequences}).encode()
    shutil.rmtree(root)
    with pytest.raises(InputError, match=r"ball1_color\.zip: .*sha1 .* instead of 0000"):
        download(run, "vot2018")
    sequences[0]["name"] = "../evil"
    server.files["/vot2018/main/description.json"] = json.dumps({"sequences": sequences}).encode()
    with pytest.raises(InputError, match="leads out of the folder"):
        download(run, "vot2018")
    server.files["/vot2018/main/description.json"] = b'{"sequences": [{"name": "ball0"}]}'
    with pytest.raises(InputError, match="not VOT's list of sequences"):
        download(run, "vot2018")


def test_trackingnet_comes_file_by_file_from_the_hub(tmp_path, server, table, videos):
    layouts.trackingnet_train(tmp_path / "origin", videos)
    origin, base = tmp_path / "origin" / "TRAIN_0", "/api/datasets/owner/name/tree/main/TRAIN_0"
    entries = [{"type": "directory", "path": "TRAIN_0/zips", "size": 0, "oid": "2" * 40}]
    for folder in sorted((origin / "frames").iterdir()):
        files = {"zips": (f"{folder.name}.zip", layouts.packed(folder)), "anno": (f"{folder.name}.txt", b"")}
        files["anno"] = (files["anno"][0], (origin / "anno" / f"{folder.name}.txt").read_bytes())
        for kind, (name, content) in files.items():
            path = f"TRAIN_0/{kind}/{name}"
            server.files[f"/datasets/owner/name/resolve/main/{path}"] = content
            git = hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()
            entries.append({"type": "file", "path": path, "size": len(content), "oid": git})
            if kind == "zips":
                large = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 128}
                entries[-1] |= {"oid": "1" * 40, "lfs": large}
    listing = base + "?recursive=true&expand=false"
    server.files[listing] = json.dumps(entries[:4]).encode()
    server.links[listing] = f'<{server.address}{base}?cursor=x>; rel="next"'
    server.files[base + "?cursor=x"] = json.dumps(entries[4:]).encode()
    row = {"dataset": "trackingnet", "part": "train", "access": "token", "layout": "TRAIN_0/frames"}
    page = server.address + "/datasets/owner/name/tree/main/TRAIN_"
    later = row | {"file": "TRAIN_1", "url": f"{page}1", "layout": "TRAIN_1/frames"}
    table(row | {"file": "TRAIN_0", "url": f"{page}0"}, later)
    models = {"siamrcr": {"training": {"datasets": {"trackingnet": 1}}}}
    run = run_in(tmp_path, models=models, expected={"trackingnet-train": 3})
    record = json.loads(download(run, "trackingnet").read_text())
    root = tmp_path / "real" / "trackingnet"
    assert record["splits"]["trackingnet-train"]["frames"] == 9
    assert record["parts"] == ["trackingnet-train"]
    assert not any("TRAIN_1" in path for path, _ in server.requests)
    for path in (p for p in origin.rglob("*") if p.is_file()):
        assert (root / "TRAIN_0" / path.relative_to(origin)).read_bytes() == path.read_bytes()
    # One sequence is lost: it alone comes again.
    name = sorted((root / "TRAIN_0" / "frames").iterdir())[1]
    shutil.rmtree(name)
    server.requests.clear()
    download(run, "trackingnet")
    assert [path for path, _ in server.requests if path.endswith(".zip")] == [
        f"/datasets/owner/name/resolve/main/TRAIN_0/zips/{name.name}.zip"
    ]


def test_trackingnet_archives_that_the_user_has(tmp_path, table, videos):
    layouts.trackingnet_train(tmp_path / "origin", videos)
    base = tmp_path / "origin" / "TRAIN_0"
    (base / "zips").mkdir()
    for folder in (base / "frames").iterdir():
        (base / "zips" / f"{folder.name}.zip").write_bytes(layouts.packed(folder))
    shutil.rmtree(base / "frames")
    url = "http://127.0.0.1:1/datasets/owner/name/tree/main/TRAIN_0"
    table({"dataset": "trackingnet", "part": "train", "file": "TRAIN_0", "url": url, "layout": "TRAIN_0/frames"})
    models = {"siamrcr": {"training": {"datasets": {"trackingnet": 1}}}}
    run = run_in(tmp_path, models=models, expected={"trackingnet-train": 3})
    record = json.loads(download(run, "trackingnet", source_folder=tmp_path / "origin").read_text())
    assert record["splits"]["trackingnet-train"]["frames"] == 9
    assert len(list((base / "zips").iterdir())) == 3


def test_weights_are_a_plain_file(tmp_path, server, table):
    server.files["/model.safetensors"] = b"weights"
    row = {"dataset": "resnet50", "file": "model.safetensors", "layout": "model.safetensors"}
    row |= {"url": f"{server.address}/model.safetensors", "checksum": hashlib.sha256(b"weights").hexdigest()}
    table(row)
    record = json.loads(download(run_in(tmp_path), "resnet50").read_text())
    assert (tmp_path / "real" / "resnet50" / "model.safetensors").read_bytes() == b"weights"
    assert (record["files"], record["bytes"]) == (1, 7)
    assert not list(tmp_path.rglob("*.part*"))


# Datasets behind registration


@pytest.fixture
def registration(table):
    row = {"dataset": "got10k", "url": "http://got-10k.example/downloads", "access": "registration"}
    parts = [row | {"part": "val", "file": "val_data.zip", "layout": "val/GOT-10k_Val_*"}]
    for number in range(1, 5):
        file = f"GOT-10k_Train_split_{number:02d}.zip"
        parts.append(row | {"part": "train", "file": file, "layout": "train/GOT-10k_Train_*"})
    table(*parts)


@pytest.mark.usefixtures("registration")
def test_a_closed_dataset_says_where_to_register(tmp_path):
    with pytest.raises(InputError) as error:
        download(run_in(tmp_path), "got10k")
    assert str(error.value) == (
        "got10k needs registration: register at http://got-10k.example/downloads, put val_data.zip ... "
        f"GOT-10k_Train_split_04.zip (5 files) into {tmp_path}/real/got10k/archives (or name the folder that has them "
        "with --from), and run the same command again"
    )


@pytest.mark.usefixtures("registration")
def test_archives_that_the_user_brings_are_unpacked_once(tmp_path, videos):
    names = [f"GOT-10k_Train_{number:06d}" for number in range(1, 5)]
    origin = layouts.got10k(tmp_path / "origin", "train", names, videos[0])
    val = layouts.got10k(tmp_path / "origin", "val", ["GOT-10k_Val_000001"], videos[1])
    given = tmp_path / "given" / "train_data"
    given.mkdir(parents=True)
    (tmp_path / "given" / "val_data.zip").write_bytes(layouts.packed(val, "val/"))
    for number, name in enumerate(names[:3], start=1):
        (given / f"GOT-10k_Train_split_{number:02d}.zip").write_bytes(layouts.packed(origin / name, f"{name}/"))
    models = {"siamrcr": {"benchmarks": ["got10k-val"]}}
    run = run_in(tmp_path / "data", models=models, expected={"got10k-train": 4, "got10k-val": 1})
    with pytest.raises(InputError, match=r"put GOT-10k_Train_split_04\.zip into"):
        download(run, "got10k", source_folder=tmp_path / "given")
    root = tmp_path / "data" / "real" / "got10k"
    first = root / "train" / names[0]
    written = first.stat().st_ctime_ns
    (root / "archives" / "GOT-10k_Train_split_04.zip").write_bytes(layouts.packed(origin / names[3], f"{names[3]}/"))
    record = json.loads(download(run, "got10k", source_folder=tmp_path / "given").read_text())
    assert record["splits"]["got10k-train"]["sequences"] == 4
    assert record["splits"]["got10k-val"]["sequences"] == 1
    assert first.stat().st_ctime_ns == written
    assert len(list((tmp_path / "given").rglob("*.zip"))) == 4
    assert (root / "archives" / "GOT-10k_Train_split_04.zip").is_file()


@pytest.mark.usefixtures("registration")
def test_a_web_page_that_the_user_brings_is_named(tmp_path):
    path = tmp_path / "real" / "got10k" / "archives" / "val_data.zip"
    path.parent.mkdir(parents=True)
    path.write_text("<!DOCTYPE html><title>Google Drive - Quota exceeded</title>")
    with pytest.raises(InputError, match=rf"{path}: a web page"):
        download(run_in(tmp_path), "got10k")


@pytest.mark.usefixtures("registration")
def test_an_unpacked_dataset_is_linked(tmp_path, videos):
    layouts.got10k(tmp_path / "mine", "val", ["GOT-10k_Val_000001"], videos[0])
    models = {"siamrcr": {"benchmarks": ["got10k-val"], "checkpoint": "a.safetensors"}}
    run = run_in(tmp_path / "data", models=models, expected={"got10k-val": 1})
    for _ in range(2):
        record = json.loads(download(run, "got10k", source_folder=tmp_path / "mine").read_text())
    assert record["splits"]["got10k-val"]["frames"] == 3
    assert (record["files"], record["parts"]) == (4, ["got10k-val"])
    link = tmp_path / "data" / "real" / "got10k" / "val"
    assert link.is_symlink()
    assert link.resolve() == tmp_path / "mine" / "val"
    link.unlink()
    link.mkdir()
    with pytest.raises(InputError, match=r"val: is there already: move it away"):
        download(run, "got10k", source_folder=tmp_path / "mine")


@pytest.mark.usefixtures("registration")
def test_a_folder_that_the_configuration_names_is_verified_only(tmp_path, videos):
    layouts.got10k(tmp_path / "mine", "val", ["GOT-10k_Val_000001"], videos[0])
    models = {"siamrcr": {"benchmarks": ["got10k-val"], "checkpoint": "a.safetensors"}}
    keys = {"models": models, "benchmarks": {"got10k-val": {"root": str(tmp_path / "mine")}}}
    marker = download(run_in(tmp_path / "data", expected={"got10k-val": 1}, **keys), "got10k")
    assert json.loads(marker.read_text())["splits"]["got10k-val"]["sequences"] == 1
    assert marker == tmp_path / "data" / "real" / "got10k.json"
    with pytest.raises(InputError, match=r"mine is missing 1 of 2 val sequences\. Complete it there"):
        download(run_in(tmp_path / "data", expected={"got10k-val": 2}, **keys), "got10k")
    # The training split is wanted where it is by default.
    keys["models"] = {"siamrcr": {"benchmarks": ["got10k-val"]}}
    with pytest.raises(InputError, match=r"put GOT-10k_Train_split_01\.zip \.\.\. .* \(4 files\) into"):
        download(run_in(tmp_path / "data", expected={"got10k-val": 1}, **keys), "got10k")


def test_unknown_datasets_and_folders(tmp_path):
    with pytest.raises(InputError, match="unknown dataset 'lasott'; known are got10k, trackingnet, lasot"):
        download(run_in(tmp_path), "lasott")
    with pytest.raises(InputError, match="nowhere: no such folder"):
        download(run_in(tmp_path), "got10k", source_folder=tmp_path / "nowhere")


def test_a_disk_that_is_too_small_is_refused_beforehand(tmp_path, server, table, monkeypatch):
    url = f"{server.address}/Biker.zip"
    table({"dataset": "otb2015", "file": "Biker.zip", "url": url, "layout": "Biker/img", "bytes": 8_000_000_000})
    monkeypatch.setattr(transfer, "free", lambda _: 15_000_000_000)
    with pytest.raises(InputError, match=r"16\.0 GB for downloading otb2015, 15\.0 GB free"):
        download(run_in(tmp_path), "otb2015")
    assert not server.requests
    # Of a size unknown beforehand: refused before the first byte is kept.
    table({"dataset": "otb2015", "file": "Biker.zip", "url": url, "layout": "Biker/img"})
    monkeypatch.setattr(transfer, "free", lambda _: 5)
    server.files["/Biker.zip"] = b"content"
    with pytest.raises(InputError, match="the disk is too small"):
        download(run_in(tmp_path), "otb2015")
    assert not list(tmp_path.rglob("*.part"))


def test_a_dry_run_touches_nothing(tmp_path, server, table, capsys):
    url = f"{server.address}/Biker.zip"
    row = {"dataset": "otb2015", "layout": "Biker/img", "url": url}
    table(row | {"file": "Biker.zip", "bytes": 2_000_000_000}, row | {"file": "Bird1.zip", "layout": "Bird1/img"})
    assert download(run_in(tmp_path / "data"), "otb2015", dry_run=True) is None
    printed = capsys.readouterr().out
    assert f"Biker.zip: 2.00 GB, open, {url}" in printed
    assert "Bird1.zip: size unknown" in printed
    assert "2.00 GB and 1 of unknown size to " in printed
    assert "GB free" in printed
    assert not server.requests
    assert not (tmp_path / "data").exists()


def test_room_is_reckoned_from_what_is_left(tmp_path, table, server, monkeypatch):
    row = {"dataset": "otb2015", "url": f"{server.address}/x", "bytes": 6_000_000_000}
    table(*(row | {"file": f"{name}.zip", "layout": f"{name}/img"} for name in ("Biker", "Bird1")))
    part = tmp_path / "real" / "otb2015" / "archives" / "Biker.zip.part"
    part.parent.mkdir(parents=True)
    with part.open("wb") as stream:
        stream.truncate(4_000_000_000)  # sparse
    monkeypatch.setattr(transfer, "free", lambda _: 19_900_000_000)
    with pytest.raises(InputError, match=r"20\.0 GB for downloading"):
        download(run_in(tmp_path), "otb2015")
