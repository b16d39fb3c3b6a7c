"""Searching a collection for the faces nearest to a probe's."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from facebatch import tables
from facebatch.collection import Collection, Generation, IndexManifest, Snapshot, places_of
from facebatch.collection.commits import listing_of
from facebatch.extract.chosen import DEFAULT_FACE
from facebatch.identify.thresholds import known_for
from facebatch.neighbors.index import read, search
from facebatch.people import PeopleView
from facebatch.probe.probe import Probe
from facebatch.stages import build_index

_PLACE = ("root", "path", "x0", "y0", "x1", "y1")


def search_collection(
    collection: Collection, probe: Probe, count: int, face: str = DEFAULT_FACE
) -> dict[str, Any]:
    """Returns the faces nearest to one of a probe's, nearest first, as plain data.

    The index is the collection's own, which knows where its faces are. Where shards were committed
    since it was built, it is checked against them, and built anew where faces came or went.

    Args:
        collection: The collection.
        probe: A photo, looked at under the collection's settings.
        count: Faces wanted.
        face: Which of the probe's faces is meant; see `Probe.taken`.

    Raises:
        InputError, UsageError: The probe shows no face, or none that is asked for.
    """
    taken = probe.taken(face)
    searched, results = search_embedding(collection, probe.embeddings[taken.row], count)
    return {
        "photo": probe.path,
        "face": taken.as_json(),
        "notes": taken.notes,
        "other_faces": taken.faces - 1,
        "searched": searched,
        "results": results,
    }


def search_embedding(
    collection: Collection, embedding: npt.NDArray[np.float32], count: int
) -> tuple[int, list[dict[str, Any]]]:
    """Returns how many faces were searched, and those nearest to an embedding, as plain data.

    Args:
        collection: The collection.
        embedding: (d,) float32 of length 1, of the collection's space.
        count: Faces wanted.
    """
    query = embedding[None]
    generation, snapshot = _index_of(collection)
    index = read(collection.storage, f"{generation.folder}/faces.index", query.shape[1])
    similarity, rows = search(index, query, count)
    there = rows[0] >= 0
    d2 = np.maximum(0, 2 - 2 * similarity[0, there])
    places = rows[0, there].astype(np.int64)
    path = f"{generation.folder}/ids.parquet"
    face_ids = tables.read_rows(collection.storage, path, "ids", ["face_id"], places)["face_id"]
    if snapshot is None:
        path = f"{generation.folder}/places.parquet"
        found = tables.read_rows(collection.storage, path, "places", _PLACE, places)
    else:
        faces = snapshot.faces(["face_id", "media_id", *_PLACE[2:]])
        faces = faces.take(pc.index_in(face_ids, faces["face_id"].combine_chunks()))
        found = places_of(snapshot, faces)
    searched = generation.manifest.faces or 0
    return searched, _described(collection, found, face_ids, d2)


def _index_of(collection: Collection) -> tuple[Generation[IndexManifest], Snapshot | None]:
    """Returns an index of today's faces, and the snapshot if it has to say where they are."""
    current = collection.current("index")
    if current and current.manifest.listing == listing_of(collection.storage):
        return current, None
    snapshot = collection.snapshot()
    generation = build_index(collection, snapshot).generation
    is_new = generation.manifest.listing == snapshot.listing
    return generation, None if is_new else snapshot


def _described(
    collection: Collection,
    places: pa.Table,
    face_ids: pa.ChunkedArray,
    d2: npt.NDArray[np.float32],
) -> list[dict[str, Any]]:
    settings = collection.settings
    shipped = known_for(settings.embedder, settings.tta, collection.space)
    likely = shipped.probability(d2) if shipped and shipped.curve else None
    people = PeopleView.of(collection).people_of(face_ids).to_pylist()
    return [
        {
            "face_id": face_id.hex(),
            "root": place["root"],
            "path": place["path"],
            "box": [place[edge] for edge in _PLACE[2:]],
            "d2": float(distance),
            "probability": None if likely is None else float(likely[row]),
            "person": person["name"] or (person["person_id"] and person["person_id"].hex()),
        }
        for row, (face_id, place, distance, person) in enumerate(
            zip(face_ids.to_pylist(), places.to_pylist(), d2, people, strict=True)
        )
    ]
