"""Every kind of archive that the datasets come in, with the real layout inside: from archive to marker."""

import csv
import gzip
import hashlib
import io
import json
import shutil
import struct
import tarfile
import zipfile
from pathlib import Path

import layouts
import pytest
from downloads import run_in

from siamrcr.datasets import archives, checksums
from siamrcr.datasets.download import Options, download
from siamrcr.errors import InputError

CLOSED = {"access": "registration", "url": "http://owner.example/register"}


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> list[layouts.Clip]:
    return layouts.clips(tmp_path_factory.mktemp("clips"), count=4, frames=3)


def tarred(folder: Path, mode: str = "w:gz") -> bytes:
    """A tar archive of a folder, under its own name."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as archive:  # type: ignore[call-overload]
        archive.add(folder, folder.name)
    return stream.getvalue()


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("pieces", [1, 2, 5])
@pytest.mark.parametrize("task", ["vid", "det"])
def test_ilsvrc_is_a_tar_whole_or_in_pieces(tmp_path, table, videos, task, pieces):
    """ILSVRC2015_VID.tar.gz and .aa, .ab: one folder ILSVRC2015 with Annotations and Data."""
    origin = tmp_path / "origin" / ("ILSVRC2015" if task == "vid" else "ILSVRC")
    getattr(layouts, task)(origin, videos)
    name = {"vid": "ILSVRC2015_VID.tar.gz", "det": "ILSVRC2015_DET.tar.gz"}[task]
    copy = {"vid": "ILSVRC2015_VID.tar.gz", "det": "ILSVRC2017_DET.tar.gz"}[task]  # the copy's own name
    layout = f"Annotations/{task.upper()}/train/*"
    copies = f"https://hub.example/{copy}.aa+https://hub.example/{copy}.ab"
    table({"dataset": task, "file": name, "mirror": copies, "layout": layout, **CLOSED})
    content, given = tarred(origin), tmp_path / "given"
    given.mkdir()
    if pieces == 1:
        (given / name).write_bytes(content)
    else:
        step = -(-len(content) // pieces)
        for number in range(pieces):
            piece = content[number * step : (number + 1) * step]
            (given / f"{copy}.a{chr(97 + number)}").write_bytes(piece)
    before = files(given)
    run = run_in(tmp_path / "data", expected={task: 4 if task == "vid" else 8})
    record = json.loads(download(run, task, Options(source_folder=given)).read_text())
    assert record["splits"][task]["frames"] == 12 if task == "vid" else 8
    found = files(tmp_path / "data" / "real" / task)
    assert {name: found[name] for name in files(origin)} == files(origin)
    assert files(given) == before


def test_a_piece_that_is_not_there(tmp_path, table, videos):
    layouts.vid(tmp_path / "origin" / "ILSVRC2015", videos)
    content, given = tarred(tmp_path / "origin" / "ILSVRC2015"), tmp_path / "given"
    given.mkdir()
    third = len(content) // 3
    for number, suffix in enumerate(("aa", "ab", "ac")):
        last = None if number == 2 else (number + 1) * third
        (given / f"ILSVRC2015_VID.tar.gz.{suffix}").write_bytes(content[number * third : last])
    table({"dataset": "vid", "file": "ILSVRC2015_VID.tar.gz", "layout": "Annotations/VID/train/*", **CLOSED})
    run = run_in(tmp_path / "data")
    last = (given / "ILSVRC2015_VID.tar.gz.ac").read_bytes()
    (given / "ILSVRC2015_VID.tar.gz.ac").unlink()
    with pytest.raises(InputError, match=r"ILSVRC2015_VID\.tar\.gz: cannot be unpacked .*end-of-stream"):
        download(run, "vid", Options(source_folder=given))
    (given / "ILSVRC2015_VID.tar.gz.ac").write_bytes(last)
    (given / "ILSVRC2015_VID.tar.gz.ab").unlink()
    with pytest.raises(InputError, match=r"ILSVRC2015_VID\.tar\.gz\.ab: this piece of the archive is missing"):
        download(run, "vid", Options(source_folder=given))
    assert not list((tmp_path / "data").rglob("*.JPEG"))


@pytest.mark.parametrize("form", ["splits", "full_data", "bundle"])
def test_got10k_comes_in_split_zips_or_in_a_zip_of_them(tmp_path, table, videos, form):
    """full_data/train_data/GOT-10k_Train_split_01.zip .., full_data/val_data.zip: folders, loose or in one zip."""
    names = [f"GOT-10k_Train_{number:06d}" for number in range(1, 5)]
    train = layouts.got10k(tmp_path / "origin", "train", names, videos[0])
    val = layouts.got10k(tmp_path / "origin", "val", ["GOT-10k_Val_000001"], videos[1])
    (val / "list.txt").write_text("GOT-10k_Val_000001\n")
    packed = {"full_data/val_data.zip": layouts.packed(val, "val/")}
    rows = [{"dataset": "got10k", "part": "val", "file": "val_data.zip", "layout": "val/GOT-10k_Val_*", **CLOSED}]
    for number in (1, 2):
        file = f"GOT-10k_Train_split_{number:02d}.zip"
        two = {}
        for name in names[2 * number - 2 : 2 * number]:
            two |= {f"{name}/{inner}": content for inner, content in files(train / name).items()}
        packed[f"full_data/train_data/{file}"] = layouts.zipped(dict(two))
        rows.append({"dataset": "got10k", "part": "train", "file": file, "layout": "train/GOT-10k_Train_*", **CLOSED})
    table(*rows)
    given = tmp_path / "given"
    if form == "bundle":
        given.mkdir()
        (given / "full_data.zip").write_bytes(layouts.zipped(dict(packed)))
    else:
        for name, content in packed.items():
            path = given / name.removeprefix("full_data/" if form == "splits" else "")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        given = given / "full_data" if form == "full_data" else given
    models = {"siamrcr": {"benchmarks": ["got10k-val"]}}
    run = run_in(tmp_path / "data", models=models, expected={"got10k-train": 4, "got10k-val": 1})
    record = json.loads(download(run, "got10k", Options(source_folder=given)).read_text())
    assert {name: split["frames"] for name, split in record["splits"].items()} == {"got10k-train": 12, "got10k-val": 3}
    found = files(tmp_path / "data" / "real" / "got10k")
    assert {f"train/{name}": content for name, content in files(train).items()}.items() <= found.items()
    assert found["val/list.txt"] == b"GOT-10k_Val_000001\n"


def test_a_packed_archive_in_an_archive_is_left_to_the_user(tmp_path):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("full_data/val_data.zip", layouts.zipped({"val/list.txt": "x" * 1000}))
    (tmp_path / "full_data.zip").write_bytes(stream.getvalue())
    with pytest.raises(InputError, match=r"full_data\.zip: holds val_data\.zip compressed once more: unpack it"):
        archives.member(tmp_path / "full_data.zip", "val_data.zip")
    assert archives.member(tmp_path / "full_data.zip", "test_data.zip") is None


def test_lasot_is_a_zip_a_category(tmp_path, table):
    names = [f"cat-{number}" for number in (1, 2)]
    layouts.lasot(tmp_path / "origin", names)
    given = tmp_path / "given"
    given.mkdir()
    (given / "cat.zip").write_bytes(layouts.packed(tmp_path / "origin" / "cat", "cat/"))
    table({"dataset": "lasot", "file": "cat.zip", "layout": "cat/cat-*", "url": "http://127.0.0.1:1/cat.zip"})
    run = run_in(tmp_path / "data", expected={"lasot-train": 1, "lasot-test": 1})
    record = json.loads(download(run, "lasot", Options(source_folder=given)).read_text())
    assert record["splits"]["lasot-test"]["sequences"] == record["splits"]["lasot-train"]["sequences"] == 1


def test_coco_is_zips_of_images_and_of_annotations(tmp_path, table, videos):
    """train2017.zip: train2017/000000000009.jpg; annotations_trainval2017.zip: annotations/instances_train2017.json."""
    layouts.coco(tmp_path / "origin", videos)
    given = tmp_path / "given"
    given.mkdir()
    (given / "train2017.zip").write_bytes(layouts.packed(tmp_path / "origin" / "train2017", "train2017/"))
    notes = layouts.packed(tmp_path / "origin" / "annotations", "annotations/")
    (given / "annotations_trainval2017.zip").write_bytes(notes)
    row = {"dataset": "coco", "url": "http://127.0.0.1:1/x"}
    table(
        row | {"file": "annotations_trainval2017.zip", "layout": "annotations/instances_train2017.json"},
        row | {"file": "train2017.zip", "layout": "train2017/000000000009.jpg"},
    )
    run = run_in(tmp_path / "data", expected={"coco": 12})
    record = json.loads(download(run, "coco", Options(source_folder=given)).read_text())
    assert record["splits"]["coco"]["frames"] == 12


# Archives that mean harm


def test_a_zip_that_fills_the_disk_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "SLACK", 1000)
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("good.txt", "good")
        archive.writestr("zeros", b"\0" * 3_000_000)
    with pytest.raises(InputError, match=r"a\.zip: 'zeros': unpacks to more than 100 times its size"):
        archives.extract(archives.of(tmp_path / "a.zip"), tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]


def test_a_tar_that_fills_the_disk_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "SLACK", 1000)
    (tmp_path / "content").mkdir()
    (tmp_path / "content" / "zeros").write_bytes(b"\0" * 3_000_000)
    (tmp_path / "a.tar.gz").write_bytes(tarred(tmp_path / "content"))
    shutil.rmtree(tmp_path / "content")
    with pytest.raises(InputError, match="unpacks to more than 100 times its size"):
        archives.extract(archives.of(tmp_path / "a.tar.gz"), tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["a.tar.gz"]


def test_a_zip_that_lies_about_its_sizes_is_refused(tmp_path):
    """The directory says 10 bytes where 1,000,000 come: no more than the 10 are read, and they do not add up."""
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", b"\0" * 1_000_000)
    content = (tmp_path / "a.zip").read_bytes()
    (tmp_path / "a.zip").write_bytes(content.replace(struct.pack("<I", 1_000_000), struct.pack("<I", 10)))
    with pytest.raises(InputError, match=r"cannot be unpacked \(Bad CRC-32"):
        archives.extract(archives.of(tmp_path / "a.zip"), tmp_path / "out")


def test_what_does_not_fit_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    (tmp_path / "a.zip").write_bytes(layouts.zipped({"a": b"x" * 5000}))
    monkeypatch.setattr("siamrcr.datasets.transfer.free", lambda _: 4000)
    with pytest.raises(InputError, match=r"the disk is too small .* for unpacking a\.zip"):
        archives.extract(archives.of(tmp_path / "a.zip"), tmp_path / "out")


def test_a_name_that_comes_twice_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.txt", "good")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a.txt", "evil")
    with pytest.raises(InputError, match=r"a\.zip: 'a\.txt' is there twice"):
        archives.extract(archives.of(tmp_path / "a.zip"), tmp_path / "out")


@pytest.mark.parametrize("cut", [-1, -8, -400, 700])
def test_a_tar_that_ends_early_is_refused(tmp_path, cut):
    (tmp_path / "content").mkdir()
    for number in range(3):
        (tmp_path / "content" / f"{number}.bin").write_bytes(hashlib.shake_256(bytes([number])).digest(1024))
    (tmp_path / "a.tar.gz").write_bytes(tarred(tmp_path / "content")[:cut])
    with pytest.raises(InputError, match="cannot be unpacked"):
        archives.extract(archives.of(tmp_path / "a.tar.gz"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_plain_tar_cut_between_two_files_is_not_whole(tmp_path):
    (tmp_path / "content").mkdir()
    for number in range(3):
        (tmp_path / "content" / f"{number}.bin").write_bytes(b"x" * 1024)
    whole = tarred(tmp_path / "content", "w")
    (tmp_path / "a.tar").write_bytes(whole)
    archives.check(archives.of(tmp_path / "a.tar"), "a.tar")
    (tmp_path / "a.tar").write_bytes(whole[: 512 + 2 * 1536])
    with pytest.raises(InputError, match="not a whole archive"):
        archives.check(archives.of(tmp_path / "a.tar"), "a.tar")
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(b"short"))
    with pytest.raises(InputError, match="not a whole archive"):
        archives.check(archives.of(tmp_path / "a.tar.gz"), "a.tar.gz")


# Checksums


def test_checksums_are_learnt_and_shared(tmp_path, table):
    layouts.lasot(tmp_path / "origin", ["cat-1", "dog-1"])
    given = tmp_path / "given"
    given.mkdir()
    rows = []
    for name in ("dog", "cat"):
        (given / f"{name}.zip").write_bytes(layouts.packed(tmp_path / "origin" / name, f"{name}/"))
        url = f"http://127.0.0.1:1/{name}.zip"
        rows.append({"dataset": "lasot", "file": f"{name}.zip", "layout": f"{name}/{name}-*", "url": url})
    table(*rows)
    expected = {"lasot-train": 1, "lasot-test": 1}
    first = run_in(tmp_path / "data", models={"m": {"benchmarks": ["lasot"], "checkpoint": "m"}}, expected=expected)
    download(first, "lasot", Options(source_folder=given))
    learnt = tmp_path / "data" / "real" / "checksums.csv"
    content = {name: (given / f"{name}.zip").read_bytes() for name in ("cat", "dog")}
    with learnt.open() as stream:
        assert list(csv.reader(stream)) == [
            ["dataset", "file", "bytes", "sha256"],
            *(["lasot", f"{n}.zip", str(len(c)), hashlib.sha256(c).hexdigest()] for n, c in content.items()),
        ]
    # Somebody else, with the file and another archive of that name.
    (given / "cat.zip").write_bytes(layouts.packed(tmp_path / "origin" / "cat", "cats/"))
    second = run_in(tmp_path / "other", models={"m": {"benchmarks": ["lasot"], "checkpoint": "m"}}, expected=expected)
    with pytest.raises(InputError, match=r"cat\.zip: sha256 \w+ instead of \w+, which .*checksums\.csv has from an"):
        download(second, "lasot", Options(source_folder=given, lock=learnt))
    assert not (tmp_path / "other" / "real" / "lasot" / "cat").exists()
    learnt.write_text("dataset,file\n")
    with pytest.raises(InputError, match=r"checksums\.csv: line 1 is not dataset,file,bytes,sha256: restore the file"):
        checksums.Lock(learnt).read()
