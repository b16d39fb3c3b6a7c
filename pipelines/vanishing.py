"""Vanishing: rows that say of items that they aren't below their roots any more."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import apache_beam as beam
import pyarrow as pa
import pyarrow.compute as pc

from facebatch import ids, tables
from facebatch.collection import Collection
from facebatch.extract.items import Known
from facebatch.models import registry


class MarkVanished(beam.PTransform):
    """Commits, for items that aren't there any more, rows that say so."""

    def __init__(self, collection: Collection) -> None:
        super().__init__()
        self._collection = collection

    def expand(self, vanished: beam.PCollection) -> beam.PCollection:
        """Applies the transform."""
        return (
            vanished
            | "by root" >> beam.Map(lambda row: (row.root, row))
            | "roots' rows" >> beam.GroupByKey()
            | "mark" >> beam.Map(_mark_vanished, self._collection)
        )


def _mark_vanished(pair: tuple[str, Iterable[Known]], collection: Collection) -> None:
    by_shard = defaultdict(list)
    newest = []
    for row in pair[1]:
        by_shard[row.shard].append(ids.media_id(row.root, row.path, row.segment))
        newest.append(row.committed_at)
    parts = []
    for shard, media_ids in sorted(by_shard.items()):
        rows = tables.read(collection.storage, f"media/{shard}.parquet", "media")
        parts.append(rows.filter(pc.is_in(rows["media_id"], pa.array(media_ids, pa.binary(16)))))
    rows = _marked(pa.concat_tables(parts))
    columns = rows.select(["media_id", "size", "marker"]).to_pylist()
    members = [(*row.values(), f"vanished after {max(newest)}") for row in columns]
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
        at = rows.schema.get_field_index(name)
        rows = rows.set_column(at, rows.field(at), column)
    return rows
