import functools
from dataclasses import replace
from itertools import pairwise

import faiss
import numpy as np
import pytest
from support.synthetic import at_angles, people

from facebatch.errors import CollectionError, SpaceMismatch
from facebatch.neighbors.index import (
    build,
    choose,
    effort,
    from_bytes,
    merge,
    read,
    recall,
    search,
    shard,
    to_bytes,
    train,
    tune,
    write,
)
from facebatch.storage.store import Storage

KINDS = ["flat", "ivf", "hnsw", "ivfpq"]


@pytest.fixture(scope="module")
def faces():
    return people([20] * 30 + [1] * 400, seed=5)[0]


@pytest.fixture(scope="module")
def built(faces):
    """The index of the faces by its kind, built once a kind."""
    return functools.cache(lambda kind: build(faces, planned(kind, faces), seed=1))


def planned(kind, rows, **changes):
    return replace(choose(len(rows), rows.shape[1], 1 << 30, kind=kind), **changes)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_finds_a_face_itself_first(faces, built, kind):
    similarity, rows = search(built(kind), faces[:100], 3)
    assert (rows[:, 0] == np.arange(100)).mean() > 0.98
    # Half precision, which candidates are compared in again, has eleven bits.
    np.testing.assert_allclose(similarity[:, 0], 1, atol=2e-3)


