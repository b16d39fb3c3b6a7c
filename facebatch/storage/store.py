"""Files of the output root, on any filesystem that fsspec knows, written whole or not at all.

On a local disk a file is written beside its place, flushed to the disk and renamed; on an object
store it is one put. What may pass by itself is tried again. Nothing here knows what the files hold.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, cast

from facebatch.errors import CollectionError, InputError
from facebatch.storage import local
from facebatch.storage.local import TEMPORARY_MARK
from facebatch.storage.retry import RetryingFile, retried
from facebatch.storage.urls import has_secret, public_url

READ_ONLY = frozenset(
    {"http", "https", "zip", "tar", "libarchive", "data", "github", "gist", "git"}
)
"""Filesystems that a collection can't lie on."""

_EXTRAS = {
    **dict.fromkeys(("s3", "s3a"), "s3"),
    **dict.fromkeys(("gs", "gcs"), "gcs"),
    **dict.fromkeys(("abfs", "abfss", "az", "adl"), "azure"),
    **dict.fromkeys(("http", "https"), "http"),
}
_CHAINED = frozenset(
    {"zip", "tar", "libarchive", "dir", "simplecache", "filecache", "blockcache", "cached"}
)
_MAGIC = frozenset("*?[")


@dataclass(frozen=True)
class StoredFile:
    """One file below a folder of the store."""

    path: str
    size: int
    modified: float | None


