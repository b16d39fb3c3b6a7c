"""Where faces are found in memory, and what is read of them from the collection."""

from __future__ import annotations

from threading import Event

import numpy as np
import pytest

from facebatch import ids, tables
from facebatch.collection.maintenance import compact
from facebatch.errors import CollectionError
from facebatch.people import PeopleView
from facebatch.review import faces
from facebatch.review.desk import Desk
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


def test_a_store_whose_embeddings_cannot_be_read_is_read_anew(collection, monkeypatch) -> None:
    def fail(*_: object) -> None:
        raise CollectionError("compacted meanwhile")

    monkeypatch.setattr(faces, "_mapped_embeddings", fail)
    desk = Desk(collection)
    with pytest.raises(CollectionError, match="compacted meanwhile"):
        desk.state.store.embeddings  # noqa: B018
    assert desk.state.store.is_lost
    rows = np.arange(5)
    assert desk.state.roster.typical(rows).tolist() == rows.tolist(), "as they are"
    monkeypatch.undo()
    desk.look()
    assert desk.state.store.embeddings.any()
    assert desk.state.store.is_read


def test_a_store_that_stays_unreadable_is_not_read_anew_at_every_look(
    collection, monkeypatch
) -> None:
    def fail(*_: object) -> None:
        raise CollectionError("damaged")

    monkeypatch.setattr(faces, "_mapped_embeddings", fail)
    desk = Desk(collection)
    for _ in range(3):
        state = desk.state
        with pytest.raises(CollectionError, match="damaged"):
            state.store.embeddings  # noqa: B018
        desk.look()
    assert desk.state is state, "read anew at the first look alone"


def test_what_goes_wrong_with_suggestions_stops_no_regrouping(collection, monkeypatch) -> None:
    desk, looked = Desk(collection), Event()
    monkeypatch.setattr(desk.asker, "catch_up", lambda *_: 1 / 0)
    monkeypatch.setattr(desk, "look", looked.set)
    desk.start()
    assert looked.wait(30)
    looked.clear()
    assert looked.wait(30), "and again"
    desk.close()


def test_pictures_are_those_of_the_tables(collection, store: FaceStore) -> None:
    store.media_rows[[1, 2, 3]] = store.media_rows[0]
    store.timestamps[3] = 40_000
    store.boxes[2] += 1000
    assert store.pictures[0] == store.pictures[2] >= 0
    assert store.pictures[1] == -1, "the same box: the same face found twice"
    assert (store.pictures[3:] == -1).all()


def test_a_chip_that_was_compacted_away_is_none(collection, store: FaceStore) -> None:
    compact(collection)
    [shard] = collection.snapshot().shards
    collection.storage.remove(f"faces/{shard}.parquet")
    assert store.chip(0) is None
