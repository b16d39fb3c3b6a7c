"""Listing: which media files lie below the roots, and which version of each.

Works on names, sizes and markers alone, through fsspec; it never opens a file. A folder that
can't be read costs that folder, is reported, and what is known of it isn't taken for vanished.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from facebatch import ids
from facebatch.errors import InputError, MediaError, UsageError
from facebatch.storage import filesystem

PHOTO_EXTENSIONS = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"}
)
"""Extensions of candidates; what a file really is, its content settles."""


@dataclass(frozen=True)
class Root:
    """A named input.

    Args:
        name: What items are addressed by, together with the path inside the root.
        url: Where it lies today; a new place under the same name changes no id.
        exclude: Path on the same filesystem that is left out: the collection, where it lies inside.
    """

    name: str
    url: str
    exclude: str | None = None


@dataclass(frozen=True)
class MediaFile:
    """One version of one media file below a root.

    Args:
        root: Name of its root.
        url: URL of its root.
        path: Path inside the root, ``/`` separated.
        size: Bytes.
        marker: The store's etag, else the modification time in whole seconds.
    """

    root: str
    url: str
    path: str
    size: int
    marker: str

    @property
    def media_id(self) -> bytes:
        """The item's id."""
        return ids.media_id(self.root, self.path)

    @property
    def container(self) -> bytes:
        """Key of the folder that the file lies in, as bytes that group alike everywhere."""
        return os.fsencode(f"{self.root}\0{self.path.rpartition('/')[0]}")


@dataclass(frozen=True)
class Ignored:
    """How many files of a folder are no candidates."""

    files: int


@dataclass(frozen=True)
class Unreadable:
    """A folder that couldn't be listed."""

    root: str
    path: str
    message: str


def parse_root(url: str) -> Root:
    """Returns the root at a path or URL, under its last component's name.

    Raises:
        UsageError: It has no such name, as ``/`` hasn't.
    """
    place = url if "://" in url else str(Path(url).expanduser().resolve())
    name = place.rstrip("/").rsplit("/", 1)[-1]
    if not name or name.endswith(":"):
        raise UsageError(f"{url!r} has no name of its own; give it one with --root NAME={url}")
    return Root(name, url)


def parse_named_root(text: str) -> Root:
    """Returns the root that ``NAME=URL`` asks for.

    Raises:
        UsageError: It isn't of that form.
    """
    name, separator, url = text.partition("=")
    if not (name and separator and url):
        raise UsageError(f"--root {text!r}: it must be NAME=URL")
    return Root(name, url)


def shown(path: str) -> str:
    """Returns a path as tables show it: bytes that aren't UTF-8 become U+FFFD."""
    return os.fsencode(path).decode("utf-8", "replace")


def check_roots(roots: Sequence[Root]) -> None:
    """Refuses roots that can't be listed before any work is begun.

    Raises:
        UsageError: There is none, two have the same name, or a name isn't UTF-8.
        InputError: One isn't a folder that can be read.
    """
    if not roots:
        raise UsageError("no photos given: name at least one folder")
    names = [root.name for root in roots]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"two roots are called {name!r}; tell them apart with --root NAME=URL")
        # Bytes that aren't UTF-8 reach Python as lone surrogates.
        if any("\ud800" <= character <= "\udfff" for character in name):
            raise UsageError(f"the name {name!r} isn't UTF-8; give another with --root NAME=URL")
    for root in roots:
        store, path = filesystem(root.url)
        try:
            if not store.exists(path):
                raise InputError(f"{root.url} doesn't exist")
            if not store.isdir(path):
                raise InputError(f"{root.url} is not a folder")
            store.ls(path, detail=False)
        except OSError as error:
            raise InputError(f"{root.url} can't be read: {error}") from error


def list_root(root: Root) -> Iterator[MediaFile | Ignored | Unreadable]:
    """Walks a root and yields every candidate, and what isn't one.

    Hidden files and folders (their names begin with a dot) count as ignored, as do files whose
    extension is no photo's. Links to files are followed, links to folders are not.
    """
    store, base = filesystem(root.url)
    store.invalidate_cache()  # this process may remember folders as they were for an earlier run
    base = base.rstrip("/")
    pending = [base]
    while pending:
        folder = pending.pop()
        try:
            entries = store.ls(folder or "/", detail=True)
        except OSError as error:
            yield Unreadable(root.name, folder[len(base) + 1 :], str(error))
            continue
        sorted_out = _Folder()
        for entry in entries:
            _sort_out(entry, folder, root, base, sorted_out)
        pending.extend(sorted_out.folders)
        yield from sorted_out.files
        if sorted_out.ignored:
            yield Ignored(sorted_out.ignored)


@dataclass
class _Folder:
    files: list[MediaFile] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    ignored: int = 0


def _sort_out(entry: dict[str, Any], folder: str, root: Root, base: str, into: _Folder) -> None:
    place = str(entry["name"]).rstrip("/")
    name = place.rsplit("/", 1)[-1]
    # Some stores list a folder's marker object as the folder itself.
    if place in (root.exclude, folder):
        return
    if entry["type"] == "directory":
        if name.startswith("."):
            into.ignored += 1
        else:
            into.folders.append(place)
        return
    is_candidate = Path(name).suffix.lower() in PHOTO_EXTENSIONS and not name.startswith(".")
    if is_candidate and entry.get("islink"):
        entry = _linked(entry)
    if not is_candidate or entry["type"] != "file":
        into.ignored += 1
        return
    path = place[len(base) + 1 :]
    into.files.append(MediaFile(root.name, root.url, path, int(entry["size"] or 0), _marker(entry)))


def _linked(entry: dict[str, Any]) -> dict[str, Any]:
    """Returns a link's entry with type, size and time of the file that it leads to."""
    try:
        status = Path(entry["name"]).stat()
    except OSError:
        return {**entry, "type": "other"}
    is_file = Path(entry["name"]).is_file()
    return {
        **entry,
        "type": "file" if is_file else "other",
        "size": status.st_size,
        "mtime": status.st_mtime,
    }


def _marker(entry: dict[str, Any]) -> str:
    for key in ("ETag", "etag", "md5Hash", "content_md5"):
        if entry.get(key):
            return str(entry[key]).strip('"')
    moment = entry.get("mtime") or entry.get("LastModified") or entry.get("last_modified")
    if moment is None:
        return ""
    return str(int(moment if isinstance(moment, int | float) else moment.timestamp()))


class MediaReader:
    """Reads files of roots; keeps one filesystem a root for the life of a process."""

    def __init__(self) -> None:
        self._stores: dict[str, tuple[Any, str]] = {}

    def read(self, file: MediaFile) -> bytes:
        """Returns a file's bytes.

        Raises:
            MediaError: ``vanished``, ``permission`` or ``io_error``.
        """
        if file.url not in self._stores:
            self._stores[file.url] = filesystem(file.url)
        store, base = self._stores[file.url]
        try:
            opened: BinaryIO
            with store.open(f"{base.rstrip('/')}/{file.path}", "rb") as opened:
                return opened.read()
        except FileNotFoundError as error:
            raise MediaError("vanished", "the file was listed and is gone") from error
        except PermissionError as error:
            raise MediaError("permission", f"not allowed to read the file: {error}") from error
        except OSError as error:
            raise MediaError("io_error", f"reading failed: {error}") from error
