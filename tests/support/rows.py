"""Media and face rows for tests of the tables, without any photo behind them."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from facebatch import ids, tables
from facebatch.collection import Collection
from facebatch.config import ExtractSettings
from facebatch.storage.store import Storage

DIMENSION = 128
NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)

_urls = itertools.count()


def memory_collection() -> Collection:
    """Returns an empty collection that lies in memory, at a place of its own."""
    return Collection.create(f"memory://collection-{next(_urls)}", ExtractSettings())


def content(number: int) -> bytes:
    """Returns the content id of the file whose only byte is a number."""
    return ids.content_id(bytes([number]))


def media_row(path: str, status: str = "ok", of: int | None = 0, **values: Any) -> dict[str, Any]:
    """Returns one media row; ``of`` is the number of its content."""
    return {
        "media_id": ids.media_id("photos", path),
        "root": "photos",
        "path": path,
        "segment": 0,
        "size": 1,
        "marker": "1",
        "content_id": None if of is None else content(of),
        "status": status,
        "reason": "truncated" if status == "quarantined" else None,
        "attempts": 1,
        "faces": 0,
        "committed_at": NOON,
        **values,
    }


def media(*rows: Mapping[str, Any], minute: int = 0) -> pa.Table:
    """Returns a media table, committed some minutes past noon."""
    moment = NOON + timedelta(minutes=minute)
    return tables.from_rows("media", [{**row, "committed_at": moment} for row in rows])


def faces(rows: Sequence[tuple[str, int, int]], score: float = 1.0) -> pa.Table:
    """Returns a face table from (path of the item, number of its content, ordinal)."""
    n = len(rows)
    schema = tables.schema("faces", DIMENSION)
    fixed: dict[str, Any] = {
        "face_id": [ids.face_id(content(of), 0, 0, place) for _, of, place in rows],
        "media_id": [ids.media_id("photos", path) for path, _, _ in rows],
        "content_id": [content(of) for _, of, _ in rows],
        "ordinal": [place for _, _, place in rows],
        "score": [score] * n,
        "landmarks": tables.vectors(
            np.float32(score) + np.arange(10 * n, dtype=np.float32).reshape(n, 10)
        ),
        "chip_to_picture": tables.vectors(np.zeros((n, 6))),
        "embedding": tables.vectors(np.eye(DIMENSION, dtype=np.float32)[[0] * n]),
        "chip": [None] * n,
    }
    columns = [
        column if isinstance(column, pa.Array) else pa.array(column, field.type)
        for field in schema
        for column in [fixed.get(field.name, [0] * n)]
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def put_shard(
    storage: Storage,
    shard: str,
    media_rows: pa.Table | None,
    face_rows: pa.Table,
    replaces: Sequence[str] = (),
) -> None:
    """Puts a shard's files where its writer puts them; without media rows it is an orphan."""
    tables.write(storage, f"faces/{shard}.parquet", "faces", face_rows, "fingerprint")
    if media_rows is not None:
        replaced = "[" + ", ".join(f'"{name}"' for name in replaces) + "]"
        path = f"media/{shard}.parquet"
        tables.write(
            storage, path, "media", media_rows, "fingerprint", extra={"replaces": replaced}
        )
