"""What identification says of clusters: faces of one name belong together, of two names apart.

A confident match against a gallery is stronger than any vote of neighbours. So names come last and
win: they join clusters, and they part those that hold several.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from facebatch.cluster.labels import canonical, own_labels
from facebatch.faces.embeddings import EmbeddingRows


def join_named(
    labels: npt.NDArray[np.int32],
    named: npt.NDArray[np.int32],
    embeddings: EmbeddingRows | None = None,
) -> npt.NDArray[np.int32]:
    """Makes a clustering agree with the names of some of its faces.

    All faces of one name end in one cluster, and faces of different names in different ones:

    - A cluster without names stays as it is.
    - A cluster with one name joins all others of that name, its unnamed faces with it.
    - A cluster with several names falls apart. Its named faces go to their names. Each of its
      unnamed faces goes to the name that it is nearest to: by d2 to the mean, scaled back to
      length 1, of the name's faces in this cluster, averages being the best of a person's
      descriptions. Those that are as near to two names stay together, without a name; without
      embeddings that is all of them.

    Args:
        labels: (n,) int32, the cluster of each face; -1 is a face on its own.
        named: (n,) int32, the number of each face's name, -1 for none.
        embeddings: (n, d) float32, rows of length 1.

    Returns:
        (n,) int32 labels in canonical form (`facebatch.cluster.labels.canonical`).

    Raises:
        ValueError: The arguments differ in length.
    """
    if len(labels) != len(named) or (embeddings is not None and len(embeddings) != len(labels)):
        raise ValueError(f"{len(labels)} labels for {len(named)} faces")
    clusters = own_labels(labels).astype(np.int64)
    # Names' clusters are numbered after all others.
    first = int(clusters.max(initial=-1)) + 1
    result = np.where(named >= 0, first + named.astype(np.int64), clusters)
    by_cluster = np.argsort(clusters, kind="stable")
    holding = np.unique(clusters[named >= 0])
    starts = np.searchsorted(clusters[by_cluster], np.stack([holding, holding + 1]))
    for start, end in starts.T.tolist():
        members = by_cluster[start:end]
        unnamed = members[named[members] < 0]
        names = np.unique(named[members[named[members] >= 0]])
        if len(names) == 1:
            result[unnamed] = first + names[0]
        elif embeddings is not None:
            nearest = _nearest_name(embeddings[unnamed], members, names, named, embeddings)
            result[unnamed[nearest >= 0]] = first + nearest[nearest >= 0]
    return canonical(result)


def _nearest_name(
    unnamed: npt.NDArray[np.float32],
    members: npt.NDArray[np.int64],
    names: npt.NDArray[np.int32],
    named: npt.NDArray[np.int32],
    embeddings: EmbeddingRows,
) -> npt.NDArray[np.int64]:
    """Returns the name (u,) that each unnamed face is nearest to, -1 where two are as near."""
    means = np.stack(
        [
            embeddings[members[named[members] == name]].mean(axis=0, dtype=np.float64)
            for name in names
        ]
    )
    means /= np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-12)
    # Of unit vectors the nearest is the one with the greatest inner product. In float32 as the
    # embeddings are, so that rounding doesn't part names that are as near.
    similarity = (unnamed.astype(np.float64) @ means.T).astype(np.float32)
    best = similarity.argmax(axis=1)
    tied = (similarity == similarity.max(axis=1, keepdims=True)).sum(axis=1) > 1
    return np.where(tied, -1, names[best].astype(np.int64))


def by_first_face(labels: npt.NDArray[np.integer]) -> npt.NDArray[np.int32]:
    """Numbers clusters by their smallest row, those of a single face included.

    Args:
        labels: (n,) any integers; negative ones are faces on their own.

    Returns:
        (n,) int32, clusters 0, 1, ... in the order of their first face, -1 for a face on its own.
    """
    result = np.full(len(labels), -1, np.int32)
    rows = np.flatnonzero(labels >= 0)
    _, first, cluster = np.unique(labels[rows], return_index=True, return_inverse=True)
    result[rows] = np.argsort(np.argsort(first))[cluster]
    return result
