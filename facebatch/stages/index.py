"""The stage ``index``: what nearest-neighbour queries over a collection's faces are asked of."""

from __future__ import annotations

from facebatch.collection import Collection, Generation, generation_name
from facebatch.snapshot import Snapshot
from facebatch.stages.common import StageResult, embeddings_of, write_table


def build_index(collection: Collection, snapshot: Snapshot) -> StageResult:
    """Builds the search index of a snapshot's faces: FAISS ids are row numbers of ids.parquet."""
    current = collection.current("index")
    if current and current.manifest["faces_hash"] == snapshot.faces_hash:
        return StageResult(current, unchanged=True)
    from facebatch import index

    faces = snapshot.faces(["face_id", "embedding"])
    embeddings = embeddings_of(collection, faces)
    generation = Generation(
        "index",
        generation_name(current),
        {
            "faces_hash": snapshot.faces_hash,
            "parents": [],
            "config": {"kind": "flat", "metric": "inner product"},
            "space": collection.space,
            "faces": len(faces),
            "dimension": embeddings.shape[1],
        },
    )
    data = index.to_bytes(index.build(embeddings))
    collection.storage.write(f"{generation.folder}/faces.index", data)
    write_table(collection, generation, "ids", faces.select(["face_id"]))
    return StageResult(collection.finish(generation), unchanged=False)
