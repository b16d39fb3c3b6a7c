"""Labels in canonical form: what makes two equal partitions compare equal."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def canonical(labels: npt.NDArray[np.integer]) -> npt.NDArray[np.int32]:
    """Numbers clusters by their smallest row and marks those of a single face with -1.

    Args:
        labels: (n,) any integers; negative ones are faces on their own.

    Returns:
        (n,) int32, clusters 0, 1, ... in the order of their first face, -1 for a face on its own.
    """
    _, first, cluster, sizes = np.unique(
        labels, return_index=True, return_inverse=True, return_counts=True
    )
    kept = (sizes > 1) & (labels[first] >= 0)
    numbers = np.full(len(sizes), -1, np.int32)
    by_first_row = np.flatnonzero(kept)[np.argsort(first[kept])]
    numbers[by_first_row] = np.arange(len(by_first_row), dtype=np.int32)
    return numbers[cluster]


def own_labels(labels: npt.NDArray[np.integer]) -> npt.NDArray[np.int32]:
    """Gives every face on its own a label of its own.

    Args:
        labels: (n,) labels; negative ones are faces on their own.

    Returns:
        (n,) int32 labels 0..n-1, all clusters before all single faces.
    """
    clusters = np.unique(labels[labels >= 0])
    result = np.searchsorted(clusters, labels).astype(np.int32)
    noise = np.flatnonzero(labels < 0)
    result[noise] = len(clusters) + np.arange(len(noise), dtype=np.int32)
    return result
