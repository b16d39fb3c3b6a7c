"""Clusterings compared: how long, how large, how right; and tau's formula at each size.

    python benchmarks/cluster.py [--photos FOLDER] [--sizes 10000 100000] [--limit 600] [--taus]

Faces are those of photos in one folder a person, extracted first, and of the generator of invented
people (generator.py). Every method runs in a process of its own and is stopped at the limit; one
whose work grows with the square of the number isn't begun above a size, and the table says so. All
are given tau as their distance, for want of a formula of their own; a face on its own counts as a
cluster. ``processor`` is what its threads worked, all together, which other load on the machine
hardly changes. ``--taus`` scores facebatch with more and less than the tau that its formula gives.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from common import extract_command, own_peak
from generator import SPREADS, faces, links_of, population

from facebatch.cluster import ClusterSettings, cluster_faces
from facebatch.cluster.tau import choose_tau
from facebatch.evaluate.clustering import bcubed_scores, pairwise_scores

Embeddings = npt.NDArray[np.float32]
Labels = npt.NDArray[np.integer]

FACTORS = (0.8, 0.9, 1.0, 1.1, 1.2)
"""What tau is multiplied with for ``--taus``."""

_SEED = 1


def by_facebatch(embeddings: Embeddings, tau: float) -> Labels:
    """Clusters as the product does."""
    settings = ClusterSettings(tau)
    return cluster_faces(embeddings, _graph(embeddings, settings), settings, _SEED)


def _graph(embeddings: Embeddings, settings: ClusterSettings) -> Any:
    from facebatch import neighbors
    from facebatch.workers.machine import usable_cores, usable_memory

    n, d = embeddings.shape
    plan = neighbors.choose(n, d, usable_memory())
    k, reach = settings.neighbors, settings.tau
    return neighbors.find_neighbors(embeddings, k, reach, plan, _SEED, usable_cores())


def by_hdbscan(embeddings: Embeddings, _tau: float) -> Labels:
    """Clusters with the package hdbscan, which has no cut."""
    import hdbscan

    clusterer = hdbscan.HDBSCAN(min_cluster_size=3, min_samples=3)
    return np.asarray(clusterer.fit_predict(embeddings.astype(np.float64)))


def by_sklearn_hdbscan(embeddings: Embeddings, _tau: float) -> Labels:
    """Clusters with scikit-learn's HDBSCAN; it counts the face itself among its samples."""
    from sklearn.cluster import HDBSCAN

    clusterer = HDBSCAN(min_cluster_size=3, min_samples=4, n_jobs=-1, copy=True)
    return np.asarray(clusterer.fit_predict(embeddings))


def by_dbscan(embeddings: Embeddings, tau: float) -> Labels:
    """Clusters with scikit-learn's DBSCAN; it counts the face itself among its samples."""
    from sklearn.cluster import DBSCAN

    return np.asarray(DBSCAN(eps=tau**0.5, min_samples=4, n_jobs=-1).fit_predict(embeddings))


def by_chinese_whispers(embeddings: Embeddings, tau: float) -> Labels:
    """Clusters with dlib's Chinese whispers over all pairs within tau."""
    import dlib

    vectors = [dlib.vector(row) for row in embeddings.astype(np.float64)]
    return np.array(dlib.chinese_whispers_clustering(vectors, tau**0.5))