@dataclass(frozen=True)
class Storage:
    """One folder on one filesystem; plain data, so that it may cross a process.

    Args:
        url: A local path or any URL that fsspec understands.
    """

    url: str

    @cached_property
    def _filesystem(self) -> tuple[Any, str]:
        return filesystem(self.url)

    def __getstate__(self) -> dict[str, str]:
        return {"url": self.url}

    def __repr__(self) -> str:
        return f"Storage({self.public!r})"

    @property
    def public(self) -> str:
        """The URL as people may see it, without any password."""
        return public_url(self.url)

    @property
    def public_path(self) -> str:
        """The path as the filesystem names it and people may see it."""
        return public_url(self.full_path())

    @property
    def is_local(self) -> bool:
        """Whether the files lie on this machine's own filesystem."""
        return "file" in protocols(self._filesystem[0])

    def full_path(self, path: str = "") -> str:
        """Returns a path inside the root as the filesystem names it."""
        root = self._filesystem[1]
        return f"{root.rstrip('/')}/{path}" if path else root

    def _error(self, path: str, what: str, error: OSError) -> CollectionError:
        return CollectionError(f"{self.public}/{path} can't be {what}: {error}")

    def exists(self, path: str = "") -> bool:
        """Tells whether there is a file or folder at a path.

        Raises:
            CollectionError: The store doesn't say.
        """
        store, _ = self._filesystem
        place = self.full_path(path)
        # Some stores look for a file in what they remember of its folder; others write here too.
        store.invalidate_cache(place.rpartition("/")[0])
        try:
            return bool(retried(lambda: store.exists(place)))
        except OSError as error:
            raise self._error(path, "looked up", error) from error

    @contextmanager
    def open(self, path: str) -> Iterator[BinaryIO]:
        """Opens a file for reading.

        Raises:
            CollectionError: There is no such file, or it can't be opened.
        """
        try:
            file = retried(lambda: self._filesystem[0].open(self.full_path(path), "rb"))
        except OSError as error:
            raise self._error(path, "opened", error) from error
        with file if self.is_local else RetryingFile(file) as opened:
            yield cast(BinaryIO, opened)

    def read(self, path: str) -> bytes:
        """Returns a file's bytes.

        Raises:
            CollectionError: There is no such file, or it can't be read.
        """
        with self.open(path) as file:
            try:
                return file.read()
            except OSError as error:
                raise self._error(path, "read", error) from error

    def write(self, path: str, data: bytes) -> None:
        """Puts a file at a path, whole or not at all.

        Raises:
            CollectionError: The store refuses it (full, read-only, no permission).
        """
        store, target = self._filesystem[0], self.full_path(path)
        with self._written(path):
            if self.is_local:
                retried(lambda: local.put(Path(target), lambda file: file.write(data)))
            else:
                retried(lambda: store.pipe_file(target, data))

    def write_large(self, path: str, fill: Callable[[BinaryIO], object]) -> None:
        """Puts a file at a path, whole or not at all, that nobody has to hold in memory.

        On a local disk it is written in its folder; for another store to the folder of temporary
        files, and from there put in pieces, as the store's client does it.

        Args:
            path: Path inside the root.
            fill: Writes what the file is to hold; called again where a local disk's error may pass.

        Raises:
            CollectionError: The store refuses it, or the disk of temporary files.
        """
        store, target = self._filesystem[0], self.full_path(path)
        with self._written(path):
            if self.is_local:
                retried(lambda: local.put(Path(target), fill))
                return
            with tempfile.NamedTemporaryFile(prefix="facebatch-") as file:
                try:
                    fill(cast(BinaryIO, file))
                    file.flush()
                except OSError as error:
                    raise CollectionError(
                        f"{self.public}/{path} can't be written by way of {tempfile.gettempdir()}, "
                        f"the folder of temporary files (TMPDIR names another): {error}"
                    ) from error
                retried(lambda: store.put_file(file.name, target))

    @contextmanager
    def _written(self, path: str) -> Iterator[None]:
        if READ_ONLY & protocols(self._filesystem[0]):
            raise CollectionError(
                f"{self.public} can't be written: archives and web servers are only read. Choose a "
                "folder or a bucket."
            )
        try:
            yield
        except (OSError, NotImplementedError) as error:
            raise CollectionError(
                f"{self.public}/{path} can't be written: {error or 'the store is only read'}"
            ) from error

    def files(self, folder: str) -> list[StoredFile]:
        """Returns the files straight below a folder, by path; none where there is no folder.

        Raises:
            CollectionError: The folder can't be listed.
        """
        found = (
            StoredFile(f"{folder}/{_name(entry)}", int(entry["size"] or 0), _modified(entry))
            for entry in self._entries(folder)
            if entry["type"] == "file" and TEMPORARY_MARK not in _name(entry)
        )
        return sorted(found, key=lambda file: file.path)

    def folders(self, folder: str) -> list[str]:
        """Returns the names of the folders straight below a folder, sorted.

        Raises:
            CollectionError: The folder can't be listed.
        """
        return sorted(
            _name(entry) for entry in self._entries(folder) if entry["type"] == "directory"
        )

    def _entries(self, folder: str) -> list[dict[str, Any]]:
        store, _ = self._filesystem
        place = self.full_path(folder)

        def listed() -> list[dict[str, Any]]:
            store.invalidate_cache(place)
            return list(store.ls(place, detail=True))

        try:
            return retried(listed)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise self._error(folder, "listed", error) from error

    def remove(self, path: str) -> None:
        """Removes a file or a whole folder; nothing happens where there is none.

        Raises:
            CollectionError: The store refuses it.
        """
        store, _ = self._filesystem
        place = self.full_path(path)
        try:
            if _takes_names(store) or not _MAGIC & set(place):
                retried(lambda: store.rm(place, recursive=True))
                return
            # Such a name would be taken for a pattern, and remove what was never meant.
            store.invalidate_cache()
            for file in retried(lambda: store.find(place)):
                _remove_file(store, file)
        except FileNotFoundError:
            return
        except OSError as error:
            raise self._error(path, "removed", error) from error

    def stale_temporaries(self, folder: str, older_than: float) -> list[str]:
        """Returns the files below a folder whose writing was begun before a moment and never ended.

        Args:
            folder: Folder inside the store.
            older_than: Seconds since the epoch.
        """
        if not self.is_local:
            return []
        place = Path(self.full_path(folder))
        return [
            f"{folder}/{entry.name}"
            for entry in (place.iterdir() if place.is_dir() else ())
            if TEMPORARY_MARK in entry.name and entry.stat().st_mtime < older_than
        ]


def missing(url: str, info: str, kind: str) -> str:
    """Returns the message for a place that isn't of a kind, since it lacks that kind's file.

    Args:
        url: The place.
        info: The file.
        kind: What it was to be: ``collection`` or ``gallery``.
    """
    storage = Storage(url)
    others = {"collection.json": "a collection", "gallery.json": "a gallery"}
    if not storage.exists():
        why = "it doesn't exist"
    elif storage.is_local and Path(storage.full_path()).is_file():
        why = "it is a file"
    else:
        found = [what for file, what in others.items() if file != info and storage.exists(file)]
        why = f"it is {found[0]}" if found else f"there is no {info} in it"
    return f"{storage.public} is no {kind}: {why}"


