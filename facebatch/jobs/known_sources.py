"""What a run knows of its roots from earlier ones: where they lay, and what is left out of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from facebatch.collection.snapshot import take
from facebatch.collection.sources import Sources
from facebatch.config import RunSettings
from facebatch.extract.known_roots import check_known_roots
from facebatch.media.sources.ignored import Ignored
from facebatch.media.sources.roots import Root, is_archive
from facebatch.storage.store import Storage, filesystem
from facebatch.storage.urls import public_url


def prepared(roots: Sequence[Root], storage: Storage, settings: RunSettings) -> tuple[Root, ...]:
    """Returns roots with what is left out of them: by the settings, else as the collection does.

    Args:
        roots: What is to be listed.
        storage: Where the collection lies, which need not exist.
        settings: What was asked for.

    Raises:
        CollectionError: What the collection remembers is damaged.
    """
    known = _asked(Sources.read(storage), settings)
    return tuple(
        replace(
            root,
            exclude=_own_place(root, storage),
            excluded=known.exclude,
            follow_links=known.follow_links,
        )
        for root in roots
    )


def check_known(roots: Sequence[Root], storage: Storage, settings: RunSettings) -> None:
    """Refuses roots that aren't those which the collection knows; see `check_known_roots`."""
    if storage.exists("collection.json"):
        places = Sources.read(storage).roots
        empty, moved = settings.allow_empty, settings.moved_root
        check_known_roots(roots, take(storage), places, allow_empty=empty, moved=moved)


def remember(roots: Sequence[Root], storage: Storage, settings: RunSettings) -> None:
    """Writes down where the roots lie, and what is left out of them from now on."""
    known = _asked(Sources.read(storage), settings)
    places = {root.name: public_url(root.url) for root in roots}
    replace(known, roots={**known.roots, **places}).write(storage)


def remember_ignored(left_out: Iterable[Ignored], storage: Storage) -> None:
    """Writes down what a run left out of its roots."""
    replace(Sources.read(storage), ignored=tuple(left_out)).write(storage)


def _asked(known: Sources, settings: RunSettings) -> Sources:
    """Returns what is remembered once the settings hold, where they say anything."""
    if settings.exclude is not None:
        known = replace(known, exclude=settings.exclude)
    if settings.follow_links is not None:
        known = replace(known, follow_links=settings.follow_links)
    return known


def _own_place(root: Root, storage: Storage) -> str | None:
    """Returns the collection's own path, if it may lie below the root."""
    if is_archive(root.url):
        return None
    same = type(filesystem(root.url)[0]) is type(filesystem(storage.url)[0])
    return storage.full_path().rstrip("/") if same else None
