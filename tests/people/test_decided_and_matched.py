"""Decisions and a gallery's names: decisions win, and one name stays one person."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import pyarrow as pa
import pytest
from support.commits import (
    LATER_RUNS,
    clustered,
    commit,
    commit_photos,
    follow,
    listed,
    partition,
    two_and_one_between,
)
from support.rows import content, memory_collection
from support.synthetic import people as simulated

from facebatch import ids, tables
from facebatch.collection import (
    Collection,
    Generation,
    MatchesManifest,
    generation_name,
    write_table,
)
from facebatch.people.edit import (
    People,
    hide_person,
    list_people,
    merge_people,
    name_person,
    reject_faces,
    split_person,
    undo,
)
from facebatch.stages import cluster_people


@pytest.fixture
def collection() -> Collection:
    """Three people, clustered."""
    return clustered(12, 9, 7)


def match(collection: Collection, name: str, faces: Iterable[bytes]) -> None:
    """Has a gallery call some faces by a name and nobody else."""
    snapshot, chosen = collection.snapshot(), set(faces)
    rows = snapshot.faces(["face_id"])["face_id"].to_pylist()
    n = len(rows)
    generation = Generation(
        generation_name(collection.current("matches")),
        MatchesManifest(faces_hash=snapshot.faces_hash, space=collection.space),
    )
    columns = {
        "face_id": pa.array(rows, pa.binary(16)),
        "person": pa.array([name if face in chosen else None for face in rows], pa.string()),
        "nearest": pa.array([name] * n, pa.string()),
        "score": pa.array([0.1] * n, pa.float32()),
        "runner_up": pa.nulls(n, pa.float32()),
        "probability": pa.nulls(n, pa.float32()),
    }
    write_table(collection, generation, "matches", pa.table(columns))
    collection.finish(generation)


def new_faces_like(collection: Collection, face: bytes, count: int = 4) -> list[bytes]:
    """Commits new photos of whom a face shows, and returns the faces' ids."""
    rows = collection.snapshot().faces(["face_id", "embedding"])
    place = rows["face_id"].to_pylist().index(face)
    noise = np.random.default_rng(0).normal(0, 0.01, (count, 128))
    new = (tables.matrix(rows["embedding"])[place] + noise).astype(np.float32)
    commit(collection, "two", new / np.linalg.norm(new, axis=1, keepdims=True), first=120)
    return [ids.face_id(content(number), 0, 0, 0) for number in range(120, 120 + count)]


def test_a_rejected_face_stays_away_whatever_the_gallery_calls_it(collection: Collection) -> None:
    who = listed(People.of(collection))[0]
    name_person(People.of(collection), who, "Ada")
    people = follow(collection)
    faces = people.faces_of(people.find("Ada"))
    match(collection, "Ada", faces[2:5])
    reject_faces(follow(collection), "Ada", [faces[2].hex()], no_face=False)
    for how in LATER_RUNS:
        found = partition(follow(collection, **how))[who]
        assert faces[2] not in found
        assert set(faces) - {faces[2]} <= found


def test_a_rejected_face_that_the_gallery_names_may_join_its_next_choice() -> None:
    collection, between = two_and_one_between()
    people = People.of(collection)
    first = people.owner[between].hex()
    match(collection, "Ada", partition(people)[first])
    reject_faces(follow(collection), first, [between.hex()], no_face=False)
    assert follow(collection).owner[between].hex() != first


@pytest.mark.parametrize(
    "decide",
    [
        lambda people, face: hide_person(people, "Ada"),
        lambda people, face: name_person(people, "Ada", "Ada Lovelace"),
        lambda people, face: merge_people(people, "Ada", listed(people)[1:2]),
        lambda people, face: reject_faces(people, "Ada", [face], no_face=True),
        lambda people, face: reject_faces(people, "Ada", [face], no_face=False),
        lambda people, face: split_person(people, "Ada", [face]),
    ],
    ids=["hide", "name", "merge", "not a face", "reject", "split"],
)
def test_who_is_decided_on_stays_whom_the_gallery_means(
    collection: Collection, decide: Callable[[People, str], object]
) -> None:
    who = listed(People.of(collection))[0]
    faces = sorted(partition(People.of(collection))[who])
    match(collection, "Ada", faces)
    decide(follow(collection), faces[3].hex())
    follow(collection)
    new = new_faces_like(collection, faces[0])
    match(collection, "Ada", [*faces, *new])
    for how in LATER_RUNS:
        people = follow(collection, **how)
        assert {people.owner[face].hex() for face in new} == {who}


def test_a_name_that_the_gallery_gave_to_one_goes_back_to_them_with_an_undone_merger(
    collection: Collection,
) -> None:
    first, second, *_ = listed(People.of(collection))
    match(collection, "Bo", sorted(partition(People.of(collection))[second])[:1])
    merge_people(follow(collection), first, [second])
    assert follow(collection).find("Bo").person_id.hex() == first
    undo(People.of(collection))
    people = follow(collection)
    names = {row["person_id"]: row["name"] for row in list_people(people, hidden=True)}
    assert (names[first], names[second]) == (None, "Bo")


def test_a_mirror_that_the_gallery_names_is_counted_as_parted_once() -> None:
    collection = memory_collection()
    ada, _ = simulated([10], seed=4)
    commit_photos(collection, "one", [*ada[1:, None], np.stack([ada[0], ada[0]])])
    cluster_people(collection, collection.snapshot())
    mirrored = [ids.face_id(content(len(ada) - 1), 0, 0, place) for place in range(2)]
    broken = set()
    for night in range(3):
        far = np.eye(128, dtype=np.float32)[[night + 100]]
        commit(collection, f"night {night}", far, first=200 + night)
        match(collection, "Ada", mirrored)
        clusters, _ = cluster_people(collection, collection.snapshot())
        broken.add(clusters.generation.manifest.broke_photo_constraint)
        owner = People.of(collection).owner
        assert owner[mirrored[0]] == owner[mirrored[1]]
    assert len(broken) == 1


def test_a_decision_that_appears_before_the_newest_counts(collection: Collection) -> None:
    first, second, *_ = listed(People.of(collection))
    named = name_person(People.of(collection), first, "Ada").decision.decision
    path = f"decisions/{named}.parquet"
    kept = collection.storage.read(path)
    collection.storage.remove(path)
    hide_person(People.of(collection), second)
    follow(collection)
    collection.storage.write(path, kept)
    _, made = cluster_people(collection, collection.snapshot())
    assert made.generation.manifest.reason == "decision"
    assert People.of(collection).find("Ada").person_id.hex() == first
    assert cluster_people(collection, collection.snapshot())[0].unchanged
