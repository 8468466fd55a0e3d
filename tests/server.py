"""A local HTTP server that can misbehave."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from siamrcr.datasets import transfer


@dataclass
class Server:
    """What a local HTTP server has, and how it misbehaves."""

    address: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    ranges: bool = True
    cuts: list[int] = field(default_factory=list)  # bytes after which the next answers end
    errors: list[int] = field(default_factory=list)  # status of the next answers
    requests: list[tuple[str, str | None]] = field(default_factory=list)  # path and the range asked for
    sent: int = 0
    piece: int = 0  # bytes that are sent at once, where not all are
    pause: float = 0.0  # seconds after each piece
    silent_after: int | None = None  # bytes after which nothing comes any more, though the connection stays
    lengths: bool = True  # whether answers say how long they are
    headers: dict[str, str] = field(default_factory=dict)  # of answers with an error
    closing: threading.Event = field(default_factory=threading.Event)


@contextmanager
def serving() -> Iterator[Server]:
    """A running server."""
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers.get("Range")
            state.requests.append((self.path, asked))
            if state.errors:
                self.send_response(state.errors.pop(0))
                for name, value in {"Content-Length": "0", **state.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                return
            if self.path not in state.files:
                self.send_error(404)
                return
            content = state.files[self.path]
            version = state.versions.get(self.path, '"1"')
            start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1]) if asked and state.ranges else 0  # type: ignore[index]
            if self.headers.get("If-Range") not in (None, version):
                start = 0
            if start >= len(content) > 0:
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(content)}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            if state.lengths:
                self.send_header("Content-Length", str(len(content) - start))
            self.send_header("Content-Type", state.types.get(self.path, "application/octet-stream"))
            self.send_header("ETag", version)
            if self.path in state.links:
                self.send_header("Link", state.links[self.path])
            self.end_headers()
            body = content[start:][: state.cuts.pop(0) if state.cuts else None]
            if state.silent_after is not None:
                body = body[: state.silent_after]
            for at in range(0, len(body), state.piece or len(body) or 1):
                state.sent += len(body[at : at + (state.piece or len(body))])
                self.wfile.write(body[at : at + (state.piece or len(body))])
                state.closing.wait(state.pause)
            if state.silent_after is not None:
                state.closing.wait()

        def do_POST(self) -> None:
            """What the hub tells of single files: `files` has it under the path."""
            self.rfile.read(int(self.headers["Content-Length"]))
            state.requests.append((self.path, None))
            content = state.files.get(self.path, b"")
            self.send_response(200 if content else 404)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.address = f"http://127.0.0.1:{running.server_port}"
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield state
    finally:
        state.closing.set()
        running.shutdown()
        thread.join()
        running.server_close()


@pytest.fixture(name="server")
def patient_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A running server, which nobody waits for before he asks it again."""
    monkeypatch.setattr(transfer, "BACKOFF", 0.0)
    with serving() as running:
        yield running
