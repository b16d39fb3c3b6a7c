"""Scores of a clustering against the true people: pairwise, BCubed, V-measure and purity.

All follow their papers, with one convention for faces on their own (label -1): each is a
cluster of one face. True identities have no such exception; every number is a person.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from facebatch.cluster.labels import own_labels

Integers = npt.NDArray[np.integer]

_SIZES = ((1, 1), (2, 2), (3, 5), (6, 20), (21, None))
"""Smallest and largest cluster of each row of the breakdown by size."""


@dataclass(frozen=True)
class PairwiseScores:
    """Precision, recall and their harmonic mean over pairs of faces, all 0..1."""

    precision: float
    recall: float
    f: float


@dataclass(frozen=True)
class BCubedScores:
    """Precision, recall and their harmonic mean over faces, all 0..1."""

    precision: float
    recall: float
    f: float


@dataclass(frozen=True)
class VMeasure:
    """Homogeneity, completeness and their harmonic mean, all 0..1."""

    homogeneity: float
    completeness: float
    v: float


@dataclass(frozen=True)
class PurityScores:
    """Purity, inverse purity and their harmonic mean, all 0..1."""

    purity: float
    inverse_purity: float
    f: float


@dataclass(frozen=True)
class ClusterSizeScores:
    """The clusters of some sizes.

    Args:
        smallest: Faces in the smallest clusters counted here.
        largest: Faces in the largest ones; None where there is no limit.
        clusters: Number of these clusters.
        faces: Faces in all of them.
        purity: Share of these faces that are of their cluster's commonest person; None without
            any face.
    """

    smallest: int
    largest: int | None
    clusters: int
    faces: int
    purity: float | None


@dataclass(frozen=True)
class _Contingency:
    """How people and clusters share faces: counts over the cells that aren't empty."""

    cells: npt.NDArray[np.int64]
    person_sizes: npt.NDArray[np.int64]
    cluster_sizes: npt.NDArray[np.int64]
    cell_person: npt.NDArray[np.int64]
    cell_cluster: npt.NDArray[np.int64]


def pairwise_scores(truth: Integers, labels: Integers) -> PairwiseScores:
    """Scores the pairs that share a cluster against the pairs that share a person.

    Precision is the share of pairs in one cluster that are of one person, recall the share of
    pairs of one person that are in one cluster (Otto, Wang and Jain, "Clustering Millions of
    Faces by Identity", 2016, section 5.2). Where nothing was claimed, no pair being in one
    cluster, precision is 1: nothing claimed is wrong; where no pair is of one person, recall is 1.

    Args:
        truth: (n,) the person of each face.
        labels: (n,) the cluster of each face, -1 for a face on its own.

    Raises:
        ValueError: The two differ in length.
    """
    table = _contingency(truth, labels)
    both = _pairs(table.cells)
    claimed, true = _pairs(table.cluster_sizes), _pairs(table.person_sizes)
    precision = both / claimed if claimed else 1.0
    recall = both / true if true else 1.0
    return PairwiseScores(precision, recall, _harmonic_mean(precision, recall))


def bcubed_scores(truth: Integers, labels: Integers) -> BCubedScores:
    """Scores each face by those it shares a cluster and a person with, itself included.

    A face's precision is the share of its cluster that is its person, its recall the share of
    its person that is in its cluster; the scores are means over faces (Bagga and Baldwin 1998;
    Amigo et al., "A comparison of extrinsic clustering evaluation metrics", 2009, section 4).
    Large people weigh less than in pairwise scores. Without any face both are 1.

    Args:
        truth: (n,) the person of each face.
        labels: (n,) the cluster of each face, -1 for a face on its own.

    Raises:
        ValueError: The two differ in length.
    """
    table = _contingency(truth, labels)
    if len(truth) == 0:
        return BCubedScores(1.0, 1.0, 1.0)
    squares = table.cells.astype(np.float64) ** 2
    precision = float((squares / table.cluster_sizes[table.cell_cluster]).sum() / len(truth))
    recall = float((squares / table.person_sizes[table.cell_person]).sum() / len(truth))
    return BCubedScores(precision, recall, _harmonic_mean(precision, recall))


