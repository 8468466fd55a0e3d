"""Archives from strangers."""

import io
import shutil
import stat
import tarfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import layouts
import numpy as np
import pytest

from siamrcr.datasets import archives
from siamrcr.errors import InputError


@pytest.mark.parametrize("name", ["../evil.txt", "/evil.txt", "a/../../evil.txt", "..\\evil.txt", "C:/evil.txt"])
@pytest.mark.parametrize("form", ["zip", "tar.gz"])
def test_paths_that_lead_out_are_refused(tmp_path, name, form):
    path = tmp_path / "deep" / f"a.{form}"
    path.parent.mkdir()
    if form == "zip":
        path.write_bytes(layouts.zipped({"good.txt": "good", name: "evil"}))
    else:
        with tarfile.open(path, "w:gz") as archive:
            for entry in ("good.txt", name):
                member = tarfile.TarInfo(entry)
                member.size = 4
                archive.addfile(member, io.BytesIO(b"evil"))
    with pytest.raises(InputError, match="leads out of the folder"):
        archives.extract(archives.of(path), tmp_path / "deep" / "out")
    assert [p.name for p in tmp_path.rglob("*")] == ["deep", path.name]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_links_and_special_files_are_refused_in_tar(tmp_path, kind):
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as archive:
        member = tarfile.TarInfo("link")
        member.type, member.linkname = kind, "../../outside"
        archive.addfile(member)
    with pytest.raises(InputError, match=r"a\.tar: 'link' is a link or a special file"):
        archives.extract(archives.of(path), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_links_are_refused_in_zip(tmp_path):
    entry = zipfile.ZipInfo("link")
    entry.create_system, entry.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(entry, "../../outside")
    with pytest.raises(InputError, match="'link' is a link"):
        archives.extract(archives.of(tmp_path / "a.zip"), tmp_path / "out")


@pytest.mark.parametrize("form", ["zip", "tar.gz", "tar"])
def test_a_broken_archive_leaves_nothing(tmp_path, form):
    (tmp_path / "content").mkdir()
    (tmp_path / "content" / "a.bin").write_bytes(np.random.default_rng(0).bytes(160_000))
    path = Path(shutil.make_archive(str(tmp_path / "a"), {"tar.gz": "gztar"}.get(form, form), tmp_path / "content"))
    archives.check(archives.of(path), path.name)
    archives.extract(archives.of(path), tmp_path / "out")
    assert (tmp_path / "out" / "a.bin").stat().st_size == 160_000
    shutil.rmtree(tmp_path / "out")
    whole = path.read_bytes()
    damaged = whole[:60_000] + (bytes([whole[60_000] ^ 1]) + whole[60_001:] if form == "zip" else b"")
    path.write_bytes(damaged)
    with pytest.raises(InputError, match=rf"{path}: cannot be unpacked"):
        archives.extract(archives.of(path), tmp_path / "out")
    assert sorted(p.name for p in tmp_path.iterdir()) == [path.name, "content"]


def test_what_the_file_is_is_told(tmp_path):
    page = tmp_path / "page"
    page.write_bytes(b"\n <!DOCTYPE html><html>quota exceeded</html>")
    for name in ("a.zip", "a.tar.gz", "a.safetensors"):
        with pytest.raises(InputError, match=rf"{name}: a web page"):
            archives.check(archives.of(page), name)
    page.write_bytes(layouts.zipped({"a": "b" * 1000})[:-30])
    with pytest.raises(InputError, match="not a whole archive"):
        archives.check(archives.of(page), "a.zip")


@pytest.mark.parametrize(
    "names", [["val/A_1/x", "val/list.txt"], ["A_1/x", "list.txt"], ["w/v/val/A_1/x", "w/v/val/list.txt"]]
)
def test_archives_land_in_the_layout_however_they_are_wrapped(tmp_path, names):
    (tmp_path / "root" / "val" / "A_0").mkdir(parents=True)
    (tmp_path / "a.zip").write_bytes(
        layouts.zipped({name: name for name in [*names, "__MACOSX/._x", ".DS_Store", "A_1/._x"]})
    )
    archives.extract(archives.of(tmp_path / "a.zip"), tmp_path / "staging")
    assert archives.place(tmp_path / "staging", tmp_path / "root", "val/A_*") == ["val/A_1"]
    found = sorted(p.relative_to(tmp_path / "root").as_posix() for p in (tmp_path / "root").rglob("*"))
    assert found == ["val", "val/A_0", "val/A_1", "val/A_1/x", "val/list.txt"]
    assert not (tmp_path / "staging").exists()


def test_archives_placed_at_once_share_a_folder_that_none_found(tmp_path):
    """The splits of one training set: each sees no folder there, and one comes first."""
    for attempt in range(20):
        stagings = [tmp_path / f"staging-{attempt}-{number}" for number in range(4)]
        for number, staging in enumerate(stagings):
            (staging / f"A_{number}").mkdir(parents=True)
            (staging / f"A_{number}" / "x").touch()
        root = tmp_path / f"root-{attempt}"
        with ThreadPoolExecutor(len(stagings)) as executor:
            list(executor.map(lambda staging, to=root: archives.place(staging, to, "train/A_*"), stagings))
        assert sorted(path.name for path in (root / "train").iterdir()) == ["A_0", "A_1", "A_2", "A_3"]


def test_an_archive_of_something_else_is_refused(tmp_path):
    (tmp_path / "a.zip").write_bytes(layouts.zipped({"readme.txt": ""}))
    archives.extract(archives.of(tmp_path / "a.zip"), tmp_path / "staging")
    with pytest.raises(InputError, match="holds nothing like val/A_"):
        archives.place(tmp_path / "staging", tmp_path / "root", "val/A_*")
