"""Where the files of the datasets are: the rows of sources.csv, and the files that some of them list.

Columns: `part` is the split (or `all`), `mirror` further addresses separated by spaces, `bytes` and `checksum` what the
source publishes (MD5, SHA-1 or SHA-256, told apart by their length), `layout` a pattern, relative to the dataset's
folder, of what the file brings. `access` is `open`, `token` (open, but the Hugging Face hub may ask for a token) or
`registration` (the user downloads, and `url` is the page to register at; `mirror` are copies of unknown standing). A
copy in pieces is the addresses of its pieces, joined by `+`. An address that lists files (VOT's description, a folder
of the hub) stands for all of them.
"""

import csv
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from urllib.parse import urljoin

from siamrcr.datasets import archives, hub, transfer
from siamrcr.errors import InputError

TABLE = Path(__file__).with_name("sources.csv")
VOT_LIST = "description.json"


@dataclass(frozen=True)
class Source:
    """A row of sources.csv, or one of the files that such a row lists."""

    dataset: str
    part: str
    file: str
    url: str
    mirror: str
    bytes: int | None
    checksum: str
    licence: str
    access: str
    layout: str

    @property
    def addresses(self) -> list[str]:
        """The address and its mirrors."""
        return [self.url, *self.mirror.split()]

    @property
    def lists(self) -> bool:
        """Whether the address gives a list of files."""
        return self.file == VOT_LIST or self.hub

    @property
    def hub(self) -> bool:
        """Whether the address is a folder of the Hugging Face hub, of which TrackingNet has one a chunk."""
        return hub.is_folder(self.url)


def read(dataset: str) -> list[Source]:
    """The rows of a dataset, in order."""
    with TABLE.open(newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["dataset"] == dataset]
    return [Source(bytes=int(row.pop("bytes") or 0) or None, **row) for row in rows]


def described(rows: Iterable[Source]) -> list[Source]:
    """The rows, with the size and checksum that the hub tells of those that are files there."""
    asked, wanted = list(rows), defaultdict(list)
    for source in asked:
        if hub.is_file(source.url) and not (source.bytes and source.checksum):
            wanted[hub.repository(source.url)].append(source.url)
    found: dict[str, hub.Entry] = {}
    for urls in wanted.values():
        try:
            found |= hub.describe(urls)
        except InputError:
            continue  # the download itself says what is wrong, or a mirror has the file
    return [
        replace(
            source,
            bytes=source.bytes or found[source.url].bytes,
            checksum=source.checksum or found[source.url].checksum,
        )
        if source.url in found
        else source
        for source in asked
    ]


def listed(source: Source) -> list[Source]:
    """The files that a row stands for, each with its own address, size and checksum; the row itself where it is one.

    Raises InputError when the list cannot be downloaded or is not one.
    """
    if source.hub:
        items = ((in_hub(source, str(archives.inside(e.path))), e) for e in hub.listing(source.url))
        return [replace(item, bytes=e.bytes, checksum=e.checksum) for item, e in items if item is not None]
    return _vot(source) if source.file == VOT_LIST else [source]


def in_hub(source: Source, path: str) -> Source | None:
    """The file of TrackingNet's hub folder at `TEST/zips/{name}.zip` or `TEST/anno/{name}.txt`; None for others."""
    chunk, kind, name = (*PurePosixPath(path).parts, "", "")[:3]
    layout = {"zips": f"{chunk}/frames/{name.removesuffix('.zip')}/0.jpg", "anno": path}.get(kind)
    if layout is None or not source.hub:
        return None
    return replace(source, file=path, url=hub.file_address(source.url, path), bytes=None, layout=layout)


def _vot(source: Source) -> list[Source]:
    description, address = transfer.read_json(source.addresses)
    items = []
    try:
        for sequence in description["sequences"]:
            name, color = str(archives.inside(sequence["name"])), sequence["channels"]["color"]
            first = archives.inside(color.get("pattern", "%08d.jpg") % 1)
            for file, of, layout in (
                (f"{name}_anno.zip", sequence["annotations"], f"{name}/groundtruth.txt"),
                (f"{name}_color.zip", color, f"{name}/color/{first}"),
            ):
                url, checksum = urljoin(address, of["url"]), of.get("checksum", "")
                items.append(replace(source, file=file, url=url, mirror="", checksum=checksum, layout=layout))
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{address}: not VOT's list of sequences ({error}): try again later") from None
    return items
