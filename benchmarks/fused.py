"""Two embedders' embeddings side by side: are they worth two networks?

    python benchmarks/fused.py COLLECTION OTHER [--splits 3]

Both collections hold the same photos, a folder a person, extracted with one embedder each. The
people are cut in halves: on one the weight (the share of the first in the squared distance, after
both are scaled to the same median) and tau are fitted, by the mean of TAR at FAR 1e-3, 1e-4 and
1e-5 and by the clusters' pairwise F; on the other all is shown. Then the halves change places. A
photo's face is the central one.
"""

from __future__ import annotations

import argparse

import numpy as np
import numpy.typing as npt

from facebatch.api.clustering import cluster_embeddings
from facebatch.collection import Collection
from facebatch.evaluate.clustering import pairwise_scores
from facebatch.evaluate.photos import Photos

Floats = npt.NDArray[np.floating]
Integers = npt.NDArray[np.integer]

_FARS = (1e-3, 1e-4, 1e-5)
_TAU_FARS = (3e-6, 1e-5, 3e-5, 1e-4, 3e-4)
_WEIGHTS = np.linspace(0, 1, 11)


def main() -> None:
    """Prints a line for each embedder and for both together."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("collections", nargs=2, metavar="COLLECTION")
    parser.add_argument("--splits", type=int, default=3)
    arguments = parser.parse_args()
    names, (first, second), people = _loaded(arguments.collections)
    pairs = np.triu_indices(len(people), 1)
    ratio = np.median(_d2(first)[pairs]) / np.median(_d2(second)[pairs])
    shown: dict[str, list[list[float]]] = {name: [] for name in (*names, "both")}
    weights = []
    for seed in range(arguments.splits):
        chosen = np.random.default_rng(seed).permutation(people.max() + 1) < people.max() // 2
        for fit in (chosen[people], ~chosen[people]):
            weight = _best_weight(first[fit], second[fit], ratio, people[fit])
            weights.append(weight)
            both = _side_by_side(first, second, weight, ratio)
            for name, rows in zip(shown, (first, second, both), strict=True):
                tau = _best_tau(rows[fit], people[fit])
                rates = _tars(_d2(rows[~fit]), people[~fit])
                shown[name].append([*rates, *_scores(rows[~fit], people[~fit], tau)])
    print(f"{len(people):,} faces of {people.max() + 1:,} people; means over {len(weights)} halves")
    print("TAR at FAR 1e-3, 1e-4, 1e-5; clusters' pairwise P, R, F")
    for name, values in shown.items():
        print(f"{name:<18}", *(f"{value:.3f}" for value in np.mean(values, axis=0)))
    for name in names:
        gain = np.array(shown["both"]) - np.array(shown[name])
        better, worse = (gain > 0).sum(axis=0), (gain < 0).sum(axis=0)
        print(f"both against {name}: better in", *better, "and worse in", *worse, "halves")
    print("weight of the first:", *(f"{weight:.1f}" for weight in weights))


def _loaded(urls: list[str]) -> tuple[list[str], list[Floats], Integers]:
    """Returns the embedders' names, embeddings (n, d) of the photos of both, and people (n,)."""
    collections = [Collection.open(url) for url in urls]
    photos = [Photos.of(collection.snapshot()) for collection in collections]
    shared = set.intersection(*({n for n in each.names if each.central(n)} for each in photos))
    names = sorted(shared)
    people = np.unique([name.split("/")[-2] for name in names], return_inverse=True)[1]
    embeddings = [each.embeddings(names) for each in photos]
    return [each.settings.embedder for each in collections], embeddings, people.reshape(-1)


def _d2(rows: Floats) -> Floats:
    return np.clip(2 - 2 * rows @ rows.T, 0, 4)


def _side_by_side(first: Floats, second: Floats, weight: float, ratio: float) -> Floats:
    """Returns rows of length 1 whose squared distances are the weighted mean of both's."""
    rows = np.concatenate(
        [np.sqrt(weight) * first, np.sqrt((1 - weight) * ratio) * second], axis=1
    ).astype(np.float32)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def _tars(d2: Floats, people: Integers) -> list[float]:
    """Returns the share of pairs of one person nearer than all but FAR of those of two."""
    one, other = np.triu_indices(len(people), 1)
    values, same = d2[one, other], people[one] == people[other]
    impostors = np.sort(values[~same])
    limits = [impostors[int(far * len(impostors))] for far in _FARS]
    return [float((values[same] < limit).mean()) for limit in limits]


def _best_weight(first: Floats, second: Floats, ratio: float, people: Integers) -> float:
    one, other = _d2(first), ratio * _d2(second)

    def goodness(weight: float) -> tuple[float, float]:
        return np.mean(_tars(weight * one + (1 - weight) * other, people)), -abs(weight - 0.5)

    return float(max(_WEIGHTS, key=goodness))


def _best_tau(rows: Floats, people: Integers) -> float:
    one, other = np.triu_indices(len(people), 1)
    impostors = np.sort(_d2(rows)[one, other][people[one] != people[other]])
    taus = [float(impostors[int(far * len(impostors))]) for far in _TAU_FARS]
    return max(taus, key=lambda tau: _scores(rows, people, tau)[2])


def _scores(rows: Floats, people: Integers, tau: float) -> list[float]:
    scores = pairwise_scores(people, cluster_embeddings(rows.astype(np.float32), tau=tau))
    p, r = scores.precision, scores.recall
    return [p, r, 2 * p * r / (p + r)]


if __name__ == "__main__":
    main()
