"""Where faces are found in memory, and what is read of them from the collection."""

from __future__ import annotations

import numpy as np
import pytest

from facebatch import ids, tables
from facebatch.collection.maintenance import compact
from facebatch.people import PeopleView
from facebatch.review.faces import FaceStore


@pytest.fixture
def store(collection) -> FaceStore:
    return FaceStore.load(collection.snapshot(), PeopleView.of(collection).face_ids)


def test_the_store_says_what_the_tables_say(collection, store: FaceStore) -> None:
    table = collection.snapshot().faces(
        ["face_id", "media_id", "x0", "y1", "timestamp_us", "chip", "embedding"]
    )
    assert len(store) == len(table)
    assert np.array_equal(np.asarray(store.embeddings), tables.matrix(table["embedding"]))
    for row, face in enumerate(table.to_pylist()):
        assert store.directory.row(face["face_id"]) == row
        assert store.media_of(row)["media_id"] == face["media_id"]
        assert store.boxes[row, [0, 3]].tolist() == [face["x0"], face["y1"]]
        assert store.chip(row) == face["chip"]


def test_faces_that_came_or_went_since_the_clustering_do_no_harm(collection) -> None:
    clustered = PeopleView.of(collection).face_ids
    gone = ids.as_array([*(face.tobytes() for face in clustered[3:]), b"\xff" * 16])
    store = FaceStore.load(collection.snapshot(), gone)
    assert store.unclustered == 3
    last = len(store) - 1
    assert store.chip(last) is None
    assert store.media_of(last) is None
    assert store.facts(np.array([0, last]), ["path"])["path"][1] is None
    assert store.chip(0) is not None
    assert not store.embeddings[last].any()


def test_a_chip_that_was_compacted_away_is_none(collection, store: FaceStore) -> None:
    compact(collection)
    [shard] = collection.snapshot().shards
    collection.storage.remove(f"faces/{shard}.parquet")
    assert store.chip(0) is None
