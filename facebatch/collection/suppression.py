"""The suppression list: what was erased from a collection and may not come back.

It lies in the collection as one small file an erasure below ``suppressed/``, which are only ever
added. They hold keyed hashes (blake2b, RFC 7693) and no ids, so that somebody who has the list
alone, without its key, can't tell what it names. The key lies beside it, or is kept elsewhere and
given in ``FACEBATCH_SUPPRESSION_KEY``.

A path alone is no photo: cameras use their names again. So what is kept out is a content, under
whatever path, and a version of a path, which spares reading the file every night. A path is kept
out whole only where nobody knows what lay there.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from facebatch import ids
from facebatch.errors import CollectionError, UsageError
from facebatch.storage.store import Storage

FOLDER = "suppressed"
KEY_VARIABLE = "FACEBATCH_SUPPRESSION_KEY"
KEY_BYTES = 32
KINDS = ("media", "contents", "faces", "asked", "versions", "blocked")

_IDS = KINDS[:4]
"""The kinds that may be met in a collection's files; the others are hashed from several facts."""

_KEY_FILE = f"{FOLDER}/key.json"
_CHECKED = b"facebatch suppression list"
"""What is hashed to tell whether a key is the right one."""
_READERS = 8

Ids = npt.NDArray[np.void]


def _nothing() -> Ids:
    return ids.as_array(())


@dataclass(frozen=True, eq=False)
class Suppression:
    """A loaded list; plain data, so that it may cross a process. It is true when it hides anything.

    Args:
        key: What ids are hashed with; empty where there is no list.
        media: Keyed hashes of media ids, (n,) V16, sorted. They tell traces, and keep nothing
            from being read.
        contents: Keyed hashes of content ids, (n,) V16, sorted.
        faces: Keyed hashes of face ids, (n,) V16, sorted.
        asked: Keyed hashes of what erasures were asked for by: person ids, and names and beginnings
            of paths (`word_id`), (n,) V16, sorted.
        versions: Keyed hashes of `version_id` and `moment_id` of files, (n,) V16, sorted.
        blocked: Keyed hashes of media ids below which nothing is read, (n,) V16, sorted: of files
            whose content wasn't known, and of all that the lists of version 0.1 name.
    """

    key: bytes = field(default=b"", repr=False)
    media: Ids = field(default_factory=_nothing)
    contents: Ids = field(default_factory=_nothing)
    faces: Ids = field(default_factory=_nothing)
    asked: Ids = field(default_factory=_nothing)
    versions: Ids = field(default_factory=_nothing)
    blocked: Ids = field(default_factory=_nothing)

    @classmethod
    def load(cls, storage: Storage) -> Suppression:
        """Reads a collection's list; an empty one where nothing was ever erased.

        Raises:
            CollectionError: A file of it is damaged.
            UsageError: Its key is kept elsewhere, and wasn't given or is another.
        """
        paths = [file.path for file in storage.files(FOLDER)]
        if not paths:
            return cls()
        entries = [path for path in paths if path != _KEY_FILE]
        if _KEY_FILE not in paths:
            raise CollectionError(
                f"{storage.public}/{_KEY_FILE} is missing: without it nobody can tell what was "
                "erased. Restore it from a backup."
            )
        key = _key(storage, _read(storage, _KEY_FILE))
        with ThreadPoolExecutor(_READERS) as pool:
            found = list(pool.map(lambda path: _entry(storage, path, key), entries))
        return cls(key, *(_sorted(entry[kind] for entry in found) for kind in KINDS))

    def __bool__(self) -> bool:
        """Tells whether anything is hidden at all."""
        return any(len(getattr(self, kind)) for kind in KINDS)

    def hides_media(self, media_id: bytes) -> bool:
        """Tells whether an item was erased under this id; another may lie there by now."""
        return bool(self.hidden_media(ids.as_array([media_id]))[0])

    def hides_content(self, content_id: bytes) -> bool:
        """Tells whether a file's bytes were erased, whatever it is called."""
        return bool(self.hidden_contents(ids.as_array([content_id]))[0])

    def hides_version(self, version: bytes) -> bool:
        """Tells whether a `version_id` or `moment_id` is that of an erased file."""
        return bool(self._hidden(ids.as_array([version]), self.versions)[0])

    def blocks(self, media_id: bytes) -> bool:
        """Tells whether nothing at all is read under a file's id."""
        return bool(self._hidden(ids.as_array([media_id]), self.blocked)[0])

    def hides_face(self, face_id: bytes) -> bool:
        """Tells whether a face was erased."""
        return bool(self.hidden_faces(ids.as_array([face_id]))[0])

    def was_asked(self, words: Iterable[bytes]) -> bool:
        """Tells whether an erasure was asked for by one of some person ids or `word_id`."""
        return bool(self._hidden(ids.as_array(words), self.asked).any())

    def hidden_media(self, media_ids: Ids) -> npt.NDArray[np.bool_]:
        """Returns which of the media ids (n,) V16 something was erased under, (n,)."""
        return self._hidden(media_ids, self.media)

    def hidden_contents(self, content_ids: Ids) -> npt.NDArray[np.bool_]:
        """Returns which of the content ids (n,) V16 were erased, (n,)."""
        return self._hidden(content_ids, self.contents)

    def hidden_faces(self, face_ids: Ids) -> npt.NDArray[np.bool_]:
        """Returns which of the face ids (n,) V16 were erased, (n,)."""
        return self._hidden(face_ids, self.faces)

    def hidden(self, found: Ids) -> npt.NDArray[np.bool_]:
        """Returns which of ids (n,) V16 of any kind, or of no known one, were erased, (n,)."""
        return self._hidden(found, *(getattr(self, kind) for kind in _IDS))

    def _hidden(self, found: Ids, *lists: Ids) -> npt.NDArray[np.bool_]:
        hidden = np.zeros(len(found), bool)
        if not len(found) or not any(map(len, lists)):
            return hidden
        hashed = ids.as_array(_keyed(self.key, one) for one in found.tolist())
        for listed in lists:
            if len(listed):
                places = np.minimum(np.searchsorted(listed, hashed), len(listed) - 1)
                hidden |= listed[places] == hashed
        return hidden


