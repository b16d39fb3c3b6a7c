"""Ids: 16 bytes of blake2b, fixed_size_binary(16) in tables and lower-case hex in text.

An id depends on what it names and on nothing else: not on the order of arrival, the mount point
or the machine. Fields are length-prefixed before they are hashed, so that no two different
tuples of fields can give the same bytes.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from itertools import compress
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa

ID_BYTES = 16
_READ_BYTES = 1 << 20
_DTYPE = np.dtype(f"V{ID_BYTES}")


def digest(*fields: bytes) -> bytes:
    """Returns the blake2b-128 of length-prefixed fields (RFC 7693, 16-byte output)."""
    hasher = hashlib.blake2b(digest_size=ID_BYTES)
    for field in fields:
        hasher.update(len(field).to_bytes(8, "little"))
        hasher.update(field)
    return hasher.digest()


def content_id(data: bytes) -> bytes:
    """Returns the id of a file's bytes: their plain blake2b-128, as other tools give it."""
    return hashlib.blake2b(data, digest_size=ID_BYTES).digest()


def content_id_of(file: BinaryIO) -> bytes:
    """Returns the id of an opened file's bytes, which are read piece by piece."""
    hasher = hashlib.blake2b(digest_size=ID_BYTES)
    while data := file.read(_READ_BYTES):
        hasher.update(data)
    return hasher.digest()


def framed(content: bytes, orientation: int | None) -> bytes:
    """Returns the content id of a photo that a sidecar turns, or of its bytes where that is given.

    A file's bytes say how a photo lies, but for a sidecar beside it, which one copy may have and
    another not. Faces belong to a content, and their boxes lie in one frame: so a photo that a
    sidecar turns otherwise than its own bytes do is a content of its own. The id is that of the
    bytes, its bits flipped where those of a hash of the orientation are set, so that either id
    gives the other.

    Args:
        content: Content id of the bytes, or of the photo as the sidecar turns it.
        orientation: EXIF orientation that the sidecar gives, 1..8; None where no sidecar has a say,
            and the content id is that of the bytes.
    """
    if orientation is None:
        return content
    mask = digest(b"orientation by a sidecar", bytes([orientation]))
    return bytes(one ^ other for one, other in zip(content, mask, strict=True))


def media_id(root: str, path: str, segment: int = 0) -> bytes:
    """Returns the id of one media item.

    Args:
        root: Name of the root the item was listed under.
        path: Path inside the root, ``/`` separated. A name that isn't UTF-8 carries its bytes as
            surrogate escapes, as ``os.listdir`` gives them.
        segment: Number of the time segment in a video; 0 for a photo.
    """
    return digest(root.encode(), os.fsencode(path), segment.to_bytes(8, "little"))


def face_id(content: bytes, segment: int, timestamp_us: int, ordinal: int) -> bytes:
    """Returns the id of one face.

    It follows the file's content and not its path: moved, touched and copied files keep their
    faces.

    Args:
        content: Content id of the file.
        segment: Time segment in a video; 0 for a photo.
        timestamp_us: Time of the frame in microseconds; 0 for a photo.
        ordinal: Place of the face among those of its frame, ordered by descending score.
    """
    numbers = (segment, timestamp_us, ordinal)
    return digest(content, *(number.to_bytes(8, "little", signed=True) for number in numbers))


def shard_name(members: Iterable[tuple[bytes, int, str, str]]) -> str:
    """Returns a shard's name: a hash of its members, whatever their order.

    Args:
        members: Media id, size, marker and superseded shard of every item. What an item
            supersedes is part of its membership, so that one that is tried again, or that takes
            its old content back, never gives the name of a shard that exists.
    """
    rows = sorted(
        digest(item, size.to_bytes(8, "little"), marker.encode(), supersedes.encode())
        for item, size, marker, supersedes in members
    )
    return digest(*rows).hex()


def as_array(ids: Iterable[bytes]) -> npt.NDArray[np.void]:
    """Returns 16-byte ids as an array (n,) of dtype V16."""
    return np.frombuffer(b"".join(ids), dtype=_DTYPE)


