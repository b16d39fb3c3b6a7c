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
    Cells,
    Neighbors,
    choose,
    contract,
    exact_neighbors,
    find_neighbors,
    gather,
    join,
    neighbors_of_rows,
    propose,
    recall,
)
from facebatch.neighbors import graph_search as module

REACH = 0.094
FLAT = choose(10, 128, 1 << 30)


def all_distances(embeddings):
    rows = embeddings.astype(np.float64)
    distances = ((rows[:, None] - rows[None]) ** 2).sum(axis=-1)
    np.fill_diagonal(distances, np.inf)
    return distances


def assert_equal(one: Neighbors, other: Neighbors) -> None:
    np.testing.assert_array_equal(one.starts, other.starts)
    np.testing.assert_array_equal(one.indices, other.indices)
    np.testing.assert_array_equal(one.distances, other.distances)


def lists(graph: Neighbors) -> list[list[int]]:
    return [part.tolist() for part in np.split(graph.indices, graph.starts[1:-1])]


@examples(6, 30)
@given(n=st.integers(2, 60), k=st.integers(1, 70), seed=st.integers(0, 2**32 - 1))
def test_neighbours_are_those_of_all_pairs(n, k, seed):
    embeddings = unit(np.random.default_rng(seed).standard_normal((n, 16)))
    graph = exact_neighbors(embeddings, k)
    every = all_distances(embeddings)
    nearest = np.sort(every, axis=1)[:, : min(k, n - 1)]
    indices, distances = graph.indices.reshape(n, -1), graph.distances.reshape(n, -1)
    # Two that are as near as float32 can tell may come in either order.
    np.testing.assert_allclose(np.take_along_axis(every, indices, 1), nearest, atol=1e-6)
    np.testing.assert_allclose(distances, nearest, atol=1e-6)
    assert all(len(set(row)) == graph.k for row in indices.tolist())
    assert graph.distances.dtype == np.float32
    assert graph.indices.dtype == np.int32


