"""Listing: which media files lie below the roots, and which version of each.

Works on names, sizes and markers alone; it never opens a file. A folder that can't be read costs
that folder, is reported, and what is known of it isn't taken for vanished.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from facebatch import ids
from facebatch.errors import InputError, UsageError
from facebatch.media.kinds import extension_of, is_sidecar, kind_of
from facebatch.media.sources.exclusion import MARKS, Exclusion
from facebatch.media.sources.folders import ArchivePlace, Entry, Place, place_of
from facebatch.media.sources.ignored import EXAMPLES, Ignored
from facebatch.media.sources.roots import Root
from facebatch.media.sources.sidecars import Sidecars
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
        sidecars: A photo's XMP sidecars, the one that counts before the other first.
    """

    root: str
    url: str
    path: str
    size: int
    marker: str
    query: str = ""
    sidecars: tuple[MediaFile, ...] = ()

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
    def sidecar_version(self) -> str | None:
        """What changes when its sidecars do, as the table ``media`` has it; None without any."""
        versions = [
            f"{shown(posixpath.basename(one.path))}:{one.size}:{one.marker}"
            for one in self.sidecars
        ]
        return "/".join(versions) or None

    @property
    def is_video(self) -> bool:
        """Whether its name says that it is a video."""
        return kind_of(self.path) == "video"


@dataclass(frozen=True)
class Unreadable:
    """A folder that couldn't be listed, or a file that was named and isn't there."""

    root: str
    path: str
    message: str


@dataclass(frozen=True)
class Marked:
    """A folder that a mark in it leaves out, with all below it."""

    root: str
    path: str


Listed = MediaFile | Ignored | Unreadable | Marked
"""What a listing yields."""


def shown(path: str) -> str:
    """Returns a path as tables show it: bytes that aren't UTF-8 become U+FFFD."""
    return os.fsencode(path).decode("utf-8", "replace")


