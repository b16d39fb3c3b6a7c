from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from support.synthetic import TAU, at_angles, people

from facebatch import ids, tables
from facebatch.cluster import ClusterSettings, cluster_faces
from facebatch.cluster.tree import cut, from_tables, grow, to_tables
from facebatch.errors import UsageError
from facebatch.neighbors import exact_neighbors
from facebatch.storage.store import Storage

SETTINGS = ClusterSettings(TAU)
ALBUM = [60, 40, 30, 20, 15, 10, 8, 6, 5, 4, 3, 3, 2, 2, 2] + [1] * 80


@pytest.fixture(scope="module")
def album():
    embeddings, truth = people(ALBUM, seed=1)
    return embeddings, exact_neighbors(embeddings, 64), truth


@pytest.mark.parametrize("factor", [1.0, 0.9, 0.7, 0.4])
def test_a_tree_cut_at_a_smaller_tau_is_the_tree_grown_for_it(album, factor):
    embeddings, neighbors, _ = album
    no_bursts = replace(SETTINGS, burst_factor=0)
    smaller = replace(no_bursts, tau=TAU * factor)
    again = cut(grow(embeddings, neighbors, no_bursts), smaller, seed=3)
    np.testing.assert_array_equal(
        again.labels, cluster_faces(embeddings, neighbors, smaller, seed=3)
    )


@pytest.mark.parametrize("change", [{"guard_factor": 0.8}, {"min_cluster_size": 5}])
def test_guard_and_smallest_cluster_may_change_between_cuts(album, change):
    embeddings, neighbors, _ = album
    wanted = replace(SETTINGS, **change)
    again = cut(grow(embeddings, neighbors, SETTINGS), wanted, seed=3)
    np.testing.assert_array_equal(again.labels, cluster_faces(embeddings, neighbors, wanted, 3))


def test_stored_tree_is_cut_as_before(album, tmp_path):
    embeddings, _, _ = album
    tree = grow(
        np.repeat(embeddings, 2, axis=0), exact_neighbors(embeddings.repeat(2, 0), 64), SETTINGS
    )
    face_ids = ids.to_arrow(np.arange(2 * len(embeddings) * 2, dtype=np.int64).view("V16"))
    storage = Storage(str(tmp_path))
    for name, rows in to_tables(tree, face_ids).items():
        tables.write(storage, name, name, rows, "fingerprint")
    stored = {name: tables.read(storage, name, name) for name in ("bursts", "tree", "links")}
    restored = from_tables(stored, SETTINGS)
    smaller = replace(SETTINGS, tau=0.8 * TAU)
    np.testing.assert_array_equal(cut(tree, smaller, 5).labels, cut(restored, smaller, 5).labels)
    assert cut(restored, SETTINGS, 5).labels.max() > 5


@pytest.mark.parametrize("n", [0, 1])
def test_tree_of_nobody_is_kept_too(n):
    faces = np.ones((n, 1), np.float32)
    tree = grow(faces, exact_neighbors(faces, 64), SETTINGS)
    face_ids = pa.array([bytes(16)] * n, pa.binary(16))
    restored = from_tables(to_tables(tree, face_ids), SETTINGS)
    assert cut(restored, SETTINGS, 0).labels.tolist() == [-1] * n


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"tau": TAU * 1.01}, "is above"),
        ({"min_samples": 2}, "min_samples = 2 isn't 3"),
        ({"burst_factor": 0.1}, r"burst_factor = 0\.1 isn't 0\.35"),
    ],
)
def test_what_the_tree_does_not_hold_is_refused(change, said):
    faces = at_angles(0, 1, 2)
    tree = grow(faces, exact_neighbors(faces, 64), SETTINGS)
    with pytest.raises(UsageError, match=said):
        cut(tree, replace(SETTINGS, **change), 0)


def test_faces_of_one_picture_never_share_a_cluster(album):
    embeddings, neighbors, _ = album
    generator = np.random.default_rng(2)
    conflicts = np.where(generator.random(len(embeddings)) < 0.6, 0, -1).astype(np.int32)
    conflicts[conflicts == 0] = generator.integers(60, size=(conflicts == 0).sum())
    free = cut(grow(embeddings, neighbors, SETTINGS), SETTINGS, 1)
    held = cut(grow(embeddings, neighbors, SETTINGS, conflicts), SETTINGS, 1, conflicts)
    clustered = (held.labels >= 0) & (conflicts >= 0)
    pairs = list(zip(held.labels[clustered].tolist(), conflicts[clustered].tolist(), strict=True))
    assert len(set(pairs)) == len(pairs)
    assert free.parted == 0
    assert 0 < held.parted <= held.clusters


def test_near_duplicates_in_one_picture_are_two_people():
    faces = at_angles(0, 0.1, 60, 60.1)
    neighbors = exact_neighbors(faces, 64)
    conflicts = np.array([0, 0, -1, -1], np.int32)
    labels = cluster_faces(faces, neighbors, SETTINGS, 0, conflicts)
    assert labels.tolist() == [-1, -1, 0, 0]
    assert cluster_faces(faces, neighbors, SETTINGS, 0).tolist() == [0, 0, 1, 1]


def test_bursts_that_hold_faces_of_one_picture_are_held_apart():
    faces = at_angles(0, 0.1, 14, 14.1)
    tree = grow(faces, exact_neighbors(faces, 64), SETTINGS)
    assert cut(tree, SETTINGS, 0).labels.tolist() == [0, 0, 0, 0]
    conflicts = np.array([0, -1, -1, 0], np.int32)
    assert cut(tree, SETTINGS, 0, conflicts).labels.tolist() == [0, 0, 1, 1]
