"""Rows that are written anew without a look at their photos.

They are those of items that vanished, and of photos whose sidecars changed without a change of how
the photos lie.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

import apache_beam as beam
import pyarrow as pa
import pyarrow.compute as pc

from facebatch import ids, tables
from facebatch.collection import Collection
from facebatch.collection.snapshot import with_column
from facebatch.extract.items import Known, Noted
from facebatch.models import registry


class MarkVanished(beam.PTransform):
    """Commits, for items that aren't there any more, rows that say so.

    For photos whose sidecars are to be remembered it commits rows that do.
    """

    def __init__(self, collection: Collection) -> None:
        super().__init__()
        self._collection = collection

    def expand(self, vanished: beam.PCollection) -> beam.PCollection:
        """Applies the transform."""
        return (
            vanished
            | "by root" >> beam.Map(_by_root)
            | "roots' rows" >> beam.GroupByKey()
            | "mark" >> beam.Map(_mark, self._collection)
        )


def _by_root(row: Known | Noted) -> tuple[tuple[str, bool], Known | Noted]:
    if isinstance(row, Noted):
        return (row.known.root, True), row
    return (row.root, False), row


def _mark(pair: tuple[tuple[str, bool], Iterable[Known | Noted]], collection: Collection) -> None:
    by_shard = defaultdict(list)
    sidecars: dict[bytes, str | None] = {}
    newest = []
    for work in pair[1]:
        row = work.known if isinstance(work, Noted) else work
        media_id = ids.media_id(row.root, row.path, row.segment)
        by_shard[row.shard].append(media_id)
        newest.append(row.committed_at)
        if isinstance(work, Noted):
            sidecars[media_id] = work.sidecar
    parts = []
    for shard, media_ids in sorted(by_shard.items()):
        rows = tables.read(collection.storage, f"media/{shard}.parquet", "media")
        parts.append(rows.filter(pc.is_in(rows["media_id"], pa.array(media_ids, pa.binary(16)))))
    rows = (
        _noted(pa.concat_tables(parts), sidecars) if sidecars else _marked(pa.concat_tables(parts))
    )
    why = [f"beside {one}" if sidecars else "vanished" for one in rows["sidecar"].to_pylist()]
    columns = rows.select(["media_id", "size", "marker"]).to_pylist()
    members = [
        (*row.values(), f"{reason} after {max(newest)}")
        for row, reason in zip(columns, why, strict=True)
    ]
    name = ids.shard_name(members)
    if not collection.is_committed(name):
        dimension = registry.card(collection.settings.embedder).dimension
        nothing = tables.schema("faces", dimension).empty_table()
        collection.commit_shard(name, rows, nothing, after=max(newest))


def _marked(rows: pa.Table) -> pa.Table:
    """Returns media rows as those of items that have vanished.

    What wasn't extracted says nothing of its content any more, which no other file is to be taken
    for a copy of.
    """
    extracted = pc.is_in(rows["status"], pa.array(["ok", "duplicate"]))
    values = {
        "status": pa.array(["vanished"] * len(rows), pa.string()),
        "content_id": pc.if_else(extracted, rows["content_id"], pa.scalar(None, pa.binary(16))),
        "reason": pa.nulls(len(rows), pa.string()),
        "message": pa.nulls(len(rows), pa.string()),
    }
    for name, column in values.items():
        rows = with_column(rows, name, column)
    return rows


def _noted(rows: pa.Table, sidecars: Mapping[bytes, str | None]) -> pa.Table:
    """Returns media rows with what is known of their sidecars now.

    They hold a content that another shard has the faces of, as those of a touched file do.
    """
    values = {
        "status": pa.array(["duplicate"] * len(rows), pa.string()),
        "attempts": pa.array([0] * len(rows), pa.int32()),
        "sidecar": pa.array([sidecars[one] for one in rows["media_id"].to_pylist()], pa.string()),
    }
    for name, column in values.items():
        rows = with_column(rows, name, column)
    return rows
