"""A search gives the same whether the index says where its faces are or the tables do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support.commits import commit
from support.rows import media, media_row, memory_collection
from support.synthetic import people

from facebatch import tables
from facebatch.collection import Collection, Snapshot
from facebatch.collection.commits import listing_of
from facebatch.errors import UsageError
from facebatch.probe.probe import Taken
from facebatch.probe.search import search_collection
from facebatch.stages import build_index, cluster_people


class Probe:
    """A photo with one face, looked at already."""

    path = "probe.jpg"

    def __init__(self, embedding: np.ndarray) -> None:
        self.embeddings = embedding[None]

    def taken(self, asked: str) -> Taken:
        return Taken(self.path, 0, 1, 1, asked, (0, 0, 1, 1))


@pytest.fixture
def collection() -> Collection:
    """Faces of a few people, indexed and clustered."""
    made = memory_collection()
    commit(made, "one", people([9, 7, 5], seed=3)[0])
    build_index(made, made.snapshot())
    cluster_people(made, made.snapshot())
    return made


def found(collection: Collection, count: int = 5) -> list[dict[str, Any]]:
    probe: Any = Probe(people([9, 7, 5], seed=3)[0][4])
    results: list[dict[str, Any]] = search_collection(collection, probe, count)["results"]
    return results


def test_a_search_of_an_index_that_is_up_to_date_reads_no_shard(
    collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = found(collection)
    assert expected[0]["d2"] == pytest.approx(0, abs=1e-6)
    assert len({face["person"] for face in expected}) == 1

    def opened(self: Snapshot, *arguments: object) -> None:
        raise AssertionError("the tables were read")

    monkeypatch.setattr(Snapshot, "faces", opened)
    assert found(collection) == expected


def test_a_face_that_moved_is_where_it_is_today(collection: Collection) -> None:
    before = found(collection)[0]
    rows = collection.snapshot().media.drop_columns(["shard"]).to_pylist()
    [row] = [row for row in rows if row["path"] == before["path"]]
    gone = tables.from_rows("media", [{**row, "status": "vanished"}])
    nothing = tables.schema("faces", 128).empty_table()
    collection.commit_shard("gone", gone, nothing)
    moved = {**media_row("moved.jpg", of=0), "content_id": row["content_id"]}
    collection.commit_shard("moved", media({**moved, "status": "duplicate"}), nothing)
    after = found(collection)[0]
    assert after == {**before, "path": "moved.jpg"}


def test_new_faces_are_found_at_once(collection: Collection) -> None:
    best = found(collection)[0]
    commit(collection, "two", people([9, 7, 5], seed=3)[0][4:5], first=100)
    assert listing_of(collection.storage) == collection.snapshot().listing
    assert [face["d2"] for face in found(collection)[:2]] == pytest.approx([0, 0], abs=1e-6)
    assert best["face_id"] in {face["face_id"] for face in found(collection)[:2]}


def test_more_faces_than_there_are_gives_all(collection: Collection) -> None:
    assert len(found(collection, 100)) == 21


@pytest.mark.parametrize("kind", ["flat", "ivf", "hnsw"])
def test_a_kind_that_was_asked_for_stays(collection: Collection, kind: str) -> None:
    asked = {"kind": kind, "recall": 0.9}
    made = build_index(collection, collection.snapshot(), asked=asked)
    assert made.generation.manifest.config["kind"] == kind
    assert made.generation.manifest.recall["at_10"] >= 0.9
    assert build_index(collection, collection.snapshot()).unchanged
    commit(collection, "two", people([4], seed=8)[0], first=100)
    again = build_index(collection, collection.snapshot())
    assert again.generation.manifest.config["kind"] == kind
    assert found(collection)[0]["d2"] == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("asked", [{"kind": "round"}, {"recall": 0.0}, {"recall": 1.1}])
def test_an_index_that_can_t_be_is_refused(collection: Collection, asked: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="isn't"):
        build_index(collection, collection.snapshot(), asked=asked)
