"""What looking through cells misses of the links that count, and what that does to the clusters.

    python benchmarks/graph.py [--sizes 20000] [--spreads mobilefacenet lfw] [--embeddings FILE]

Among as many faces as all pairs can be compared of, neighbours are looked for as among millions,
and compared with those of all distances: the share of the links within tau that is found from
either end; the adjusted Rand index of HDBSCAN's clusters to those of all distances, of the 64
nearest that all pairs give and of those found through cells; and pairwise precision and recall of
the whole method. Faces are invented (generator.py), or rows ``emb`` (n, d) and ``label`` (n,) of a
file of numpy's, which are taken for dlib-resnet's without averaging.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import numpy.typing as npt
from generator import SPREADS, faces, links_of, population
from sklearn.metrics import adjusted_rand_score

from facebatch import neighbors
from facebatch.cluster import ClusterSettings, cluster_faces
from facebatch.cluster.forest import mutual_reachability, spanning_forest
from facebatch.cluster.hdbscan import select_clusters
from facebatch.cluster.labels import own_labels
from facebatch.cluster.links import density
from facebatch.cluster.tau import choose_tau
from facebatch.evaluate.clustering import pairwise_scores
from facebatch.neighbors import Neighbors
from facebatch.workers.machine import usable_cores

_SEED = 1
_ALL = 1200
"""More neighbours than anybody has within tau here."""


def compare(
    name: str, embeddings: npt.NDArray[np.float32], tau: float, people: npt.NDArray[np.integer]
) -> None:
    """Prints the figures of one set of faces."""
    n, d = embeddings.shape
    settings, threads = ClusterSettings(tau), usable_cores()
    every = neighbors.exact_neighbors(embeddings, _ALL, tau, threads)
    plan = neighbors.choose(n, d, 1 << 40, exact_rows=0)
    k = settings.neighbors
    found = neighbors.find_neighbors(embeddings, k, tau, plan, _SEED, threads)
    recall = neighbors.recall(embeddings, found, tau, 2000, _SEED).within_reach
    print(f"\n{n:,} faces, {name}: tau {tau:.4f}, {plan.lists} cells, links found {recall:.4f}")
    wanted = _hdbscan(every, settings)
    for words, graph in (("64 nearest of all", every.first(k)), ("through cells", found)):
        index = adjusted_rand_score(wanted, _hdbscan(graph, settings))
        pairs = pairwise_scores(people, cluster_faces(embeddings, graph, settings, _SEED))
        print(f"  {words:<18} ARI {index:.5f}  P {pairs.precision:.4f} R {pairs.recall:.4f}")


def _hdbscan(graph: Neighbors, settings: ClusterSettings) -> npt.NDArray[np.int32]:
    near = density(graph, settings.min_samples, settings.tau)
    links = mutual_reachability(near.links, near.core, settings.tau)
    forest = spanning_forest(links, len(graph))
    nodes = select_clusters(forest, settings.min_cluster_size, settings.tau)
    return own_labels(forest.labels(nodes))


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--sizes", type=int, nargs="*", default=[20_000])
    parser.add_argument("--spreads", nargs="+", choices=SPREADS, default=["mobilefacenet", "lfw"])
    parser.add_argument("--embeddings", type=Path, help="an .npz file with emb and label")
    given = parser.parse_args()
    for size in given.sizes:
        people = population(size, _SEED)
        for spread in given.spreads:
            tau = choose_tau(size, links_of(spread))
            compare(f"like {spread}'s", faces(people, _SEED, spread), tau, people)
    if given.embeddings:
        stored = np.load(given.embeddings)
        rows = stored["emb"].astype(np.float32)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        compare(
            given.embeddings.name, rows, choose_tau(len(rows), links_of("lfw")), stored["label"]
        )


if __name__ == "__main__":
    main()
