import dataclasses
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples
from support.synthetic import TAU, at_angles, d2_of_angle, partition, people, unit

from facebatch.cluster import ClusterSettings, cluster_faces
from facebatch.errors import UsageError
from facebatch.evaluate.clustering import pairwise_scores
from facebatch.neighbors import exact_neighbors

SETTINGS = ClusterSettings(tau=TAU)
ALBUM = [120, 80, 60, 40, 30, 20, 15, 10, 8, 6, 5, 4, 3, 3, 2, 2, 2] + [1] * 150


def labels_of(embeddings, settings=SETTINGS, seed=0):
    return cluster_faces(embeddings, exact_neighbors(embeddings, 64), settings, seed)


def with_bursts(embeddings, truth, every, shots, seed):
    """Adds near-duplicates (d2 about 0.01) of every so many faces."""
    generator = np.random.default_rng(seed)
    again = np.repeat(np.arange(0, len(truth), every), shots)
    noise = generator.standard_normal((len(again), embeddings.shape[1])) * np.sqrt(0.005 / 128)
    rows = unit(np.concatenate([embeddings, embeddings[again] + noise]))
    order = generator.permutation(len(rows))
    return rows[order], np.concatenate([truth, truth[again]])[order]


def exact_rows(among, wanted):
    """Returns where each wanted row stands among others."""
    similarity = wanted.astype(np.float64) @ among.T.astype(np.float64)
    return similarity.argmax(axis=1)


@pytest.mark.parametrize("seed", range(3))
def test_people_are_found(seed):
    embeddings, truth = people(ALBUM, seed)
    scores = pairwise_scores(truth, labels_of(embeddings))
    # The lab's figures on LFW at this tau: precision .989, recall .968 (docs/concepts.md).
    assert scores.precision > 0.98
    assert scores.recall > 0.9


@pytest.mark.parametrize("n", [0, 1])
def test_fewer_than_two_faces_are_on_their_own(n):
    assert labels_of(np.ones((n, 1), np.float32)).tolist() == [-1] * n


def test_two_faces_of_one_person_and_of_two():
    assert labels_of(at_angles(0, 12)).tolist() == [0, 0]
    assert labels_of(at_angles(0, 90)).tolist() == [-1, -1]


@pytest.mark.parametrize("burst_factor", [0.0, 0.35])
def test_identical_faces_are_one_person(burst_factor):
    faces = np.repeat(at_angles(20), 300, axis=0)
    assert set(labels_of(faces, ClusterSettings(TAU, burst_factor=burst_factor)).tolist()) == {0}


def test_archive_of_one_person_is_one_cluster():
    embeddings, _ = people([150], seed=4)
    labels = labels_of(embeddings, ClusterSettings(tau=0.12))
    assert (labels == 0).mean() > 0.95
    assert labels.max() == 0


def test_look_alikes_in_a_row_are_not_one_person():
    row = at_angles(*np.arange(0, 100, 0.5))
    loose = ClusterSettings(d2_of_angle(3), guard_factor=1000, burst_factor=0)
    assert set(labels_of(row, loose).tolist()) == {0}
    guarded = labels_of(row, dataclasses.replace(loose, guard_factor=1.44))
    assert guarded.max() > 5


def test_archive_of_strangers_has_no_people():
    embeddings, _ = people([1] * 300, seed=5)
    assert (labels_of(embeddings) >= 0).mean() < 0.02


def test_clusters_are_numbered_by_their_smallest_row():
    labels = labels_of(people(ALBUM, seed=6)[0])
    clusters, first = np.unique(labels[labels >= 0], return_index=True)
    assert clusters.tolist() == list(range(len(clusters)))
    assert (np.diff(first) > 0).all()
    assert np.bincount(labels[labels >= 0]).min() >= 2


@examples(2, 5)
@given(seed=st.integers(0, 2**31))
def test_row_order_hardly_matters(seed):
    embeddings, _ = people(ALBUM, seed=7)
    order = np.random.default_rng(seed).permutation(len(embeddings))
    labels = labels_of(embeddings)
    shuffled = np.empty_like(labels)
    shuffled[order] = labels_of(embeddings[order])
    agreement = pairwise_scores(np.where(labels < 0, -1 - np.arange(len(labels)), labels), shuffled)
    assert agreement.f > 0.98


def test_same_faces_and_seed_give_the_same_people():
    embeddings, _ = people(ALBUM, seed=8)
    np.testing.assert_array_equal(labels_of(embeddings, seed=3), labels_of(embeddings, seed=3))


def test_well_separated_people_do_not_depend_on_order_or_seed():
    embeddings, truth = people([30, 20, 10, 5], seed=9)
    embeddings = unit(embeddings + 3 * np.eye(4, 128, dtype=np.float32)[truth])
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(len(truth))
        assert partition(labels_of(embeddings[order], seed=seed)) == partition(truth[order])


def test_bursts_do_not_part_a_person_by_moments():
    embeddings, truth = with_bursts(*people(ALBUM, seed=10), every=10, shots=5, seed=1)
    together = pairwise_scores(truth, labels_of(embeddings))
    apart = pairwise_scores(truth, labels_of(embeddings, ClusterSettings(TAU, burst_factor=0)))
    assert together.f > 0.93
    assert together.f > apart.f + 0.03
    assert together.precision > 0.98


@pytest.mark.parametrize("shots", [30, 100])
def test_bursts_that_fill_their_neighbours_lists_change_nobody_else(shots):
    embeddings, truth = people(ALBUM, seed=10)
    wanted = pairwise_scores(truth, labels_of(embeddings))
    crowd, _ = with_bursts(embeddings, truth, every=30, shots=shots, seed=1)
    first = exact_rows(crowd, embeddings)
    found = pairwise_scores(truth, labels_of(crowd)[first])
    assert found.precision == pytest.approx(wanted.precision, abs=0.01)
    assert found.recall == pytest.approx(wanted.recall, abs=0.02)


def test_a_person_seen_in_one_burst_alone_is_a_cluster():
    faces = np.concatenate([at_angles(0, 0.1, 0.2, 0.3), at_angles(90)])
    assert labels_of(faces).tolist() == [0, 0, 0, 0, -1]


@pytest.mark.parametrize("burst_factor", [0.0, 0.35])
def test_neighbours_beyond_the_setting_are_ignored(burst_factor):
    embeddings, _ = people(ALBUM, seed=11)
    few = ClusterSettings(TAU, neighbors=1, min_samples=1, burst_factor=burst_factor)
    np.testing.assert_array_equal(
        cluster_faces(embeddings, exact_neighbors(embeddings, 64), few, 0),
        cluster_faces(embeddings, exact_neighbors(embeddings, 1), few, 0),
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("tau", 0.0),
        ("tau", 4.1),
        ("neighbors", 2),
        ("min_samples", 0),
        ("min_cluster_size", 1),
        ("guard_factor", 0.0),
        ("burst_factor", 1.0),
    ],
)
def test_settings_out_of_range_are_named(name, value):
    with pytest.raises(UsageError, match=f"(min_samples|{name}) = "):
        dataclasses.replace(SETTINGS, **{name: value})


def test_importing_the_packages_loads_nothing_heavy():
    code = (
        "import sys, facebatch.cluster, facebatch.evaluate; "
        "print(sorted({'faiss', 'numba', 'scipy', 'hdbscan', 'pyarrow'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
