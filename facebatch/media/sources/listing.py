"""Listing: which media files lie below the roots, and which version of each.

Works on names, sizes and markers alone; it never opens a file. A folder that can't be read costs
that folder, is reported, and what is known of it isn't taken for vanished.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from facebatch import ids
from facebatch.errors import InputError, UsageError
from facebatch.media.kinds import kind_of
from facebatch.media.sources.folders import ArchivePlace, Entry, Place, place_of
from facebatch.media.sources.roots import Root
from facebatch.storage.urls import public_text, public_url


@dataclass(frozen=True)
class MediaFile:
    """One version of one media file below a root.

    Args:
        root: Name of its root.
        url: URL of its root.
        path: Path inside the root, ``/`` separated.
        size: Bytes; 0 where the store doesn't say.
        marker: The store's etag, else the modification time in whole seconds.
        query: What its web address ends in; needed to read it and never written down.
    """

    root: str
    url: str
    path: str
    size: int
    marker: str
    query: str = ""

    def __repr__(self) -> str:
        place = f"{self.root!r}, {public_url(self.url)!r}, {self.path!r}"
        return f"MediaFile({place}, {self.size}, {self.marker!r})"

    @property
    def media_id(self) -> bytes:
        """The item's id."""
        return ids.media_id(self.root, self.path)

    @property
    def container(self) -> bytes:
        """Key of the folder that the file lies in, as bytes that group alike everywhere."""
        return os.fsencode(f"{self.root}\0{self.path.rpartition('/')[0]}")

    @property
    def is_video(self) -> bool:
        """Whether its name says that it is a video."""
        return kind_of(self.path) == "video"


@dataclass(frozen=True)
class Ignored:
    """How many files of a folder are no candidates."""

    files: int


@dataclass(frozen=True)
class Unreadable:
    """A folder that couldn't be listed, or a file that was named and isn't there."""

    root: str
    path: str
    message: str


def shown(path: str) -> str:
    """Returns a path as tables show it: bytes that aren't UTF-8 become U+FFFD."""
    return os.fsencode(path).decode("utf-8", "replace")


