"""The bench of downloads at a size of seconds."""

import json
import shutil
from pathlib import Path

import pytest

from bench import downloads

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.skipif(shutil.which("curl") is None, reason="downloads are compared with curl's")
def test_downloads_are_compared_with_curls(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    downloads.measure(tmp_path / "downloads.json", runs=1, share=0.02)
    rows = {row["kind"]: row for row in json.loads((tmp_path / "downloads.json").read_text())["rows"]}
    assert set(rows) == {"small", "large", "checked"}
    assert rows["small"]["bytes"] == 2 << 20
    assert rows["large"]["bytes"] == rows["checked"]["bytes"] == round(0.02 * (1 << 30))
    for row in rows.values():
        assert row["ratio"] == row["curl_seconds"] / row["ours_seconds"]
        assert 20 < row["memory_mebibytes"] < downloads.MEMORY
    assert "| one large file and its SHA-256 | 20 |" in capsys.readouterr().out


def test_what_is_served_is_what_arrives(tmp_path: Path) -> None:
    downloads._write(tmp_path / "served", 3, 2_500_000)
    with downloads._serving(tmp_path / "served") as address:
        (tmp_path / "got").mkdir()
        for kind in ("small", "large"):
            downloads.get(kind, address, tmp_path / "got", 3)
    for path in (tmp_path / "served").iterdir():
        assert (tmp_path / "got" / path.name).read_bytes() == path.read_bytes()
