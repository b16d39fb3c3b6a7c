"""Roots: what the words of a command line name, and whether it can be listed.

A folder, a bucket's prefix, a web server's index page or an archive is a root as a whole. A glob,
a single file and the entries of a list select from a root, which is the glob's fixed part, the
file's folder or the entries' common folder; so an item has one id, whichever way it was named.
What a selection leaves out hasn't vanished.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from glob import glob
from pathlib import Path

from facebatch.errors import InputError, UsageError
from facebatch.media.kinds import kind_of
from facebatch.media.sources.path_lists import entries_of
from facebatch.storage.store import local_path
from facebatch.storage.urls import public_url

ARCHIVES = {
    ".zip": "zip",
    **dict.fromkeys((".tar", ".tgz", ".tbz2", ".txz", ".tar.gz", ".tar.bz2", ".tar.xz"), "tar"),
}
"""Endings of the names of files that are read inside, and the filesystem that does it."""

MARK = "/./"
"""In a path, ends the root and begins the path inside it, as for rsync's ``--relative``."""

_WEB = ("http://", "https://")


@dataclass(frozen=True)
class Root:
    """A named input; plain data.

    Args:
        name: What items are addressed by, together with the path inside the root.
        url: Where it lies today; a new place under the same name changes no id. That of an
            archive is ``zip://FOLDER::ARCHIVE`` or ``tar://FOLDER::ARCHIVE``.
        exclude: Path on the same filesystem that is left out: the collection, where it lies inside.
        files: Paths inside the root of the only files and folders wanted; one of a web server may
            end in the query that opens it.
        patterns: Globs inside the root, which select beside ``files``. With neither the whole root
            is listed.
        excluded: Patterns of what is left out; see `facebatch.media.sources.exclusion`.
        follow_links: Whether links to folders are followed.
    """

    name: str
    url: str
    exclude: str | None = None
    files: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    follow_links: bool = False

    def __repr__(self) -> str:
        return f"Root({self.name!r}, {public_url(self.url)!r})"

    @property
    def is_whole(self) -> bool:
        """Whether all of it is listed, so that what isn't there any more has vanished."""
        return not self.files and not self.patterns


@dataclass(frozen=True)
class _Place:
    """Something that was named: ``prefix + path + suffix`` is its address.

    Args:
        prefix: ``zip://`` or ``tar://`` for a place in an archive, else empty.
        path: The path or URL, or the path inside the archive.
        suffix: ``::`` and the archive, or the query of a web address.
    """

    path: str
    prefix: str = ""
    suffix: str = ""

    @property
    def in_archive(self) -> bool:
        return bool(self.prefix)

    @property
    def is_web(self) -> bool:
        return self.path.startswith(_WEB)

    def at(self, path: str) -> str:
        """Returns the URL of a folder of the same filesystem, as a root has it."""
        return f"{self.prefix}{path}{self.suffix}" if self.in_archive else path

    def inside(self, path: str) -> str:
        """Returns a path inside a root as the root's ``files`` have it."""
        return path + self.suffix if self.is_web else path


def parse_roots(photos: Sequence[str], named: Sequence[str] = ()) -> list[Root]:
    """Returns the roots that a command line names, each once.

    Args:
        photos: Paths and URLs of folders, files and archives, globs, and ``@LIST``: a file with a
            path or URL a line (``@-`` is standard input).
        named: ``NAME=`` and one of these.

    Raises:
        UsageError: A root has no name of its own, or ``named`` isn't of that form.
        InputError: A list can't be read.
    """
    asked = [root for text in photos for root in _roots(text)]
    for text in named:
        name, separator, place = text.partition("=")
        if not (name and separator and place):
            raise UsageError(f"--root {public_url(text)!r}: it must be NAME=URL")
        asked += [replace(root, name=name) for root in _roots(place, name)]
    return _merged(asked)


def parse_root(text: str) -> Root:
    """Returns the one root that a path, URL, glob or list names.

    Raises:
        UsageError: It names none or several, or has no name of its own.
        InputError: A list can't be read.
    """
    found = parse_roots([text])
    if len(found) != 1:
        raise UsageError(f"{public_url(text)} names {len(found)} roots; one is wanted")
    return found[0]


