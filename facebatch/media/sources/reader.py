"""Reading: the bytes of one listed file, from wherever it lies, within limits.

Whatever a store, a disk or an archive raises becomes a reason code.
"""

from __future__ import annotations

import io
import os
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

from facebatch import ids
from facebatch.errors import InputError, MediaError
from facebatch.media.sources.archives import Archive, split_url
from facebatch.media.sources.listing import MediaFile
from facebatch.media.sources.roots import is_archive
from facebatch.storage.retry import RetryingFile, retried
from facebatch.storage.store import filesystem, local_path, protocols
from facebatch.storage.urls import public_text

LONGEST_UNKNOWN = 100_000_000_000
"""Bytes that are copied of a web server's file of which it didn't say the size."""

_CHUNK = 1 << 20
_CONTENTS_KEPT = 8
_ANY_SIZE = 1 << 62


class MediaReader:
    """Reads files of roots; keeps one filesystem, or one open archive, a root.

    One serves a whole process, all its threads. It crosses a process empty.
    """

    def __init__(self) -> None:
        self._stores: dict[str, tuple[Any, str]] = {}
        self._archives: dict[str, Archive] = {}
        self._lock = threading.Lock()
        self._contents: OrderedDict[MediaFile, bytes] = OrderedDict()

    def __reduce__(self) -> tuple[type[MediaReader], tuple[()]]:
        return MediaReader, ()

    def read(self, file: MediaFile, max_bytes: int | None = None) -> bytes:
        """Returns a file's bytes.

        Args:
            file: The file, as it was listed.
            max_bytes: How many there may be; any number by default.

        Raises:
            MediaError: ``too_large`` by the listed or the real size, ``vanished``, ``permission``
                or ``io_error``.
        """
        limit = _ANY_SIZE if max_bytes is None else max_bytes
        if file.size > limit:
            raise _too_large(file.size, limit)
        with _media_errors():
            data = retried(lambda: self._read(file, limit))
        if len(data) > limit:
            raise _too_large(len(data), limit)
        return data

    def head(self, file: MediaFile, count: int) -> bytes:
        """Returns a file's first bytes.

        Args:
            file: The file, as it was listed.
            count: How many; fewer where it has no more.

        Raises:
            MediaError: As for `read`, but that no size is too large.
        """
        with _media_errors():
            return retried(lambda: self._head(file, count))

    def content_id(self, file: MediaFile) -> bytes:
        """Returns the content id of a file that is too large to be read as a whole.

        It is remembered for a few files, since the segments of a video ask for it in turn.

        Raises:
            MediaError: As for `read`.
        """
        with self._lock:
            known = self._contents.get(file)
        if known is not None:
            return known
        with self.open(file) as opened:
            content = ids.content_id_of(opened)
        with self._lock:
            self._contents[file] = content
            while len(self._contents) > _CONTENTS_KEPT:
                self._contents.popitem(last=False)
        return content

    @contextmanager
    def open(self, file: MediaFile) -> Iterator[BinaryIO]:
        """Opens a file that is read in parts, such as a video; it can seek.

        Local files and those of buckets are read in place. A member of an archive and a file of a
        web server, where seeking is slow or impossible, are copied to a private temporary file
        first.

        Raises:
            MediaError: As for `read`, also while it is read inside the block.
        """
        with _media_errors():
            opened = retried(lambda: self._opened(file))
        with opened, _media_errors():
            yield opened

    def local_path(self, file: MediaFile) -> str | None:
        """Returns the path of a file that lies on this machine as such; None for any other."""
        if is_archive(file.url):
            return None
        base = local_path(file.url)
        return None if base is None else f"{base.rstrip('/')}/{file.path}"

    def _read(self, file: MediaFile, limit: int) -> bytes:
        path = self.local_path(file)
        if path is not None:
            with Path(path).open("rb") as opened:
                size = os.fstat(opened.fileno()).st_size
                if size > limit:
                    raise _too_large(size, limit)
                return opened.read()
        if is_archive(file.url):
            data = io.BytesIO()
            self._copy(file, data, limit + 1)
            return data.getvalue()
        store, place = self._place(file)
        if store.async_impl and "http" not in protocols(store):
            # One request. Stores refuse to give a part of an empty file.
            end = None if limit == _ANY_SIZE or file.size == 0 else limit + 1
            return bytes(store.cat_file(place, start=None if end is None else 0, end=end))
        with self._stream(store, place) as stream:
            return b"".join(_chunks(stream, limit + 1))

    def _head(self, file: MediaFile, count: int) -> bytes:
        path = self.local_path(file)
        if path is not None:
            with Path(path).open("rb") as opened:
                return opened.read(count)
        if is_archive(file.url):
            data = io.BytesIO()
            self._copy(file, data, count)
            return data.getvalue()
        store, place = self._place(file)
        if store.async_impl and "http" not in protocols(store):
            # Stores refuse to give a part of an empty file.
            return bytes(store.cat_file(place, start=0, end=count)) if file.size else b""
        with self._stream(store, place) as stream:
            return b"".join(_chunks(stream, count))

    def _stream(self, store: Any, place: str) -> Any:
        """Opens a file to be read once from its beginning to its end."""
        if "http" in protocols(store):
            return store.open(place, "rb", block_size=0)
        return store.open(place, "rb")

    def _opened(self, file: MediaFile) -> BinaryIO:
        path = self.local_path(file)
        if path is not None:
            return Path(path).open("rb")
        store, place = (None, "") if is_archive(file.url) else self._place(file)
        if store is not None and "http" not in protocols(store):
            return cast(BinaryIO, RetryingFile(store.open(place, "rb")))
        # It has no name: nobody else can open it, and it goes when it is closed.
        copy = tempfile.TemporaryFile(prefix="facebatch-")  # noqa: SIM115 (the caller closes it)
        try:
            if store is None:
                self._copy(file, copy, _ANY_SIZE)
            else:
                with self._stream(store, place) as stream:
                    for chunk in _chunks(stream, file.size or LONGEST_UNKNOWN):
                        copy.write(chunk)
            copy.seek(0)
        except BaseException:
            copy.close()
            raise
        return cast(BinaryIO, copy)

    def _copy(self, file: MediaFile, target: IO[bytes], most: int) -> None:
        with self._lock:
            if file.url not in self._archives:
                self._archives[file.url] = Archive(file.url)
            archive = self._archives[file.url]
        inside = split_url(file.url)[1]
        archive.copy(f"{inside}/{file.path}" if inside else file.path, target, most)

    def _place(self, file: MediaFile) -> tuple[Any, str]:
        if file.url not in self._stores:
            self._stores[file.url] = filesystem(file.url)
        store, base = self._stores[file.url]
        return store, f"{base.rstrip('/')}/{file.path}{file.query}"


def _chunks(stream: Any, most: int) -> Iterator[bytes]:
    left = most
    while left > 0 and (chunk := stream.read(min(_CHUNK, left))):
        left -= len(chunk)
        yield bytes(chunk)


def _too_large(size: int, limit: int) -> MediaError:
    return MediaError("too_large", f"the file has {size:,} bytes or more; {limit:,} are allowed")


@contextmanager
def _media_errors() -> Iterator[None]:
    """Gives what fails inside the reason code of its failure."""
    try:
        yield
    except FileNotFoundError as error:
        raise MediaError("vanished", "the file was listed and is gone") from error
    except PermissionError as error:
        message = f"not allowed to read the file: {public_text(str(error))}"
        raise MediaError("permission", message) from error
    except OSError as error:
        raise MediaError("io_error", f"reading failed: {public_text(str(error))}") from error
    except InputError as error:
        raise MediaError("io_error", str(error)) from error
