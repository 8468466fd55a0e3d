"""Archives of strangers: what is read stays in memory and within bounds, and what cannot be read is named."""

import struct
import zipfile
from pathlib import Path

import pytest
from official import archive

from siamrcr import bundles
from siamrcr.errors import InputError


def read(path: Path, name: str) -> bytes:
    with bundles.source(path) as source:
        return source.read(name)


def test_a_folder_and_a_zip_are_read_alike(tmp_path: Path) -> None:
    (tmp_path / "folder" / "a").mkdir(parents=True)
    (tmp_path / "folder" / "a" / "x.txt").write_text("1")
    (tmp_path / "folder" / "b.txt").write_text("2")
    zipped = archive(tmp_path / "x.zip", {"b.txt": "2", "a/": "", "a/x.txt": "1"})
    for path in (tmp_path / "folder", zipped):
        with bundles.source(path) as source:
            assert source.names() == ["a/x.txt", "b.txt"]
            assert source.read("a/x.txt") == b"1"


def test_windows_separators_are_folders(tmp_path: Path) -> None:
    with bundles.source(archive(tmp_path / "x.zip", {"KCF\\Basketball.txt": "1"})) as source:
        assert source.names() == ["KCF/Basketball.txt"]
        assert source.read("KCF/Basketball.txt") == b"1"


@pytest.mark.parametrize("name", ["/etc/x.txt", "../x.txt", "a/../../x.txt", "C:/x.txt", "a\\..\\..\\x.txt"])
def test_paths_that_lead_out_are_refused(tmp_path: Path, name: str) -> None:
    path = archive(tmp_path / "x.zip", {"ok.txt": "1", name: "2"})
    with pytest.raises(InputError, match=r"x\.zip: .* leads out of the archive"), bundles.source(path):
        pass


def test_a_name_that_would_break_the_line_of_an_error_is_refused(tmp_path: Path) -> None:
    path = archive(tmp_path / "x.zip", {"a\nb.txt": "1"})
    with pytest.raises(InputError, match=r"x\.zip: 'a\\nb\.txt' is no name of a file"), bundles.source(path):
        pass


def test_a_link_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as target:
        entry = zipfile.ZipInfo("x.txt")
        entry.external_attr = 0o120777 << 16
        target.writestr(entry, "/etc/passwd")
    with pytest.raises(InputError, match=r"x\.zip/x\.txt: is a link"):
        read(tmp_path / "x.zip", "x.txt")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_stands_twice_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as target:
        target.writestr("x.txt", "1")
        target.writestr("x.txt", "2")
    with pytest.raises(InputError, match=r"x\.zip: holds x\.txt twice"):
        read(tmp_path / "x.zip", "x.txt")


def test_an_encrypted_member_is_named(tmp_path: Path) -> None:
    path = archive(tmp_path / "x.zip", {"x.txt": "1"})
    data = bytearray(path.read_bytes())
    for signature, place in ((b"PK\1\2", 8), (b"PK\3\4", 6)):
        data[data.index(signature) + place] |= 1
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"x\.zip/x\.txt: is encrypted: unpack it with its password"):
        read(path, "x.txt")


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundles, "MEMBER", 1000)
    monkeypatch.setattr(bundles, "TOTAL", 2500)
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as target:
        for name, size in (("a", 900), ("b", 900), ("c", 900), ("large", 1001)):
            target.writestr(name, b"0" * size)
    with pytest.raises(InputError, match=r"x\.zip/large: unpacks to more than"):
        read(tmp_path / "x.zip", "large")
    with bundles.source(tmp_path / "x.zip") as source:
        assert [len(source.read(name)) for name in "ab"] == [900, 900]
        with pytest.raises(InputError, match=r"x\.zip/c: unpacks to more than"):
            source.read("c")


def test_a_member_larger_than_it_says_is_not_unpacked(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as target:
        target.writestr("x.txt", b"0" * 100_000)
    data = bytearray((tmp_path / "x.zip").read_bytes())
    for signature, place in ((b"PK\1\2", 24), (b"PK\3\4", 22)):
        start = data.index(signature) + place
        data[start : start + 4] = struct.pack("<I", 10)
    (tmp_path / "x.zip").write_bytes(data)
    with pytest.raises(InputError, match=r"x\.zip/x\.txt: cannot be unpacked \(Bad CRC-32"):
        read(tmp_path / "x.zip", "x.txt")


def test_what_is_neither_a_folder_nor_a_zip_is_said(tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(b"PK\5\6")
    with pytest.raises(InputError, match=r"x\.zip: neither a folder nor a readable zip file of raw results"):
        read(tmp_path / "x.zip", "x.txt")
    with pytest.raises(InputError, match=r"none: no such folder or zip file of raw results"):
        read(tmp_path / "none", "x.txt")
    assert bundles.nested(["a.txt", "b.ZIP", "c.tar.gz"]) == ["b.ZIP", "c.tar.gz"]