@pytest.mark.parametrize("kind", ["flat", "ivf", "ivfpq"])
def test_shards_merge_into_the_index_built_at_once(faces, kind):
    plan = planned(kind, faces)
    trained = train(faces, plan, seed=3)
    cuts = [0, 300, 700, len(faces)]
    shards = [shard(trained, faces[a:b], a) for a, b in pairwise(cuts)]
    assert trained.ntotal == 0
    merged = merge(trained, shards)
    assert merged.ntotal == len(faces)
    at_once = build(faces, plan, seed=3)
    for one, other in zip(
        search(merged, faces[:50], 5), search(at_once, faces[:50], 5), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_index_does_not_depend_on_the_threads(faces):
    plan = planned("ivf", faces)
    before = faiss.omp_get_max_threads()
    built = []
    for threads in (1, 3):
        faiss.omp_set_num_threads(threads)
        built.append(to_bytes(build(faces, plan, seed=2)))
    faiss.omp_set_num_threads(before)
    assert built[0] == built[1]
    assert built[0] != to_bytes(build(faces, plan, seed=4))


def test_recall_is_one_where_everything_is_compared(faces):
    found = recall(build(faces), faces, sample=200)
    assert (found.at_1, found.at_10, found.sample) == (1.0, 1.0, 200)


def test_recall_is_what_a_search_finds_of_the_others(faces):
    index = build(faces, planned("ivf", faces, lists=32, probes=1), seed=1)
    found = recall(index, faces, sample=len(faces))
    similarity = faces @ faces.T
    np.fill_diagonal(similarity, -1)
    truth = np.argsort(-similarity, axis=1)[:, :10]
    rows = search(index, faces, 11)[1]
    hits = [
        [t in set(got.tolist()) - {row} for t in wanted]
        for row, (wanted, got) in enumerate(zip(truth.tolist(), rows, strict=True))
    ]
    assert found.at_10 == pytest.approx(np.mean(hits), abs=2e-3)
    assert found.at_1 == pytest.approx(np.mean([row[0] for row in hits]), abs=2e-3)
    assert found.at_10 < 0.9


def test_tuning_looks_further_until_enough_is_found(faces):
    index = build(faces, planned("ivf", faces, lists=64, probes=1), seed=1)
    before = recall(index, faces, 300)
    after = tune(index, faces, wanted=before.at_10 + 0.05, sample=300)
    assert after.at_10 >= before.at_10 + 0.05
    assert 1 < effort(index) <= 16
    assert after == recall(index, faces, 300)


def test_tuning_ends_where_more_would_not_be_faster_than_everything(faces):
    index = build(faces, planned("ivf", faces, lists=64, probes=1), seed=1)
    assert tune(index, faces, wanted=1.1, sample=100).at_10 < 1
    assert effort(index) == 16


@pytest.mark.parametrize("n", [0, 1])
def test_recall_of_too_few_faces_is_one(n):
    rows = np.ones((n, 1), np.float32)
    assert recall(build(rows), rows).at_10 == 1.0


@pytest.mark.parametrize("kind", KINDS)
def test_index_file_is_opened_where_it_lies(faces, built, kind, tmp_path):
    index = built(kind)
    storage = Storage(str(tmp_path))
    write(index, storage, "faces.index")
    assert storage.read("faces.index") == to_bytes(index)
    opened = read(storage, "faces.index", 128)
    assert effort(opened) == effort(index)
    for before, after in zip(
        search(index, faces[:20], 7), search(opened, faces[:20], 7), strict=True
    ):
        np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("kind", KINDS)
def test_cut_off_index_file_is_a_collection_error(built, kind, tmp_path):
    storage = Storage(str(tmp_path))
    storage.write("faces.index", to_bytes(built(kind))[:-100])
    with pytest.raises(CollectionError, match="build the index again"):
        read(storage, "faces.index")


def test_missing_index_file_is_a_collection_error(tmp_path):
    with pytest.raises(CollectionError, match=r"faces\.index can't be read"):
        read(Storage(str(tmp_path)), "faces.index")


def test_lists_that_hold_fewer_rows_than_wanted_leave_places_empty(faces):
    index = build(faces, planned("ivf", faces, lists=64, probes=1), seed=1)
    similarity, rows = search(index, faces[:5], 900)
    assert (rows[:, -1] == -1).all()
    assert np.isneginf(similarity[rows == -1]).all()
    assert (np.diff(np.where(rows >= 0, similarity, -2), axis=1) <= 0).all()


def test_search_gives_cosine_similarity_most_similar_first():
    similarity, rows = search(build(at_angles(0, 60, 90)), at_angles(50), 3)
    assert rows.tolist() == [[1, 2, 0]]
    np.testing.assert_allclose(similarity, [np.cos(np.deg2rad([10, 40, 50]))], atol=1e-6)


def test_equal_similarities_are_ordered_by_row():
    _, rows = search(build(np.repeat(at_angles(10, 20), 4, axis=0)), at_angles(20), 8)
    assert rows.tolist() == [[4, 5, 6, 7, 0, 1, 2, 3]]


def test_k_is_clipped_to_the_size_of_the_index():
    assert search(build(at_angles(0, 1)), at_angles(0), 64)[1].shape == (1, 2)


def test_empty_index_finds_nothing():
    similarity, rows = search(build(np.empty((0, 2), np.float32)), at_angles(0, 1), 5)
    assert similarity.shape == rows.shape == (2, 0)


def test_no_queries_find_nothing():
    assert search(build(at_angles(0, 1)), np.empty((0, 2), np.float32), 2)[1].shape == (0, 2)


def test_queries_of_another_dimension_are_refused():
    with pytest.raises(SpaceMismatch, match=r"3 dimensions .* index of 2"):
        search(build(at_angles(0)), np.eye(3, dtype=np.float32), 1)


def test_stored_index_answers_as_before():
    embeddings, _ = people([10, 20], seed=1)
    index = build(embeddings)
    restored = from_bytes(to_bytes(index), dimension=128)
    for before, after in zip(
        search(index, embeddings, 7), search(restored, embeddings, 7), strict=True
    ):
        np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("damage", [lambda d: b"", lambda d: d[:-5], lambda d: b"photo" + d])
def test_damaged_index_is_a_collection_error(damage):
    data = damage(to_bytes(build(at_angles(0, 1))))
    with pytest.raises(CollectionError, match="build it again"):
        from_bytes(data)


def test_index_of_another_dimension_is_refused():
    index = build(at_angles(0, 1))
    with pytest.raises(SpaceMismatch, match="holds 2 dimensions where 128"):
        from_bytes(to_bytes(index), dimension=128)
