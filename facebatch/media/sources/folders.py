"""The folders of a root, on whatever it lies: the local disk, a store or an archive.

All of them list one folder at a time, by paths inside the root, and raise nothing but `OSError`.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from facebatch.media.kinds import is_sidecar, kind_of
from facebatch.media.sources.archives import Listed, Member, list_archive, split_url
from facebatch.media.sources.roots import Root, is_archive
from facebatch.storage.retry import retried
from facebatch.storage.store import filesystem, local_path, protocols

_TOGETHER = 8
"""Requests that are under way at once where a store is asked about single files."""

_CHECKSUMS = ("ETag", "etag", "md5Hash", "content_md5", "Content-MD5")
_MOMENTS = (
    "mtime",
    "LastModified",
    "last_modified",
    "Last-Modified",
    "updated",
    "modify",
    "created",
)


class Entry(NamedTuple):
    """One entry of a folder.

    Args:
        name: Its own name.
        is_folder: Whether it is a folder that is to be listed in its turn.
        is_file: Whether it is a regular file.
        size: Bytes.
        marker: What changes when the file does: the store's etag, else the modification time in
            whole seconds.
        query: What a web address ends in, needed to read it and never written down.
        is_link: Whether it is a link to a folder that isn't followed.
    """

    name: str
    is_folder: bool
    is_file: bool
    size: int = 0
    marker: str = ""
    query: str = ""
    is_link: bool = False


class Place(Protocol):
    """Where a root lies."""

    def entries(self, folder: str) -> list[Entry]:
        """Returns what lies straight in a folder, named by its path inside the root.

        Raises:
            OSError: It can't be listed.
        """

    def entry(self, path: str) -> Entry:
        """Returns one file or folder of the root.

        Raises:
            OSError: There is none, or the store doesn't say.
        """

    def identity(self, folder: str) -> object | None:
        """Returns what tells a folder from all others, whatever path led to it; None if nothing."""


def place_of(root: Root) -> Place:
    """Returns where a root lies.

    Raises:
        OSError: It is an archive that can't be opened.
        InputError: No such filesystem is known, or its package is missing.
    """
    if is_archive(root.url):
        return ArchivePlace(root.url)
    local = local_path(root.url)
    if local is not None:
        return LocalPlace(local, root.exclude, root.follow_links)
    return StorePlace(root.url, root.exclude)


class LocalPlace:
    """A folder of this machine: one `os.scandir` a folder, one `stat` a candidate.

    Links to files are followed, wherever they lead: an archive may be made of them. Links to
    folders are followed on demand, but for those into the base itself, where all is listed anyway;
    whoever walks heeds `identity`, so that there are no loops.
    """

    def __init__(self, base: str, exclude: str | None, follow_links: bool = False) -> None:
        self._base = base
        self._exclude = exclude
        self._follow_links = follow_links
        self._real = os.path.realpath(base) if follow_links else ""

    def entries(self, folder: str) -> list[Entry]:
        """Returns what lies straight in a folder."""
        return retried(lambda: self._scan(_joined(self._base, folder)))

    def _scan(self, place: str) -> list[Entry]:
        with os.scandir(place) as found:
            return [self._entry(each) for each in found if each.path != self._exclude]

    def _entry(self, found: os.DirEntry[str]) -> Entry:
        name = found.name
        if found.is_dir(follow_symlinks=False):
            return Entry(name, True, False)
        if found.is_symlink() and found.is_dir():
            followed = self._follow_links and not self._is_inside(found.path)
            return Entry(name, followed, False, is_link=not followed)
        if (kind_of(name) is None and not is_sidecar(name)) or name.startswith("."):
            return Entry(name, False, True)  # no candidate, whatever its size is
        try:
            status = found.stat()
        except OSError as error:
            if found.is_symlink() or isinstance(error, FileNotFoundError):
                return Entry(name, False, False)  # it leads nowhere, or is gone again
            raise  # what can't be asked for now hasn't vanished
        return _of_status(name, status)

    def entry(self, path: str) -> Entry:
        """Returns one file or folder of the root."""
        place = Path(_joined(self._base, path))
        status = retried(place.stat)
        if stat.S_ISDIR(status.st_mode):
            return Entry(place.name, True, False)
        return _of_status(place.name, status)

    def identity(self, folder: str) -> object | None:
        """Returns the folder's device and number on it."""
        try:
            status = Path(_joined(self._base, folder)).stat()
        except OSError:
            return None  # listing it will say what is wrong with it
        return status.st_dev, status.st_ino

    def _is_inside(self, link: str) -> bool:
        real = os.path.realpath(link)
        return real == self._real or real.startswith(f"{self._real.rstrip('/')}/")


