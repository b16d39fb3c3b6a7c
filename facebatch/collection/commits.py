"""Commits: the media files that commit shards, and what each says of its own."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from facebatch import tables
from facebatch.storage.store import Storage, StoredFile

READERS = 8
"""Threads that read shard files; what they wait for is the store."""


@dataclass(frozen=True)
class Committed:
    """One shard that was committed, replaced or not.

    Args:
        name: Its name.
        commit: What tells this writing of it from an earlier one of the same name; may be empty.
        replaces: The shards it replaces: names, or ``name@commit`` where only that writing is.
        modified: When its media file was written, seconds since the epoch, where the store knows.
    """

    name: str
    commit: str
    replaces: tuple[str, ...]
    modified: float | None

    @property
    def reference(self) -> str:
        """How a shard that replaces this one names it."""
        return f"{self.name}@{self.commit}" if self.commit else self.name

    def is_among(self, replaced: frozenset[str] | set[str]) -> bool:
        """Tells whether names and references of replaced shards hold this one."""
        return self.name in replaced or self.reference in replaced


def committed(storage: Storage, *, beside: frozenset[str] = frozenset()) -> list[Committed]:
    """Returns all shards that have a media file, by name; those of ``beside`` aren't looked at."""
    files = [file for file in media_files(storage) if _shard(file.path) not in beside]
    with ThreadPoolExecutor(READERS) as pool:
        return list(pool.map(lambda file: read_commit(storage, file), files))


def media_files(storage: Storage) -> list[StoredFile]:
    """Returns the files that commit shards, by name."""
    return [file for file in storage.files("media") if file.path.endswith(".parquet")]


def listing_of(storage: Storage) -> str:
    """Returns the hash of the names of all media files; while it stays, so do the tables."""
    return hash_of_names(_shard(file.path) for file in media_files(storage))


def hash_of_names(shards: Iterable[str]) -> str:
    """Returns a hash of shards' names, whatever their order."""
    return hashlib.blake2b("\n".join(sorted(shards)).encode(), digest_size=16).hexdigest()


def read_commit(storage: Storage, file: StoredFile) -> Committed:
    """Returns what a media file says of its shard.

    Raises:
        CollectionError: It can't be read.
    """
    metadata = tables.read_metadata(storage, file.path, "media")
    replaces = tuple(json.loads(metadata.get("replaces", "[]")))
    return Committed(_shard(file.path), metadata.get("commit", ""), replaces, file.modified)


def _shard(path: str) -> str:
    return path.removeprefix("media/").removesuffix(".parquet")
