"""Shards written anew: several become one that replaces them, without the rows that don't count.

What a snapshot says stays as it was, except for what is to be dropped. Rows keep their commit
times, so that one that another run commits meanwhile still wins. A shard's faces may belong to an
item of another shard by now, since its file was moved or copied; then a copy of that item's row
goes with them, because a row that is stored as ``ok`` says that its shard extracted the content.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from facebatch import ids, tables
from facebatch.collection.by_shard import places_by_shard
from facebatch.collection.collection import Collection, replaced_among
from facebatch.collection.commits import committed
from facebatch.collection.snapshot import (
    Snapshot,
    content_keys,
    held_contents,
    in_threads,
    is_live,
    with_column,
)
from facebatch.errors import CollectionError

SHARD_BYTES = 256_000_000
"""What is read to be written as one shard, at most: it is held in memory."""

Choice = Callable[[pa.Table], npt.NDArray[np.bool_]]
"""Says which rows (n,) of a table are chosen."""

_TICK = timedelta(microseconds=1)


@dataclass(frozen=True)
class Rewritten:
    """What a rewriting did.

    Args:
        shards: Names of the shards written.
        replaced: Names of the shards that they replace.
        media_dropped: Media rows that are in none of the new shards.
        faces_dropped: Face rows that are in none of them.
        bytes_before: Size of the files of the shards replaced.
        bytes_after: Size of the files written.
    """

    shards: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()
    media_dropped: int = 0
    faces_dropped: int = 0
    bytes_before: int = 0
    bytes_after: int = 0

    def __add__(self, other: Rewritten) -> Rewritten:
        sums = {
            each.name: getattr(self, each.name) + getattr(other, each.name) for each in fields(self)
        }
        return Rewritten(**sums)


@dataclass(frozen=True)
class _Drop:
    """What isn't to be written, beside what doesn't count.

    Args:
        media: Chooses winning media rows to drop.
        faces: Chooses faces to drop.
        keep_winners: Leave the media rows chosen in place, and drop their faces alone.
        since: Faces that no item holds are kept where their item took another content later than
            this: a run that began before may hand them to another item.
    """

    media: Choice | None = None
    faces: Choice | None = None
    keep_winners: bool = False
    since: datetime | None = None


def rewrite(
    collection: Collection,
    snapshot: Snapshot,
    shards: Sequence[str],
    *,
    drop_media: Choice | None = None,
    drop_faces: Choice | None = None,
    purge: bool = False,
    since: datetime | None = None,
) -> Rewritten:
    """Writes one shard that replaces some, holding only their rows that count.

    It is held in memory whole; `groups` parts shards so that this is bounded. An item whose rows
    lie in several shards has to be dropped from all of them together, else an older row of it
    counts again; `drop` sees to that.

    Args:
        collection: The collection.
        snapshot: What counts.
        shards: Names of shards of the snapshot, one at least.
        drop_media: Chooses winning media rows, as the snapshot has them, of items to drop. Their
            faces go to another item that has the content, or are dropped too.
        drop_faces: Chooses faces to drop, of whole face rows.
        purge: Remove the replaced files at once. Otherwise `Collection.sweep` does, a day later.
        since: Keep faces that no item holds any more, where that came about later than this.

    Raises:
        CollectionError: A shard can't be read, or was replaced since the snapshot was taken.
    """
    drop = _Drop(drop_media, drop_faces, since=since)
    return _rewrite(collection, snapshot, shards, drop, purge=purge)


def drop(
    collection: Collection,
    snapshot: Snapshot,
    *,
    media: Choice,
    faces: Choice | None = None,
    beside: Sequence[str] = (),
    purge: bool = False,
    most: int = SHARD_BYTES,
) -> Rewritten:
    """Drops items and faces from every shard that has a row of them.

    Older rows of the items go first and those that count go last, so that nothing comes back where
    the work is cut short.

    Args:
        collection: The collection.
        snapshot: What counts.
        media: Chooses the winning media rows, as the snapshot has them, of the items.
        faces: Chooses further faces to drop, of whole face rows.
        beside: Shards that are rewritten too, since they hold such faces.
        purge: Remove the replaced files at once.
        most: Bytes that are read to be written as one shard.

    Raises:
        CollectionError: As for `rewrite`.
    """
    chosen = snapshot.media.filter(pa.array(media(snapshot.media)))
    older = {*_with_older_rows(snapshot, chosen), *beside}
    every = sorted(older.union(chosen["shard"].to_pylist()))
    if len(list(groups(collection, every, most))) <= 1:
        return _in_groups(collection, snapshot, every, _Drop(media, faces), purge, most)
    first = _Drop(media, faces, keep_winners=True)
    done = _in_groups(collection, snapshot, sorted(older), first, purge, most)
    now = collection.snapshot()
    winning = now.media.filter(pc.is_in(now.media["media_id"], _plain(chosen["media_id"])))
    last = sorted(set(winning["shard"].to_pylist()))
    return done + _in_groups(collection, now, last, _Drop(media, faces), purge, most)


def groups(
    collection: Collection, shards: Sequence[str], most: int = SHARD_BYTES
) -> Iterator[list[str]]:
    """Parts shards into groups whose files have so many bytes together at most, or that are one."""
    sizes = file_sizes(collection)
    group: list[str] = []
    filled = 0
    for shard in shards:
        if group and filled + sizes[shard] > most:
            yield group
            group, filled = [], 0
        group.append(shard)
        filled += sizes[shard]
    if group:
        yield group


def file_sizes(collection: Collection) -> dict[str, int]:
    """Returns the bytes of each shard's two files; those of a faces file without media too."""
    sizes: dict[str, int] = {}
    for folder in ("faces", "media"):
        for file in collection.storage.files(folder):
            shard = file.path.removeprefix(f"{folder}/").removesuffix(".parquet")
            sizes[shard] = sizes.get(shard, 0) + file.size
    return sizes