METHODS: Mapping[str, tuple[Callable[[Embeddings, float], Labels], int | None]] = {
    "facebatch": (by_facebatch, None),
    "hdbscan": (by_hdbscan, 30_000),
    "sklearn HDBSCAN": (by_sklearn_hdbscan, 30_000),
    "sklearn DBSCAN": (by_dbscan, 100_000),
    "Chinese whispers": (by_chinese_whispers, 100_000),
}
"""Each method with the largest number of faces that it is begun with."""


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--photos", type=Path, help="one folder a person")
    parser.add_argument("--sizes", type=int, nargs="*", default=[10_000, 100_000])
    parser.add_argument("--spread", choices=SPREADS, default="lfw")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--limit", type=float, default=600, help="seconds for each method")
    parser.add_argument("--taus", action="store_true")
    parser.add_argument("--work", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        work(*arguments.work)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if arguments.photos is not None:
            title, tau = write_photos(arguments.photos, folder)
            compare(title, folder, tau, arguments)
        for size in arguments.sizes:
            people = population(size, _SEED)
            np.save(folder / "faces.npy", faces(people, _SEED, arguments.spread))
            np.save(folder / "people.npy", people)
            title = f"{size:,} invented faces like {arguments.spread}'s"
            compare(title, folder, choose_tau(size, links_of(arguments.spread)), arguments)


def write_photos(photos: Path, folder: Path) -> tuple[str, float]:
    """Extracts photos, and writes one face of each photo and whose it is.

    Returns:
        What the faces are, in words, and tau.
    """
    from people_by_folder import central_faces

    from facebatch import tables
    from facebatch.collection import Collection

    collection = folder / "collection"
    subprocess.run(extract_command(photos, collection, 2), check=True, stdout=subprocess.DEVNULL)
    opened = Collection.open(str(collection))
    rows, folders = central_faces(opened)
    embeddings = tables.matrix(opened.snapshot().faces(["embedding"])["embedding"])[rows]
    np.save(folder / "faces.npy", embeddings)
    np.save(folder / "people.npy", np.unique(folders, return_inverse=True)[1])
    return f"{len(rows):,} faces of {photos.name}", choose_tau(
        len(rows), opened.settings.thresholds().links
    )


def compare(title: str, folder: Path, tau: float, arguments: argparse.Namespace) -> None:
    """Prints the table of one set of faces, and that of tau where it is asked for."""
    truth = np.load(folder / "people.npy")
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    print(f"\n{title}, {len(np.unique(truth)):,} people; tau {tau:.4f}; load {load:.1f}")
    print(f"{'':<17} seconds  processor     peak  {_HEAD}")
    for name in arguments.methods:
        largest = METHODS[name][1]
        if largest is not None and len(truth) > largest:
            print(f"{name:<17} not begun: its work grows with the square, above {largest:,} faces")
            continue
        done = run_apart(name, folder, tau, arguments.limit)
        if done is None:
            print(f"{name:<17} stopped after {arguments.limit:g} seconds")
            continue
        labels = np.load(folder / "labels.npy")
        figures = f"{done['seconds']:7.1f}  {done['processor']:9.1f}  {done['peak'] / 1e6:4.0f} MB"
        print(f"{name:<17} {figures}  {_scores(truth, labels)}", flush=True)
    if arguments.taus:
        print_taus(folder, tau, truth)


_HEAD = "   P      R      F   BCubed F"


def _scores(truth: Labels, labels: Labels) -> str:
    pairs, faces_scores = pairwise_scores(truth, labels), bcubed_scores(truth, labels)
    return f"{pairs.precision:.4f} {pairs.recall:.4f} {pairs.f:.4f}  {faces_scores.f:.4f}"


def run_apart(name: str, folder: Path, tau: float, limit: float) -> dict[str, float] | None:
    """Runs a method in a process of its own.

    Returns:
        Seconds, seconds of all its threads and peak bytes; None where the limit was passed.
    """
    command = [sys.executable, __file__, "--work", name, str(folder), str(tau), "cluster"]
    try:
        done = subprocess.run(command, check=True, timeout=limit, stdout=subprocess.PIPE)
    except subprocess.TimeoutExpired:
        return None
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def work(name: str, folder: str, tau: str, what: str) -> None:
    """Does what a process of its own is for: clusters, or writes the clusterings of every tau."""
    embeddings = np.load(Path(folder) / "faces.npy")
    method = METHODS[name][0]
    method(embeddings[:2000], float(tau))  # compiles what is compiled once
    before, begun = time.process_time(), time.perf_counter()
    labels: Sequence[Labels] = []
    if what == "cluster":
        np.save(Path(folder) / "labels.npy", method(embeddings, float(tau)))
    else:
        settings = ClusterSettings(float(tau))
        graph = _graph(embeddings, replace(settings, tau=settings.tau * max(FACTORS)))
        wanted = [replace(settings, tau=float(tau) * factor) for factor in FACTORS]
        labels = [cluster_faces(embeddings, graph, one, _SEED) for one in wanted]
        np.save(Path(folder) / "labels.npy", np.stack(labels))
    seconds, processor = time.perf_counter() - begun, time.process_time() - before
    print(json.dumps({"seconds": seconds, "processor": processor, "peak": own_peak()}))


def print_taus(folder: Path, tau: float, truth: Labels) -> None:
    """Prints how right facebatch is with more and with less than tau."""
    command = [sys.executable, __file__, "--work", "facebatch", str(folder), str(tau), "taus"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    print(f"  tau            {_HEAD}")
    for factor, labels in zip(FACTORS, np.load(folder / "labels.npy"), strict=True):
        print(f"  {tau * factor:.4f} ({factor:.1f}x)  {_scores(truth, labels)}")


if __name__ == "__main__":
    main()
