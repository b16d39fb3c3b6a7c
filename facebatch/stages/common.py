"""What all stages share: their result, a generation's tables, the arrays of a snapshot's faces."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from facebatch import tables
from facebatch.collection import Collection, Generation, Snapshot
from facebatch.collection.generations import ManifestT
from facebatch.faces.quality import Gate, inside_picture
from facebatch.models import registry

_FEW = 4
"""Embeddings are read alone where they are no more than one of so many."""

_BLOCK = 20_000
"""Faces whose chips are laid over their pictures at once: 150 MB."""


@dataclass(frozen=True)
class StageResult(Generic[ManifestT]):
    """What a stage did.

    Args:
        generation: Its current generation now.
        unchanged: Whether that was there before, for the same faces and settings.
    """

    generation: Generation[ManifestT]
    unchanged: bool

    def as_json(self) -> dict[str, Any]:
        """Returns the manifest as plain data, by former names too, and whether it is new."""
        manifest = self.generation.manifest
        said = manifest.as_json()
        return {
            "stage": self.generation.stage,
            "generation": self.generation.name,
            "unchanged": self.unchanged,
            **said,
            **{old: said[new] for old, new in manifest.former.items() if new in said},
        }


def good_faces(collection: Collection, snapshot: Snapshot, gate: Gate) -> npt.NDArray[np.bool_]:
    """Returns which of a snapshot's faces are good enough for a gate."""
    return gate.passes(*qualities(collection, snapshot))


def qualities(
    collection: Collection, snapshot: Snapshot, among: pa.Table | None = None
) -> tuple[npt.NDArray[np.float32], ...]:
    """Returns what a gate asks of faces, each (n,): what `Gate.passes` takes.

    Args:
        collection: The collection.
        snapshot: Its faces.
        among: The only faces wanted, as for `Snapshot.faces`; all by default.
    """
    columns = ["media_id", "size", "score", "sharpness", "yaw", "chip_to_picture"]
    faces = snapshot.faces(columns, among)
    media = snapshot.items.select(["media_id", "width", "height"])
    photo = pc.index_in(faces["media_id"], media["media_id"].combine_chunks()).to_numpy()
    sides = np.stack([media[side].to_numpy()[photo] for side in ("width", "height")], axis=1)
    chip_size = registry.card(collection.settings.embedder).input.size
    matrices = tables.matrix(faces["chip_to_picture"]).reshape(-1, 2, 3)
    blocks = [slice(start, start + _BLOCK) for start in range(0, len(faces), _BLOCK)]
    inside = [inside_picture(matrices[block], chip_size, sides[block]) for block in blocks]
    shares = np.concatenate([np.zeros(0, np.float32), *inside])
    yaw = faces["yaw"].fill_null(np.nan).to_numpy()
    size, score, sharpness = (faces[name].to_numpy() for name in ("size", "score", "sharpness"))
    return size, score, shares, sharpness, yaw


def embeddings_of(collection: Collection, faces: pa.Table) -> npt.NDArray[np.float32]:
    """Returns the embeddings (n, d) of a table of faces."""
    if not len(faces):
        dimension = registry.card(collection.settings.embedder).dimension
        return np.zeros((0, dimension), np.float32)
    return np.ascontiguousarray(tables.matrix(faces["embedding"]))


def all_embeddings(
    collection: Collection, snapshot: Snapshot, rows: npt.NDArray[np.integer] | None = None
) -> npt.NDArray[np.float32]:
    """Returns the embeddings (n, d) of a snapshot's faces, ordered by face id, or of some rows."""
    dimension = registry.card(collection.settings.embedder).dimension
    return snapshot.vectors("embedding", dimension, rows)


class StoredEmbeddings:
    """A snapshot's embeddings, (n, d) float32, none of which is read before it is asked for.

    Args:
        collection: The collection.
        snapshot: Its faces.
        faces: Columns face_id and media_id of all n.
    """

    def __init__(self, collection: Collection, snapshot: Snapshot, faces: pa.Table) -> None:
        self._collection = collection
        self._snapshot = snapshot
        self._faces = faces

    def __len__(self) -> int:
        return len(self._faces)

    @cached_property
    def all(self) -> npt.NDArray[np.float32]:
        """Every face's embedding, (n, d)."""
        return all_embeddings(self._collection, self._snapshot)

    def read(self, rows: npt.NDArray[np.integer]) -> npt.NDArray[np.float32]:
        """Returns the embeddings (m, d) of many rows (m,), and keeps none of the others."""
        if "all" in self.__dict__:
            return self[rows]
        return all_embeddings(self._collection, self._snapshot, rows)

    def __getitem__(self, rows: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """Returns the embeddings (m, d) of some rows (m,), in their order."""
        if "all" in self.__dict__ or len(rows) * _FEW > len(self):
            some: npt.NDArray[np.float32] = self.all[rows]
            return some
        wanted, place = np.unique(rows, return_inverse=True)
        among = self._faces.take(pa.array(wanted))
        found = self._snapshot.faces(["embedding"], among=among) if len(wanted) else among
        asked: npt.NDArray[np.float32] = embeddings_of(self._collection, found)[place]
        return asked
