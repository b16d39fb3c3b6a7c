"""Which items an erasure keeps out, and which lie under their paths and are others.

A path is no photo: another may be put under an erased one's. Its content tells them apart, and the
version of its file does where there is no content to be had.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from facebatch import ids
from facebatch.collection import Suppression
from facebatch.collection.suppression import moment_id, version_id


def versions_of(
    listed: pa.Table, media: Iterable[bytes]
) -> tuple[frozenset[bytes], frozenset[bytes]]:
    """Returns the ids of items' versions and moments, and of the items with an unknown version."""
    columns = ["media_id", "size", "marker", "content_id", "captured_at"]
    asked = pa.array(list(media), pa.binary(ids.ID_BYTES))
    rows = listed.select(columns).filter(pc.is_in(listed["media_id"], asked)).to_pylist()
    versions: dict[bytes, bytes] = {}
    moments, known = set(), set()
    for row in rows:
        version = version_id(row["media_id"], row["size"], row["marker"])
        versions[version] = row["media_id"]
        if row["content_id"] is not None:
            known.add(version)
        if row["captured_at"] is not None:
            moments.add(moment_id(row["media_id"], row["captured_at"]))
    blocked = {item for version, item in versions.items() if version not in known}
    return frozenset(moments.union(versions)), frozenset(blocked)


def erased_items(suppression: Suppression, rows: pa.Table) -> npt.NDArray[np.bool_]:
    """Returns which media rows (n,) are of erased items, and not of others under their paths."""
    erased = hidden_in(rows, "content_id", suppression.hidden_contents)
    listed = suppression.hidden_media(ids.from_arrow(rows["media_id"]))
    for place in np.flatnonzero(listed & ~erased).tolist():
        item, size, marker = (rows[name][place].as_py() for name in ("media_id", "size", "marker"))
        version = version_id(item, size, marker)
        erased[place] = suppression.blocks(item) or suppression.hides_version(version)
    return erased


def hidden_in(
    rows: pa.Table, column: str, hidden: Callable[[npt.NDArray[np.void]], npt.NDArray[np.bool_]]
) -> npt.NDArray[np.bool_]:
    """Returns which rows (n,) have an id in a column, which may be null, that is hidden."""
    valid = rows[column].is_valid().to_numpy()
    found = np.zeros(len(rows), bool)
    found[valid] = hidden(ids.from_arrow(rows[column].drop_null()))
    return found
