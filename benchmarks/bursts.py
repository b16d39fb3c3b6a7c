"""What near-identical shots do to a clustering: with and without drawing them together.

    python benchmarks/bursts.py [--embeddings FILE.npz] [--sizes 10000] [--spread lfw]

Invented people (generator.py), every twelfth face repeated: five, 30 or 100 shots at d2 .004 or
.02 from it. ``--embeddings`` takes labelled embeddings of dlib-resnet without averaging
(``emb`` (n, d), ``label`` (n,)) as they are, and half of them, drawn six times. Scores are over
pairs; "first shots" leaves the repetitions out, so that it may be compared with the row without.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
from generator import SPACES, faces, population

from facebatch.cluster import ClusterSettings, cluster_faces
from facebatch.cluster.tau import choose_tau
from facebatch.evaluate.clustering import pairwise_scores
from facebatch.models.space_thresholds import shipped
from facebatch.neighbors import choose, find_neighbors
from facebatch.workers.machine import usable_cores, usable_memory

Embeddings = npt.NDArray[np.float32]
Labels = npt.NDArray[np.integer]

_SEED = 1
_EVERY = 12


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--embeddings", type=Path, help="an .npz with emb and label")
    parser.add_argument("--sizes", type=int, nargs="*", default=[10_000])
    like = [name for name, space in SPACES.items() if space == ("dlib-resnet", "none")]
    parser.add_argument("--spread", choices=like, default="lfw")
    arguments = parser.parse_args()
    if arguments.embeddings is not None:
        stored = np.load(arguments.embeddings)
        for title, rows in _samples(len(stored["label"])):
            embeddings = _unit(stored["emb"][rows].astype(np.float32))
            compare(title, embeddings, stored["label"][rows], len(rows))
    for size in arguments.sizes:
        people = population(size, _SEED)
        once = faces(people, _SEED, arguments.spread)
        compare(f"{size:,} invented faces like {arguments.spread}'s", once, people, size)
        for d2 in (0.004, 0.02):
            for shots in (5, 30, 100):
                again, whose = repeated(once, people, shots, d2)
                compare(f"and {shots} shots at {d2:g} of every twelfth", again, whose, size)


def _samples(n: int) -> Iterator[tuple[str, npt.NDArray[np.intp]]]:
    yield f"all {n:,} faces", np.arange(n)
    for seed in range(6):
        half = np.flatnonzero(np.random.default_rng(seed).random(n) < 0.5)
        yield f"half of them, draw {seed}", half


def repeated(
    embeddings: Embeddings, people: Labels, shots: int, d2: float
) -> tuple[Embeddings, Labels]:
    """Returns the faces, followed by so many shots of every twelfth, about d2 from it."""
    which = np.repeat(np.arange(0, len(people), _EVERY), shots)
    noise = np.random.default_rng(_SEED).standard_normal((len(which), embeddings.shape[1]))
    noise *= np.sqrt(d2 / embeddings.shape[1])
    rows = _unit(np.concatenate([embeddings, embeddings[which] + noise]))
    return rows.astype(np.float32), np.concatenate([people, people[which]])


def compare(title: str, embeddings: Embeddings, people: Labels, first: int) -> None:
    """Prints the scores of one set of faces, of which the first so many are no repetitions."""
    n, d = embeddings.shape
    tau = choose_tau(first, shipped("dlib-resnet")["none"].links)
    plan = choose(n, d, usable_memory())
    neighbors = find_neighbors(embeddings, 64, tau, plan, _SEED, usable_cores())
    print(f"\n{title}: {n:,} faces, tau {tau:.4f}")
    for words, factor in (("each shot counts", 0.0), ("drawn together", 0.35)):
        settings = ClusterSettings(tau, burst_factor=factor)
        labels = cluster_faces(embeddings, neighbors, settings, _SEED)
        line = f"  {words:<17} {_scores(people, labels)}"
        if first < n:
            line += f"   first shots {_scores(people[:first], labels[:first])}"
        print(line, flush=True)


def _unit(rows: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    unit: npt.NDArray[np.floating] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit


def _scores(people: Labels, labels: Labels) -> str:
    pairs = pairwise_scores(people, labels)
    return f"P {pairs.precision:.3f} R {pairs.recall:.3f} F {pairs.f:.3f}"


if __name__ == "__main__":
    main()
