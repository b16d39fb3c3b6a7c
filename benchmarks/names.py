"""Shows how many of the names given are wrong, with and without control of that share.

    facebatch extract PEOPLE --output COLLECTION       # a folder a person
    facebatch extract STRANGERS --output OTHERS        # nobody of them
    python benchmarks/names.py COLLECTION [OTHERS...]

People are drawn, a photo or three of each are enrolled, and every other good face of all
collections is identified. In a photo the central face is the folder's person; all other faces,
people who aren't enrolled, and everybody of the other collections are impostors. Thresholds are
those that come with facebatch. Prints, for each size of gallery, what `--fpir 0.01` alone names and
what `--fdr 0.01` leaves of it; then how often names were right that were shown with some
probability, by the local FDR and by the curve for two photos, which reckons with one impostor for
each mated face.
"""

from __future__ import annotations

import argparse
import itertools
from collections import defaultdict

import numpy as np
import numpy.typing as npt
from people_by_folder import central_faces

from facebatch.collection import Collection
from facebatch.faces.quality import Gate
from facebatch.identify.classifier import fit
from facebatch.identify.false_discovery import impostor_probabilities, q_values, rates_of
from facebatch.identify.thresholds import default_for
from facebatch.stages.common import good_faces
from facebatch.tables import matrix

FPIR = FDR = 0.01
SIZES, PHOTOS, ROUNDS = (5, 20, 100, 300), (1, 3), 20
BINS = (0.0, 0.5, 0.8, 0.9, 0.95, 0.99, 1.0)
NOBODY = ""

Strings = npt.NDArray[np.str_]


def faces_of(url: str, labelled: bool) -> tuple[npt.NDArray[np.float32], Strings]:
    """Returns the good faces' embeddings (n, d) and names (n,); impostors have none."""
    collection = Collection.open(url)
    snapshot = collection.snapshot()
    embeddings = matrix(snapshot.faces(["embedding"])["embedding"])
    names = np.full(len(embeddings), NOBODY, dtype=object)
    if labelled:
        rows, folders = central_faces(collection)
        names[rows] = [f"/{folder}" for folder in folders]
    good = good_faces(collection, snapshot, Gate())
    return embeddings[good], names[good].astype(str)


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("collection")
    parser.add_argument("others", nargs="*")
    asked = parser.parse_args()
    settings = Collection.open(asked.collection).settings
    calibration = default_for(settings.embedder, settings.tta)
    parts = [faces_of(asked.collection, True), *(faces_of(url, False) for url in asked.others)]
    embeddings = np.concatenate([part[0] for part in parts])
    names = np.concatenate([part[1] for part in parts])
    photos = defaultdict(list)
    for row, name in enumerate(names.tolist()):
        if name != NOBODY:
            photos[name].append(row)
    print(f"{len(names)} faces, {len(photos)} people of whom photos are labelled")
    print("people photos | FPIR alone: names, wrong, found | with FDR: names, wrong, found")
    generator = np.random.default_rng(0)
    shown: list[npt.NDArray[np.float64]] = []
    for people in SIZES:
        for taken in PHOTOS:
            able = sorted(name for name, rows in photos.items() if len(rows) > taken)
            if len(able) < people:
                continue
            totals, totals_mated = np.zeros((2, 3)), 0
            for _ in range(ROUNDS):
                chosen = generator.choice(able, people, replace=False)
                enrolled = [row for name in chosen for row in photos[name][:taken]]
                model = fit("centroid", embeddings[enrolled], names[enrolled].tolist())
                probes = np.setdiff1d(np.arange(len(names)), enrolled)
                best = model.best(embeddings[probes], 1)
                scores, said = best.scores[:, 0], np.array(model.people)[best.people[:, 0]]
                rates = rates_of(scores, calibration, "centroid", people)
                if rates is None:
                    raise SystemExit("no thresholds come with this embedder")
                right, mated = said == names[probes], np.isin(names[probes], chosen)
                for number, named in enumerate(
                    (rates <= FPIR, (rates <= FPIR) & (q_values(rates) <= FDR))
                ):
                    totals[number] += named.sum(), (named & ~right).sum(), (named & right).sum()
                totals_mated += int(mated.sum())
                near = rates <= FPIR
                likely = 1 - impostor_probabilities(rates)
                shown.append(np.stack([likely, calibration.probability(scores), right])[:, near])
            told = [
                f"{n / ROUNDS:7.1f} {w / max(n, 1):6.3f} {r / totals_mated:6.3f}"
                for n, w, r in totals
            ]
            print(f"{people:6} {taken:6} | {told[0]} | {told[1]}")
    print_reliability(np.concatenate(shown, axis=1))


def print_reliability(shown: npt.NDArray[np.float64]) -> None:
    """Prints how often names of a probability were right: local FDR, then the curve for two."""
    print("\nprobability | by local FDR: names, said, right | by the curve for two photos")
    for low, high in itertools.pairwise(BINS):
        told = []
        for said in shown[:2]:
            these = (said >= low) & ((said < high) | (high == BINS[-1]))
            mean = f"{said[these].mean():.3f} {shown[2][these].mean():.3f}" if these.any() else ""
            told.append(f"{these.sum():7} {mean:11}")
        print(f"{low:.2f}-{high:.2f}   | {told[0]} | {told[1]}")


if __name__ == "__main__":
    main()