def suppress(
    storage: Storage,
    media: Iterable[bytes] = (),
    contents: Iterable[bytes] = (),
    faces: Iterable[bytes] = (),
    asked: Iterable[bytes] = (),
    versions: Iterable[bytes] = (),
    blocked: Iterable[bytes] = (),
) -> None:
    """Adds ids to a collection's list, for good; those on it already aren't added again.

    Every call that adds anything writes one file: callers give what belongs together at once.

    Args:
        storage: Where the collection lies.
        media: Ids of items.
        contents: Ids of contents that are never extracted again, under whatever name.
        faces: Ids of faces that are left out of every extraction.
        asked: Person ids, and `word_id` of the names and beginnings of paths, that the erasure was
            asked for by. They hide nothing that comes later.
        versions: `version_id` and `moment_id` of files that are never extracted again.
        blocked: Ids of items in whose place nothing is ever read again.

    Raises:
        CollectionError: The list is damaged or can't be written.
        UsageError: As for `Suppression.load`.
    """
    every = (media, contents, faces, asked, versions, blocked)
    given = dict(zip(KINDS, map(set, every), strict=True))
    if not any(given.values()):
        return
    while True:
        key = _made_key(storage)
        known = Suppression.load(storage)
        new = {kind: _new(known, kind, found) for kind, found in given.items()}
        written = _write(storage, key, new) if any(new.values()) else None
        # Of two that made the first key at once, one wrote it over the other's.
        if _key(storage, _read(storage, _KEY_FILE)) == key:
            return
        if written is not None:
            storage.remove(written)


def _write(storage: Storage, key: bytes, hashes: Mapping[str, list[str]]) -> str:
    """Writes one file of the list and returns its path."""
    moment = datetime.now(UTC).isoformat(timespec="seconds")
    path = f"{FOLDER}/{secrets.token_hex(8)}.json"
    entry = {"made_at": moment, "check": _check(key), **hashes}
    storage.write(path, json.dumps(entry).encode())
    return path


