"""Where the files of the datasets are: the rows of sources.csv, and the files that some of them list.

Columns: `part` is the split (or `all`), `mirror` further addresses separated by spaces, `bytes` and `checksum` what the
source publishes (MD5, SHA-1 or SHA-256, told apart by their length), `layout` a pattern, relative to the dataset's
folder, of what the file brings. `access` is `open`, `token` (open, but the Hugging Face hub may ask for a token, read
from HF_TOKEN) or `registration` (the user downloads; `url` is the page to register at, `mirror` a copy of unknown
standing). An address that lists files (VOT's description, a folder of the hub) stands for all of them.
"""

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from urllib.parse import quote, urljoin

from siamrcr.datasets import archives, transfer
from siamrcr.errors import InputError

TABLE = Path(__file__).with_name("sources.csv")
VOT_LIST = "description.json"
HUB_FOLDER = re.compile(r"(?P<host>.*)/api/(?P<repository>datasets/[^/]+/[^/]+)/tree/(?P<revision>[^/]+)/")
HUB_NEXT = re.compile(r'<([^>]+)>; rel="next"')


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
        return HUB_FOLDER.match(self.url) is not None


def read(dataset: str) -> list[Source]:
    """The rows of a dataset, in order."""
    with TABLE.open(newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["dataset"] == dataset]
    return [Source(bytes=int(row.pop("bytes") or 0) or None, **row) for row in rows]


def listed(source: Source) -> list[Source]:
    """The files that a row stands for, each with its own address, size and checksum; the row itself where it is one.

    Raises InputError when the list cannot be downloaded or is not one.
    """
    if source.hub:
        return list(_hub(source))
    return _vot(source) if source.file == VOT_LIST else [source]


def in_hub(source: Source, path: str) -> Source | None:
    """The file of TrackingNet's hub folder at `TEST/zips/{name}.zip` or `TEST/anno/{name}.txt`; None for others."""
    chunk, kind, name = (*PurePosixPath(path).parts, "", "")[:3]
    folder = HUB_FOLDER.match(source.url)
    layout = {"zips": f"{chunk}/frames/{name.removesuffix('.zip')}/0.jpg", "anno": path}.get(kind)
    if layout is None or folder is None:
        return None
    url = f"{folder['host']}/{folder['repository']}/resolve/{folder['revision']}/{quote(path)}"
    return replace(source, file=path, url=url, bytes=None, layout=layout)


def _hub(source: Source) -> Iterator[Source]:
    address = f"{source.url}?recursive=true"
    while address:
        entries, _, link = transfer.read_json([address])
        try:
            for entry in entries:
                item = in_hub(source, str(archives.inside(entry["path"])))
                if item is not None and entry["type"] == "file":
                    yield replace(item, bytes=entry["size"], checksum=entry.get("lfs", {}).get("oid", ""))
        except (KeyError, TypeError, AttributeError) as error:
            raise InputError(f"{address}: not the hub's list of files ({error}): try again later") from None
        following = HUB_NEXT.search(link)
        address = following[1] if following else ""


def _vot(source: Source) -> list[Source]:
    description, address, _ = transfer.read_json(source.addresses)
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
