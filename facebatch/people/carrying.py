"""Taking people and decisions over into a collection of the same faces in another space."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from facebatch import ids, tables
from facebatch.collection import Collection, Generation, Snapshot, write_table
from facebatch.people.recording import FOLDER
from facebatch.people.records import EVENTS
from facebatch.people.view import PeopleView

PEOPLE_FOLDERS = (EVENTS, FOLDER, "clusters", "people")
"""Folders that `carry_people` writes."""


def carry_people(source: Collection, target: Collection) -> None:
    """Takes over who is who, what happened to them, and what users decided.

    Clusters stay the source's until the target's faces are clustered, which knows everybody again
    by their faces. What decisions recorded of a face's look is written in the target's space, or
    left out where the target doesn't have the face.

    Args:
        source: The collection.
        target: One of the same faces, whose shards are committed.

    Raises:
        CollectionError: A table can't be read.
    """
    snapshot = target.snapshot()
    for folder in (EVENTS, FOLDER):
        for file in source.storage.files(folder):
            rows = tables.read(source.storage, file.path, folder)
            if folder == FOLDER:
                rows = _looking_anew(rows, snapshot)
            tables.write(target.storage, file.path, folder, rows, target.fingerprint)
    people = PeopleView.of(source)
    if people.generation is None or people.clusters is None:
        return
    clusters = Generation(
        people.clusters.name,
        replace(people.clusters.manifest, space=source.space, parents=(), tree=None, matches=None),
    )
    path = f"{clusters.folder}/clusters.parquet"
    write_table(target, clusters, "clusters", tables.read(source.storage, path, "clusters"))
    target.finish(clusters)
    manifest = replace(people.generation.manifest, space=source.space, parents=(clusters.name,))
    carried = Generation(people.generation.name, manifest)
    write_table(target, carried, "people", people.table)
    target.finish(carried)


def _looking_anew(decision: pa.Table, snapshot: Snapshot) -> pa.Table:
    """Returns a decision's rows with the embeddings that their faces have in a snapshot."""
    wanted = pa.array(decision["face_id"].to_pylist(), pa.binary(ids.ID_BYTES))
    listed = snapshot.listed
    listed = listed.filter(pc.is_in(listed["face_id"], wanted.drop_null()))
    found = snapshot.faces(["face_id", "embedding"], among=listed)
    places = pc.index_in(wanted, found["face_id"].combine_chunks(), skip_nulls=True)
    vectors = tables.matrix(found["embedding"]) if len(found) else np.zeros((0, 0), np.float32)
    at = decision.schema.get_field_index("embedding")
    field = tables.schema("decisions").field("embedding")
    looks = [None if place is None else vectors[place] for place in places.to_pylist()]
    return decision.set_column(at, field, pa.array(looks, field.type))
