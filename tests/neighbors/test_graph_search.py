from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples
from support.synthetic import at_angles, d2_of_angle, people, unit

from facebatch.errors import CollectionError
from facebatch.neighbors import (
    Neighbors,
    choose,
    contract,
    exact_neighbors,
    find_neighbors,
    join,
    neighbors_of_rows,
    query_order,
    recall,
)
from facebatch.neighbors import graph_search as module
from facebatch.neighbors.index import build


def all_distances(embeddings):
    rows = embeddings.astype(np.float64)
    distances = ((rows[:, None] - rows[None]) ** 2).sum(axis=-1)
    np.fill_diagonal(distances, np.inf)
    return distances


def assert_equal(one: Neighbors, other: Neighbors) -> None:
    np.testing.assert_array_equal(one.indices, other.indices)
    np.testing.assert_array_equal(one.distances, other.distances)


@examples(6, 30)
@given(n=st.integers(2, 60), k=st.integers(1, 70), seed=st.integers(0, 2**32 - 1))
def test_neighbours_are_those_of_all_pairs(n, k, seed):
    embeddings = unit(np.random.default_rng(seed).standard_normal((n, 16)))
    graph = exact_neighbors(embeddings, k)
    every = all_distances(embeddings)
    nearest = np.sort(every, axis=1)[:, : min(k, n - 1)]
    # Two that are as near as float32 can tell may come in either order.
    np.testing.assert_allclose(np.take_along_axis(every, graph.indices, 1), nearest, atol=1e-6)
    np.testing.assert_allclose(graph.distances, nearest, atol=1e-6)
    assert all(len(set(row)) == graph.k for row in graph.indices.tolist())
    assert graph.distances.dtype == np.float32
    assert graph.indices.dtype == np.int32


@pytest.mark.parametrize("n", [0, 1])
def test_too_few_faces_have_no_neighbours(n):
    graph = exact_neighbors(np.ones((n, 1), np.float32), 64)
    assert len(graph) == n
    assert graph.k == 0


