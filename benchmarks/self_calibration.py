"""Shows stated against seen FPIR, by measured thresholds and by those of the archive itself.

    facebatch extract PEOPLE --output COLLECTION       # a folder a person
    facebatch extract STRANGERS --output OTHERS        # nobody of them, once or more
    python benchmarks/self_calibration.py COLLECTION OTHERS...

People are drawn and a photo of each is enrolled. The archive is their other photos and the first of
the others; the thresholds that it gives itself are tried on everybody else: on those people of the
first collection who weren't drawn, and on the rest of the others. Prints the share of them that is
taken for somebody, and the share of the enrolled people's photos that are found.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from people_by_folder import central_faces

from facebatch.collection import Collection
from facebatch.errors import UsageError
from facebatch.faces.quality import Gate
from facebatch.identify.archive_calibration import archive_tail
from facebatch.identify.classifier import fit
from facebatch.identify.thresholds import default_for, threshold_for
from facebatch.stages.common import good_faces
from facebatch.tables import matrix

SIZES, RATES, ROUNDS = (10, 20, 50, 100, 200, 300), (0.1, 0.01), 10
METHOD = "centroid"


@dataclass(frozen=True)
class Faces:
    """Good faces: embeddings (n, d), the folder of each (empty beside the central one), photo."""

    embeddings: npt.NDArray[np.float32]
    names: npt.NDArray[np.str_]
    photos: npt.NDArray[np.int64]

    @classmethod
    def of(cls, url: str) -> Faces:
        """Reads a collection's."""
        collection = Collection.open(url)
        snapshot = collection.snapshot()
        rows = snapshot.faces(["media_id", "embedding"])
        names = np.full(len(rows), "", dtype=object)
        central, folders = central_faces(collection)
        names[central] = [f"/{folder}" for folder in folders]
        photos = rows["media_id"].combine_chunks().dictionary_encode().indices.to_numpy()
        good = good_faces(collection, snapshot, Gate())
        return cls(matrix(rows["embedding"])[good], names[good].astype(str), photos[good])


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("collection")
    parser.add_argument("others", nargs="+")
    parser.add_argument("--alone", action="store_true", help="The archive without the others.")
    asked = parser.parse_args()
    settings = Collection.open(asked.collection).settings
    labelled, first, *rest = (Faces.of(url) for url in (asked.collection, *asked.others))
    people, counts = np.unique(labelled.names[labelled.names != ""], return_counts=True)
    able = people[counts > 1]
    random = np.random.default_rng(0)
    columns = ["not drawn", "bystanders", *asked.others[0 if asked.alone else 1 :], "TPIR"]
    print("people FPIR from      threshold |", " ".join(columns))
    for size in (size for size in SIZES if size <= len(able)):
        seen: dict[tuple[float, str], list[list[float]]] = {}
        for _ in range(ROUNDS):
            drawn = random.choice(able, size, replace=False)
            enrolled = [np.flatnonzero(labelled.names == name)[0] for name in drawn]
            model = fit(METHOD, labelled.embeddings[enrolled], drawn.tolist())
            mated = np.isin(labelled.names, drawn)
            mated[enrolled] = False
            tried = [labelled.embeddings[~np.isin(labelled.names, ["", *drawn])]]
            tried += [labelled.embeddings[labelled.names == ""]]
            others = [first, *rest] if asked.alone else rest
            tried += [other.embeddings for other in others]
            archive = [(labelled.embeddings[mated], labelled.photos[mated])]
            if not asked.alone:
                archive.append((first.embeddings, first.photos + 10**9))
            embeddings, photos = (np.concatenate(parts) for parts in zip(*archive, strict=True))
            best = model.best(embeddings, 2)
            tail = archive_tail(best.scores, photos, METHOD, size)
            own = tail and tail.calibration(METHOD, settings.embedder, settings.tta, "own")
            nearest = [model.best(part, 1).scores[:, 0] for part in tried]
            found = model.best(labelled.embeddings[mated], 1).scores[:, 0]
            for source in ("measured", "archive"):
                for rate in RATES:
                    try:
                        by = (
                            own
                            if source == "archive"
                            else default_for(settings.embedder, settings.tta)
                        )
                    except UsageError:
                        continue
                    if by is None:
                        continue
                    threshold, _ = threshold_for(by, METHOD, size, fpir=rate)
                    shares = [float((scores <= threshold).mean()) for scores in (*nearest, found)]
                    seen.setdefault((rate, source), []).append([threshold, *shares])
        for (rate, source), values in sorted(seen.items(), reverse=True):
            mean = np.mean(values, axis=0)
            told = " ".join(f"{share:.4f}" for share in mean[1:])
            spread = np.std(values, axis=0)[0]
            print(f"{size:6} {rate:<4g} {source:<9} {mean[0]:.3f} +- {spread:.3f} | {told}")


if __name__ == "__main__":
    main()