def word_id(word: str) -> bytes:
    """Returns what stands for a name or the beginning of a path on the list, 16 bytes."""
    return ids.digest(b"word", os.fsencode(word))


def version_id(media_id: bytes, size: int, marker: str) -> bytes:
    """Returns what stands for one version of an item's file on the list, 16 bytes."""
    return ids.digest(b"version", media_id, str(size).encode(), marker.encode())


def moment_id(media_id: bytes, captured_at: datetime) -> bytes:
    """Returns what stands for all versions of an item that were taken at a moment, 16 bytes."""
    return ids.digest(b"moment", media_id, captured_at.isoformat().encode())


def _new(known: Suppression, kind: str, found: set[bytes]) -> list[str]:
    array = ids.as_array(sorted(found))
    fresh = array[~known._hidden(array, getattr(known, kind))]
    return sorted(_keyed(known.key, one).hex() for one in fresh.tolist())


def _keyed(key: bytes, value: bytes) -> bytes:
    return hashlib.blake2b(value, key=key, digest_size=ids.ID_BYTES).digest()


def _check(key: bytes) -> str:
    return _keyed(key, _CHECKED).hex()


def _made_key(storage: Storage) -> bytes:
    """Returns the list's key, and makes it first where there is none."""
    if not storage.exists(_KEY_FILE):
        key = _given_key() or secrets.token_bytes(KEY_BYTES)
        info: dict[str, Any] = {"check": _check(key)}
        if _given_key() is None:
            info["key"] = key.hex()
        storage.write(_KEY_FILE, json.dumps(info, indent=2).encode())
    return _key(storage, _read(storage, _KEY_FILE))


def _key(storage: Storage, info: Mapping[str, Any]) -> bytes:
    """Returns the key that lies beside the list, or was given for it."""
    given = _given_key()
    try:
        check = str(info["check"])
        key = bytes.fromhex(info["key"]) if "key" in info else given
        if key is not None and "key" in info and _check(key) != check:
            raise ValueError("the key in it is another")
    except (KeyError, TypeError, ValueError) as error:
        raise CollectionError(
            f"{storage.public}/{_KEY_FILE} is damaged ({error}): restore it from a backup"
        ) from error
    if key is None:
        raise UsageError(
            f"the key of {storage.public}'s suppression list is kept elsewhere: give it in "
            f"{KEY_VARIABLE}"
        )
    if _check(given or key) != check:
        raise UsageError(f"{KEY_VARIABLE} isn't the key of {storage.public}'s suppression list")
    return key


def _given_key() -> bytes | None:
    text = os.environ.get(KEY_VARIABLE)
    if text is None:
        return None
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise UsageError(f"{KEY_VARIABLE} must be {2 * KEY_BYTES} hex digits")
    return key


def _read(storage: Storage, path: str) -> dict[str, Any]:
    try:
        return dict(json.loads(storage.read(path)))
    except (ValueError, TypeError) as error:
        raise CollectionError(
            f"{storage.public}/{path} is damaged: restore it from a backup, or what it names comes "
            "back with the next run"
        ) from error


def _entry(storage: Storage, path: str, key: bytes) -> dict[str, bytes]:
    entry = _read(storage, path)
    try:
        if entry["check"] != _check(key):
            raise ValueError("it was made with another key")
        # Version 0.1 knew paths alone: what lay there then can't be told from what lies there now.
        entry.setdefault("blocked", entry["media"])
        entry.setdefault("versions", [])
        found = {kind: bytes.fromhex("".join(entry[kind])) for kind in KINDS}
        if any(len(each) % ids.ID_BYTES for each in found.values()):
            raise ValueError("a hash is cut off")
    except (KeyError, TypeError, ValueError) as error:
        raise CollectionError(
            f"{storage.public}/{path} is damaged ({error}): restore it from a backup, or what it "
            "names comes back with the next run"
        ) from error
    return found


def _sorted(parts: Iterable[bytes]) -> Ids:
    return np.sort(ids.as_array(parts))