def is_archive(url: str) -> bool:
    """Tells whether a root's URL leads into an archive."""
    return url.startswith(("zip://", "tar://")) and "::" in url


def check_reachable(roots: Sequence[Root], collection_url: str) -> None:
    """Refuses what lies in this process's memory, for work that is done in others.

    Raises:
        UsageError: A root or the collection is ``memory://``.
    """
    for url in (*(root.url for root in roots), collection_url):
        if url.rpartition("::")[2].startswith("memory:"):
            raise UsageError(
                f"{public_url(url)} lies in the memory of one process, and others do the work: "
                "give a folder or bucket, or -- --direct_running_mode=in_memory"
            )


def _roots(text: str, name: str | None = None) -> list[Root]:
    if text.startswith("@") and not Path(text).exists():
        folder, lines = entries_of(text[1:])
        return _listed(folder, lines, name)
    if _is_glob(text) and not (MARK in text or is_archive(text)) and _archive_kind(text):
        return [_selected(archive, name) for archive in _archives(text)]
    return [_selected(text, name)]


def _archives(pattern: str) -> list[str]:
    """Returns the local archives that a glob means, each of which is a root of its own."""
    local = local_path(pattern)
    if local is None:
        raise UsageError(f"{public_url(pattern)}: name each archive, a glob can't choose them here")
    found = sorted(glob(local, recursive=True))  # noqa: PTH207 (a whole path, not below a folder)
    if not found:
        raise InputError(f"{pattern} matches no archive")
    return found


def _archive_kind(path: str) -> str | None:
    """Returns the filesystem that reads inside a file of such a name; None for no archive."""
    return next((ARCHIVES[end] for end in ARCHIVES if path.lower().endswith(end)), None)


def _merged(roots: Iterable[Root]) -> list[Root]:
    """Returns roots of one name and place as one, which selects all that any of them does."""
    merged: dict[tuple[str, str], Root] = {}
    for root in roots:
        key = (root.name, root.url)
        other = merged.get(key)
        if other is None:
            merged[key] = root
        elif other.is_whole or root.is_whole:
            merged[key] = Root(root.name, root.url)
        else:
            merged[key] = replace(
                root,
                files=tuple(dict.fromkeys((*other.files, *root.files))),
                patterns=tuple(dict.fromkeys((*other.patterns, *root.patterns))),
            )
    return list(merged.values())


def _selected(text: str, name: str | None) -> Root:
    """Returns the root of one path, URL or glob."""
    if MARK in text and not _is_glob(text):
        return _marked(text, name)
    base, mark, inside = text.partition(MARK)
    place = _place(base if mark else text)
    if mark:
        return _root(place, place.path, name, patterns=(_inside(inside, text),))
    if _is_glob(text):
        parts = place.path.split("/")
        fixed = next(at for at, part in enumerate(parts) if _is_pattern(part, _signs(text)))
        return _root(place, "/".join(parts[:fixed]), name, patterns=("/".join(parts[fixed:]),))
    if _is_file(place):
        folder, _, file = place.path.rpartition("/")
        return _root(place, folder, name, files=(place.inside(file),))
    if place.is_web and place.suffix:
        raise UsageError(f"{public_url(text)}: only a file's address may end in a query")
    return _root(place, place.path, name)


def _root(
    place: _Place,
    path: str,
    name: str | None,
    files: tuple[str, ...] = (),
    patterns: tuple[str, ...] = (),
) -> Root:
    path = path if path or place.in_archive else "/"
    return Root(name or _name(place, path), place.at(path), None, files, patterns)


def _place(text: str) -> _Place:
    """Returns a path made absolute, or a URL, by what it is made of."""
    local = local_path(text)
    if local is None and is_archive(text):
        scheme, _, rest = text.partition("://")
        inner, _, outer = rest.partition("::")
        outer_path = local_path(outer)
        return _Place(inner.strip("/"), f"{scheme}://", f"::{outer_path or outer}")
    path, query = (local, "") if local is not None else (text, "")
    if text.startswith(_WEB):
        path, query = _without_query(text)
    kind = _archive_kind(path)
    if kind is not None and (local is None or not Path(local).is_dir()):
        return _Place("", f"{kind}://", f"::{path}{query}")
    return _Place(path, "", query)