def v_measure(truth: Integers, labels: Integers) -> VMeasure:
    """Scores how much the clusters tell of the people, and the people of the clusters.

    Homogeneity is 1 - H(people | clusters) / H(people): 1 when no cluster mixes people.
    Completeness is 1 - H(clusters | people) / H(clusters): 1 when no person is split. (Rosenberg
    and Hirschberg, "V-Measure: A conditional entropy-based external cluster evaluation measure",
    2007, section 2, with beta 1.) Where the entropy divided by is 0, the score is 1. Many single
    faces look homogeneous, so read it beside the pairwise scores.

    Args:
        truth: (n,) the person of each face.
        labels: (n,) the cluster of each face, -1 for a face on its own.

    Raises:
        ValueError: The two differ in length.
    """
    table = _contingency(truth, labels)
    together = _entropy(table.cells)
    people, clusters = _entropy(table.person_sizes), _entropy(table.cluster_sizes)
    # H(people | clusters) is H(people, clusters) - H(clusters), and the other way round.
    homogeneity = 1 - (together - clusters) / people if people else 1.0
    completeness = 1 - (together - people) / clusters if clusters else 1.0
    homogeneity, completeness = (min(max(x, 0.0), 1.0) for x in (homogeneity, completeness))
    return VMeasure(homogeneity, completeness, _harmonic_mean(homogeneity, completeness))


def purity_scores(truth: Integers, labels: Integers) -> PurityScores:
    """Scores each cluster by its commonest person, and each person by their largest cluster.

    Purity is the share of faces that are of the commonest person of their cluster; inverse purity
    is the share that are in the cluster holding most of their person (Amigo et al. 2009, section
    3.1). Without any face both are 1.

    Args:
        truth: (n,) the person of each face.
        labels: (n,) the cluster of each face, -1 for a face on its own.

    Raises:
        ValueError: The two differ in length.
    """
    table = _contingency(truth, labels)
    if len(truth) == 0:
        return PurityScores(1.0, 1.0, 1.0)
    purity = float(_largest_cell(table, table.cell_cluster).sum() / len(truth))
    inverse = float(_largest_cell(table, table.cell_person).sum() / len(truth))
    return PurityScores(purity, inverse, _harmonic_mean(purity, inverse))


def scores_by_size(truth: Integers, labels: Integers) -> tuple[ClusterSizeScores, ...]:
    """Counts clusters, their faces and their purity by size: 1, 2, 3-5, 6-20 and 21 or more faces.

    Args:
        truth: (n,) the person of each face.
        labels: (n,) the cluster of each face, -1 for a face on its own (a cluster of 1).

    Returns:
        One entry for each range of sizes, ascending; all together hold every face once.

    Raises:
        ValueError: The two differ in length.
    """
    table = _contingency(truth, labels)
    commonest = _largest_cell(table, table.cell_cluster)
    result = []
    for smallest, largest in _SIZES:
        rows = table.cluster_sizes >= smallest
        if largest is not None:
            rows &= table.cluster_sizes <= largest
        faces = int(table.cluster_sizes[rows].sum())
        purity = float(commonest[rows].sum() / faces) if faces else None
        result.append(ClusterSizeScores(smallest, largest, int(rows.sum()), faces, purity))
    return tuple(result)


def _contingency(truth: Integers, labels: Integers) -> _Contingency:
    if len(truth) != len(labels):
        raise ValueError(f"{len(truth)} faces have an identity but {len(labels)} have a label")
    _, person, person_sizes = np.unique(truth, return_inverse=True, return_counts=True)
    _, cluster, cluster_sizes = np.unique(
        own_labels(labels), return_inverse=True, return_counts=True
    )
    cell, cells = np.unique(person * max(len(cluster_sizes), 1) + cluster, return_counts=True)
    cell_person, cell_cluster = np.divmod(cell, max(len(cluster_sizes), 1))
    return _Contingency(cells, person_sizes, cluster_sizes, cell_person, cell_cluster)


def _pairs(sizes: npt.NDArray[np.int64]) -> int:
    return int((sizes * (sizes - 1) // 2).sum())


def _entropy(sizes: npt.NDArray[np.int64]) -> float:
    """Entropy, in nats, of the group of a face drawn at random; 0 for a single group or none."""
    if len(sizes) <= 1:
        return 0.0
    shares = sizes / sizes.sum()
    return float(-(shares * np.log(shares)).sum())


def _largest_cell(table: _Contingency, group: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The largest cell of each group, the groups being a table's people or its clusters."""
    largest = np.zeros(int(group.max(initial=-1)) + 1, np.int64)
    np.maximum.at(largest, group, table.cells)
    return largest


def _harmonic_mean(precision: float, recall: float) -> float:
    total = precision + recall
    return 2 * precision * recall / total if total else 0.0
