"""Keeping a collection in shape: `compact` merges shards, `prune` drops what vanished.

Both write shards anew (`facebatch.collection.rewrite`); neither changes an id, a face or a
generation.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from facebatch import tables
from facebatch.collection.collection import ORPHANS_KEPT, Collection
from facebatch.collection.rewrite import SHARD_BYTES, Rewritten, drop, file_sizes, rewrite
from facebatch.collection.snapshot import Snapshot, in_threads
from facebatch.errors import UsageError

TARGET_FACES = 10_000
TARGET_ITEMS = 20_000
"""What a merged shard holds about. A shard with half of either is large already."""

MOST_DEAD = 0.2
"""Share of rows that don't count from which on a large shard is written anew."""


@dataclass(frozen=True)
class Compacted:
    """What a compaction did, or would do.

    Args:
        shards_before: Shards that counted before.
        shards_after: Shards that count now.
        bytes_before: Size of their files before.
        bytes_after: Size of their files now; None where nothing was done.
        media_dropped: Media rows that were left out since they don't count.
        faces_dropped: Face rows that were left out.
        written: Shards written.
        dry_run: Whether nothing was done.
    """

    shards_before: int
    shards_after: int
    bytes_before: int
    bytes_after: int | None
    media_dropped: int
    faces_dropped: int
    written: int
    dry_run: bool

    def as_json(self) -> dict[str, Any]:
        """Returns the figures as plain data."""
        return asdict(self)


@dataclass(frozen=True)
class Pruned:
    """What a pruning did.

    Args:
        items: Items that were dropped.
        of: Items there were, those that vanished included.
        rewritten: What that took.
    """

    items: int
    of: int
    rewritten: Rewritten

    def as_json(self) -> dict[str, Any]:
        """Returns the figures as plain data."""
        return {
            "items": self.items,
            "of": self.of,
            "media_dropped": self.rewritten.media_dropped,
            "faces_dropped": self.rewritten.faces_dropped,
        }


@dataclass(frozen=True)
class _Size:
    """One shard: its rows in all, its faces in all, and those that don't count; its bytes.

    It is coarse where its chips lie in row groups that are too long to read one face of.
    """

    name: str
    items: int
    faces: int
    dead_items: int
    dead_faces: int
    bytes: int
    is_coarse: bool

    @property
    def is_large(self) -> bool:
        return self.items * 2 >= TARGET_ITEMS or self.faces * 2 >= TARGET_FACES

    @property
    def is_wasteful(self) -> bool:
        return self.dead_items > MOST_DEAD * self.items or self.dead_faces > MOST_DEAD * self.faces


def compact(collection: Collection, *, dry_run: bool = False) -> Compacted:
    """Merges small shards, and writes those anew that have many rows that don't count.

    Shards whose chips lie in long row groups, as facebatch wrote them once, are written anew too.

    The files of the shards replaced stay for a day, for those who read them still; the next run
    after that removes them.

    Args:
        collection: The collection.
        dry_run: Only say what would be merged.

    Raises:
        CollectionError: A shard can't be read, or another command rewrote it meanwhile.
    """
    snapshot = collection.snapshot()
    plan = list(_plan(collection, snapshot))
    sizes = file_sizes(collection)
    done = Rewritten()
    since = datetime.now(UTC) - ORPHANS_KEPT
    for group in plan if not dry_run else ():
        done += rewrite(collection, snapshot, [size.name for size in group], since=since)
    before = sum(sizes[shard] for shard in snapshot.shards)
    planned = [size for group in plan for size in group]
    return Compacted(
        shards_before=len(snapshot.shards),
        shards_after=len(snapshot.shards) - len(planned) + len(plan),
        bytes_before=before,
        bytes_after=None if dry_run else before - done.bytes_before + done.bytes_after,
        media_dropped=sum(s.dead_items for s in planned) if dry_run else done.media_dropped,
        faces_dropped=sum(s.dead_faces for s in planned) if dry_run else done.faces_dropped,
        written=len(done.shards),
        dry_run=dry_run,
    )


def _plan(collection: Collection, snapshot: Snapshot) -> Iterator[list[_Size]]:
    """Yields groups of shards, each of which becomes one.

    Neighbours by root and path come together, so that their strings compress well.
    """
    group: list[_Size] = []
    for size in _by_place(snapshot, _sizes(collection, snapshot)):
        if size.is_large and not size.is_wasteful and not size.is_coarse:
            continue
        if group and not _fit([*group, size]):
            if _is_worth(group):
                yield group
            group = []
        group.append(size)
    if _is_worth(group):
        yield group