def _without_query(text: str) -> tuple[str, str]:
    """Returns a web address up to its query, and the query with its question mark."""
    path, mark, query = text.partition("?")
    return path, mark + query


def _is_glob(text: str) -> bool:
    local = local_path(text)
    if local is not None:
        return _is_pattern(local, _signs(text)) and not Path(local).exists()
    return _is_pattern(text.partition("::")[0], _signs(text))


def _is_pattern(text: str, signs: str) -> bool:
    return any(sign in text for sign in signs)


def _signs(text: str) -> str:
    """Returns the signs that mean more than themselves: in a URL a ``?`` begins a query."""
    if text.startswith(_WEB):
        return "*"
    return "*[" if local_path(text) is None else "*?["


def _is_file(place: _Place) -> bool:
    """Tells whether a place is one file, by looking where that is cheap, else by its name."""
    if not place.in_archive and "://" not in place.path:
        path = Path(place.path)
        return path.is_file() or (not path.is_dir() and kind_of(place.path) is not None)
    return not place.path.endswith("/") and kind_of(place.path) is not None


def _inside(path: str, whole: str) -> str:
    """Returns a path inside a root in its plain form."""
    plain = posixpath.normpath(path) if path.strip("/") else "."
    if plain.startswith(("../", "/")) or plain == "..":
        raise UsageError(f"{public_url(whole)} leads out of the root that its {MARK} ends")
    return "" if plain == "." else plain


def _name(place: _Place, path: str) -> str:
    """Returns the last component of a root's place."""
    shown = path or place.suffix.removeprefix("::")
    shown = public_url(shown)
    if "://" not in shown and not (place.in_archive and path):
        shown = str(Path(shown).resolve())
    name = shown.rstrip("/").rsplit("/", 1)[-1]
    if not name or name.endswith(":"):
        raise UsageError(
            f"{public_url(place.at(path))!r} has no name of its own; give it one with "
            f"--root NAME={public_url(place.at(path))}"
        )
    return name


def _listed(folder: str, lines: Sequence[str], name: str | None) -> list[Root]:
    """Returns the roots of a list's entries.

    Relative entries belong to the list's folder. Absolute ones, of one filesystem together, belong
    to the deepest folder that holds them all, unless ``/./`` ends their root; archives are roots of
    their own.
    """
    roots: list[Root] = []
    absolute: dict[str, list[_Place]] = {}
    for line in lines:
        whole = line if _is_absolute(line) else f"{folder}/{line}"
        place = _place(whole)
        if place.in_archive:
            roots.append(_root(place, place.path, name))
        elif MARK in whole and _is_absolute(line):
            roots.append(_marked(whole, name))
        elif not _is_absolute(line) and not posixpath.normpath(line).startswith("../"):
            roots.append(_marked(f"{folder}{MARK}{line}", name))
        else:
            absolute.setdefault(_filesystem_of(place.path), []).append(place)
    roots += [_common_root(places, name) for places in absolute.values()]
    if name and len({root.url for root in roots}) > 1:
        raise UsageError(f"--root {name}=...: the list's entries lie in several roots")
    return roots


def _marked(text: str, name: str | None) -> Root:
    """Returns the root that ends at the mark, and of it what follows."""
    base, _, inside = text.partition(MARK)
    place = _place(base)
    inside, query = _without_query(inside) if place.is_web else (inside, "")
    inside = _inside(inside, text)
    return _root(place, place.path, name, (inside + query,) if inside else ())


def _common_root(places: Sequence[_Place], name: str | None) -> Root:
    folders = [
        place.path.rpartition("/")[0] if _is_file(place) else place.path.rstrip("/")
        for place in places
    ]
    parts = [folder.split("/") for folder in folders]
    common = list(parts[0])
    for each in parts[1:]:
        shared = 0
        while shared < min(len(common), len(each)) and common[shared] == each[shared]:
            shared += 1
        common = common[:shared]
    base = "/".join(common)
    inside = [place.inside(place.path.rstrip("/")[len(base) + 1 :]) for place in places]
    whole = not all(inside)
    return _root(places[0], base, name, () if whole else tuple(dict.fromkeys(inside)))


def _is_absolute(text: str) -> bool:
    return "://" in text or text.startswith(("/", "~"))


def _filesystem_of(path: str) -> str:
    return "/".join(path.split("/")[:3]) if "://" in path else ""
