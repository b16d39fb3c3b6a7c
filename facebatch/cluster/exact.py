"""The package hdbscan itself (McInnes, Healy and Astels 2017) on all embeddings, exactly.

The other way to found people beside the tree of this room: every distance counts, no neighbour
graph stands between, and nothing is cut at tau, guarded or voted on. Its time grows with the
square of the faces, to minutes for `MOST_FACES`, and it takes no more.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from facebatch.cluster.labels import canonical
from facebatch.errors import UsageError

MOST_FACES = 30_000
"""Faces that are clustered exactly; more are refused."""


def exact_labels(
    embeddings: npt.NDArray[np.float32],
    min_cluster_size: int,
    min_samples: int,
    most: int = MOST_FACES,
) -> npt.NDArray[np.int32]:
    """Clusters faces by HDBSCAN, as the package does it.

    Distances are Euclidean, which for unit vectors order pairs as cosine does. The root of the
    tree is never a cluster: were it allowed, it would be the only one for people who lie close
    together. So an archive of one person alone has no clusters.

    Args:
        embeddings: (n, d) float32, rows of length 1.
        min_cluster_size: Faces that a cluster needs, at least 2.
        min_samples: The neighbour whose distance is the core distance; the face itself not
            counted.
        most: Largest n.

    Returns:
        (n,) int32: clusters numbered from 0 by their smallest row; -1 is noise.

    Raises:
        UsageError: There are more faces than ``most``.
    """
    n = len(embeddings)
    if n > most:
        raise UsageError(
            f"{n:,} faces are more than the {most:,} that hdbscan clusters: it compares all of "
            "them with each other, in time that grows with the square. Cluster with "
            "--algorithm graph, whose time grows with the faces"
        )
    if n <= min_cluster_size:
        return np.full(n, -1, np.int32)
    import hdbscan

    model = hdbscan.HDBSCAN(
        min_cluster_size=min_cluster_size,
        min_samples=min_samples,
        metric="euclidean",
        # Exact for any dimension; "best" approximates the tree where there are few.
        algorithm="prims_kdtree",
        allow_single_cluster=False,
    )
    return canonical(model.fit_predict(embeddings.astype(np.float64)))