def _in_groups(
    collection: Collection,
    snapshot: Snapshot,
    shards: Sequence[str],
    drop: _Drop,
    purge: bool,
    most: int,
) -> Rewritten:
    done = Rewritten()
    for group in groups(collection, shards, most):
        done += _rewrite(collection, snapshot, group, drop, purge=purge)
    return done


def _with_older_rows(snapshot: Snapshot, chosen: pa.Table) -> set[str]:
    """Returns the shards with rows of items that don't count, or with faces they may have had."""
    rows = snapshot.rows
    mine = rows.filter(pc.is_in(rows["media_id"], _plain(chosen["media_id"])))
    with_content = mine.filter(pc.is_valid(mine["content_id"]))
    extracted = rows.filter(pc.equal(rows["status"], "ok"))
    theirs = extracted.filter(
        pc.is_in(content_keys(extracted), content_keys(with_content).unique())
    )
    winning = dict(zip(chosen["media_id"].to_pylist(), chosen["shard"].to_pylist(), strict=True))
    stored = zip(mine["media_id"].to_pylist(), mine["shard"].to_pylist(), strict=True)
    older = {shard for item, shard in stored if winning[item] != shard}
    return older | set(theirs["shard"].to_pylist())


def _rewrite(
    collection: Collection, snapshot: Snapshot, shards: Sequence[str], drop: _Drop, *, purge: bool
) -> Rewritten:
    contents = _contents(snapshot, shards, drop)
    faces, read = _faces(snapshot, shards, contents, drop.faces)
    media = _counted(_media(snapshot, shards, contents, drop), contents, faces)
    replaced = _replaced(snapshot, shards)
    name = _name(media, faces, replaced)
    sizes = file_sizes(collection)
    written = collection.commit_shard(name, media, faces, keep_times=True, replaces=replaced)
    if purge:
        found = committed(collection.storage)
        written_now = [shard for shard in found if shard.name == name]
        collection.remove_shards(replaced_among(found, by=written_now))
    rows = pc.sum(pc.is_in(snapshot.rows["shard"], pa.array(shards, pa.string()))).as_py() or 0
    return Rewritten(
        shards=(name,),
        replaced=tuple(shards),
        media_dropped=rows - len(media),
        faces_dropped=read - len(faces),
        bytes_before=sum(sizes[shard] for shard in shards),
        bytes_after=written,
    )