def check_roots(roots: Sequence[Root]) -> None:
    """Refuses roots that can't be listed before any work is begun.

    Raises:
        UsageError: There is none, two have the same name, or a name isn't UTF-8.
        InputError: One isn't a folder or archive that can be read, or none of the files that are
            wanted of one is there.
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
        _check(root)


def _check(root: Root) -> None:
    url = public_url(root.url)
    try:
        place = place_of(root)
        if root.files and not root.patterns:
            _check_files(root, place)
        else:
            place.entries("")
    except FileNotFoundError as error:
        raise InputError(f"{url} doesn't exist") from error
    except NotADirectoryError as error:
        raise InputError(f"{url} is not a folder") from error
    except OSError as error:
        raise InputError(f"{url} can't be read: {public_text(str(error))}") from error


def _check_files(root: Root, place: Place) -> None:
    wrong = "doesn't exist"
    for path in root.files:
        try:
            entry = place.entry(path)
        except FileNotFoundError:
            continue
        if entry.is_folder or _is_candidate(entry):
            return
        wrong = "is no photo or video"
    named = public_url(f"{root.url.rstrip('/')}/{root.files[-1]}")
    more = f", nor is there any among {len(root.files) - 1:,} more" if len(root.files) > 1 else ""
    raise InputError(f"{named} {wrong}{more}")


def list_root(root: Root) -> Iterator[MediaFile | Ignored | Unreadable]:
    """Walks a root and yields every candidate, and what isn't one.

    The files of one folder come together, by name. Hidden files and folders (their names begin with
    a dot) count as ignored, as do files whose extension is no photo's or video's, and members of
    archives that are links or have unsafe names. Links to files are followed, links to folders are
    not.
    """
    try:
        place = place_of(root)
    except OSError as error:
        yield Unreadable(root.name, "", public_text(str(error)))
        return
    if root.is_whole:
        yield from _walk(root, place, "")
    else:
        yield from _select(root, place)
    if isinstance(place, ArchivePlace):
        if place.listed.refused and root.is_whole:
            yield Ignored(place.listed.refused)
        if place.listed.damage:
            yield Unreadable(root.name, "", public_text(place.listed.damage))


def _walk(
    root: Root, place: Place, start: str, pattern: Sequence[str] | None = None
) -> Iterator[MediaFile | Ignored | Unreadable]:
    """Walks a folder; with a pattern, yields only what it means."""
    pending = [start]
    while pending:
        folder = pending.pop()
        try:
            entries = place.entries(folder)
        except OSError as error:
            yield Unreadable(root.name, folder, public_text(str(error)))
            continue
        before = f"{folder}/" if folder else ""
        if pattern is not None:
            entries = [entry for entry in entries if _wanted(before + entry.name, entry, pattern)]
        entries.sort()
        ignored = 0
        folders = []
        for entry in entries:
            if _is_candidate(entry):
                yield _file(root, before + entry.name, entry)
            elif entry.is_folder and not entry.name.startswith("."):
                folders.append(before + entry.name)
            else:
                ignored += 1
        pending.extend(reversed(folders))
        if ignored:
            yield Ignored(ignored)


def _is_candidate(entry: Entry) -> bool:
    return entry.is_file and entry.name[0] != "." and kind_of(entry.name) is not None


def _file(root: Root, path: str, entry: Entry) -> MediaFile:
    return MediaFile(root.name, root.url, path, entry.size, entry.marker, entry.query)


def _select(root: Root, place: Place) -> Iterator[MediaFile | Ignored | Unreadable]:
    """Yields what a selection means, each file once."""
    seen: set[str] = set()
    chosen = [_named(root, place, path) for path in sorted(root.files, key=_by_folder)]
    globs = [_walk(root, place, "", _parts(pattern)) for pattern in root.patterns]
    for found in (*chosen, *globs):
        for entry in found:
            if isinstance(entry, MediaFile):
                if entry.path in seen:
                    continue
                seen.add(entry.path)
            yield entry


def _by_folder(path: str) -> tuple[str, str]:
    folder, _, name = path.rpartition("/")
    return folder, name


def _named(root: Root, place: Place, path: str) -> Iterator[MediaFile | Ignored | Unreadable]:
    """Yields one file that was named, or what lies in a folder that was."""
    plain = path.partition("?")[0] if root.url.startswith(("http://", "https://")) else path
    try:
        entry = place.entry(path)
    except OSError as error:
        yield Unreadable(root.name, plain, public_text(str(error)))
        return
    if entry.is_folder:
        yield from _walk(root, place, plain)
    elif _is_candidate(entry):
        yield _file(root, plain, entry)
    else:
        yield Ignored(1)


def _parts(pattern: str) -> list[str]:
    parts: list[str] = []
    for part in pattern.strip("/").split("/"):
        if not (part == "**" and parts[-1:] == ["**"]):
            parts.append(part)
    return parts


def _wanted(path: str, entry: Entry, pattern: Sequence[str]) -> bool:
    parts = path.split("/")
    return _matches(parts, pattern) or (entry.is_folder and _may_hold(parts, pattern))


def _matches(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    """Tells whether a glob means a path, or a folder that the path lies in."""
    if not pattern:
        return True
    if pattern[0] == "**":
        return any(_matches(parts[at:], pattern[1:]) for at in range(len(parts)))
    if not parts or not fnmatchcase(parts[0], pattern[0]):
        return False
    return _matches(parts[1:], pattern[1:])


def _may_hold(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    """Tells whether a glob may mean something inside a folder."""
    if not pattern or pattern[0] == "**" or not parts:
        return True
    return fnmatchcase(parts[0], pattern[0]) and _may_hold(parts[1:], pattern[1:])
