"""HTTP downloads that go on where they were cut off, with the standard library alone."""

import errno
import http.client
import json
import os
import shutil
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from siamrcr import files
from siamrcr.errors import InputError
from siamrcr.progress import progress

ATTEMPTS = 5  # in a row without a new byte
BACKOFF = 2.0  # seconds before the second attempt, doubled for each further one
TIMEOUT = 60.0  # seconds without an answer
CHUNK = 1 << 20  # bytes
MEGABYTE = 1_000_000
HUB = "huggingface.co"

T = TypeVar("T")


class _RefusedError(Exception):
    """This address will not give the file; another may."""


def fetch(urls: list[str], target: Path, size: int | None, check: Callable[[Path], None]) -> None:
    """Download a file; `{target}.part` holds what has come so far, and a later call goes on from there.

    Args:
        urls: the address and its mirrors, tried in order.
        target: appears only when the file is whole and checked.
        size: bytes, where the source publishes them.
        check: raises InputError for a file that is not what it should be; the next mirror is tried then.

    Raises InputError naming every address and why it failed, or a disk that is too small.
    """
    part = target.with_name(target.name + ".part")
    part.parent.mkdir(parents=True, exist_ok=True)
    failures = []
    for url in urls:
        try:
            _persist(url, partial(_transfer, url, part, size), partial(_size, part))
        except _RefusedError as error:
            failures.append(f"{url} ({error})")
            continue
        try:
            check(part)
        except InputError as error:
            part.unlink()
            failures.append(f"{url} ({error})")
            continue
        part.replace(target)
        _state(part).unlink(missing_ok=True)
        return
    raise InputError(f"{target.name}: cannot be downloaded: {'; '.join(failures)}: run the same command again later")


def read_json(urls: list[str]) -> tuple[Any, str, str]:
    """A small JSON document: its value, the address that gave it, and the answer's `Link` header (empty without one).

    Raises InputError naming every address and why it failed.
    """
    failures = []
    for url in urls:
        try:
            return _persist(url, partial(_read, url), int)
        except _RefusedError as error:
            failures.append(f"{url} ({error})")
    raise InputError(f"cannot be downloaded: {'; '.join(failures)}: run the same command again later")


def free(folder: Path) -> int:
    """Free bytes on the disk of a folder, which need not exist yet."""
    return shutil.disk_usage(next(path for path in (folder, *folder.absolute().parents) if path.is_dir())).free


def must_fit(folder: Path, size: int, purpose: str) -> None:
    """Raise InputError when a folder's disk has less than `size` bytes free."""
    if free(folder) < size:
        need = f"{size / 1e9:.1f} GB for {purpose}, {free(folder) / 1e9:.1f} GB free"
        raise InputError(f"{folder}: the disk is too small ({need}): set `data:` to a folder on a larger one")


def _persist(url: str, action: Callable[[], T], done: Callable[[], int]) -> T:
    """Repeat an action until it works. Raises _RefusedError when the server refuses or nothing new comes any more."""
    failed = 0
    while True:
        before = done()
        try:
            return action()
        except HTTPError as error:
            reason = f"HTTP {error.code} {error.reason}"
            if error.code in (401, 403) and urlsplit(url).hostname == HUB:
                reason += "; accept the terms on its page and set HF_TOKEN"
            if error.code < 500 and error.code not in (408, 416, 425, 429):
                raise _RefusedError(reason) from None
        except (OSError, http.client.HTTPException) as error:
            if isinstance(error, OSError) and error.errno == errno.ENOSPC:
                raise InputError("the disk is full: free some space and run the same command again") from None
            reason = " ".join(str(error).split()) or type(error).__name__
        failed = 1 if done() > before else failed + 1
        if failed >= ATTEMPTS:
            raise _RefusedError(f"{reason}, {ATTEMPTS} times")
        time.sleep(BACKOFF * 2 ** (failed - 1))


def _transfer(url: str, part: Path, size: int | None) -> None:
    """One connection: append to the part what it lacks, or start it anew where the server cannot do that."""
    have, headers = _size(part), {}
    if have and have == size:
        return
    state = json.loads(_state(part).read_text()) if _state(part).is_file() else {}
    # Another mirror's part is only gone on with where the size, published, will tell whether the two fit.
    if have and (size or state.get("url") == url):
        headers["Range"] = f"bytes={have}-"
    if have and state.get("url") == url and state["version"]:
        headers["If-Range"] = state["version"]  # the whole file comes when it is no longer the one that was begun
    try:
        response = _open(url, headers)
    except HTTPError as error:
        if error.code == 416:
            if error.headers.get("Content-Range") == f"bytes */{have}":
                return
            part.unlink()
        raise
    with response:
        if response.headers.get_content_type() == "text/html":
            raise _RefusedError("a web page, not the file: a log-in, quota or error page")
        if response.status != 206:
            have = 0
        elif not response.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
            raise _RefusedError(f"sends {response.headers.get('Content-Range')} when asked to go on from byte {have}")
        length = response.headers.get("Content-Length")
        total = have + int(length) if length else size
        if size and total != size:
            raise _RefusedError(f"{total} bytes instead of {size}")
        must_fit(part.parent, (total or 0) - have, part.name)
        version = response.headers.get("ETag", "W/")
        if version.startswith("W/"):
            version = response.headers.get("Last-Modified", "")
        files.write_json(_state(part), {"url": url, "version": version})
        label = part.name.removesuffix(".part")
        with part.open("ab" if have else "wb") as stream, progress(label, (total or 0) // MEGABYTE, "MB") as bar:
            bar.resume(have // MEGABYTE)
            for chunk in iter(lambda: response.read(CHUNK), b""):
                stream.write(chunk)
                have += len(chunk)
                bar.advance(have // MEGABYTE - bar.count)
    if total and have < total:
        raise ConnectionError(f"cut off after {have} of {total} bytes")


def _read(url: str) -> tuple[Any, str, str]:
    with _open(url, {}) as response:
        try:
            return json.load(response), url, response.headers.get("Link", "")
        except ValueError:
            raise _RefusedError("not the JSON document that is expected") from None


def _open(url: str, headers: dict[str, str]) -> http.client.HTTPResponse:
    request = Request(url, headers={"User-Agent": "siamrcr", **headers})
    token = os.environ.get("HF_TOKEN")
    if token and urlsplit(url).hostname == HUB and urlsplit(url).scheme == "https":
        # Not handed on to the storage that the hub redirects to.
        request.add_unredirected_header("Authorization", f"Bearer {token}")
    return urlopen(request, timeout=TIMEOUT)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _state(part: Path) -> Path:
    """What the part is a part of: address and version."""
    return part.with_name(part.name + ".json")
