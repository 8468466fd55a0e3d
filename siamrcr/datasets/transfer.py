"""HTTP downloads that go on where they were cut off, with the standard library alone."""

import errno
import http.client
import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from siamrcr.datasets import hub
from siamrcr.datasets.bars import Meter, silent
from siamrcr.datasets.pool import DiskError
from siamrcr.errors import InputError

ATTEMPTS = 5  # in a row without a new byte
BACKOFF = 2.0  # seconds before the second attempt, doubled for each further one
PATIENCE = 300.0  # seconds, the longest that a server may ask to wait
TIMEOUT = 60.0  # seconds without an answer
SLOWEST = 1000.0  # bytes a second, over TIMEOUT
CHUNK = 1 << 18  # bytes
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

T = TypeVar("T")


class _RefusedError(Exception):
    """This address will not give the file; another may."""


class _SlowError(OSError):
    """Bytes come, but so few that the file would never be whole."""


def fetch(urls: list[str], target: Path, size: int | None, check: Callable[[Path], None], meter: Meter = silent) -> str:
    """Download a file; `{target}.part` holds what has come so far, and a later call goes on from there.

    Args:
        urls: the address and its mirrors, tried in order.
        target: appears only when the file is whole and checked.
        size: bytes, where the source publishes them.
        check: raises InputError for a file that is not what it should be; it is then loaded anew, if it was begun
            earlier, and else from the next mirror.
        meter: is told the bytes that are there.

    Returns the address that gave the file. Raises InputError naming every address and why it failed, and DiskError
    where nothing can be written.
    """
    part = target.with_name(target.name + ".part")
    with writing(part.parent):
        part.parent.mkdir(parents=True, exist_ok=True)
    failures = []
    for url in urls:
        begun = _size(part) > 0
        while True:
            try:
                _persist(url, partial(_transfer, url, part, size, meter), partial(_size, part))
                check(part)
            except _RefusedError as error:
                failures.append(f"{url} ({error})")
            except DiskError:
                raise
            except InputError as error:
                part.unlink()
                if begun:
                    begun = False
                    continue
                failures.append(f"{url} ({error})")
            else:
                part.replace(target)
                _state(part).unlink(missing_ok=True)
                return url
            break
    raise InputError(f"{target.name}: cannot be downloaded: {'; '.join(failures)}: run the same command again later")


def read_json(urls: list[str]) -> tuple[Any, str]:
    """A small JSON document: its value, and the address that gave it.

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
    return shutil.disk_usage(existing(folder)).free


def existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    return next(path for path in (folder, *folder.absolute().parents) if path.is_dir())


def must_fit(folder: Path, size: int, purpose: str) -> None:
    """Raise DiskError when a folder's disk has less than `size` bytes free."""
    if free(folder) < size:
        need = f"{size / 1e9:.1f} GB for {purpose}, {free(folder) / 1e9:.1f} GB free"
        raise DiskError(f"{folder}: the disk is too small ({need}): name a folder on a larger one, --root or `data:`")


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Say in one line why nothing can be written to `path`. Raises DiskError."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise DiskError(f"{path}: the disk is full: free some space and run the same command again") from None
        reason = error.strerror or str(error)
        raise DiskError(f"{path}: cannot be written ({reason}): name another folder, --root or `data:`") from None


def _persist(url: str, action: Callable[[], T], done: Callable[[], int]) -> T:
    """Repeat an action until it works. Raises _RefusedError when the server refuses or nothing new comes any more."""
    failed = 0
    while True:
        before, asked, slow = done(), 0.0, False
        try:
            return action()
        except HTTPError as error:
            reason = f"HTTP {error.code} {error.reason}{hub.hint(url, error.code)}"
            if error.code < 500 and error.code not in (408, 416, 425, 429):
                raise _RefusedError(reason) from None
            wait = error.headers.get("Retry-After", "")
            asked = min(float(wait), PATIENCE) if wait.isdecimal() else 0.0
        except (OSError, http.client.HTTPException) as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            slow = isinstance(error, _SlowError)
        failed = 1 if done() > before and not slow else failed + 1
        if failed >= ATTEMPTS:
            raise _RefusedError(f"{reason}, {ATTEMPTS} times")
        time.sleep(max(BACKOFF * 2 ** (failed - 1), asked))


def _transfer(url: str, part: Path, size: int | None, meter: Meter) -> None:
    """One connection: append to the part what it lacks, or start it anew where the server cannot do that."""
    have, headers = _size(part), {}
    if have and have == size:
        return
    state = _read_state(part)
    # Another mirror's part is only gone on with where the size, published, will tell whether the two fit.
    if have and (size or state.get("url") == url):
        headers["Range"] = f"bytes={have}-"
    if have and state.get("url") == url and state.get("version"):
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
        total = have + int(length) if length else size or 0
        if size and total != size:
            raise _RefusedError(f"{total} bytes instead of {size}")
        must_fit(part.parent, total - have, part.name)
        version = response.headers.get("ETag", "W/")
        if version.startswith("W/"):
            version = response.headers.get("Last-Modified", "")
        with writing(part):
            # Not atomic, for the sake of thousands of small files: a torn note is none, and the file starts anew.
            _state(part).write_text(json.dumps({"url": url, "version": version}))
            stream = part.open("ab" if have else "wb", buffering=0)
        with stream:
            for chunk in _chunks(response):
                with writing(part):
                    stream.write(chunk)
                have += len(chunk)
                meter(have, total)
    if total and have < total:
        raise ConnectionError(f"cut off after {have} of {total} bytes")


def _chunks(response: http.client.HTTPResponse) -> Iterator[bytes]:
    """What comes, as it comes. Raises _SlowError where that is next to nothing."""
    since, brought = time.monotonic(), 0
    # Reading a given amount would wait for all of it, however slowly it comes.
    while chunk := response.read1(CHUNK):
        yield chunk
        brought += len(chunk)
        elapsed = time.monotonic() - since
        if elapsed >= TIMEOUT:
            if brought < SLOWEST * elapsed:
                raise _SlowError(f"only {brought} bytes in {elapsed:.0f} s")
            since, brought = time.monotonic(), 0


def _read(url: str) -> tuple[Any, str]:
    with _open(url, {}) as response:
        try:
            return json.load(response), url
        except ValueError:
            raise _RefusedError("not the JSON document that is expected") from None


def _open(url: str, headers: dict[str, str]) -> http.client.HTTPResponse:
    request = Request(url, headers={"User-Agent": "siamrcr", **headers})
    token = hub.token(url)
    if token:
        # Not handed on to the storage that the hub redirects to.
        request.add_unredirected_header("Authorization", f"Bearer {token}")
    return urlopen(request, timeout=TIMEOUT)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _state(part: Path) -> Path:
    """What the part is a part of: address and version."""
    return part.with_name(part.name + ".json")


def _read_state(part: Path) -> dict[str, str]:
    try:
        state: dict[str, str] = json.loads(_state(part).read_text())
    except (OSError, ValueError):
        return {}
    return state
