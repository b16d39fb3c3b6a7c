"""Collections with a history: files that are taken up, change, move and vanish, without photos."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from support import rows

from facebatch import ids, tables
from facebatch.collection import Collection, Snapshot

FACES = {1: 1, 2: 2, 3: 0}
"""How many faces each content has, whoever extracts it."""

SEGMENTS = {"a": 0, "b": 0, "c": 0, "v": 1, "w": 1}
"""The items, and the time segment of each; the same bytes are another content in another one."""


def media_id(path: str) -> bytes:
    """Returns the id of one of the items."""
    return ids.media_id("photos", path, SEGMENTS[path])


def is_vanished(media: pa.Table) -> npt.NDArray[np.bool_]:
    """Chooses the items that vanished."""
    return np.asarray(pc.equal(media["status"], "vanished"))


@dataclass
class Archive:
    """A collection, and what it must say: for each item its content, and whether it vanished."""

    collection: Collection
    items: dict[str, tuple[int | None, bool]] = field(default_factory=dict)
    minutes: itertools.count[int] = field(default_factory=itertools.count)

    def commit(
        self, changes: dict[str, int | None], *, gone: Sequence[str] = (), anew: bool = False
    ) -> None:
        """Commits what a run would: items whose content is held are copies, unless taken anew."""
        moment = rows.NOON + timedelta(minutes=next(self.minutes))
        extracted: dict[tuple[int, int], str] = {}
        media = []
        for path, of in changes.items():
            segment = SEGMENTS[path]
            status = "quarantined" if of is None else "duplicate"
            held = {(n, SEGMENTS[p]) for p, (n, _) in self.items.items()} | set(extracted)
            if of is not None and (anew or (of, segment) not in held):
                status = "duplicate" if (of, segment) in extracted else "ok"
                extracted.setdefault((of, segment), path)
            media.append(self._row(path, of, status))
        media += [self._row(path, self.items[path][0], "vanished") for path in gone]
        for path, of in changes.items():
            self.items[path] = of, False
        for path in gone:
            self.items[path] = self.items[path][0], True
        table = tables.from_rows("media", [{**row, "committed_at": moment} for row in media])
        found = [
            (path, of, place) for (of, _), path in extracted.items() for place in range(FACES[of])
        ]
        name = ids.digest(str(moment).encode()).hex()
        self.collection.commit_shard(name, table, face_rows(found), keep_times=True)

    def _row(self, path: str, of: int | None, status: str) -> dict[str, Any]:
        count = 0 if of is None else FACES[of]
        row = rows.media_row(path, status, of, faces=count, segment=SEGMENTS[path])
        return {**row, "media_id": media_id(path), "reason": None if of is not None else "io_error"}

    def forget_vanished(self) -> None:
        """Expects the items that vanished to be gone."""
        self.items = {path: item for path, item in self.items.items() if not item[1]}

    def expected(self) -> tuple[list[Any], list[Any]]:
        """Says what DESIGN.md says of (path, status, faces) and (face id, media id)."""
        held: dict[tuple[int, int], str] = {}
        for wanted in (False, True):
            for path in sorted(self.items, key=media_id):
                of, vanished = self.items[path]
                if of is not None and vanished == wanted:
                    held.setdefault((of, SEGMENTS[path]), path)
        media = []
        for path in sorted(self.items, key=media_id):
            of, vanished = self.items[path]
            alone = of is not None and held[of, SEGMENTS[path]] == path
            status = "quarantined" if of is None else "ok" if alone else "duplicate"
            media.append((path, "vanished" if vanished else status, 0 if of is None else FACES[of]))
        faces = [
            (ids.face_id(rows.content(of), segment, 0, place), media_id(path))
            for (of, segment), path in held.items()
            for place in range(FACES[of])
        ]
        return media, sorted(faces)

    def check(self) -> Snapshot:
        """Compares what the collection says with what it must say, and returns its snapshot."""
        snapshot = self.collection.snapshot()
        media = snapshot.media.select(["path", "status", "faces"])
        faces = snapshot.faces(["face_id", "media_id"])
        found = [[tuple(row.values()) for row in table.to_pylist()] for table in (media, faces)]
        assert tuple(found) == self.expected()
        return snapshot


def face_rows(found: Sequence[tuple[str, int, int]]) -> pa.Table:
    """Returns face rows from (item, number of its content, ordinal)."""
    table = rows.faces(found)
    segments = [SEGMENTS[path] for path, _, _ in found]
    changed = {
        "media_id": [media_id(path) for path, _, _ in found],
        "segment": segments,
        "face_id": [
            ids.face_id(rows.content(of), segment, 0, place)
            for (_, of, place), segment in zip(found, segments, strict=True)
        ],
    }
    for name, values in changed.items():
        at = table.schema.get_field_index(name)
        table = table.set_column(at, table.field(at), pa.array(values, table.field(at).type))
    return table


def says(snapshot: Snapshot) -> tuple[pa.Table, pa.Table]:
    """Returns the media and the faces that count, whatever shards they lie in."""
    faces = snapshot.faces([column.name for column in tables.contract("faces").columns])
    return snapshot.media.drop_columns(["shard"]), faces
