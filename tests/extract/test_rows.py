"""Rows of a shard: what they count."""

from __future__ import annotations

import pyarrow as pa
from support.rows import media, media_row

from facebatch.extract.rows import recounted


def test_faces_are_counted_anew_also_those_of_a_copy_in_the_shard() -> None:
    original = media_row("a.mp4", of=1, faces=4)
    rows = media(
        original,
        media_row("b.mp4", of=1, faces=4, status="duplicate"),
        media_row("c.mp4", of=2, faces=3, status="duplicate"),
        media_row("d.jpg", of=3, faces=1),
    )
    kept = pa.table({"media_id": pa.array([original["media_id"]] * 2, pa.binary(16))})
    assert recounted(rows, kept)["faces"].to_pylist() == [2, 2, 3, 0]
