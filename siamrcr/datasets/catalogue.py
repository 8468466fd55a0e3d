"""The datasets at a glance: what is there, how large each is, who must register, and which results need it."""

import json
from dataclasses import dataclass

from siamrcr.config import Run
from siamrcr.datasets import sources, verification


@dataclass(frozen=True)
class Facts:
    """What is known of a dataset beside its files.

    Attributes:
        title: how papers call it.
        results: what of the paper needs it.
        about: bytes of its archives as its source states them, where their exact sizes are not published.
    """

    title: str
    results: str
    about: int | None = None


_TRAINS = "training for OTB-2015, VOT-2018 and VOT-2019"
# Sizes: GOT-10k's as its catalogue of data sets has it, those of ILSVRC as pysot's instructions do.
FACTS = {
    "got10k": Facts("GOT-10k", f"Tables 1 and 2, Figures 1, 4 and 5; {_TRAINS}", 68_000_000_000),
    "trackingnet": Facts("TrackingNet", f"Table 3; {_TRAINS}"),
    "lasot": Facts("LaSOT", f"Table 4; {_TRAINS}"),
    "otb2015": Facts("OTB-2015", "OTB-2015"),
    "vot2018": Facts("VOT-2018", "VOT-2018"),
    "vot2019": Facts("VOT-2019", "Table 5"),
    "coco": Facts("COCO 2017", _TRAINS),
    "vid": Facts("ImageNet VID", _TRAINS, 86_000_000_000),
    "det": Facts("ImageNet DET", _TRAINS, 49_000_000_000),
    "resnet50": Facts("ResNet-50", "the backbone of every model"),
}
NINE = tuple(FACTS)[:9]
COLUMNS = ("dataset", "present", "on disk", "download", "access", "needed by")


def table(run: Run) -> str:
    """All datasets as Markdown."""
    run = run.model_copy(update={"source": "real"})
    rows = [COLUMNS, tuple("---" for _ in COLUMNS), *(_row(run, dataset) for dataset in FACTS)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    cells = (
        (cell.ljust(width, cell[-1]) if cell == "---" else cell.ljust(width))
        for row in rows
        for cell, width in zip(row, widths, strict=True)
    )
    return "\n".join("| " + " | ".join(next(cells) for _ in COLUMNS) + " |" for _ in rows)


def _row(run: Run, dataset: str) -> tuple[str, ...]:
    present, size = _present(run, dataset)
    rows = sources.read(dataset)
    known = [source.bytes for source in rows if source.bytes]
    about = FACTS[dataset].about
    if len(known) == len(rows):
        download = _gigabytes(sum(known))
    else:
        download = f"about {_gigabytes(about)}" if about else "not stated"
    access = {"token": "open, perhaps a token"}.get(rows[0].access, rows[0].access)
    return dataset, present, _gigabytes(size) if size else "-", download, access, FACTS[dataset].results


def _present(run: Run, dataset: str) -> tuple[str, int]:
    """What there is of a dataset, as its marker says, and its bytes; folders of millions of files are not listed."""
    root, marker = run.data / "real" / dataset, verification.marker(run, dataset)
    if marker.is_file():
        try:
            record = json.loads(marker.read_text())
            parts = [split.partition("-")[2] for split in record["parts"]]
            return f"yes ({', '.join(parts)})" if all(parts) else "yes", int(record["bytes"])
        except (ValueError, KeyError, TypeError):
            pass  # no marker that can be read
    if verification.found(dataset, root):
        return "in part, or not verified", 0
    return ("begun" if any(root.glob("archives/**/*.part")) else "no"), 0


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:,.1f} GB" if size >= 1e8 else f"{size / 1e6:,.1f} MB"
