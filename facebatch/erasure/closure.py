"""What goes with what an erasure was asked for: copies, files of the same shot, equal faces.

Rows are looked through wherever they lie, also where they were superseded or replaced.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from facebatch import ids, tables
from facebatch.collection import Snapshot
from facebatch.collection.shots import shot_names
from facebatch.erasure import file_contents
from facebatch.erasure.verification import same_faces
from facebatch.errors import CollectionError
from facebatch.storage.store import Storage

_FACE_IDS = ("face_id", "media_id", "content_id")


def every_media_row(storage: Storage) -> pa.Table:
    """Returns the rows of every media file that can be read, superseded and replaced ones too."""
    columns = ["media_id", "root", "path", "path_bytes", "segment", "content_id"]
    columns += ["size", "marker", "captured_at", "sidecar_orientation"]
    empty = tables.from_rows("media", []).select(columns)
    return pa.concat_tables([empty, *_readable(storage, "media", columns)])


def every_face(storage: Storage) -> pa.Table:
    """Returns the ids in every faces file that can be read, orphans too, and the file's path."""
    empty = tables.schema("faces", 1).empty_table().select(list(_FACE_IDS))
    return pa.concat_tables([empty, *_readable(storage, "faces", list(_FACE_IDS))])


def _readable(storage: Storage, table: str, columns: list[str]) -> Iterator[pa.Table]:
    for file in storage.files(table):
        try:
            yield tables.read(storage, file.path, table, columns)
        except (CollectionError, KeyError, ValueError):
            continue  # the verification names it


def with_copies(
    snapshot: Snapshot, listed: pa.Table, media: set[bytes]
) -> tuple[set[bytes], set[bytes]]:
    """Returns items with their copies and the files of their shots, and the contents that go.

    An older content of an item goes too, unless another item holds it today. Files of the same
    bytes are copies however their sidecars turn them, and the content of the bytes themselves goes
    with that of any of them.
    """
    if not media:
        return set(), set()
    winning = snapshot.media.filter(pc.is_valid(snapshot.media["content_id"]))
    mine = pc.is_in(winning["media_id"], id_array(media))
    held = _of_their_shots(snapshot, winning.filter(mine)["content_id"])
    bytes_of = bytes_held(winning)
    theirs = bytes_of.filter(pc.is_in(winning["content_id"], held))
    copies = winning.filter(pc.is_in(bytes_of, theirs))
    media = media | set(copies["media_id"].to_pylist())
    media |= _undecoded_beside(snapshot.media, media)
    others = pc.invert(pc.is_in(winning["media_id"], id_array(media)))
    kept = set(winning.filter(others)["content_id"].to_pylist())
    kept |= set(bytes_of.filter(others).to_pylist())
    ever = listed.filter(pc.is_in(listed["media_id"], id_array(media)))
    ever = ever.filter(pc.is_valid(ever["content_id"]))
    found = every_face(snapshot.storage)
    seen = found.filter(pc.is_in(found["media_id"], id_array(media)))["content_id"]
    contents = {*held.to_pylist(), *seen.to_pylist()}
    contents |= {*ever["content_id"].to_pylist(), *bytes_held(ever).to_pylist()}
    return media, contents - kept


def bytes_held(rows: pa.Table) -> pa.Array:
    """Returns the content ids of the bytes that media rows hold, as if no sidecar turned any.

    Args:
        rows: Rows with a content id.
    """
    contents = ids.from_arrow(rows["content_id"]).copy()
    turned = rows["sidecar_orientation"].to_pylist()
    for at in np.flatnonzero(rows["sidecar_orientation"].is_valid().to_numpy()).tolist():
        contents[at] = np.void(ids.framed(contents[at].tobytes(), turned[at]))
    return ids.to_arrow(contents)


def _of_their_shots(snapshot: Snapshot, contents: pa.ChunkedArray) -> pa.Array:
    """Returns contents and the others of their shots, without doubles."""
    mine = snapshot.shots.filter(pc.is_in(snapshot.shots["content"], contents.combine_chunks()))
    shots = snapshot.shots["standing"], mine["standing"].combine_chunks()
    others = snapshot.shots.filter(pc.is_in(*shots))["content"]
    return id_array({*contents.to_pylist(), *others.to_pylist()})


def _undecoded_beside(rows: pa.Table, media: set[bytes]) -> set[bytes]:
    """Returns the items that failed and have an item's name, and so may be of its shot.

    A raw file is decoded as soon as its decoder is installed, and shows whom the other file did.
    """
    failed = rows.filter(pc.equal(rows["status"], "quarantined"))
    names = shot_names(rows.filter(pc.is_in(rows["media_id"], id_array(media))))
    return set(failed.filter(pc.is_in(shot_names(failed), names))["media_id"].to_pylist())


def left_out_beside(snapshot: Snapshot, found: pa.Table, faces: set[bytes]) -> set[bytes]:
    """Returns the faces that don't count of the files that faces' shots have beside theirs.

    Which of them is whose nobody has found out. They would count when the better file goes.
    """
    mine = found.filter(pc.is_in(found["face_id"], id_array(faces)))["content_id"].unique()
    left_out = snapshot.left_out.filter(
        pc.is_in(snapshot.left_out, _of_their_shots(snapshot, pa.chunked_array([mine])))
    )
    return set(found.filter(pc.is_in(found["content_id"], left_out))["face_id"].to_pylist())


def looks_of(
    storage: Storage, faces: Iterable[bytes]
) -> tuple[tuple[bytes, ...], npt.NDArray[np.float32]]:
    """Returns the chips and embeddings of faces, from whatever files hold them."""
    wanted = id_array(faces)
    chips: list[bytes] = []
    embeddings = []
    columns = ["face_id", "chip", "embedding"]
    for rows in _readable(storage, "faces", columns) if len(wanted) else ():
        mine = rows.filter(pc.is_in(rows["face_id"], wanted))
        if len(mine):
            chips += mine["chip"].drop_null().to_pylist()
            embeddings.append(file_contents.vectors_of(mine, "embedding"))
    found = np.concatenate(embeddings) if embeddings else np.zeros((0, 0), np.float32)
    return tuple(dict.fromkeys(chips)), found


def with_equal_faces(
    snapshot: Snapshot,
    faces: set[bytes],
    chips: tuple[bytes, ...],
    embeddings: npt.NDArray[np.float32],
) -> tuple[set[bytes], tuple[bytes, ...], npt.NDArray[np.float32]]:
    """Adds the faces of the same pixels, those equal to them, and so on."""
    fresh = embeddings
    while len(fresh):
        equal: set[bytes] = set()
        for shard in snapshot.shards:
            path = f"faces/{shard}.parquet"
            rows = tables.read(snapshot.storage, path, "faces", ["face_id", "embedding"])
            if len(rows):
                same = same_faces(file_contents.vectors_of(rows, "embedding"), fresh)
                equal |= set(rows.filter(pa.array(same))["face_id"].to_pylist())
        more_chips, fresh = looks_of(snapshot.storage, equal - faces)
        if len(fresh):
            embeddings = np.concatenate([embeddings, fresh])
        faces, chips = faces | equal, chips + more_chips
    return faces, chips, embeddings


def id_array(values: Iterable[bytes]) -> pa.Array:
    """Returns 16-byte ids as a fixed_size_binary(16) array."""
    return pa.array(list(values), pa.binary(ids.ID_BYTES))
