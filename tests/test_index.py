import numpy as np
import pytest
from synthetic import at_angles, people

from facebatch.errors import CollectionError, SpaceMismatch
from facebatch.index import build, from_bytes, search, to_bytes


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
