"""Media tables whose strings are longer together than 2 GiB, what Arrow's plain strings hold."""

from __future__ import annotations

import pyarrow as pa
import pytest
from support import rows

from facebatch import ids, tables
from facebatch.collection import Collection
from facebatch.tables import parquet

PATHS, LENGTH, SHARDS = 2_200, 1_000_000, 4


@pytest.mark.full
def test_paths_of_more_than_two_gibibytes_are_one_table(monkeypatch: pytest.MonkeyPatch) -> None:
    collection = rows.memory_collection()
    a_path = "x" * LENGTH
    for shard in range(SHARDS):
        numbers = range(shard, PATHS, SHARDS)
        media = tables.from_rows(
            "media",
            [
                rows.media_row(
                    "", of=None, status="quarantined", media_id=ids.digest(str(n).encode())
                )
                for n in numbers
            ],
        )
        at = media.schema.get_field_index("path")
        paths = pa.array([a_path] * len(media), pa.string())
        media = media.set_column(at, media.schema.field(at), paths)
        nothing = tables.schema("faces", 128).empty_table()
        collection.commit_shard(f"{shard:032x}", media, nothing, keep_times=True)
    snapshot = Collection.open(collection.storage.url).snapshot()
    media = snapshot.media
    assert len(media) == PATHS
    assert media["path"].nbytes > 2**31
    assert media["path"][PATHS - 1].as_py() == a_path
    assert media["path"].combine_chunks().nbytes > 2**31
    assert sorted(set(media["shard"].to_pylist())) == list(snapshot.shards)
    # A result about all items is one table as well, which is written in parts.
    monkeypatch.setattr(parquet, "ROW_GROUP_ROWS", 100)
    sides = {side: pa.array([0.0] * PATHS, pa.float32()) for side in ("x0", "y0", "x1", "y1")}
    places = pa.table({"root": media["root"], "path": media["path"].combine_chunks(), **sides})
    tables.write(collection.storage, "places.parquet", "places", places, collection.fingerprint)
    found = tables.read(collection.storage, "places.parquet", "places", ["path"])
    assert found["path"].nbytes > 2**31
    assert found["path"][PATHS - 1].as_py() == a_path
