"""The Hugging Face hub: what a repository holds, with sizes and checksums, and the user's token.

The bytes themselves come by `transfer`, as from any other server: one way to resume, to check and to show progress.
"""

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple, TypeVar
from urllib.parse import quote, urlsplit

from siamrcr.errors import InputError

if TYPE_CHECKING:
    from huggingface_hub import HfApi

HOST = "huggingface.co"
ADDRESS = re.compile(
    r"(?P<endpoint>https?://[^/]+)/(?P<datasets>datasets/)?(?P<repository>[^/]+/[^/]+)/(?P<form>tree|resolve)/"
    r"(?P<revision>[^/]+)/(?P<path>.+)"
)
GIT = "git:"  # before the checksum of a file that the hub keeps in git itself

T = TypeVar("T")


class Entry(NamedTuple):
    """A file of a repository: its path there, its address, bytes, and SHA-256 or git's own checksum."""

    path: str
    url: str
    bytes: int
    checksum: str


def is_folder(url: str) -> bool:
    """Whether an address is a folder of the hub, as its page shows it."""
    found = ADDRESS.match(url)
    return found is not None and found["form"] == "tree"


def is_file(url: str) -> bool:
    """Whether an address is a file of the hub."""
    found = ADDRESS.match(url)
    return found is not None and found["form"] == "resolve"


def listing(url: str) -> Iterable[Entry]:
    """The files below a folder. Raises InputError, in one line, where the hub does not give them."""
    place = _place(url)

    def ask(api: "HfApi") -> list[object]:
        kind = "dataset" if place["datasets"] else "model"
        path, revision = place["path"], place["revision"]
        return list(api.list_repo_tree(place["repository"], path, recursive=True, revision=revision, repo_type=kind))

    return _entries(url, _asked(url, ask))


def describe(urls: list[str]) -> dict[str, Entry]:
    """Address -> file, of files of one repository. Raises InputError where the hub does not answer."""
    place = _place(urls[0])
    paths = [_place(url)["path"] for url in urls]

    def ask(api: "HfApi") -> list[object]:
        kind = "dataset" if place["datasets"] else "model"
        return list(api.get_paths_info(place["repository"], paths, revision=place["revision"], repo_type=kind))

    found = {entry.path: entry for entry in _entries(urls[0], _asked(urls[0], ask))}
    return {url: found[path] for url, path in zip(urls, paths, strict=True) if path in found}


def repository(url: str) -> str:
    """The part of an address that names the repository and its revision."""
    place = _place(url)
    return f"{place['endpoint']}/{place['datasets'] or ''}{place['repository']} {place['revision']}"


def file_address(url: str, path: str) -> str:
    """The address of a file of the repository that another address is of."""
    place = _place(url)
    base = f"{place['endpoint']}/{place['datasets'] or ''}{place['repository']}"
    return f"{base}/resolve/{place['revision']}/{quote(path)}"


def token(url: str) -> str | None:
    """The user's token, of HF_TOKEN or `hf auth login`, for addresses of the hub; None for any other."""
    if urlsplit(url).scheme != "https" or urlsplit(url).hostname != HOST:
        return None
    from huggingface_hub import get_token

    return get_token()


def hint(url: str, status: int) -> str:
    """What to do where the hub refuses, empty for other hosts and other answers."""
    if urlsplit(url).hostname != HOST or status not in (401, 403):
        return ""
    found = ADDRESS.match(url)
    page = f"{found['endpoint']}/{found['datasets'] or ''}{found['repository']}" if found else "its page"
    return f"; accept the terms on {page} and set HF_TOKEN to a token of your account"


def _place(url: str) -> re.Match[str]:
    found = ADDRESS.match(url)
    if found is None:
        raise InputError(f"{url}: no address of a folder or file of the hub")
    return found


def _asked(url: str, ask: Callable[["HfApi"], T]) -> T:
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    try:
        return ask(HfApi(endpoint=_place(url)["endpoint"], token=token(url) or False, library_name="siamrcr"))
    except HfHubHTTPError as error:
        status = error.response.status_code
        reason = f"HTTP {status}{hint(url, status)}"
    except Exception as error:  # the library changed what it talks HTTP with between versions, and so its errors
        reason = " ".join(str(error).split()) or type(error).__name__
    raise InputError(f"{url}: the hub does not list its files ({reason}): run the same command again later") from None


def _entries(url: str, found: list[object]) -> Iterable[Entry]:
    from huggingface_hub.hf_api import RepoFile

    for item in found:
        if isinstance(item, RepoFile):
            checksum = item.lfs.sha256 if item.lfs else f"{GIT}{item.blob_id}"
            yield Entry(item.path, file_address(url, item.path), item.size, checksum)
