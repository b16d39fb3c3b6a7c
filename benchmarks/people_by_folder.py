"""Scores the people found in an archive that has one folder a person.

    facebatch run FOLDER --output COLLECTION
    python benchmarks/people_by_folder.py COLLECTION

In each photo the face nearest the centre, weighted by size, is the folder's person; other faces
don't count. Prints pairwise and BCubed precision, recall and F.
"""

from __future__ import annotations

import sys

import numpy as np
import numpy.typing as npt

from facebatch.collection import Collection, read_clusters
from facebatch.evaluate.clustering import bcubed_scores, pairwise_scores


def central_faces(collection: Collection) -> tuple[npt.NDArray[np.intp], list[str]]:
    """Returns the row of each photo's central face among the snapshot's, and its folder."""
    snapshot = collection.snapshot()
    columns = ["media_id", "path", "width", "height"]
    photos = {row["media_id"]: row for row in snapshot.media.select(columns).to_pylist()}
    best: dict[bytes, tuple[float, int]] = {}
    faces = snapshot.faces(["media_id", "x0", "y0", "x1", "y1"]).to_pylist()
    for number, face in enumerate(faces):
        photo = photos[face["media_id"]]
        off_x = (face["x0"] + face["x1"] - photo["width"]) / 2
        off_y = (face["y0"] + face["y1"] - photo["height"]) / 2
        area = (face["x1"] - face["x0"]) * (face["y1"] - face["y0"])
        # davidsandberg/facenet's rule for several faces: area less twice the squared offset.
        merit = area - 2 * (off_x**2 + off_y**2)
        best[face["media_id"]] = max(best.get(face["media_id"], (merit, number)), (merit, number))
    rows = sorted(number for _, number in best.values())
    folders = [photos[faces[row]["media_id"]]["path"].rpartition("/")[0] for row in rows]
    return np.array(rows, dtype=np.intp), folders


def main() -> None:
    """Prints the scores."""
    collection = Collection.open(sys.argv[1])
    clusters = collection.current("clusters")
    if clusters is None:
        raise SystemExit(f"{sys.argv[1]} has no clusters yet: run `facebatch cluster`")
    _, labels = read_clusters(collection, clusters)
    rows, folders = central_faces(collection)
    truth = np.unique(folders, return_inverse=True)[1]
    print(f"{len(rows)} photos with a face, {len(set(folders))} people")
    for name, scores in (
        ("pairwise", pairwise_scores(truth, labels[rows])),
        ("BCubed", bcubed_scores(truth, labels[rows])),
    ):
        print(f"{name:<9} P {scores.precision:.3f}  R {scores.recall:.3f}  F {scores.f:.3f}")


if __name__ == "__main__":
    main()
