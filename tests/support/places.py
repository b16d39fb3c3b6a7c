"""Files put in places that tests list and read: folders, archives, buckets, a web server."""

from __future__ import annotations

import functools
import io
import os
import tarfile
import threading
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from facebatch.media.sources.ignored import Ignored
from facebatch.media.sources.listing import MediaFile, Unreadable, list_root
from facebatch.media.sources.roots import Root


def put(folder: Path, *paths: str | bytes, content: bytes = b"1") -> None:
    for path in paths:
        file = folder / os.fsdecode(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)


def files_of(root: Root) -> list[MediaFile]:
    return [entry for entry in list_root(root) if isinstance(entry, MediaFile)]


def listed(root: Root) -> list[str]:
    return sorted(file.path for file in files_of(root))


def ignored(root: Root) -> int:
    return sum(entry.files for entry in list_root(root) if isinstance(entry, Ignored))


def unreadable(root: Root) -> list[Unreadable]:
    return [entry for entry in list_root(root) if isinstance(entry, Unreadable)]


def write_zip(path: Path, members: Mapping[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, data in members.items():
            packed.writestr(name, data)
    return path


def write_tar(path: Path, members: Mapping[str, bytes], mtime: int = 1_000) -> Path:
    kind = {".gz": "w:gz", ".tgz": "w:gz", ".bz2": "w:bz2", ".xz": "w:xz"}.get(path.suffix, "w")
    with tarfile.open(path, kind) as packed:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(data), mtime
            packed.addfile(info, io.BytesIO(data))
    return path


class _Handler(SimpleHTTPRequestHandler):
    """Serves a folder; refuses `FORBIDDEN`, and fails the first request for `SHAKY`."""

    FORBIDDEN = "forbidden.jpg"
    SHAKY = "shaky.jpg"
    KEY = "key=opensesame"
    LOCKED = "locked.jpg"
    failed: set[str]

    def send_head(self) -> io.BytesIO | None:  # type: ignore[override]
        name = self.path.partition("?")[0].rpartition("/")[2]
        if name == self.FORBIDDEN or (name == self.LOCKED and self.KEY not in self.path):
            self.send_error(403)
            return None
        if name == self.SHAKY and self.command not in self.failed:
            self.failed.add(self.command)
            self.send_error(503)
            return None
        return super().send_head()  # type: ignore[return-value]

    def log_message(self, *_ignored: object) -> None:
        return


@contextmanager
def web_server(folder: Path) -> Iterator[str]:
    """Serves a folder at the address that is given."""
    handler = type("Handler", (_Handler,), {"failed": set()})
    server = ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(handler, directory=str(folder))
    )
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
