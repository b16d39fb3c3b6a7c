"""Scores of a clustering against the true people: pairwise and BCubed precision and recall.

Both follow their papers, with one convention for faces on their own (label -1): each is a
cluster of one face. True identities have no such exception; every number is a person.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from facebatch.cluster.labels import own_labels

Integers = npt.NDArray[np.integer]


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


def _harmonic_mean(precision: float, recall: float) -> float:
    total = precision + recall
    return 2 * precision * recall / total if total else 0.0
