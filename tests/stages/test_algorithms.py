"""The algorithm that groups all faces: chosen once, kept, and no way around what users say."""

from __future__ import annotations

import json

import hdbscan
import numpy as np
import pytest
from support.commits import commit, commit_photos, follow, ids_of_people, listed
from support.commits import partition as partition_of
from support.rows import memory_collection
from support.synthetic import partition as sets_of
from support.synthetic import people, unit

from facebatch import tables
from facebatch.collection import Collection, read_clusters
from facebatch.people.edit import merge_people, reject_faces, split_person
from facebatch.stages import cluster_people

SIZES = [12, 9, 7, 5, 1, 1]
EXACT = {"algorithm": "hdbscan"}


@pytest.fixture
def collection() -> Collection:
    """Four people and two strangers to all, grouped by the package."""
    collection = memory_collection()
    commit(collection, "one", people(SIZES, seed=1)[0])
    cluster_people(collection, collection.snapshot(), asked=EXACT)
    return collection


def algorithm_of(collection: Collection) -> str:
    current = collection.current("clusters")
    assert current is not None
    return current.manifest.algorithm


def test_people_are_the_packages_clusters(collection: Collection) -> None:
    current = collection.current("clusters")
    assert current is not None
    _, labels = read_clusters(collection, current)
    embeddings = tables.matrix(collection.snapshot().faces(["embedding"])["embedding"])
    theirs = hdbscan.HDBSCAN(min_cluster_size=3, min_samples=3, algorithm="generic").fit_predict(
        embeddings.astype(np.float64)
    )
    assert labels.max() >= 2
    assert sets_of(labels) == sets_of(theirs)
    assert current.manifest.tree is None
    assert current.manifest.hdbscan
    assert "algorithm" not in current.manifest.gate


def test_the_algorithm_stays_with_the_collection(collection: Collection) -> None:
    for how in ({}, {"asked": EXACT}, {"from_scratch": True}):
        results = cluster_people(collection, collection.snapshot(), **how)  # type: ignore[arg-type]
        assert all(result.unchanged for result in results), how
    before = ids_of_people(collection)
    commit(collection, "two", people(SIZES, seed=1)[0][:3], first=100)
    clusters, _ = cluster_people(collection, collection.snapshot())
    assert not clusters.unchanged
    assert algorithm_of(collection) == "hdbscan"
    assert before <= ids_of_people(collection)
    anew, _ = cluster_people(collection, collection.snapshot(), from_scratch=True)
    assert not anew.unchanged
    assert anew.generation.manifest.hdbscan


def test_another_algorithm_groups_all_faces_anew_and_people_keep_their_ids(
    collection: Collection,
) -> None:
    before = ids_of_people(collection)
    clusters, people_made = cluster_people(
        collection, collection.snapshot(), asked={"algorithm": "graph"}
    )
    assert clusters.generation.manifest.tree == clusters.generation.name
    assert clusters.generation.manifest.hdbscan is None
    assert people_made.generation.manifest.reason == "other settings"
    assert before & ids_of_people(collection)
    cluster_people(collection, collection.snapshot(), asked=EXACT, tau=0.07)
    assert algorithm_of(collection) == "hdbscan"


def test_a_clustering_from_before_there_was_a_choice_is_of_the_graph() -> None:
    collection = memory_collection()
    commit(collection, "one", people(SIZES, seed=1)[0])
    made, _ = cluster_people(collection, collection.snapshot())
    older = {**made.generation.manifest.as_json()}
    del older["algorithm"]
    path = f"{made.generation.folder}/manifest.json"
    collection.storage.write(path, json.dumps(older).encode())
    assert cluster_people(collection, collection.snapshot())[0].unchanged


def test_two_faces_of_one_photo_are_two_people_whatever_hdbscan_says() -> None:
    collection = memory_collection()
    embeddings, _ = people([12, 9], seed=3)
    twice = np.stack([embeddings[0], unit(embeddings[:1] + 1e-3)[0]])
    commit_photos(collection, "one", [twice, *embeddings[1:, None]])
    clusters, _ = cluster_people(collection, collection.snapshot(), asked=EXACT)
    assert clusters.generation.manifest.broke_photo_constraint == 1
    faces = collection.snapshot().faces(["media_id"])["media_id"].to_pylist()
    _, labels = read_clusters(collection, clusters.generation)
    both = [row for row, item in enumerate(faces) if faces.count(item) == 2]
    assert len(both) == 2
    assert len({*labels[both].tolist()}) == 2
    free = {**EXACT, "photo_constraint": False}
    clusters, _ = cluster_people(collection, collection.snapshot(), asked=free)
    _, labels = read_clusters(collection, clusters.generation)
    assert len({*labels[both].tolist()}) == 1


def test_decisions_hold_from_scratch_too(collection: Collection) -> None:
    first, second, third, *_ = listed(follow(collection))
    known = partition_of(follow(collection))
    one, *others = sorted(known[third])
    merge_people(follow(collection), first, [second])
    split_person(follow(collection), third, [one.hex()])
    rejected = sorted(known[first])[0]
    reject_faces(follow(collection), first, [rejected.hex()], no_face=False)
    for how in ({}, {"from_scratch": True}, {"tau": 0.08}):
        found = partition_of(follow(collection, **how))
        assert (known[first] | known[second]) - {rejected} <= found[first], how
        assert rejected not in found[first]
        assert set(others) <= found[third]
        assert one not in found[third]
    assert algorithm_of(collection) == "hdbscan"
