"""A web server on this machine that behaves as badly as a test asks."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from unittest import mock


@dataclass
class Server:
    """What it serves, how its next answers are, and what it was asked.

    Args:
        url: Its address.
        files: Content by path.
        script: How the next requests are answered, one each; honestly after that.
        asked: Path and headers of each request.
        ended: Set when the server ends, so that what waits may end too.
    """

    url: str
    files: dict[str, bytes]
    script: list[Answer]
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    @property
    def ranges(self) -> list[str | None]:
        return [headers.get("Range") for _, headers in self.asked]


class Handler(BaseHTTPRequestHandler):
    serving: Server

    def do_GET(self) -> None:
        self.serving.asked.append((self.path, dict(self.headers)))
        content = self.serving.files.get(self.path)
        answer = self.serving.script.pop(0) if self.serving.script else honest()
        self.close_connection = True
        if content is None:
            self.head(404, {"Content-Length": "0"})
        else:
            answer(self, content)

    def head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_ignored: object) -> None:
        return


Answer = Callable[[Handler, bytes], None]


def honest(etag: str | None = '"1"', *, ranges: bool = True, after: int | None = None) -> Answer:
    """Serves the file, or the part asked for; breaks off after some bytes if told so."""

    def answer(handler: Handler, content: bytes) -> None:
        start = 0
        asked = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", ""))
        if asked and ranges and handler.headers.get("If-Range") == etag:
            start = int(asked[1])
        if start >= len(content) > 0:
            handler.head(416, {"Content-Length": "0"})
            return
        headers = {"Content-Length": str(len(content) - start)}
        headers |= {"ETag": etag} if etag else {}
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        handler.head(206 if start else 200, headers)
        handler.wfile.write(content[start:][:after])

    return answer


def stalling(after: int) -> Answer:
    """Sends some bytes, then nothing more, and keeps the connection."""

    def answer(handler: Handler, content: bytes) -> None:
        handler.head(200, {"Content-Length": str(len(content)), "ETag": '"1"'})
        handler.wfile.write(content[:after])
        handler.wfile.flush()
        handler.serving.ended.wait(20)

    return answer


def dribbling(handler: Handler, content: bytes) -> None:
    """Sends a byte now and then, each before anybody's patience for one byte ends."""
    handler.head(200, {"Content-Length": str(len(content))})
    for at in range(len(content)):
        handler.wfile.write(content[at : at + 1])
        if handler.serving.ended.wait(0.05):
            return


def silent(handler: Handler, content: bytes) -> None:
    """Takes the request and never answers."""
    handler.serving.ended.wait(20)


def saying(status: int, **headers: str) -> Answer:
    """Answers with a status and headers (underscores stand for hyphens), without a body."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda handler, content: handler.head(status, {"Content-Length": "0", **named})


def sending(body: bytes, status: int = 200, **headers: str) -> Answer:
    """Sends a body of its own under headers of its own, whatever the file is."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    def answer(handler: Handler, content: bytes) -> None:
        handler.head(status, named)
        handler.wfile.write(body)

    return answer


@contextmanager
def weight_server(files: dict[str, bytes], *script: Answer) -> Iterator[Server]:
    """Serves files; the first requests are answered as the script says."""
    serving = Server("", files, [*script])
    direct = {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
    handler: Any = type("_", (Handler,), {"serving": serving})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    serving.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        with mock.patch.dict(os.environ, direct):
            yield serving
    finally:
        serving.ended.set()
        server.shutdown()
        server.server_close()
        thread.join()
