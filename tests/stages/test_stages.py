"""The stages after extraction: generations, what they skip, and people over time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.commits import CHIP, commit, ids_of_people
from support.generations import read_people
from support.rows import memory_collection
from support.synthetic import people

from facebatch import tables
from facebatch.collection import Collection, generation_name, read_clusters
from facebatch.collection.generations import GENERATIONS_KEPT
from facebatch.errors import CollectionError
from facebatch.neighbors import index
from facebatch.people import Clustering
from facebatch.people.edit import People, hide_person
from facebatch.stages import build_index, cluster_people
from facebatch.stages.clusters import Base, ClusteringRequest, Task, cluster
from facebatch.stages.common import StoredEmbeddings

SIZES = [12, 9, 7, 5, 1, 1]


@pytest.fixture
def collection() -> Collection:
    return memory_collection()


def test_the_index_finds_each_face_at_its_own_row(collection: Collection) -> None:
    embeddings, _ = people(SIZES, seed=1)
    commit(collection, "one", embeddings)
    made = build_index(collection, collection.snapshot()).generation
    rows = tables.read(collection.storage, f"{made.folder}/ids.parquet", "ids")
    searched = index.from_bytes(collection.storage.read(f"{made.folder}/faces.index"))
    faces = collection.snapshot().faces(["face_id", "embedding"])
    assert rows["face_id"].to_pylist() == faces["face_id"].to_pylist()
    _, nearest = index.search(searched, tables.matrix(faces["embedding"]), 1)
    assert nearest[:, 0].tolist() == list(range(len(faces)))


@pytest.mark.parametrize("rows", [[], [3], [30, 2, 2, 17], list(range(34, -1, -1))])
def test_embeddings_of_some_rows_are_theirs_however_they_are_read(
    collection: Collection, rows: list[int]
) -> None:
    commit(collection, "one", people(SIZES, seed=1)[0][:20])
    commit(collection, "two", people(SIZES, seed=1)[0][20:], first=20)
    snapshot = collection.snapshot()
    stored = StoredEmbeddings(collection, snapshot, snapshot.listed)
    wanted = tables.matrix(snapshot.faces(["embedding"])["embedding"])[rows]
    numbers = np.array(rows, np.int64)
    for _ in range(2):
        np.testing.assert_array_equal(stored.read(numbers), wanted)
        np.testing.assert_array_equal(stored[numbers], wanted)
        assert len(stored.all) == len(stored) == sum(SIZES)


def test_a_stage_whose_faces_are_unchanged_does_nothing(collection: Collection) -> None:
    embeddings, _ = people(SIZES, seed=1)
    commit(collection, "one", embeddings)
    snapshot = collection.snapshot()
    first = build_index(collection, snapshot), *cluster_people(collection, snapshot)
    again = build_index(collection, snapshot), *cluster_people(collection, snapshot)
    assert not any(result.unchanged for result in first)
    assert all(result.unchanged for result in again)
    assert [a.generation.name for a in again] == [f.generation.name for f in first]


def test_new_photos_keep_the_people_and_their_tau(collection: Collection) -> None:
    embeddings, _ = people(SIZES, seed=1)
    commit(collection, "one", embeddings[:25])
    first, _ = cluster_people(collection, collection.snapshot())
    before = ids_of_people(collection)
    commit(collection, "two", embeddings[25:], first=25)
    second, _ = cluster_people(collection, collection.snapshot())
    assert not second.unchanged
    assert len(before) >= 3
    assert before <= ids_of_people(collection)
    assert second.generation.manifest.config == first.generation.manifest.config


def test_clusters_of_a_run_that_another_overtook_are_nobodys_base(collection: Collection) -> None:
    embeddings, _ = people(SIZES, seed=1)
    commit(collection, "one", embeddings)
    first, made = cluster_people(collection, collection.snapshot())
    hide_person(People.of(collection), min(ids_of_people(collection)).hex())
    snapshot = collection.snapshot()
    labels = read_clusters(collection, first.generation)
    known = Clustering(*labels, read_people(collection, made.generation))
    base = Base(first.generation, known)
    overtaken = Task.of(collection, snapshot, ClusteringRequest(), base)
    anew, _ = cluster_people(collection, snapshot, from_scratch=True)
    lost = cluster(overtaken).generation
    newest = collection.current("clusters")
    assert newest is not None
    assert newest.name == lost.name
    again, _ = cluster_people(collection, snapshot)
    assert anew.generation.name in again.generation.manifest.parents
    assert again.generation.manifest.config == anew.generation.manifest.config
    assert cluster_people(collection, snapshot)[0].unchanged


def test_another_tau_starts_a_line_of_its_own_and_carries_people_over(
    collection: Collection,
) -> None:
    embeddings, _ = people(SIZES, seed=1)
    commit(collection, "one", embeddings)
    cluster_people(collection, collection.snapshot())
    before = ids_of_people(collection)
    tight, _ = cluster_people(collection, collection.snapshot(), tau=0.07)
    assert tight.generation.manifest.tau == 0.07
    assert cluster_people(collection, collection.snapshot())[0].unchanged
    assert ids_of_people(collection) & before
    anew, _ = cluster_people(collection, collection.snapshot(), from_scratch=True)
    assert anew.generation.manifest.tau > 0.07
    # Whom the tight cut dispersed has no faces to be known by again; the others are the same.
    assert len(ids_of_people(collection) & before) >= len(before) - 1


def test_choosing_tau_anew_is_advised_once_the_faces_have_doubled(collection: Collection) -> None:
    embeddings, _ = people([10] * 6, seed=2)
    commit(collection, "one", embeddings[:30])
    first, _ = cluster_people(collection, collection.snapshot())
    commit(collection, "two", embeddings[30:], first=30)
    second, _ = cluster_people(collection, collection.snapshot())
    third, _ = cluster_people(collection, collection.snapshot(), from_scratch=True)
    advised = [made.as_json()["from_scratch_advised"] for made in (first, second, third)]
    assert advised == [False, True, False]


def test_people_are_described_by_their_faces(collection: Collection) -> None:
    embeddings, _ = people([9, 9], seed=3)
    commit(collection, "one", embeddings)
    clusters, made = cluster_people(collection, collection.snapshot())
    face_ids, labels = read_clusters(collection, clusters.generation)
    path = f"{made.generation.folder}/people.parquet"
    rows = tables.read(collection.storage, path, "people").to_pylist()
    by_id = dict(zip((face.tobytes() for face in face_ids), labels.tolist(), strict=True))
    faces = collection.snapshot().faces(["embedding"])
    vectors = tables.matrix(faces["embedding"])
    for row in rows:
        mine = vectors[labels == row["cluster"]]
        assert row["faces"] == row["media"] == len(mine)
        assert by_id[row["cover_face_id"]] == row["cluster"]
        pairs = [((a - b) ** 2).sum() for n, a in enumerate(mine) for b in mine[:n]]
        assert row["spread"] == pytest.approx(np.mean(pairs), rel=1e-4)


@pytest.mark.parametrize(
    "poor", [{"size": [19.9] * 9}, {"score": [0.89] * 9}, {"shift": [0.45 * CHIP] * 9}]
)
def test_poor_faces_are_nobodys(collection: Collection, poor: dict[str, list[float]]) -> None:
    good, _ = people([9, 9], seed=3)
    alike = np.repeat(good[:1], 9, axis=0)
    commit(collection, "good", good)
    commit(collection, "poor", alike, first=len(good), **poor)
    clusters, made = cluster_people(collection, collection.snapshot())
    assert clusters.generation.manifest.below_gate == 9
    assert made.generation.manifest.active == 2
    _, labels = read_clusters(collection, clusters.generation)
    assert (labels < 0).sum() >= 9
    assert clusters.generation.manifest.largest <= 9


@pytest.mark.parametrize(
    "middling", [{"size": [27.9] * 9}, {"score": [0.94] * 9}, {"shift": [0.3 * CHIP] * 9}]
)
def test_middling_faces_found_nobody_and_join_whom_they_resemble(
    collection: Collection, middling: dict[str, list[float]]
) -> None:
    embeddings, truth = people([9, 9], seed=3)
    commit(collection, "middling", embeddings[truth == 1], first=50, **middling)
    cluster_people(collection, collection.snapshot())
    assert ids_of_people(collection) == set()
    commit(collection, "good", embeddings[truth == 0])
    commit(collection, "also middling", embeddings[truth == 0], first=100, **middling)
    clusters, made = cluster_people(collection, collection.snapshot())
    assert made.generation.manifest.active == 1
    figures = clusters.as_json()
    assert figures["largest"] == 2 * figures["joined_by_vote"] > 10
    assert figures["unclustered"] == figures["alone"] == 27 - figures["largest"]


def test_people_survive_clusterings_that_were_cut_off_before_their_people(
    collection: Collection,
) -> None:
    embeddings, _ = people(SIZES, seed=1)
    commit(collection, "one", embeddings)
    cluster_people(collection, collection.snapshot())
    before = ids_of_people(collection)
    newest = collection.current("clusters")
    assert newest is not None
    # What a run leaves that is killed between its clusters and its people, several nights long.
    for _ in range(GENERATIONS_KEPT + 1):
        newest = replace(newest, name=generation_name(newest))
        rows = tables.from_rows("clusters", [])
        path = f"{newest.folder}/clusters.parquet"
        tables.write(collection.storage, path, "clusters", rows, collection.fingerprint)
        collection.finish(newest)
    cluster_people(collection, collection.snapshot(), tau=0.089)
    assert ids_of_people(collection) == before


@pytest.mark.parametrize("n", [0, 1, 2])
def test_hardly_any_faces_make_no_trouble(collection: Collection, n: int) -> None:
    embeddings, _ = people([1, 1], seed=1)
    commit(collection, "one", embeddings[:n])
    snapshot = collection.snapshot()
    assert build_index(collection, snapshot).generation.manifest.faces == n
    _, made = cluster_people(collection, snapshot)
    assert made.generation.manifest.active == 0


def test_only_the_last_generations_are_kept(collection: Collection) -> None:
    embeddings, _ = people(SIZES, seed=1)
    for number, embedding in enumerate(embeddings[: GENERATIONS_KEPT + 2]):
        commit(collection, str(number), embedding[None], first=number)
        build_index(collection, collection.snapshot())
    assert len(collection.generations("index")) == GENERATIONS_KEPT
    current = collection.current("index")
    assert current is not None
    assert current.manifest.faces == GENERATIONS_KEPT + 2


def test_a_damaged_generation_says_which_file(collection: Collection) -> None:
    embeddings, _ = people(SIZES, seed=1)
    commit(collection, "one", embeddings)
    clusters, _ = cluster_people(collection, collection.snapshot())
    path = f"{clusters.generation.folder}/clusters.parquet"
    collection.storage.write(path, b"no parquet")
    with pytest.raises(CollectionError, match=r"clusters\.parquet"):
        read_clusters(collection, clusters.generation)
