"""Photos of given embeddings committed to a collection, and its people afterwards."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from support.rows import content, media, media_row, memory_collection
from support.synthetic import at_angles, d2_of_angle
from support.synthetic import people as simulated

from facebatch import ids, tables
from facebatch.collection import Collection
from facebatch.people import PeopleView
from facebatch.people.edit import People, list_people
from facebatch.stages import cluster_people

CHIP = 150

LATER_RUNS: tuple[dict[str, bool], ...] = ({}, {"from_scratch": True})
"""The ways in which what users decided must hold from then on, as `follow` takes them."""


def commit(
    collection: Collection,
    shard: str,
    embeddings: npt.NDArray[np.float32],
    first: int = 0,
    **quality: list[float],
) -> None:
    """Commits one photo with one face for each embedding; the photos are numbered from `first`.

    The faces are good ones, but for what `quality` says: size, score or shift, which is how far
    the chip lies beside its photo's left edge.
    """
    numbers = range(first, first + len(embeddings))
    photos = [
        media_row(f"{number}.jpg", of=number, faces=1, width=CHIP, height=CHIP)
        for number in numbers
    ]
    shifts = quality.get("shift", [0.0] * len(photos))
    schema = tables.schema("faces", embeddings.shape[1])
    given = {
        "face_id": [ids.face_id(content(number), 0, 0, 0) for number in numbers],
        "media_id": [photo["media_id"] for photo in photos],
        "content_id": [content(number) for number in numbers],
        "landmarks": [[0.0] * 10] * len(photos),
        "chip_to_picture": [[1.0, 0.0, -shift, 0.0, 1.0, 0.0] for shift in shifts],
        "size": quality.get("size", [100.0] * len(photos)),
        "score": quality.get("score", [1.0] * len(photos)),
        "chip": [None] * len(photos),
        "embedding": embeddings.tolist(),
    }
    columns = [pa.array(given.get(field.name, [0] * len(photos)), field.type) for field in schema]
    collection.commit_shard(shard, media(*photos), pa.Table.from_arrays(columns, schema=schema))


def ids_of_people(collection: Collection) -> set[bytes]:
    known = PeopleView.of(collection).known.values()
    return {person.person_id for person in known if person.status == "active"}


def commit_photos(
    collection: Collection,
    shard: str,
    photos: list[npt.NDArray[np.float32]],
    first: int = 0,
    **columns: list[object],
) -> None:
    """Commits photos of several good faces each, side by side."""
    schema = tables.schema("faces", photos[0].shape[1])
    items, faces = [], []
    for number, embeddings in enumerate(photos, first):
        item = media_row(f"{number}.jpg", of=number, faces=len(embeddings), width=900, height=CHIP)
        items.append(item)
        for place, embedding in enumerate(embeddings):
            faces.append(
                {
                    "face_id": ids.face_id(content(number), 0, 0, place),
                    "media_id": item["media_id"],
                    "content_id": content(number),
                    "landmarks": [0.0] * 10,
                    "chip_to_picture": [1.0, 0.0, 0.0, 0.0, 1.0, 0.0],
                    "size": 100.0,
                    "score": 1.0 - place / 1000,
                    "x0": 100.0 * place,
                    "y0": 0.0,
                    "x1": 100.0 * place + 90,
                    "y1": 90.0,
                    "chip": None,
                    "track": None,
                    "embedding": embedding.tolist(),
                }
            )
    for row, face in enumerate(faces):
        face.update({name: values[row] for name, values in columns.items()})
    arrays = [pa.array([face.get(field.name, 0) for face in faces], field.type) for field in schema]
    collection.commit_shard(shard, media(*items), pa.Table.from_arrays(arrays, schema=schema))


def follow(collection: Collection, **how: object) -> People:
    """Clusters again and returns the people."""
    cluster_people(collection, collection.snapshot(), **how)  # type: ignore[arg-type]
    return People.of(collection)


def listed(people: People) -> list[str]:
    return [row["person_id"] for row in list_people(people, hidden=False)]


def partition(people: People) -> dict[str, frozenset[bytes]]:
    """Everyone's faces, by person id."""
    return {
        who: frozenset(people.faces_of(people.known[bytes.fromhex(who)]))
        for who in (row["person_id"] for row in list_people(people, hidden=True))
    }


def clustered(*sizes: int) -> Collection:
    """Returns a collection of people with so many photos each, clustered."""
    collection = memory_collection()
    embeddings, _ = simulated(list(sizes), seed=4)
    commit(collection, "one", embeddings)
    follow(collection)
    return collection


def commit_at(collection: Collection, shard: str, first: int, *degrees: float) -> None:
    """Commits one photo with one face for each angle, on a circle; d2 is that of the angle."""
    embeddings = np.zeros((len(degrees), 128), np.float32)
    embeddings[:, :2] = at_angles(*degrees)
    commit(collection, shard, embeddings, first=first)


def face_of(number: int) -> bytes:
    """Returns the id of the only face of the photo of a number."""
    return ids.face_id(content(number), 0, 0, 0)


def two_and_one_between() -> tuple[Collection, bytes]:
    """Returns a collection of two people, and the id of a face between them that came later."""
    collection = memory_collection()
    commit_at(collection, "one", 0, 0, 2, 4, 5, 19, 20, 21, 22)
    follow(collection, tau=d2_of_angle(9))
    commit_at(collection, "two", 8, 12)
    assert len(partition(follow(collection))) == 2
    return collection, face_of(8)