def filesystem(url: str) -> tuple[Any, str]:
    """Returns the fsspec filesystem of a URL and the path on it.

    Credentials are the environment's, or lie where the store's own tools keep them.

    Raises:
        InputError: No such filesystem is known, its package is missing, or a URL of a bucket holds
            credentials.
    """
    from fsspec.core import url_to_fs

    place = local_path(url)
    if place is None:
        _refuse_credentials(url)
    try:
        store, path = (
            _unchained(f"file://{place}")
            if place is not None
            else (url_to_fs(url) if _is_chain(url) else _unchained(url))
        )
    except ImportError as error:
        raise InputError(f"{public_url(url)}: {_missing(url, error)}") from error
    except ValueError as error:
        raise InputError(f"{public_url(url)}: {error}") from error
    return store, str(path)


def local_path(url: str) -> str | None:
    """Returns the path on this machine that a URL or path names; None for any other filesystem.

    A path may hold ``::``, and ``://`` where there is such a file, without being a URL.
    """
    place = os.path.expanduser(url)  # noqa: PTH111 (a URL is no Path)
    if url.startswith(("file://", "local://")):
        return os.path.abspath(url.partition("://")[2])  # noqa: PTH100 (keeps links as they are)
    if "://" in url and not Path(place).exists():
        return None
    return os.path.abspath(place)  # noqa: PTH100


def protocols(store: Any) -> frozenset[str]:
    """Returns the names that a filesystem goes by."""
    names = store.protocol
    return frozenset((names,) if isinstance(names, str) else names)


def _is_chain(url: str) -> bool:
    """Tells whether ``::`` joins two filesystems in a URL; in a key of a bucket it is a name."""
    first, joint, _ = url.partition("::")
    return bool(joint) and first.partition("://")[0] in _CHAINED


def _unchained(url: str) -> tuple[Any, str]:
    import fsspec

    scheme = url.partition("://")[0]
    kind = fsspec.get_filesystem_class(scheme)
    store = fsspec.filesystem(scheme, **kind._get_kwargs_from_urls(url))
    return store, str(kind._strip_protocol(url))


def _refuse_credentials(url: str) -> None:
    for link in url.split("::"):
        scheme = link.partition("://")[0]
        if _EXTRAS.get(scheme) in ("s3", "gcs", "azure") and has_secret(link):
            raise InputError(
                f"{public_url(url)}: the URL holds credentials. Take them out, and give them by "
                "the environment (AWS_ACCESS_KEY_ID, GOOGLE_APPLICATION_CREDENTIALS, "
                "AZURE_STORAGE_CONNECTION_STRING) or the store's own configuration."
            )


def _missing(url: str, error: ImportError) -> str:
    """Returns what to install for a URL whose filesystem couldn't be imported."""
    from fsspec import get_filesystem_class

    for link in url.split("::"):
        scheme = link.partition("://")[0]
        try:
            get_filesystem_class(scheme)
        except ImportError:
            if scheme in _EXTRAS:
                return f"{scheme}:// needs a package: pip install 'facebatch[{_EXTRAS[scheme]}]'"
        except ValueError:
            continue
    return str(error)


def _takes_names(store: Any) -> bool:
    """Tells whether a filesystem removes what a path names, whatever signs are in it."""
    from fsspec.implementations.local import LocalFileSystem

    return isinstance(store, LocalFileSystem)


def _remove_file(store: Any, path: str) -> None:
    try:
        retried(lambda: store.rm_file(path))
    except FileNotFoundError:
        return  # a try that seemed to fail had removed it


def _name(entry: dict[str, Any]) -> str:
    return str(entry["name"]).rstrip("/").rsplit("/", 1)[-1]


def _modified(entry: dict[str, Any]) -> float | None:
    moment = entry.get("mtime") or entry.get("LastModified") or entry.get("last_modified")
    if moment is None:
        return None
    return float(moment) if isinstance(moment, int | float) else float(moment.timestamp())
