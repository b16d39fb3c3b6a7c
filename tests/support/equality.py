"""What "equal" means for two runs, as docs/concepts.md has it, in assertions."""

from __future__ import annotations

import numpy as np

from facebatch import tables
from facebatch.collection import Collection, read_clusters

DISCRETE_MEDIA = (
    *("media_id", "root", "path", "segment", "size", "marker", "content_id", "status", "reason"),
    *("format", "width", "height", "orientation", "captured_at", "latitude", "longitude", "faces"),
)
DISCRETE_FACES = ("face_id", "media_id", "content_id", "segment", "timestamp_us", "ordinal")
BOX_TOLERANCE = 0.01
MIN_COSINE = 0.99999


def assert_equal_extractions(
    one: Collection, other: Collection, *, same_store: bool = True
) -> None:
    """Asserts that two collections hold the same items and faces.

    Args:
        one: A collection.
        other: Another.
        same_store: Whether the files lay on one kind of store, so that their markers are equal.
    """
    mine, theirs = one.snapshot(), other.snapshot()
    for column in DISCRETE_MEDIA:
        if column == "marker" and not same_store:
            continue
        assert mine.media[column].to_pylist() == theirs.media[column].to_pylist(), column
    columns = [*DISCRETE_FACES, "x0", "y0", "x1", "y1", "embedding"]
    faces, others = mine.faces(columns), theirs.faces(columns)
    for column in DISCRETE_FACES:
        assert faces[column].to_pylist() == others[column].to_pylist(), column
    for edge in ("x0", "y0", "x1", "y1"):
        gap = np.abs(faces[edge].to_numpy() - others[edge].to_numpy())
        assert gap.max(initial=0) <= BOX_TOLERANCE
    cosines = (tables.matrix(faces["embedding"]) * tables.matrix(others["embedding"])).sum(axis=1)
    assert cosines.min(initial=1) > MIN_COSINE


def assert_equal_clusters(one: Collection, other: Collection) -> None:
    """Asserts that two collections' current clusters are the same partition."""
    (ids, labels), (other_ids, other_labels) = (
        read_clusters(collection, generation)
        for collection in (one, other)
        if (generation := collection.current("clusters")) is not None
    )
    assert ids.tolist() == other_ids.tolist()
    # Clusters are numbered by their smallest face, so equal partitions have equal labels.
    assert labels.tolist() == other_labels.tolist()
