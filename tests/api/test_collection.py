"""A collection as Arrow tables."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.commits import commit
from support.rows import memory_collection
from support.synthetic import people

import facebatch
from facebatch import tables
from facebatch.stages import cluster_people


@pytest.fixture(scope="module")
def collection(world: Path) -> facebatch.Collection:
    return facebatch.Collection.open(str(world / "faces"))


def test_faces_have_the_tables_columns_and_their_people(collection: facebatch.Collection) -> None:
    faces = collection.faces()
    contract = [column.name for column in tables.contract("faces").columns]
    assert faces.column_names == [*contract, "person_id", "person"]
    ids = faces["face_id"].to_pylist()
    assert ids == sorted(ids)
    by_person = faces["person_id"].value_counts().to_pylist()
    counts = {row["values"]: row["counts"] for row in by_person if row["values"]}
    assert counts == {row["person_id"]: row["faces"] for row in collection.people().to_pylist()}
    assert collection.faces(["person"]).column_names == ["person"]
    assert collection.faces(["score"])["score"].to_pylist() == faces["score"].to_pylist()


def test_media_have_the_tables_columns(collection: facebatch.Collection) -> None:
    contract = [column.name for column in tables.contract("media").columns]
    assert collection.media().column_names == contract
    assert len(collection.media(["path"])) == 8


def test_a_search_finds_the_faces_of_the_photos_person(
    collection: facebatch.Collection, portraits: Path
) -> None:
    found = collection.search(portraits / "1-0.jpg", k=4)
    assert found["person"].unique().to_pylist() == ["Ada Lovelace"]
    d2 = found["d2"].to_pylist()
    assert d2 == sorted(d2)
    assert found["face_id"].type.byte_width == 16
    faces = facebatch.embed_faces(portraits / "1-0.jpg")
    again = collection.search(faces, k=4)
    assert again.equals(found)
    assert len(collection.search(faces, k=100)) == 8
    with pytest.raises(facebatch.UsageError, match="k = 0"):
        collection.search(faces, k=0)
    with pytest.raises(facebatch.UsageError, match="no face"):
        collection.search(np.zeros((64, 64, 3), np.uint8))


def test_an_unknown_column_is_refused(collection: facebatch.Collection) -> None:
    for read in (collection.faces, collection.media):
        with pytest.raises(facebatch.UsageError, match="no column named 'colour'; there are"):
            read(["colour"])


def test_what_a_later_run_adds_is_seen_when_it_is_opened_again() -> None:
    stored = memory_collection()
    embeddings, _ = people([9, 5], seed=1)
    commit(stored, "one", embeddings[:7])
    url = stored.storage.url
    opened = facebatch.Collection.open(url)
    assert len(opened.people()) == 0
    assert opened.faces(["person_id", "person"])["person_id"].null_count == 7
    commit(stored, "two", embeddings[7:], first=7)
    cluster_people(stored, stored.snapshot())
    assert len(opened.faces(["face_id"])) == len(opened.media(["path"])) == 7
    later = facebatch.Collection.open(url)
    assert len(later.faces(["face_id"])) == 14
    assert later.people()["hidden"].to_pylist() == [False] * len(later.people())
    assert (opened.name, opened.settings) == (stored.name, stored.settings)


def test_no_collection_is_a_collection_error(tmp_path: Path) -> None:
    with pytest.raises(facebatch.CollectionError, match="is no collection"):
        facebatch.Collection.open(str(tmp_path))
