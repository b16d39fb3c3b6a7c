"""Whether a root is still the one that a collection knows by its name.

An item is addressed by its root's name and its path. Another folder under a name that is taken,
another disk at the same place, or a disk that isn't mounted would have everything that is known
vanish or change without a word. So known items are looked for before anything is written.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from facebatch.collection import Snapshot
from facebatch.errors import InputError, UsageError
from facebatch.extract.decide import lies_below
from facebatch.media.sources.exclusion import Exclusion
from facebatch.media.sources.folders import Place, place_of
from facebatch.media.sources.listing import Marked, MediaFile, Unreadable, list_root
from facebatch.media.sources.roots import Root
from facebatch.storage.printable import count
from facebatch.storage.urls import public_url

SAMPLED = 32
"""Known items that are looked for. Where none of an archive is left, none of them is found; where
half of it is, fewer than a tenth of 32 with a probability of 1e-6 (binomial)."""

MOST = 0.5
"""Share of them that has to be there for a root that lies elsewhere to have moved."""

HARDLY_ANY = 0.1
"""Share of them below which a root at its old place isn't taken for the same."""

FEWEST = 4
"""Of fewer items nothing is concluded but that their root is empty: whoever has three photos may
well exchange them all."""

_TOGETHER = 8


@dataclass(frozen=True)
class _Item:
    path: str
    size: int
    marker: str


def check_known_roots(
    roots: Sequence[Root],
    snapshot: Snapshot,
    places: Mapping[str, str],
    *,
    allow_empty: bool = False,
    moved: Collection[str] = (),
) -> None:
    """Refuses roots that aren't those which the collection knows by their names.

    Args:
        roots: What is to be listed.
        snapshot: What is known.
        places: Where each root lay when it was listed last, by its name.
        allow_empty: Whether a root may be empty, or, at its old place, have lost nearly all items.
        moved: Names of roots that lie elsewhere by the user's word.

    Raises:
        InputError: There is such a root.
        UsageError: No root has a name that is said to have moved.
    """
    if strange := sorted(set(moved) - {root.name for root in roots}):
        raise UsageError(f"--moved-root {strange[0]}: no root that is listed has this name")
    for root in roots:
        _check(root, snapshot.items, places.get(root.name), allow_empty, root.name in moved)


def _check(
    root: Root, media: pa.Table, before: str | None, allow_empty: bool, has_moved: bool
) -> None:
    place = public_url(root.url)
    elsewhere = before not in (None, place) and not has_moved
    if not elsewhere and (allow_empty or not root.is_whole):
        return
    least = MOST if elsewhere else HARDLY_ANY
    there, is_empty = _presence(root, media, least)
    if not there or _share(there) >= least or (is_empty and allow_empty):
        return
    if is_empty:
        raise InputError(
            f"{place} holds no photos, but the collection knows {count(len(there), 'item')} of the "
            f"root {root.name!r}. Is the disk mounted? If it was emptied on purpose, say "
            "--allow-empty."
        )
    told = f"{there.count(True):,} of {len(there):,} known items"
    if elsewhere:
        raise InputError(
            f"{root.name} was {before}, and {place} holds {told}. Another folder needs another "
            f"name: say --root NAME={place}. If the folder has moved, say --moved-root {root.name}."
        )
    if not has_moved and len(there) >= FEWEST:
        raise InputError(
            f"{place} holds {told} of the root {root.name!r} as they were; the others are gone or "
            "changed. Is it the right disk? If it is meant, say --allow-empty."
        )


def _presence(root: Root, media: pa.Table, least: float) -> tuple[list[bool], bool]:
    """Tells of known items whether they are there, and whether the whole root is empty.

    A few items do where they are enough; otherwise a whole root is listed.
    """
    known, exclusion = _known(media, root.name), Exclusion(root.excluded)
    sample = _sampled(root, _items(known.slice(0, SAMPLED), exclusion))
    if not root.is_whole or (sample and _share(sample) >= least):
        return sample, False
    items = _items(known, exclusion)
    found = _Listed(root) if items else None
    return (found.presence(items), not found.files) if found else ([], False)


def _known(media: pa.Table, root: str) -> pa.Table:
    """Returns the rows of what is known to lie in a root, shuffled, and always in the same way."""
    there = pc.and_(pc.equal(media["root"], root), pc.equal(media["segment"], 0))
    rows = media.filter(pc.and_(there, pc.not_equal(media["status"], "vanished")))
    return rows.sort_by("media_id").select(["path", "path_bytes", "size", "marker"])


def _items(rows: pa.Table, exclusion: Exclusion) -> list[_Item]:
    """Returns known items, but for those that a rule leaves out now."""
    items = [
        _Item(os.fsdecode(row["path_bytes"] or row["path"]), row["size"], row["marker"])
        for row in rows.to_pylist()
    ]
    return [item for item in items if not exclusion.covers(item.path)]


def _share(there: Iterable[bool]) -> float:
    answers = list(there)
    return sum(answers) / len(answers)


def _sampled(root: Root, items: Sequence[_Item]) -> list[bool]:
    """Tells of a few items whether they are there as they were; leaves out who can't be asked."""
    if not items:
        return []
    place = place_of(root)
    with ThreadPoolExecutor(_TOGETHER) as pool:
        answers = list(pool.map(lambda item: _is_there(place, item), items))
    return [answer for answer in answers if answer is not None]


def _is_there(place: Place, item: _Item) -> bool | None:
    try:
        entry = place.entry(item.path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return None
    return entry.is_file and _same_size(item.size, entry.size)


def _same_size(one: int, other: int) -> bool:
    """Tells whether two sizes are one; some stores don't say any, which is 0."""
    return one == other or not (one and other)


class _Listed:
    """What a whole root holds today, and which known items are among it.

    A file that was moved inside the root is there: its name and size say so, or size and time.
    """

    def __init__(self, root: Root) -> None:
        self.files: dict[str, int] = {}
        self._moved: set[tuple[str, int]] = set()
        self._not_listed: list[str] = []
        for entry in list_root(root):
            if isinstance(entry, MediaFile):
                self.files[entry.path] = entry.size
                self._moved |= {(_name(entry.path), entry.size), (entry.marker, entry.size)}
            elif isinstance(entry, Unreadable | Marked):
                self._not_listed.append(entry.path)

    def presence(self, items: Iterable[_Item]) -> list[bool]:
        """Tells of items whether they are there; leaves out what lies where nothing is listed."""
        return [
            self._holds(item)
            for item in items
            if not any(lies_below(item.path, folder) for folder in self._not_listed)
        ]

    def _holds(self, item: _Item) -> bool:
        if item.path in self.files and _same_size(item.size, self.files[item.path]):
            return True
        return bool(self._moved & {(_name(item.path), item.size), (item.marker, item.size)})


def _name(path: str) -> str:
    return path.rpartition("/")[2]
