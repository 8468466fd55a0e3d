"""What tests of downloads share: a table of sources of their own, and runs over a folder."""

from collections.abc import Callable
from pathlib import Path

import pytest

from siamrcr.config import Run, resolve
from siamrcr.datasets import sources

COLUMNS = ["dataset", "part", "file", "url", "mirror", "bytes", "checksum", "licence", "access", "layout"]
Table = Callable[..., None]


def run_in(folder: Path, **more: object) -> Run:
    """A run on real data below a folder."""
    return resolve({"source": "real", "data": str(folder), **more})


@pytest.fixture(name="table")
def sources_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Table:
    """Write a sources.csv of its own."""

    def write(*rows: dict[str, object]) -> None:
        path = tmp_path / "sources.csv"
        blank = dict.fromkeys(COLUMNS, "") | {"part": "all", "access": "open"}
        lines = [",".join(str((blank | row)[key]) for key in COLUMNS) for row in rows]
        path.write_text("\n".join([",".join(COLUMNS), *lines]) + "\n")
        monkeypatch.setattr(sources, "TABLE", path)

    return write