def _contents(snapshot: Snapshot, shards: Sequence[str], drop: _Drop) -> pa.Table:
    """Returns the contents whose faces the new shard holds, with the row that stands for each.

    Returns:
        One row a content: the media row of an item that has it, as it is to be stored, with the
        columns ``content``, ``source`` (the shard that its faces are read from), ``shard`` (where
        the row lies now) and ``wins`` (whether it counts). The item is one of the shards' own where
        one of them lives, else one that lives elsewhere, else one that vanished, else the one that
        the faces were extracted from.
    """
    extracted = snapshot.extracted
    extracted = extracted.filter(pc.is_in(extracted["shard"], pa.array(shards, pa.string())))
    rows = _holding(snapshot, extracted["content"], drop.media)
    live = is_live(rows)
    own = pc.is_in(rows["shard"], pa.array(shards, pa.string())).to_numpy()
    rank = np.where(live & own, 0, np.where(live, 1, 2))
    order = pa.array(np.argsort(rank, kind="stable"))
    rows, rank = rows.take(order), rank[order.to_numpy()]
    first = ids.first_of_each(ids.from_arrow(rows["content"]))
    rows, rank = rows.take(pa.array(first)), rank[first]
    # It must lose against the row that says the item vanished.
    earlier = pc.subtract(rows["committed_at"], pa.scalar(_TICK, pa.duration("us")))
    times = pc.if_else(pa.array(rank == 2), earlier, rows["committed_at"])
    rows = with_column(rows, "committed_at", times)
    recent = _recent(snapshot, extracted, rows["content"], drop)
    wins = np.concatenate([rank < 2, np.zeros(len(recent), bool)])
    rows = pa.concat_tables([rows, recent.select(rows.column_names)])
    rows = rows.append_column("wins", pa.array(wins))
    rows = with_column(rows, "status", pa.array(["ok"] * len(rows), pa.string()))
    places = pc.index_in(rows["content"], extracted["content"].combine_chunks())
    return rows.append_column("source", extracted["shard"].take(places))


def _holding(snapshot: Snapshot, contents: pa.ChunkedArray, dropped: Choice | None) -> pa.Table:
    """Returns the winning rows that hold some contents, without the dropped, by media id."""
    keys = snapshot.contents
    mine = pc.is_in(keys, _plain(contents), skip_nulls=True)
    rows = snapshot.media.filter(mine).append_column("content", keys.filter(mine))
    return rows if dropped is None else rows.filter(pa.array(~dropped(rows)))


def _recent(
    snapshot: Snapshot, extracted: pa.Table, held: pa.ChunkedArray, drop: _Drop
) -> pa.Table:
    """Returns the extracted rows of contents that were held by an item until a while ago."""
    rows = snapshot.rows.slice(0, 0).append_column("content", pa.array([], pa.binary(ids.ID_BYTES)))
    if drop.since is None:
        return rows
    unheld = extracted.filter(pc.invert(pc.is_in(extracted["content"], _plain(held))))
    winners = snapshot.media
    late = winners.filter(pc.greater(winners["committed_at"], pa.scalar(drop.since)))
    late = late.filter(pc.is_in(late["media_id"], _plain(unheld["media_id"])))
    if drop.media is not None:
        late = late.filter(pa.array(~drop.media(late)))
    unheld = unheld.filter(pc.is_in(unheld["media_id"], _plain(late["media_id"])))
    stored = snapshot.rows.filter(pc.equal(snapshot.rows["status"], "ok"))
    stored = stored.append_column("content", content_keys(stored))
    mine = pc.and_(
        pc.is_in(stored["shard"], unheld["shard"].cast(pa.string()).unique()),
        pc.is_in(stored["content"], _plain(unheld["content"])),
    )
    return stored.filter(mine)


