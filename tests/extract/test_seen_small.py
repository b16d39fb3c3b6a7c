"""A run says what it saw too small, as far as a closer look would help."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from support.commits import commit_photos
from support.rows import memory_collection

from facebatch import ids, tables
from facebatch.cli.output import small_lines
from facebatch.collection import Collection
from facebatch.collection.snapshot import with_column
from facebatch.config import ExtractSettings
from facebatch.extract.seen_small import SeenSmall, seen_small


def of_size(side: float) -> Collection:
    """A photo of twelve faces of a size and one of three, 900 x 150 pixels each."""
    collection = memory_collection()
    embeddings = np.eye(4, dtype=np.float32)
    boxes = {"x0": [0.0] * 15, "x1": [side] * 15, "y1": [side] * 15}
    commit_photos(collection, "one", [embeddings[[0] * 12], embeddings[[1] * 3]], **boxes)
    return collection


@pytest.mark.parametrize(
    ("side", "max_side", "expected"),
    [
        (24.0, 600, SeenSmall(15, 12, 0)),  # 16 pixels where they were looked for
        (25.5, 600, SeenSmall(15, 0, 0)),
        (12.0, 900, SeenSmall(15, 0, 0)),  # there are no more pixels to look at
        (60.0, 300, SeenSmall(15, 0, 2)),
    ],
)
def test_small_faces_count_in_crowds_with_more_pixels(side, max_side, expected) -> None:
    settings = ExtractSettings(max_side=max_side, min_face=24)
    assert seen_small(of_size(side).snapshot(), (), settings) == expected


def test_what_was_there_before_doesnt_count_nor_what_tiles_looked_at() -> None:
    snapshot, settings = of_size(24.0).snapshot(), ExtractSettings(max_side=600, tiles="auto")
    assert seen_small(snapshot, (), settings) == SeenSmall()
    assert seen_small(snapshot, ("one",), ExtractSettings(max_side=600)) == SeenSmall()


def test_copies_count_once() -> None:
    collection, settings = of_size(24.0), ExtractSettings(max_side=600)
    rows = tables.read(collection.storage, "media/one.parquet", "media")
    faces = tables.read(collection.storage, "faces/one.parquet", "faces")
    copies = [ids.media_id("photos", f"copy{number}") for number in range(len(rows))]
    owners = pc.index_in(faces["media_id"], rows["media_id"].combine_chunks()).to_pylist()
    for_copies = pa.array([copies[owner] for owner in owners], faces["media_id"].type)
    media = with_column(rows, "media_id", pa.array(copies, rows["media_id"].type))
    collection.commit_shard("two", media, with_column(faces, "media_id", for_copies))
    assert seen_small(collection.snapshot(), (), settings) == SeenSmall(15, 12, 0)


def test_faces_that_cannot_be_read_end_no_run() -> None:
    collection = of_size(24.0)
    snapshot = collection.snapshot()
    collection.storage.remove("faces/one.parquet")
    assert seen_small(snapshot, (), ExtractSettings(max_side=600)) == SeenSmall()


def test_the_summary_names_the_way_to_look_closer() -> None:
    [crowd, panorama] = small_lines({"faces": 1_500, "smallest": 1_200, "panoramas": 1})
    assert crowd.startswith("  1,200 of 1,500 faces are at the smallest size that is found")
    assert panorama.startswith("  1 panorama seen as a whole")
    assert crowd.endswith("looks closer")
    assert "--tiles auto" in crowd
    assert "--tiles auto" in panorama
    assert not list(small_lines({"faces": 3, "smallest": 0, "panoramas": 0}))