@examples(6, 30)
@given(k=st.integers(1, 40), reach=st.floats(0.01, 0.4), seed=st.integers(0, 2**32 - 1))
def test_within_a_distance_are_the_first_of_all_neighbours(k, reach, seed):
    embeddings, _ = people([15, 10, 5], seed)
    every = exact_neighbors(embeddings, k)
    near = exact_neighbors(embeddings, k, reach)
    assert_equal(near, every.up_to(reach))
    assert near.k == every.k
    np.testing.assert_array_equal(near.counts, every.counts_within(reach))
    assert (near.distances <= np.float32(reach)).all()
    assert len(near.indices) == (every.distances <= np.float32(reach)).sum()


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
    for row, listed in enumerate(lists(graph)):
        group = range(row // 3 * 3, row // 3 * 3 + 3)
        assert listed == [other for other in group if other != row]


def test_more_duplicates_than_neighbours_never_list_themselves():
    graph = exact_neighbors(np.repeat(at_angles(30), 500, axis=0), 8)
    assert (graph.indices != graph.askers).all()
    assert (graph.distances == 0).all()
    assert all(len(set(listed)) == 8 for listed in lists(graph))


def test_equal_distances_are_ordered_by_row():
    graph = exact_neighbors(np.eye(6, dtype=np.float32), 5)
    assert lists(graph) == [[j for j in range(6) if j != i] for i in range(6)]


def test_both_ends_of_a_link_see_the_same_distance():
    embeddings, _ = people([40] * 5, seed=2)
    graph = exact_neighbors(embeddings, 199)
    matrix = np.zeros((200, 200), np.float32)
    matrix[graph.askers, graph.indices] = graph.distances
    np.testing.assert_array_equal(matrix, matrix.T)


def test_distances_of_near_duplicates_are_exact():
    # 2 - 2 * similarity in float32 has an error of about 1e-7, a third of this distance.
    embeddings = at_angles(0, 0.03)
    graph = exact_neighbors(embeddings, 1)
    assert graph.distances[0] == pytest.approx(d2_of_angle(0.03), rel=1e-3)


@examples(4, 20)
@given(cuts=st.lists(st.integers(0, 90), max_size=4))
def test_any_division_into_shards_gives_the_same_graph(cuts):
    embeddings, _ = people([30, 40, 20], seed=3)
    ends = [0, *sorted(cuts), 90]
    shards = [
        neighbors_of_rows(embeddings, np.arange(start, stop), 10, np.inf, FLAT)
        for start, stop in pairwise(ends)
    ]
    assert_equal(join(shards, 10), exact_neighbors(embeddings, 10))


def test_block_size_changes_nothing(monkeypatch):
    embeddings, _ = people([30, 40, 20], seed=4)
    at_once = exact_neighbors(embeddings, 10)
    monkeypatch.setattr(module, "BLOCK_ROWS", 7)
    monkeypatch.setattr(module, "_ROWS_AT_ONCE", 11)
    assert_equal(exact_neighbors(embeddings, 10), at_once)


def test_first_keeps_the_nearest():
    graph = exact_neighbors(at_angles(0, 10, 25, 60), 3)
    assert lists(graph.first(2)) == [[1, 2], [0, 2], [1, 0], [2, 1]]
    assert graph.first(2).k == 2
    assert graph.first(9).k == 3


@examples(6, 30)
@given(seed=st.integers(0, 2**32 - 1))
def test_parts_in_any_order_make_the_whole(seed):
    embeddings, _ = people([20, 15, 5], seed=3)
    graph = exact_neighbors(embeddings, 12, 0.2)
    order = np.random.default_rng(seed).permutation(40)
    parts = [(rows, graph.take(rows)) for rows in np.split(order, [7, 7, 25])]
    assert_equal(gather(parts, 40, 12), graph)


def joined(blocks, k):
    return join([block.within(np.inf) for block in blocks], k)


def test_contracted_graph_is_the_graph_of_the_representatives():
    embeddings, _ = people([25] * 4, seed=5)
    representatives = np.arange(100, dtype=np.int32) // 3 * 3
    blocks = contract(exact_neighbors(embeddings, 99), embeddings, representatives)
    assert_equal(joined(blocks, 33), exact_neighbors(embeddings[::3], 33))


def test_a_face_without_neighbours_has_none_when_contracted():
    graph = exact_neighbors(at_angles(0, 1, 90), 2, d2_of_angle(5))
    blocks = contract(graph, at_angles(0, 1, 90), np.arange(3, dtype=np.int32))
    assert lists(joined(blocks, 2)) == [[1], [0], []]


def test_k_below_one_is_refused():
    with pytest.raises(ValueError, match="at least 1"):
        exact_neighbors(at_angles(0, 90), 0)


@pytest.mark.parametrize("value", [np.nan, 2.0, 0.0])
def test_embedding_without_unit_length_is_named(value):
    embeddings = at_angles(0, 30, 60)
    embeddings[1] = value
    with pytest.raises(CollectionError, match="embedding 1 has length"):
        exact_neighbors(embeddings, 1)


def in_cells(n, probes):
    return replace(choose(100_000, 128, 1 << 30), rows=n, lists=16, probes=probes)


def test_small_collections_are_compared_in_full_and_large_ones_in_cells():
    assert choose(50_000, 128, 1 << 40).kind == "flat"
    plan = choose(1_000_000, 128, 8 << 30)
    assert (plan.kind, plan.half, plan.lists, plan.probes) == ("ivf", True, 4096, 64)
    assert plan.reasons
    assert "only 1,024 are free" in choose(1_000_000, 128, 1024).reasons[-1]


def test_few_faces_are_compared_with_many_rather_than_parting_these():
    assert choose(1_000_000, 128, 8 << 30, asked=4096).kind == "flat"
    assert choose(1_000_000, 128, 8 << 30, asked=4097).kind == "ivf"


def test_cells_grow_with_the_root_of_the_faces_up_to_a_limit():
    assert choose(10_000_000, 128, 1 << 40).lists == 16_384
    plans = [choose(n, 128, 1 << 40) for n in (10**8, 10**9)]
    assert [plan.lists for plan in plans] == [65_536, 65_536]
    assert {plan.probes for plan in plans} == {64}


@pytest.mark.parametrize("reach", [np.inf, REACH])
def test_looking_through_every_cell_finds_what_all_pairs_give(reach):
    embeddings, _ = people([30] * 10, seed=6)
    found = find_neighbors(embeddings, 20, reach, in_cells(300, 16), seed=1)
    assert_equal(found, exact_neighbors(embeddings, 20, reach))


def test_rows_that_are_of_length_1_only_nearly_miss_none_within_reach():
    # A similarity says less then: half a thousandth of length is a d2 of .002 at the edge.
    embeddings, _ = people([30] * 10, seed=6)
    embeddings *= np.random.default_rng(1).uniform(0.9992, 1.0008, (300, 1)).astype(np.float32)
    found = find_neighbors(embeddings, 299, REACH, in_cells(300, 16), seed=1)
    near = all_distances(embeddings) <= REACH
    assert [sorted(listed) for listed in lists(found)] == [
        np.flatnonzero(row).tolist() for row in near
    ]


def test_graph_does_not_depend_on_threads(monkeypatch):
    monkeypatch.setattr(module, "BLOCK_ROWS", 50)
    embeddings, _ = people([30] * 10, seed=6)
    plan = in_cells(300, 2)
    graph = find_neighbors(embeddings, 20, REACH, plan, seed=1)
    assert_equal(graph, find_neighbors(embeddings, 20, REACH, plan, seed=1, threads=3))


@pytest.mark.parametrize("plan", [FLAT, in_cells(200, 16)])
def test_some_rows_among_some_find_what_all_pairs_of_these_give(plan):
    embeddings, _ = people([30] * 10, seed=6)
    among = np.flatnonzero(np.arange(300) % 3)
    asked = np.array([7, 4, 100, 299, 1])
    found = neighbors_of_rows(embeddings, asked, 20, REACH, plan, among=among)
    alone = exact_neighbors(embeddings[among], 20, REACH).take(np.searchsorted(among, asked))
    assert_equal(replace(found, indices=np.searchsorted(among, found.indices)), alone)


def test_a_cell_of_many_duplicates_is_not_read_as_a_whole():
    halves = np.tile(np.float16([0.6, 0.8]), (20_000, 1))
    cells = Cells(np.float32([[0.6, 0.8]]), np.array([0, len(halves)]), 1)
    read = []

    def vectors(start, stop):
        read.append((start, stop))
        return halves[start:stop]

    found = propose(cells, vectors, 0, 3, 5, REACH)
    assert (found >= 0).all()
    assert all(len(set(row)) == len(row) for row in found.tolist())
    assert max(stop - start for start, stop in read) < len(halves) // 2
    assert all(one[1] == other[0] for one, other in pairwise(read[1:]))
    assert (read[1][0], read[-1][1]) == (0, len(halves))


def test_recall_counts_what_the_cells_missed():
    embeddings, _ = people([30] * 10, seed=7)
    graph = find_neighbors(embeddings, 299, REACH, in_cells(300, 1), seed=1)
    exact = exact_neighbors(embeddings, 299, REACH)
    found = recall(embeddings, graph, REACH, sample=300)
    assert found.within_reach == pytest.approx(len(graph.indices) / len(exact.indices))
    assert found.within_reach < 1


def test_a_link_that_one_end_lists_is_found():
    embeddings, _ = people([30] * 4, seed=8)
    graph = exact_neighbors(embeddings, 119, REACH)
    lower = graph.indices < graph.askers
    starts = np.concatenate([[0], np.cumsum(np.bincount(graph.askers[lower], minlength=120))])
    half = Neighbors(starts, graph.indices[lower], graph.distances[lower], 119)
    assert recall(embeddings, half, REACH).within_reach == 1.0


def test_a_link_that_neither_end_lists_is_missed_however_full_the_other_list_is():
    # Each of the crowd has nearer neighbours than the face beside it, which lists some of them.
    angles = [*np.linspace(0, 1, 30), 10]
    embeddings = at_angles(*angles)
    exact = exact_neighbors(embeddings, 10, REACH)
    assert recall(embeddings, exact, REACH).within_reach == 1.0
    assert exact.counts[30] == 10
    lost = replace(
        exact,
        starts=np.append(exact.starts[:-1], exact.starts[-2]),
        indices=exact.indices[:-10],
        distances=exact.distances[:-10],
    )
    assert recall(embeddings, lost, REACH).within_reach == pytest.approx(300 / 310)


def test_recall_of_the_exact_graph_is_one():
    embeddings, _ = people([30] * 4, seed=8)
    found = recall(embeddings, exact_neighbors(embeddings, 64), reach=0.09, sample=50)
    assert (found.within_reach, found.sample, found.k) == (1.0, 50, 64)


@pytest.mark.parametrize("n", [0, 1])
def test_recall_of_no_neighbours_is_one(n):
    embeddings = np.ones((n, 1), np.float32)
    assert recall(embeddings, exact_neighbors(embeddings, 3), 0.09).within_reach == 1.0