def from_arrow(column: pa.ChunkedArray | pa.Array) -> npt.NDArray[np.void]:
    """Returns a fixed_size_binary(16) column without nulls as an array (n,) of dtype V16."""
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    parts = [
        np.frombuffer(chunk.buffers()[1], dtype=_DTYPE)[chunk.offset : chunk.offset + len(chunk)]
        for chunk in chunks
        if len(chunk)
    ]
    return np.concatenate(parts) if parts else np.zeros(0, _DTYPE)


def to_arrow(ids: npt.NDArray[np.void]) -> pa.Array:
    """Returns an array (n,) of dtype V16 as a fixed_size_binary(16) column."""
    data = pa.py_buffer(np.ascontiguousarray(ids))
    return pa.Array.from_buffers(pa.binary(ID_BYTES), len(ids), [None, data])


def order(ids: npt.NDArray[np.void]) -> npt.NDArray[np.intp]:
    """Returns the stable order (n,) that sorts ids as ``sorted`` sorts their bytes."""
    words = _words(ids).astype(np.uint64)
    first = np.ascontiguousarray(words[:, 0])
    found = np.argsort(first)
    # Ids are hashes: where first halves are equal, the ids mostly are.
    equal = np.flatnonzero(first[found[1:]] == first[found[:-1]])
    if len(equal):
        places = np.union1d(equal, equal + 1)
        tied = found[places]
        found[places] = tied[np.lexsort((tied, words[tied, 1], first[tied]))]
    return found


def first_of_each(ids: npt.NDArray[np.void]) -> npt.NDArray[np.intp]:
    """Returns where each distinct id stands first, in the order of the sorted ids."""
    by_id = order(ids)
    return by_id[starts(ids[by_id])]


def starts(ordered: npt.NDArray[np.void]) -> npt.NDArray[np.bool_]:
    """Returns a mask (n,) of where, among ids with equal ones side by side, a new one begins."""
    words = _words(ordered)
    mask = np.ones(len(ordered), dtype=bool)
    mask[1:] = (words[1:] != words[:-1]).any(axis=1)
    return mask


class SortedIds:
    """Sorted ids, to look some of them up; none is turned into an object before it is asked for.

    Args:
        ids: (n,) V16, ascending bytewise and without repeats.
    """

    def __init__(self, ids: npt.NDArray[np.void]) -> None:
        self.ids = ids
        self._first = _words(ids)[:, 0].astype(np.uint64)

    def row(self, one: bytes) -> int | None:
        """Returns the row of an id; None where it isn't there."""
        found = self.beginning(one.hex())
        return found[0] if found else None

    def rows(self, some: Sequence[bytes]) -> dict[bytes, int]:
        """Returns the row of each id that is there."""
        wanted = as_array(some)
        places = np.searchsorted(self._first, _words(wanted)[:, 0].astype(np.uint64))
        there = np.minimum(places, max(0, len(self.ids) - 1))
        found = self.ids[there] == wanted if len(self.ids) else np.zeros(len(wanted), bool)
        rows = dict(zip(compress(some, found.tolist()), there[found].tolist(), strict=True))
        # Two ids whose first halves are equal: it may be the second.
        for at in np.flatnonzero(~found).tolist():
            row = self.row(some[at])
            if row is not None:
                rows[some[at]] = row
        return rows

    def beginning(self, prefix: str) -> list[int]:
        """Returns the rows of the ids whose hex text begins so, ascending.

        Args:
            prefix: 1 to 32 lower-case hex digits.
        """
        bounds = [int(prefix[:16].ljust(16, digit), 16) for digit in "0f"]
        low = int(np.searchsorted(self._first, np.uint64(bounds[0]), "left"))
        high = int(np.searchsorted(self._first, np.uint64(bounds[1]), "right"))
        return [row for row in range(low, high) if self.ids[row].tobytes().hex().startswith(prefix)]


def _words(ids: npt.NDArray[np.void]) -> npt.NDArray[np.uint64]:
    return np.ascontiguousarray(ids).view(">u8").reshape(-1, 2)
