"""Searching a collection for the faces nearest to a probe's."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from facebatch import ids, tables
from facebatch.collection import Collection
from facebatch.index import read, search
from facebatch.probes import Probe
from facebatch.snapshot import Snapshot
from facebatch.stages import build_index, read_clusters, read_people
from facebatch.thresholds import DEFAULTS


def search_collection(
    collection: Collection, snapshot: Snapshot, probe: Probe, count: int
) -> dict[str, Any]:
    """Returns the faces nearest to a probe's central face, nearest first, as plain data.

    The index is the collection's own; one that is out of date is built anew first.

    Args:
        collection: The collection.
        snapshot: What is searched.
        probe: A photo, looked at under the collection's settings.
        count: Faces wanted.

    Raises:
        InputError: The probe shows no face.
    """
    query = probe.embeddings[probe.central][None]
    generation = build_index(collection, snapshot).generation
    index = read(collection.storage, f"{generation.folder}/faces.index", query.shape[1])
    path = f"{generation.folder}/ids.parquet"
    indexed = tables.read(collection.storage, path, "ids")
    similarity, rows = search(index, query, count)
    there = rows[0] >= 0
    d2 = np.maximum(0, 2 - 2 * similarity[0, there])
    found = indexed.take(pa.array(rows[0, there]))
    return {
        "photo": probe.path,
        "other_faces": probe.others,
        "searched": len(indexed),
        "results": _described(collection, snapshot, found["face_id"], d2),
    }


def _described(
    collection: Collection,
    snapshot: Snapshot,
    face_ids: pa.ChunkedArray,
    d2: npt.NDArray[np.float32],
) -> list[dict[str, Any]]:
    settings = collection.settings
    shipped = DEFAULTS.get((settings.embedder, settings.tta))
    likely = shipped.probability(d2) if shipped and shipped.curve else None
    faces = snapshot.faces(["face_id", "media_id", "x0", "y0", "x1", "y1"])
    faces = faces.take(pc.index_in(face_ids, faces["face_id"].combine_chunks()))
    media = snapshot.media.select(["media_id", "root", "path"])
    media = media.take(pc.index_in(faces["media_id"], media["media_id"].combine_chunks()))
    people = _people_of(collection, ids.from_arrow(face_ids))
    return [
        {
            "face_id": face["face_id"].hex(),
            "root": item["root"],
            "path": item["path"],
            "box": [face[edge] for edge in ("x0", "y0", "x1", "y1")],
            "d2": float(distance),
            "probability": None if likely is None else float(likely[row]),
            "person": person,
        }
        for row, (face, item, distance, person) in enumerate(
            zip(faces.to_pylist(), media.to_pylist(), d2, people, strict=True)
        )
    ]


def _people_of(collection: Collection, face_ids: npt.NDArray[np.void]) -> list[str | None]:
    """Returns the name, or the id, of the person that each face belongs to today."""
    current = collection.current("people")
    parent = current.manifest["parents"][0] if current else None
    clusters = collection.generation("clusters", parent)
    if current is None or clusters is None:
        return [None] * len(face_ids)
    clustered, labels = read_clusters(collection, clusters)
    # The few are looked for among the many; the other way round a table of the many is made first.
    rows = np.flatnonzero(pc.is_in(ids.to_arrow(clustered), ids.to_arrow(face_ids)))
    found = ids.to_arrow(clustered[rows])
    places = pc.index_in(ids.to_arrow(face_ids), found).to_pylist()
    called = {
        person.cluster: person.name or person.person_id.hex()
        for person in read_people(collection, current)
        if person.cluster is not None
    }
    return [None if place is None else called.get(int(labels[rows[place]])) for place in places]
