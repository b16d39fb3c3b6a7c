"""Files of the output root, on any filesystem that fsspec knows, written whole or not at all.

On a local disk a file is written beside its place, flushed to the disk and renamed; on an object
store it is one put. Nothing here knows what the files hold.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

from facebatch.errors import CollectionError, InputError

TEMPORARY_MARK = ".writing-"
"""Part of the name of every file that is still being written."""


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

    @property
    def is_local(self) -> bool:
        """Whether the files lie on this machine's own filesystem."""
        protocols = self._filesystem[0].protocol
        return "file" in ((protocols,) if isinstance(protocols, str) else protocols)

    def full_path(self, path: str = "") -> str:
        """Returns a path inside the root as the filesystem names it."""
        root = self._filesystem[1]
        return f"{root.rstrip('/')}/{path}" if path else root

    def exists(self, path: str = "") -> bool:
        """Tells whether there is a file or folder at a path."""
        store, _ = self._filesystem
        place = self.full_path(path)
        # Some stores look for a file in what they remember of its folder; others write here too.
        store.invalidate_cache(place.rpartition("/")[0])
        return bool(store.exists(place))

    @contextmanager
    def open(self, path: str) -> Iterator[BinaryIO]:
        """Opens a file for reading.

        Raises:
            CollectionError: There is no such file, or it can't be opened.
        """
        try:
            file = self._filesystem[0].open(self.full_path(path), "rb")
        except OSError as error:
            raise CollectionError(f"{self.url}/{path} can't be opened: {error}") from error
        with file:
            yield file

    def read(self, path: str) -> bytes:
        """Returns a file's bytes.

        Raises:
            CollectionError: There is no such file, or it can't be read.
        """
        with self.open(path) as file:
            try:
                return file.read()
            except OSError as error:
                raise CollectionError(f"{self.url}/{path} can't be read: {error}") from error

    def write(self, path: str, data: bytes) -> None:
        """Puts a file at a path, whole or not at all.

        Raises:
            CollectionError: The store refuses it (full, read-only, no permission).
        """
        target = self.full_path(path)
        try:
            if self.is_local:
                _write_local(Path(target), data)
            else:
                self._filesystem[0].pipe_file(target, data)
        except OSError as error:
            raise CollectionError(f"{self.url}/{path} can't be written: {error}") from error

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
        store.invalidate_cache(place)
        try:
            return list(store.ls(place, detail=True))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise CollectionError(f"{self.url}/{folder} can't be listed: {error}") from error

    def remove(self, path: str) -> None:
        """Removes a file or a whole folder; nothing happens where there is none.

        Raises:
            CollectionError: The store refuses it.
        """
        store, _ = self._filesystem
        try:
            store.rm(self.full_path(path), recursive=True)
        except FileNotFoundError:
            return
        except OSError as error:
            raise CollectionError(f"{self.url}/{path} can't be removed: {error}") from error

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


def filesystem(url: str) -> tuple[Any, str]:
    """Returns the fsspec filesystem of a URL and the path on it.

    Raises:
        InputError: No such filesystem is known, or its package is missing.
    """
    from fsspec.core import url_to_fs

    try:
        store, path = url_to_fs(os.path.expanduser(url))  # noqa: PTH111 (a URL is no Path)
    except (ImportError, ValueError) as error:
        raise InputError(f"{url}: {error}") from error
    return store, str(path)


def _write_local(target: Path, data: bytes) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f"{TEMPORARY_MARK}{secrets.token_hex(4)}-{target.name}")
    try:
        with beside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(target)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    _sync_folder(target.parent)


def _sync_folder(folder: Path) -> None:
    # Without it a power cut may forget the rename though the file's bytes are on the disk.
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _name(entry: dict[str, Any]) -> str:
    return str(entry["name"]).rstrip("/").rsplit("/", 1)[-1]


def _modified(entry: dict[str, Any]) -> float | None:
    moment = entry.get("mtime") or entry.get("LastModified") or entry.get("last_modified")
    if moment is None:
        return None
    return float(moment) if isinstance(moment, int | float) else float(moment.timestamp())