def check_roots(roots: Sequence[Root]) -> None:
    """Refuses roots that can't be listed before any work is begun.

    Raises:
        UsageError: There is none, two have the same name, a name isn't UTF-8, or a pattern isn't
            one.
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
    archive, of, file = url.partition("::")
    url = file if of and archive.endswith("://") else url  # of a whole archive its file alone
    Exclusion(root.excluded)
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


def list_root(root: Root) -> Iterator[Listed]:
    """Walks a root and yields every candidate, and at the end what isn't one.

    The files of one folder come together, by name. Left out and counted are hidden files and
    folders (their names begin with a dot), what `Exclusion` leaves out, files whose extension is no
    photo's or video's, and members of archives that are links or have unsafe names. Links to files
    are followed, links to folders where the root says so, once each.

    Raises:
        UsageError: One of the root's patterns isn't any.
    """
    try:
        walk = _Walk(root, place_of(root))
    except OSError as error:
        yield Unreadable(root.name, "", public_text(str(error)))
        return
    if root.is_whole:
        yield from walk.below("")
    else:
        yield from _select(walk)
    yield from walk.rest()


def folders_of(root: Root) -> dict[str, bool]:
    """Returns the folders straight in a whole root, and whether each is a link left out for it.

    Hidden ones, and what a rule leaves out, aren't among them; of a root that can't be listed
    there are none.
    """
    if not root.is_whole:
        return {}
    try:
        entries = place_of(root).entries("")
    except OSError:
        return {}
    exclusion = Exclusion(root.excluded)
    return {
        entry.name: entry.is_link
        for entry in entries
        if (entry.is_folder or entry.is_link)
        and not entry.name.startswith(".")
        and not exclusion.of_folder(entry.name)
    }


class _Walk:
    """One listing of a root, and what it leaves out."""

    def __init__(self, root: Root, place: Place) -> None:
        self.root = root
        self.place = place
        self._exclusion = Exclusion(root.excluded)
        self._ignored: dict[tuple[str, str], tuple[int, list[str]]] = {}
        self._named_beside: tuple[str, Sidecars] | None = None

    def ignore(self, reason: str, kind: str, path: str) -> None:
        """Counts something that is left out."""
        count, examples = self._ignored.get((reason, kind), (0, []))
        if count < EXAMPLES:
            examples.append(f"{self.root.name}/{shown(path)}")
        self._ignored[reason, kind] = count + 1, examples

    def rest(self) -> Iterator[Ignored | Unreadable]:
        """Yields what was left out, and what an archive says of itself."""
        if isinstance(self.place, ArchivePlace):
            listed = self.place.listed
            for reason, path in listed.refused if self.root.is_whole else ():
                self.ignore(reason, "", path)
            if listed.damage:
                yield Unreadable(self.root.name, "", public_text(listed.damage))
        for (reason, kind), (count, examples) in self._ignored.items():
            yield Ignored(reason, kind, count, tuple(examples))

    def below(self, start: str, pattern: Sequence[str] | None = None) -> Iterator[Listed]:
        """Walks a folder; with a pattern, yields only what it means."""
        pending = [start]
        seen = {self.place.identity(start)} if self.root.follow_links else set()
        while pending:
            folder = pending.pop()
            try:
                entries = self.place.entries(folder)
            except OSError as error:
                yield Unreadable(self.root.name, folder, public_text(str(error)))
                continue
            before = f"{folder}/" if folder else ""
            if mark := self._mark(before, entries):
                self.ignore("marked_folder", mark, folder)
                yield Marked(self.root.name, folder)
                continue
            sidecars = self._sidecars(before, entries)
            if pattern is not None:
                entries = [each for each in entries if _wanted(before + each.name, each, pattern)]
            entries.sort()
            folders = []
            for entry in entries:
                path = before + entry.name
                if entry.is_folder:
                    if self._enters(path, entry, seen):
                        folders.append(path)
                elif self._takes(path, entry):
                    yield self._file(path, entry, sidecars)
            pending.extend(reversed(folders))

    def named(self, path: str) -> Iterator[Listed]:
        """Yields one file that was named, or what lies in a folder that was."""
        is_web = self.root.url.startswith(("http://", "https://"))
        plain = path.partition("?")[0] if is_web else path
        try:
            entry = self.place.entry(path)
        except OSError as error:
            yield Unreadable(self.root.name, plain, public_text(str(error)))
            return
        if why := self._exclusion.covers(plain, entry.is_folder):
            self.ignore(*why, plain)
        elif entry.is_folder:
            yield from self.below(plain)
        elif self._takes(plain, entry):
            yield self._file(plain, entry, self._beside(plain))

    def _mark(self, before: str, entries: Sequence[Entry]) -> str | None:
        marks = [each.name for each in entries if each.name in MARKS]
        return next((mark for mark in marks if self._exclusion.marks(before + mark)), None)

    def _enters(self, path: str, entry: Entry, seen: set[object]) -> bool:
        """Tells whether a folder is to be listed."""
        if entry.name.startswith("."):
            self.ignore("hidden", "", path)
            return False
        if why := self._exclusion.of_folder(path):
            self.ignore(*why, path)
            return False
        if self.root.follow_links:
            known = self.place.identity(path)
            if known is not None and known in seen:
                self.ignore("repeated_folder", "", path)
                return False
            seen.add(known)
        return True

    def _takes(self, path: str, entry: Entry) -> bool:
        """Tells whether a file is a candidate."""
        if entry.name.startswith("."):
            self.ignore("hidden", "", path)
        elif entry.is_link:
            self.ignore("repeated_folder" if self.root.follow_links else "linked_folder", "", path)
        elif why := self._exclusion.of_file(path):
            self.ignore(*why, path)
        elif kind_of(entry.name) is None:
            self.ignore("extension", extension_of(entry.name), path)
        elif not entry.is_file:
            self.ignore("special", "", path)
        else:
            return True
        return False

    def _beside(self, path: str) -> Sidecars:
        """Returns the sidecars in the folder of a file that was named; those of one folder follow.

        Pages of the web aren't listed for it: each link on them would be asked for its size.
        """
        folder = path.rpartition("/")[0]
        if self._named_beside is None or self._named_beside[0] != folder:
            entries: list[Entry] = []
            if not self.root.url.startswith(("http://", "https://")):
                with suppress(OSError):
                    entries = self.place.entries(folder)
            self._named_beside = folder, self._sidecars(f"{folder}/" if folder else "", entries)
        return self._named_beside[1]

    def _sidecars(self, before: str, entries: Sequence[Entry]) -> Sidecars:
        """Returns a folder's sidecars, without those that a pattern leaves out."""
        out = self._exclusion.of_file
        return Sidecars([e for e in entries if not (is_sidecar(e.name) and out(before + e.name))])

    def _file(self, path: str, entry: Entry, sidecars: Sidecars) -> MediaFile:
        root = self.root
        file = MediaFile(root.name, root.url, path, entry.size, entry.marker, entry.query)
        if file.is_video or not (found := sidecars.of(entry.name)):
            return file
        before = path[: len(path) - len(entry.name)]
        beside = (
            MediaFile(root.name, root.url, before + one.name, one.size, one.marker, one.query)
            for one in found
        )
        return replace(file, sidecars=tuple(beside))


def _is_candidate(entry: Entry) -> bool:
    return entry.is_file and entry.name[0] != "." and kind_of(entry.name) is not None


def _select(walk: _Walk) -> Iterator[Listed]:
    """Yields what a selection means, each file once."""
    root = walk.root
    seen: set[str] = set()
    chosen = [walk.named(path) for path in sorted(root.files, key=_by_folder)]
    globs = [walk.below("", _parts(pattern)) for pattern in root.patterns]
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
