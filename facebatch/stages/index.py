"""The stage ``index``: what nearest-neighbour queries over a collection's faces are asked of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from facebatch.collection import (
    Collection,
    Generation,
    IndexManifest,
    Snapshot,
    generation_name,
    places_of,
    write_table,
)
from facebatch.errors import UsageError
from facebatch.stages.common import StageResult, all_embeddings
from facebatch.workers.machine import usable_memory

if TYPE_CHECKING:
    from facebatch.neighbors.index import Plan


_BOX = ("x0", "y0", "x1", "y1")

Builder = Callable[[npt.NDArray[np.float32], "Plan", int], Any]
"""Builds an index of embeddings (n, d), by a plan and a seed."""


def build_here(embeddings: npt.NDArray[np.float32], plan: Plan, seed: int) -> Any:
    """Builds an index in this process."""
    from facebatch.neighbors import index

    return index.build(embeddings, plan, seed)


def build_index(
    collection: Collection,
    snapshot: Snapshot,
    build: Builder = build_here,
    asked: Mapping[str, Any] | None = None,
) -> StageResult[IndexManifest]:
    """Builds the search index of a snapshot's faces: FAISS ids are row numbers of ids.parquet.

    Args:
        collection: The collection.
        snapshot: The faces.
        build: Builds the index.
        asked: The ``kind`` and the ``recall`` wanted, as for `facebatch.neighbors.index.choose`; by
            default what was asked for last.

    Raises:
        UsageError: There is no such kind, or the recall isn't above 0 and up to 1.
    """
    current = collection.current("index")
    wanted = dict(asked or (current and current.manifest.asked) or {})
    _check_asked(wanted)
    same = current is not None and (current.manifest.asked or {}) == wanted
    if current and same and current.manifest.faces_hash == snapshot.faces_hash:
        return StageResult(current, unchanged=True)
    from facebatch.neighbors import index
    from facebatch.neighbors.index.plan import DEFAULT_RECALL

    recall = wanted.get("recall", DEFAULT_RECALL)

    embeddings = all_embeddings(collection, snapshot)
    seed = int(snapshot.faces_hash[:8], 16)
    n, d = embeddings.shape
    plan = index.choose(n, d, usable_memory(), recall, wanted.get("kind"))
    built = build(embeddings, plan, seed)
    found = index.tune(built, embeddings, recall, seed=seed)
    del embeddings
    config = {
        "kind": plan.kind,
        "metric": "inner product",
        "plan": plan.as_json(),
        "effort": index.effort(built),
    }
    generation = Generation(
        generation_name(current),
        IndexManifest(
            faces_hash=snapshot.faces_hash,
            config=config,
            space=collection.space,
            listing=snapshot.listing,
            asked=wanted,
            recall=found.as_json(),
            faces=n,
            dimension=d,
        ),
    )
    index.write(built, collection.storage, f"{generation.folder}/faces.index")
    del built
    faces = snapshot.faces(["face_id", "media_id", *_BOX])
    write_table(collection, generation, "ids", faces.select(["face_id"]))
    write_table(collection, generation, "places", places_of(snapshot, faces))
    return StageResult(collection.finish(generation), unchanged=False)


def _check_asked(wanted: Mapping[str, Any]) -> None:
    from facebatch.neighbors.index.plan import KINDS

    if "kind" in wanted and wanted["kind"] not in KINDS:
        raise UsageError(f"--kind {wanted['kind']!r} isn't one of {', '.join(KINDS)}")
    if "recall" in wanted and not 0 < wanted["recall"] <= 1:
        raise UsageError(f"--recall {wanted['recall']:g} isn't above 0 and up to 1")