def _fit(group: list[_Size]) -> bool:
    return (
        sum(size.items - size.dead_items for size in group) <= TARGET_ITEMS
        and sum(size.faces - size.dead_faces for size in group) <= TARGET_FACES
        and sum(size.bytes for size in group) <= SHARD_BYTES
    )


def _is_worth(group: list[_Size]) -> bool:
    return len(group) > 1 or any(size.is_wasteful or size.is_coarse for size in group)


def _sizes(collection: Collection, snapshot: Snapshot) -> list[_Size]:
    """Returns each shard's rows, as its media rows state them."""
    rows = snapshot.rows
    stored = pc.if_else(pc.equal(rows["status"], "ok"), rows["faces"], 0)
    in_all = _sums(snapshot, rows["shard"], stored)
    winning = _sums(snapshot, snapshot.media["shard"])[:, 0]
    held = snapshot.contents.drop_null()
    sources = snapshot.extracted.filter(pc.is_in(snapshot.extracted["content"], held))
    # A row that doesn't count may still be needed, to say that its shard extracted a content.
    places = pc.index_in(sources["media_id"], snapshot.media["media_id"].combine_chunks())
    winner = pc.coalesce(snapshot.media["shard"].take(places), pa.scalar(""))
    standing = sources.filter(pc.not_equal(winner, sources["shard"]))
    items = winning + _sums(snapshot, standing["shard"])[:, 0]
    faces = _sums(snapshot, sources["shard"], sources["faces"])[:, 1]
    bytes_of = file_sizes(collection)

    def coarse(shard: str) -> bool:
        return tables.has_coarse_chips(collection.storage, f"faces/{shard}.parquet")

    is_coarse = dict(zip(snapshot.shards, in_threads(coarse, snapshot.shards), strict=True))
    return [
        _Size(
            *(name, all_items, all_faces, all_items - live, all_faces - visible),
            *(bytes_of[name], is_coarse[name]),
        )
        for name, (all_items, all_faces), live, visible in zip(
            snapshot.shards, in_all.tolist(), items.tolist(), faces.tolist(), strict=True
        )
    ]


def _sums(
    snapshot: Snapshot, shards: pa.ChunkedArray, faces: pa.ChunkedArray | None = None
) -> npt.NDArray[np.int64]:
    """Returns (rows, faces) of each shard, int64 (shards, 2), from the two columns of some rows."""
    places = pc.index_in(shards, pa.array(snapshot.shards, pa.string())).to_numpy()
    counts = np.bincount(places, minlength=len(snapshot.shards))
    weights = None if faces is None else faces.to_numpy()
    sums = np.bincount(places, weights, minlength=len(snapshot.shards))
    return np.stack([counts, sums.astype(np.int64)], axis=1)


def _by_place(snapshot: Snapshot, sizes: list[_Size]) -> list[_Size]:
    first = snapshot.rows.select(["shard", "root", "path"]).group_by("shard")
    least = first.aggregate([("root", "min"), ("path", "min")]).to_pylist()
    place = {row["shard"]: (row["root_min"], row["path_min"]) for row in least}
    return sorted(sizes, key=lambda size: (*place.get(size.name, ("", "")), size.name))


def prune(collection: Collection, snapshot: Snapshot, *, max_prune: float) -> Pruned:
    """Drops the items that are no longer below their root, and faces that nobody else has.

    Args:
        collection: The collection.
        snapshot: What counts.
        max_prune: Share of all items that may be dropped, 0 to 1.

    Raises:
        UsageError: More vanished than may be dropped; then nothing is.
        CollectionError: A shard can't be read, or another command rewrote it meanwhile.
    """
    media = snapshot.media
    gone = int(_vanished(media).sum())
    if gone > max_prune * len(media):
        raise UsageError(
            f"{gone:,} of {len(media):,} items are no longer there, {gone / len(media):.1%}: that "
            f"is more than --max-prune {max_prune:.0%} lets go. Is a disk missing? If they are to "
            "go, raise --max-prune."
        )
    if not gone:
        return Pruned(0, len(media), Rewritten())
    return Pruned(gone, len(media), drop(collection, snapshot, media=_vanished))


def _vanished(media: pa.Table) -> npt.NDArray[np.bool_]:
    return np.asarray(pc.equal(media["status"], "vanished").to_numpy(), dtype=bool)
