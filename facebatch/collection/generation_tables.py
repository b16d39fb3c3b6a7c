"""The tables beside a generation's manifest, as every later stage reads them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from facebatch import ids, tables
from facebatch.collection.collection import Collection
from facebatch.collection.generations import Generation
from facebatch.collection.manifests import ClustersManifest, Manifest, MatchesManifest
from facebatch.collection.snapshot import Snapshot

TREE_TABLES = ("bursts", "tree", "links")
"""Tables of the tree that a clustering was cut from, beside the clusters that it was grown for."""

_BOX = ("x0", "y0", "x1", "y1")


def read_clusters(
    collection: Collection, generation: Generation[ClustersManifest]
) -> tuple[npt.NDArray[np.void], npt.NDArray[np.int32]]:
    """Returns a clustering generation's face ids, (n,) V16 sorted, and labels, (n,) int32.

    A face on its own has the label -1.
    """
    path = f"{generation.folder}/clusters.parquet"
    rows = tables.read(collection.storage, path, "clusters", ["face_id", "cluster"])
    labels = rows["cluster"].fill_null(-1).to_numpy().astype(np.int32)
    return ids.from_arrow(rows["face_id"]), labels


def read_matches(
    collection: Collection,
    generation: Generation[MatchesManifest],
    columns: Sequence[str] | None = None,
) -> pa.Table:
    """Returns a generation's matches, sorted by face id; all columns by default."""
    path = f"{generation.folder}/matches.parquet"
    return tables.read(collection.storage, path, "matches", columns)


def places_of(snapshot: Snapshot, faces: pa.Table) -> pa.Table:
    """Returns where faces are.

    Args:
        snapshot: What holds them.
        faces: Columns ``media_id`` and the sides of the box.

    Returns:
        Rows of the table ``places``, in the order of the faces.
    """
    media = snapshot.items.select(["media_id", "root", "path"])
    rows = media.take(pc.index_in(faces["media_id"], media["media_id"].combine_chunks()))
    box = {side: faces[side] for side in _BOX}
    return pa.table({"root": rows["root"], "path": rows["path"], **box})


def write_table(
    collection: Collection, generation: Generation[Manifest], table: str, rows: pa.Table
) -> None:
    """Writes one table of a generation."""
    path = f"{generation.folder}/{table}.parquet"
    tables.write(collection.storage, path, table, rows, collection.fingerprint)
