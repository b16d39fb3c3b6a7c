"""Compares a conversion to another embedder with extracting the photos anew by it.

    python benchmarks/convert.py --photos FOLDER [--before dlib-resnet] [--after mobilefacenet]

Extracts the photos by the first embedder; then, in turns, by the second one and by converting. It
prints the seconds of the whole commands, the cosines of the same faces' embeddings and, since the
folder holds one folder a person, the people found in either collection.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
from common import extract_command, facebatch_command
from people_by_folder import central_faces

from facebatch.collection import Collection, read_clusters
from facebatch.evaluate.clustering import pairwise_scores
from facebatch.faces.quality import Gate
from facebatch.stages import cluster_people
from facebatch.stages.common import good_faces
from facebatch.tables import matrix


def timed(command: list[str]) -> float:
    """Runs a command and returns its seconds."""
    begun = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - begun


def print_people(name: str, collection: Collection) -> None:
    """Prints how well a collection's people are those of its folders."""
    clusters, _ = cluster_people(collection, collection.snapshot())
    _, labels = read_clusters(collection, clusters.generation)
    rows, folders = central_faces(collection)
    scores = pairwise_scores(np.unique(folders, return_inverse=True)[1], labels[rows])
    print(f"{name:<10} people: pairwise P {scores.precision:.3f}, R {scores.recall:.3f}")


def print_cosines(fresh: Collection, converted: Collection) -> None:
    """Prints the cosines between the embeddings of faces that both collections have."""
    snapshots = fresh.snapshot(), converted.snapshot()
    faces, others = (each.faces(["face_id", "embedding"]) for each in snapshots)
    places = pc.index_in(faces["face_id"], others["face_id"].combine_chunks())
    there = places.is_valid().to_numpy()
    theirs = matrix(others["embedding"])[places.drop_null().to_numpy()]
    cosines = (matrix(faces["embedding"])[there] * theirs).sum(axis=1)
    good = good_faces(fresh, snapshots[0], Gate())[there]
    for name, some in (("all faces", cosines), ("good faces", cosines[good])):
        low, median = np.quantile(some, [0.1, 0.5])
        print(f"{name}: {len(some)}, cosine median {median:.4f}, a tenth below {low:.4f}")


def main() -> None:
    """Prints seconds, cosines and scores."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--before", default="dlib-resnet")
    parser.add_argument("--after", default="mobilefacenet")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=2)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        before = Path(folder) / "before"
        timed(extract_command(asked.photos, before, asked.workers, "--embedder", asked.before))
        seconds: dict[str, list[float]] = {"fresh": [], "converted": []}
        for number in range(asked.rounds):
            fresh, converted = (Path(folder) / f"{name}{number}" for name in seconds)
            after = ["--embedder", asked.after]
            extract = extract_command(asked.photos, fresh, asked.workers, *after)
            seconds["fresh"].append(timed(extract))
            convert = [facebatch_command(), "convert", str(before), "--output", str(converted)]
            seconds["converted"].append(timed([*convert, "--workers", str(asked.workers), *after]))
        for name, taken in seconds.items():
            print(f"{name:<10} {', '.join(f'{each:.1f}' for each in taken)} s")
        print(f"fresh / converted: {min(seconds['fresh']) / min(seconds['converted']):.1f}")
        collections = Collection.open(str(fresh)), Collection.open(str(converted))
        print_cosines(*collections)
        for name, collection in zip(seconds, collections, strict=True):
            print_people(name, collection)


if __name__ == "__main__":
    main()