class StorePlace:
    """A folder of any filesystem that fsspec knows."""

    def __init__(self, url: str, exclude: str | None) -> None:
        self._store, base = filesystem(url)
        self._store.invalidate_cache()  # this process may remember folders as they were before
        self._base = base.rstrip("/")
        self._exclude = exclude
        self._is_web = "http" in protocols(self._store)

    def entries(self, folder: str) -> list[Entry]:
        """Returns what lies straight in a folder."""
        place = _joined(self._base, folder)
        asked = f"{place}/" if self._is_web else place or "/"
        found: list[dict[str, Any]] = retried(lambda: self._store.ls(asked, detail=True))
        if self._is_web:
            return self._of_web(place, found)
        # Some stores list a folder's marker object as the folder itself.
        left_out = (place, self._exclude)
        return [_of_store(entry) for entry in found if _plain(entry["name"]) not in left_out]

    def entry(self, path: str) -> Entry:
        """Returns one file or folder of the root."""
        found = retried(lambda: self._store.info(_joined(self._base, path)))
        path, _, query = path.partition("?") if self._is_web else (path, "", "")
        name = path.rpartition("/")[2]
        return _of_store({**found, "name": name})._replace(query=f"?{query}" if query else "")

    def identity(self, folder: str) -> object | None:  # noqa: ARG002
        """Returns None: stores have no links."""
        return None

    def _of_web(self, folder: str, found: list[dict[str, Any]]) -> list[Entry]:
        """Returns an index page's links to what lies straight below it.

        Sizes and markers aren't on the page: every candidate is asked for its own.
        """
        links = {str(entry["name"])[len(folder) + 1 :] for entry in found}
        links = {link.removeprefix("./") for link in links}
        folders = {link.rstrip("/") for link in links if link.endswith("/")} - {"", ".", ".."}
        files = {link for link in links if link.partition("?")[0] and not link.endswith("/")}
        inside = folder[len(self._base) + 1 :]

        def asked(link: str) -> Entry:
            name = link.partition("?")[0]
            if kind_of(name) is None or "/" in name:
                return Entry(name, False, "/" not in name)
            try:
                return self.entry(_joined(inside, link) if inside else link)
            except OSError:  # reading it will say what is wrong with it
                return Entry(name, False, True)

        with ThreadPoolExecutor(_TOGETHER) as pool:
            entries = list(pool.map(asked, sorted(files)))
        return [*entries, *(Entry(name, True, False) for name in folders if "/" not in name)]


class ArchivePlace:
    """A folder inside an archive, whose members are listed once."""

    def __init__(self, url: str) -> None:
        self.archive = retried(lambda: list_archive(url))
        self._inside = split_url(url)[1]

    @cached_property
    def _folders(self) -> Mapping[str, list[Entry]]:
        """Every folder's entries, by its path below the root."""
        folders: dict[str, dict[str, Entry]] = {"": {}}
        start = f"{self._inside}/" if self._inside else ""
        for path, member in self.archive.members.items():
            if not path.startswith(start):
                continue
            folder, _, name = path[len(start) :].rpartition("/")
            folders.setdefault(folder, {})[name] = _of_member(name, member)
            while folder:
                folder, _, name = folder.rpartition("/")
                folders.setdefault(folder, {}).setdefault(name, Entry(name, True, False))
        return {folder: list(entries.values()) for folder, entries in folders.items()}

    def entries(self, folder: str) -> list[Entry]:
        """Returns what lies straight in a folder."""
        if folder not in self._folders:
            raise FileNotFoundError(f"the archive has no folder {folder}")
        return self._folders[folder]

    def entry(self, path: str) -> Entry:
        """Returns one file or folder of the root."""
        folder, _, name = path.rpartition("/")
        for entry in self._folders.get(folder, ()):
            if entry.name == name:
                return entry
        raise FileNotFoundError(f"the archive has no {path}")

    def identity(self, folder: str) -> object | None:  # noqa: ARG002
        """Returns None: links in archives aren't followed."""
        return None

    @property
    def listed(self) -> Listed:
        """What the archive holds as a whole."""
        return self.archive


def _joined(base: str, path: str) -> str:
    return f"{base.rstrip('/')}/{path}" if path else base


def _plain(name: object) -> str:
    return str(name).rstrip("/")


def _of_status(name: str, status: os.stat_result) -> Entry:
    if not stat.S_ISREG(status.st_mode):
        return Entry(name, False, False)
    return Entry(name, False, True, status.st_size, str(int(status.st_mtime)))


def _of_member(name: str, member: Member) -> Entry:
    return Entry(name, False, True, member.size, member.marker)


def _of_store(found: Mapping[str, Any]) -> Entry:
    name = _plain(found["name"]).rpartition("/")[2]
    if found["type"] == "directory":
        return Entry(name, True, False)
    if found.get("islink"):
        found = _linked(found)
    return Entry(name, False, found["type"] == "file", int(found["size"] or 0), _marker(found))


def _linked(found: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns a link's entry with type, size and time of the file that it leads to."""
    try:
        status = Path(found["name"]).stat()
    except OSError:
        return {**found, "type": "other"}
    kind = "file" if stat.S_ISREG(status.st_mode) else "other"
    return {**found, "type": kind, "size": status.st_size, "mtime": status.st_mtime}


def _marker(found: Mapping[str, Any]) -> str:
    for key in _CHECKSUMS:
        if found.get(key):
            return str(found[key]).strip('"')
    for key in _MOMENTS:
        moment = found.get(key)
        if isinstance(moment, str):
            moment = _parsed(moment)
        if isinstance(moment, datetime):
            moment = moment.timestamp()
        if isinstance(moment, int | float):
            return str(int(moment))
    return ""


def _parsed(moment: str) -> datetime | None:
    """Returns a time as web servers or stores write it; None for any other text."""
    for parse in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            return parse(moment)
        except ValueError:
            continue
    return None