def _media(snapshot: Snapshot, shards: Sequence[str], contents: pa.Table, drop: _Drop) -> pa.Table:
    """Returns the new shard's media rows, by root and path."""
    rows = snapshot.media
    rows = rows.filter(pc.is_in(rows["shard"], pa.array(shards, pa.string())))
    if drop.media is not None and not drop.keep_winners:
        rows = rows.filter(pa.array(~drop.media(rows)))
    live = pa.array(is_live(rows))
    rows = with_column(rows, "status", pc.if_else(live, "duplicate", rows["status"]))
    # A row that stands for its content is there already, stored as such.
    winning = contents.filter(contents["wins"])
    there = pc.and_(live, pc.is_in(rows["media_id"], _plain(winning["media_id"])))
    rows = pa.concat_tables([rows.filter(pc.invert(there)), contents.select(rows.column_names)])
    return rows.sort_by([(name, "ascending") for name in ("root", "path", "segment", "media_id")])


def _faces(
    snapshot: Snapshot, shards: Sequence[str], contents: pa.Table, dropped: Choice | None
) -> tuple[pa.Table, int]:
    """Returns the new shard's faces, and how many rows the shards have."""
    held = contents.select(["content", "media_id"]).combine_chunks()
    places_in = places_by_shard(contents["source"])

    def kept(shard: str) -> tuple[pa.Table, int]:
        rows = tables.read(snapshot.storage, f"faces/{shard}.parquet", "faces")
        mine = held.take(pa.array(places_in.get(shard, ()), pa.int64()))
        places = pc.index_in(content_keys(rows), _plain(mine["content"]))
        holders = mine["media_id"].take(pc.drop_null(places))
        visible = with_column(rows.filter(pc.is_valid(places)), "media_id", holders)
        dimension = visible.schema.field("embedding").type.list_size
        visible = visible.cast(tables.schema("faces", dimension))
        if dropped is not None:
            visible = visible.filter(pa.array(~dropped(visible)))
        return visible, len(rows)

    found = in_threads(kept, shards)
    return pa.concat_tables([rows for rows, _ in found]), sum(read for _, read in found)


def _counted(media: pa.Table, contents: pa.Table, faces: pa.Table) -> pa.Table:
    """Returns media rows with the number of faces that the content of each has now."""
    known = _plain(contents["content"])
    places = pc.index_in(content_keys(faces), known).to_numpy()
    counts = pa.array(np.bincount(places, minlength=len(known)), pa.int32())
    of_row = pc.index_in(held_contents(media), known, skip_nulls=True)
    return with_column(media, "faces", pc.coalesce(counts.take(of_row), media["faces"]))


def _replaced(snapshot: Snapshot, shards: Sequence[str]) -> list[str]:
    """Returns references of the shards, and of what they replaced that is still there.

    Raises:
        CollectionError: One of the shards was replaced or removed since the snapshot was taken.
    """
    storage = snapshot.storage
    found = committed(storage, beside=snapshot.seen.difference(shards))
    mine = [shard for shard in found if shard.name in shards]
    since = [shard for shard in found if shard.name not in shards]
    if len(mine) < len(shards) or replaced_among(mine, by=since):
        raise CollectionError(
            f"{storage.public} was rewritten by another command meanwhile: run this one again"
        )
    there = {file.path for file in storage.files("media")}
    older = (name for shard in mine for name in shard.replaces)
    kept = [name for name in older if f"media/{name.partition('@')[0]}.parquet" in there]
    return sorted({*(shard.reference for shard in mine), *kept})


def _name(media: pa.Table, faces: pa.Table, replaced: Sequence[str]) -> str:
    """Returns the new shard's name, which follows from its rows and from what it replaces."""
    columns = (media[name].to_pylist() for name in ("media_id", "size", "marker"))
    members = [(*member, "") for member in zip(*columns, strict=True)]
    origins = [(ids.digest(name.encode()), 0, "", name) for name in replaced]
    found = ids.digest(*faces["face_id"].to_pylist())
    return ids.shard_name([*members, *origins, (found, len(faces), "", "")])


def _plain(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