def test_exact_duplicates_list_each_other_and_never_themselves():
    embeddings, _ = people([30], seed=1)
    embeddings = np.repeat(embeddings, 3, axis=0)
    graph = exact_neighbors(embeddings, 2)
    assert (graph.distances == 0).all()
    for row, listed in enumerate(graph.indices.tolist()):
        group = range(row // 3 * 3, row // 3 * 3 + 3)
        assert listed == [other for other in group if other != row]


def test_more_duplicates_than_neighbours_never_list_themselves():
    graph = exact_neighbors(np.repeat(at_angles(30), 500, axis=0), 8)
    assert (graph.indices != np.arange(500)[:, None]).all()
    assert (graph.distances == 0).all()
    assert all(len(set(listed)) == 8 for listed in graph.indices.tolist())


def test_equal_distances_are_ordered_by_row():
    graph = exact_neighbors(np.eye(6, dtype=np.float32), 5)
    assert graph.indices.tolist() == [[j for j in range(6) if j != i] for i in range(6)]


def test_both_ends_of_a_link_see_the_same_distance():
    embeddings, _ = people([40] * 5, seed=2)
    graph = exact_neighbors(embeddings, 199)
    matrix = np.zeros((200, 200), np.float32)
    np.put_along_axis(matrix, graph.indices, graph.distances, axis=1)
    np.testing.assert_array_equal(matrix, matrix.T)


def test_distances_of_near_duplicates_are_exact():
    # 2 - 2 * similarity in float32 has an error of about 1e-7, a third of this distance.
    embeddings = at_angles(0, 0.03)
    graph = exact_neighbors(embeddings, 1)
    assert graph.distances[0, 0] == pytest.approx(d2_of_angle(0.03), rel=1e-3)


@examples(4, 20)
@given(cuts=st.lists(st.integers(0, 90), max_size=4))
def test_any_division_into_shards_gives_the_same_graph(cuts):
    embeddings, _ = people([30, 40, 20], seed=3)
    index = build(embeddings)
    ends = [0, *sorted(cuts), 90]
    shards = [
        neighbors_of_rows(index, embeddings, range(start, stop), 10)
        for start, stop in pairwise(ends)
    ]
    assert_equal(join(shards), exact_neighbors(embeddings, 10))


def test_block_size_changes_nothing(monkeypatch):
    embeddings, _ = people([30, 40, 20], seed=4)
    at_once = exact_neighbors(embeddings, 10)
    monkeypatch.setattr(module, "BLOCK_ROWS", 7)
    assert_equal(exact_neighbors(embeddings, 10), at_once)


def test_first_keeps_the_nearest():
    graph = exact_neighbors(at_angles(0, 10, 25, 60), 3)
    assert graph.first(2).indices.tolist() == [[1, 2], [0, 2], [1, 0], [2, 1]]
    assert graph.first(9).k == 3


def test_contracted_graph_is_the_graph_of_the_representatives():
    embeddings, _ = people([25] * 4, seed=5)
    representatives = np.arange(100, dtype=np.int32) // 3 * 3
    contracted = join([*contract(exact_neighbors(embeddings, 99), embeddings, representatives)])
    wanted = exact_neighbors(embeddings[::3], 33)
    np.testing.assert_array_equal(contracted.indices[:, :33], wanted.indices)
    np.testing.assert_array_equal(contracted.distances[:, :33], wanted.distances)
    assert np.isinf(contracted.distances[:, 33:]).all()


def test_missing_neighbours_stay_missing_when_contracted():
    # What stands in a place of infinite distance means nothing, however near that face is.
    distances = np.array([[2.0, np.inf], [2.0, np.inf], [2.0, np.inf]], np.float32)
    graph = Neighbors(distances, np.array([[2, 1], [2, 0], [0, 1]], np.int32))
    contracted = join([*contract(graph, at_angles(0, 1, 90), np.arange(3, dtype=np.int32))])
    assert contracted.indices[:, 0].tolist() == [2, 2, 0]
    assert np.isinf(contracted.distances[:, 1]).all()


def test_k_below_one_is_refused():
    with pytest.raises(ValueError, match="at least 1"):
        exact_neighbors(at_angles(0, 90), 0)


@pytest.mark.parametrize("value", [np.nan, 2.0, 0.0])
def test_embedding_without_unit_length_is_named(value):
    embeddings = at_angles(0, 30, 60)
    embeddings[1] = value
    with pytest.raises(CollectionError, match="embedding 1 has length"):
        exact_neighbors(embeddings, 1)


def in_lists(n, probes):
    return replace(choose(100_000, 128, 1 << 30), rows=n, lists=16, probes=probes)


def test_small_collections_are_compared_in_full_and_large_ones_in_lists():
    assert choose(50_000, 128, 1 << 40).kind == "flat"
    plan = choose(1_000_000, 128, 8 << 30)
    assert (plan.kind, plan.half, plan.lists) == ("ivf", True, 4096)
    assert plan.reasons
    assert "only 1,024 are free" in choose(1_000_000, 128, 1024).reasons[0]


def test_looking_through_every_list_finds_what_all_pairs_give():
    embeddings, _ = people([30] * 10, seed=6)
    assert_equal(
        find_neighbors(embeddings, 20, in_lists(300, 16), seed=1), exact_neighbors(embeddings, 20)
    )


def test_graph_does_not_depend_on_threads_or_shards(monkeypatch):
    monkeypatch.setattr(module, "BLOCK_ROWS", 50)
    embeddings, _ = people([30] * 10, seed=6)
    plan = in_lists(300, 2)
    graph = find_neighbors(embeddings, 20, plan, seed=1)
    assert_equal(graph, find_neighbors(embeddings, 20, plan, seed=1, threads=3))
    index = build(embeddings, plan, seed=1)
    order = query_order(index)
    shards = [neighbors_of_rows(index, embeddings, order[a : a + 100], 20) for a in (0, 100, 200)]
    whole = join(shards)
    np.testing.assert_array_equal(whole.indices, graph.indices[order])
    np.testing.assert_array_equal(whole.distances, graph.distances[order])


def test_every_face_is_asked_for_once():
    embeddings, _ = people([30] * 10, seed=6)
    order = query_order(build(embeddings, in_lists(300, 2), seed=1))
    assert sorted(order.tolist()) == list(range(300))


def test_recall_counts_what_the_lists_missed():
    embeddings, _ = people([30] * 10, seed=7)
    graph = find_neighbors(embeddings, 20, in_lists(300, 1), seed=1)
    exact = exact_neighbors(embeddings, 20)
    found = recall(embeddings, graph, reach=0.09, sample=300)
    listed = np.where(np.isinf(graph.distances), -1, graph.indices)
    hits = (exact.indices[:, :, None] == listed[:, None, :]).any(axis=2)
    assert found.at_k == pytest.approx(hits.mean())
    assert found.within_reach == pytest.approx(hits[exact.distances <= 0.09].mean())
    assert found.at_k < 1


def test_recall_of_the_exact_graph_is_one():
    embeddings, _ = people([30] * 4, seed=8)
    found = recall(embeddings, exact_neighbors(embeddings, 64), reach=0.09, sample=50)
    assert (found.at_k, found.within_reach, found.sample, found.k) == (1.0, 1.0, 50, 64)


@pytest.mark.parametrize("n", [0, 1])
def test_recall_of_no_neighbours_is_one(n):
    embeddings = np.ones((n, 1), np.float32)
    assert recall(embeddings, exact_neighbors(embeddings, 3), 0.09).at_k == 1.0
