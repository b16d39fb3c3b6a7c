"""The stage ``index``: what nearest-neighbour queries over a collection's faces are asked of."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from facebatch.collection import Collection, Generation, generation_name
from facebatch.machine import usable_memory
from facebatch.snapshot import Snapshot
from facebatch.stages.common import StageResult, embeddings_of, write_table

if TYPE_CHECKING:
    from facebatch.index import Plan


Builder = Callable[[npt.NDArray[np.float32], "Plan", int], Any]
"""Builds an index of embeddings (n, d), by a plan and a seed."""


def build_here(embeddings: npt.NDArray[np.float32], plan: Plan, seed: int) -> Any:
    """Builds an index in this process."""
    from facebatch import index

    return index.build(embeddings, plan, seed)


def build_index(
    collection: Collection, snapshot: Snapshot, build: Builder = build_here
) -> StageResult:
    """Builds the search index of a snapshot's faces: FAISS ids are row numbers of ids.parquet.

    Args:
        collection: The collection.
        snapshot: The faces.
        build: Builds the index.
    """
    current = collection.current("index")
    if current and current.manifest["faces_hash"] == snapshot.faces_hash:
        return StageResult(current, unchanged=True)
    from facebatch import index
    from facebatch.index.plan import DEFAULT_RECALL

    faces = snapshot.faces(["face_id", "embedding"])
    embeddings = embeddings_of(collection, faces)
    seed = int(snapshot.faces_hash[:8], 16)
    n, d = embeddings.shape
    plan = index.choose(n, d, usable_memory())
    built = build(embeddings, plan, seed)
    found = index.tune(built, embeddings, DEFAULT_RECALL, seed=seed)
    config = {
        "kind": plan.kind,
        "metric": "inner product",
        "plan": plan.as_json(),
        "effort": index.effort(built),
    }
    generation = Generation(
        "index",
        generation_name(current),
        {
            "faces_hash": snapshot.faces_hash,
            "parents": [],
            "config": config,
            "recall": found.as_json(),
            "space": collection.space,
            "faces": len(faces),
            "dimension": embeddings.shape[1],
        },
    )
    collection.storage.write(f"{generation.folder}/faces.index", index.to_bytes(built))
    write_table(collection, generation, "ids", faces.select(["face_id"]))
    return StageResult(collection.finish(generation), unchanged=False)
