"""All scores of one clustering at once, as an evaluation reports them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from facebatch.evaluate.clustering import (
    BCubedScores,
    ClusterSizeScores,
    Integers,
    PairwiseScores,
    PurityScores,
    VMeasure,
    bcubed_scores,
    pairwise_scores,
    purity_scores,
    scores_by_size,
    v_measure,
)
from facebatch.evaluate.plain import plain_data


@dataclass(frozen=True)
class ClusterScores:
    """How well clusters and people agree, over the faces whose person is known.

    Args:
        faces: These faces.
        people: People among them.
        clusters: Clusters that hold at least one of them; faces on their own aren't counted here.
        unclustered: Faces in no cluster.
        unclustered_share: unclustered / faces; None without a face.
        pairwise: Over pairs of faces.
        bcubed: Over faces.
        v_measure: Over what clusters and people tell of each other.
        purity: By the commonest person of each cluster.
        by_size: The clusters by number of these faces, ascending.
    """

    faces: int
    people: int
    clusters: int
    unclustered: int
    unclustered_share: float | None
    pairwise: PairwiseScores
    bcubed: BCubedScores
    v_measure: VMeasure
    purity: PurityScores
    by_size: tuple[ClusterSizeScores, ...]

    def as_json(self) -> dict[str, object]:
        """Returns plain data, with the former names of what is unclustered."""
        former = {"alone": self.unclustered, "alone_share": self.unclustered_share}
        return plain_data(self) | former


def score_clusters(truth: Integers, labels: Integers) -> ClusterScores:
    """Scores a clustering by every measure.

    Args:
        truth: (n,) the person of each face; every number is a person.
        labels: (n,) the cluster of each face, -1 for a face on its own.

    Raises:
        ValueError: The two differ in length.
    """
    unclustered = int((labels < 0).sum())
    return ClusterScores(
        faces=len(truth),
        people=len(np.unique(truth)),
        clusters=len(np.unique(labels[labels >= 0])),
        unclustered=unclustered,
        unclustered_share=unclustered / len(labels) if len(labels) else None,
        pairwise=pairwise_scores(truth, labels),
        bcubed=bcubed_scores(truth, labels),
        v_measure=v_measure(truth, labels),
        purity=purity_scores(truth, labels),
        by_size=scores_by_size(truth, labels),
    )
