"""What a night costs that adds a few photos to a collection, and whom it changes.

    python benchmarks/nightly.py [--faces 100000] [--new 1000] [--nights 3]

Makes a collection of invented faces (``generator.py``), one a photo, clusters it, then adds new
faces night by night. Prints the seconds of the first clustering, of each night, and of clustering
all faces anew, with their ratio; the faces whose person changed in the nights, and how many
another clustering of everything would have changed; and pairwise precision and recall of both.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from generator import DIMENSION, faces, population

from facebatch import ids, tables
from facebatch.collection import (
    ClustersManifest,
    Collection,
    Generation,
    PeopleManifest,
    read_clusters,
)
from facebatch.config import ExtractSettings
from facebatch.evaluate.clustering import pairwise_scores
from facebatch.stages import cluster_people

_SHARD = 10_000
_SIDE = 150


def commit(collection: Collection, embeddings: npt.NDArray[np.float32], first: int) -> list[bytes]:
    """Commits one photo with one good face for each embedding; returns the face ids."""
    made: list[bytes] = []
    for start in range(0, len(embeddings), _SHARD):
        part = embeddings[start : start + _SHARD]
        media, face_ids = media_rows(first + start, len(part))
        shard = f"{first + start:032x}"
        rows = tables.from_rows("media", media)
        collection.commit_shard(shard, rows, face_table(media, face_ids, part))
        made += face_ids
    return made


def media_rows(first: int, count: int) -> tuple[list[dict[str, Any]], list[bytes]]:
    """Returns the rows of so many photos with a face each, and the faces' ids."""
    numbers = range(first, first + count)
    contents = [ids.content_id(number.to_bytes(8, "big")) for number in numbers]
    media = [_media_row(number, content) for number, content in zip(numbers, contents, strict=True)]
    return media, [ids.face_id(content, 0, 0, 0) for content in contents]


def _media_row(number: int, content: bytes) -> dict[str, Any]:
    return {
        "media_id": ids.media_id("photos", f"{number}.jpg"),
        "root": "photos",
        "path": f"{number}.jpg",
        "segment": 0,
        "size": 1,
        "marker": "1",
        "content_id": content,
        "kind": "photo",
        "status": "ok",
        "attempts": 1,
        "faces": 1,
        "width": _SIDE,
        "height": _SIDE,
    }


def face_table(
    media: list[dict[str, Any]], face_ids: list[bytes], embeddings: npt.NDArray[np.float32]
) -> pa.Table:
    """Returns a face row for each media row."""
    n = len(media)
    given: Mapping[str, Any] = {
        "face_id": face_ids,
        "media_id": [row["media_id"] for row in media],
        "content_id": [row["content_id"] for row in media],
        "landmarks": tables.vectors(np.zeros((n, 10), np.float32)),
        "chip_to_picture": tables.vectors(np.tile([1.0, 0, 0, 0, 1, 0], (n, 1))),
        "embedding": tables.vectors(embeddings),
        "size": [100.0] * n,
        "score": [1.0] * n,
    }
    schema = tables.schema("faces", DIMENSION)
    columns = [
        given[field.name] if field.name in given else [None if field.nullable else 0] * n
        for field in schema
    ]
    arrays = [
        column if isinstance(column, pa.Array) else pa.array(column, field.type)
        for column, field in zip(columns, schema, strict=True)
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


@dataclass(frozen=True)
class Run:
    """One clustering.

    Args:
        seconds: How long it took.
        cpu: Seconds of all cores together, which other work on the machine hardly changes.
        clusters: Its clusters.
        people: Its people.
    """

    seconds: float
    cpu: float
    clusters: Generation[ClustersManifest]
    people: Generation[PeopleManifest]

    @classmethod
    def of(cls, collection: Collection, **how: Any) -> Run:
        """Clusters a collection."""
        begun, cpu = time.perf_counter(), time.process_time()
        clusters, people = cluster_people(collection, collection.snapshot(), **how)
        seconds, busy = time.perf_counter() - begun, time.process_time() - cpu
        return cls(seconds, busy, clusters.generation, people.generation)

    def __str__(self) -> str:
        return f"{self.seconds:.1f} s ({self.cpu:.1f} s of CPU)"

    @property
    def changes(self) -> dict[str, int]:
        """Faces by what became of them."""
        return dict(self.people.manifest.changes)


def scores(
    collection: Collection, clusters: Generation[ClustersManifest], truth: Mapping[bytes, int]
) -> str:
    """Returns pairwise precision and recall in words."""
    face_ids, labels = read_clusters(collection, clusters)
    right = np.array([truth[face.tobytes()] for face in face_ids])
    found = pairwise_scores(right, labels)
    return f"precision {found.precision:.4f}  recall {found.recall:.4f}"


def main() -> None:
    """Prints the figures."""
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--faces", type=int, default=100_000)
    parser.add_argument("--new", type=int, default=1000)
    parser.add_argument("--nights", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    total = arguments.faces + arguments.nights * arguments.new
    person = population(total, arguments.seed)
    embeddings = faces(person, arguments.seed)
    with tempfile.TemporaryDirectory(prefix="facebatch-") as folder:
        collection = Collection.create(f"{folder}/collection", ExtractSettings(tta="none"))
        known = commit(collection, embeddings[: arguments.faces], 0)
        print(f"first clustering of {arguments.faces:,} faces: {Run.of(collection)}")
        nights = []
        for number in range(arguments.nights):
            first = arguments.faces + number * arguments.new
            known += commit(collection, embeddings[first : first + arguments.new], first)
            nights.append(Run.of(collection))
            print(f"night {number + 1}: {arguments.new:,} new faces: {nights[-1]}")
            print(f"  {nights[-1].changes}")
        truth = dict(zip(known, person.tolist(), strict=True))
        last = nights[-1].clusters
        print(f"after the nights: {scores(collection, last, truth)}")
        tau = last.manifest.tau
        anew = Run.of(collection, from_scratch=True, tau=tau)
        night = sorted(nights, key=lambda run: run.cpu)[len(nights) // 2]
        print(f"everything anew: {anew}; {anew.changes}")
        print(
            f"  {anew.seconds / night.seconds:.1f} times a night, {anew.cpu / night.cpu:.1f} times "
            "its CPU"
        )
        print(f"anew: {scores(collection, anew.clusters, truth)}")
        print(f"another threshold: {Run.of(collection, tau=0.9 * tau)}")


if __name__ == "__main__":
    main()
