"""Embeddings on a plane: how near one another many faces are, at a glance.

PCA needs nothing but NumPy; t-SNE is there where scikit-learn is installed. Both are deterministic
for a seed.
"""

from __future__ import annotations

import importlib
import importlib.util
import warnings
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Method = Literal["PCA", "t-SNE"]
Plane = npt.NDArray[np.float64]

_FEWEST = 8
"""Faces below which neighbourhoods mean nothing, so that PCA is taken."""

_TSNE_ROUNDS = 500


def best_method(n: int) -> Method:
    """Returns what shows so many faces best, of what is installed: t-SNE, else PCA."""
    there = n >= _FEWEST and importlib.util.find_spec("sklearn") is not None
    return "t-SNE" if there else "PCA"


def project(embeddings: npt.NDArray[np.floating[Any]], method: Method, seed: int) -> Plane:
    """Returns a point in the plane for each embedding.

    Args:
        embeddings: (n, d), n >= `_FEWEST` for t-SNE.
        method: One that is installed.
        seed: Seed of what the method draws at random.

    Returns:
        (n, 2) float64; the unit means nothing.
    """
    flat = pca(embeddings)
    if method == "PCA" or not len(flat):
        return flat
    # In the order of the variance, as t-SNE wants its beginning.
    start = (flat / max(float(flat[:, 0].std()), 1e-12)).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _tsne(embeddings, start, seed)


def pca(embeddings: npt.NDArray[np.floating[Any]]) -> Plane:
    """Returns the two directions in which embeddings vary most, the first one first.

    The sign of a direction, which a decomposition leaves open, is such that the entry that is
    largest by absolute value is positive.

    Args:
        embeddings: (n, d), d >= 1.

    Returns:
        (n, 2) float64 around 0.
    """
    points = np.zeros((len(embeddings), 2))
    if len(embeddings) < 2:
        return points
    centred = embeddings.astype(np.float64)
    centred -= centred.mean(axis=0)
    # The eigenvectors of the covariance, whose eigenvalues ascend.
    directions = np.linalg.eigh(centred.T @ centred)[1].T[::-1]
    for place, direction in enumerate(directions[:2]):
        sign = np.sign(direction[np.abs(direction).argmax()]) or 1.0
        points[:, place] = centred @ (sign * direction)
    return points


def _tsne(
    embeddings: npt.NDArray[np.floating[Any]], start: npt.NDArray[np.float32], seed: int
) -> Plane:
    made = importlib.import_module("sklearn.manifold").TSNE(
        init=1e-4 * start,
        perplexity=min(30.0, (len(start) - 1) / 3),
        max_iter=_TSNE_ROUNDS,
        random_state=seed,
    )
    # Its threads wait for each other at every step: where others want the cores too, two are ten
    # times as slow as one. One also adds up in one order. The package comes with scikit-learn.
    with importlib.import_module("threadpoolctl").threadpool_limits(1):
        return np.asarray(made.fit_transform(embeddings.astype(np.float32)), np.float64)
