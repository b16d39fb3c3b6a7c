"""Grouping embeddings that belong to no collection."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from facebatch.cluster import ClusterSettings
from facebatch.config import ALGORITHMS, DEFAULT_ALGORITHM
from facebatch.embed import DEFAULT_TTA
from facebatch.errors import UsageError
from facebatch.faces.embeddings import check_unit_rows


def cluster_embeddings(
    embeddings: npt.NDArray[np.float32],
    *,
    photos: npt.NDArray[np.integer] | None = None,
    tau: float | None = None,
    algorithm: str = DEFAULT_ALGORITHM,
    seed: int = 0,
) -> npt.NDArray[np.int32]:
    """Groups faces into people.

    What `facebatch cluster` does to all faces, without gates, names and decisions. Equal input
    gives equal labels; the order of the rows may matter for a face between two people.

    Args:
        embeddings: float32 (n, d), rows of length 1.
        photos: Integers (n,), the photo of each face: two faces of one photo are never one
            person. By default nothing is known of photos. Negative numbers are no photo's.
        tau: Longest link within a person, as d2; by default that of the default embedder for n
            faces. ``hdbscan`` has none.
        algorithm: ``graph``, HDBSCAN on the nearest-neighbour graph with a cut, a guard and a
            vote; or ``hdbscan``, the package of that name, exact, for up to 30,000 faces.
        seed: Seed of the order in which faces vote.

    Returns:
        int32 (n,): people numbered from 0 by their first face; -1 is a face on its own.

    Raises:
        UsageError: A row isn't of length 1, an argument is out of its range or of another length,
            or there are too many faces for ``hdbscan``.
    """
    embeddings = np.ascontiguousarray(embeddings, np.float32)
    photos = None if photos is None else np.asarray(photos)
    _check(embeddings, photos, algorithm)
    if tau is not None and not 0 < tau <= 4:
        raise UsageError(f"tau = {tau} isn't a squared distance above 0 and up to 4")
    if seed < 0:
        raise UsageError(f"seed = {seed} is below 0")
    settings = ClusterSettings(tau=_tau(len(embeddings)) if tau is None else tau)
    conflicts = None if photos is None else _several(photos)
    if algorithm == "hdbscan":
        return _exactly(embeddings, conflicts, settings)
    from facebatch.cluster import cluster_faces
    from facebatch.neighbors import choose, find_neighbors
    from facebatch.workers.machine import usable_cores, usable_memory

    n, d = embeddings.shape
    plan = choose(n, d, usable_memory())
    reach = settings.tau
    neighbors = find_neighbors(embeddings, settings.neighbors, reach, plan, seed, usable_cores())
    return cluster_faces(embeddings, neighbors, settings, seed, conflicts)


def _check(
    embeddings: npt.NDArray[np.float32], photos: npt.NDArray[np.integer] | None, algorithm: str
) -> None:
    if embeddings.ndim != 2:
        raise UsageError(f"embeddings are (n, d), not of shape {embeddings.shape}")
    if photos is not None and photos.shape != (len(embeddings),):
        raise UsageError(f"photos are of shape {photos.shape} for {len(embeddings)} embeddings")
    if photos is not None and not np.issubdtype(photos.dtype, np.integer):
        raise UsageError(f"photos are integers, not {photos.dtype}")
    if algorithm not in ALGORITHMS:
        raise UsageError(f"no algorithm named {algorithm!r}; there are {', '.join(ALGORITHMS)}")
    check_unit_rows(embeddings, "embedding", UsageError)


def _tau(n: int) -> float:
    from facebatch.cluster.tau import choose_tau
    from facebatch.models.registry import DEFAULT_EMBEDDER
    from facebatch.models.space_thresholds import shipped

    return choose_tau(n, shipped(DEFAULT_EMBEDDER)[DEFAULT_TTA].links)


def _several(photos: npt.NDArray[np.integer]) -> npt.NDArray[np.int32]:
    """Returns the number of each face's photo, -1 where the face is alone in it."""
    _, number, faces = np.unique(photos, return_inverse=True, return_counts=True)
    return np.where((photos >= 0) & (faces[number] > 1), number, -1).astype(np.int32)


def _exactly(
    embeddings: npt.NDArray[np.float32],
    conflicts: npt.NDArray[np.int32] | None,
    settings: ClusterSettings,
) -> npt.NDArray[np.int32]:
    from facebatch.cluster.exact import exact_labels
    from facebatch.cluster.labels import canonical
    from facebatch.cluster.photos import part_photos

    labels = exact_labels(embeddings, settings.min_cluster_size, settings.min_samples)
    if conflicts is None:
        return labels
    return canonical(part_photos(labels, conflicts, embeddings)[0])
