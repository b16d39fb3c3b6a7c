"""A snapshot's faces as clustering sees them: arrays, gates, and what is said of each face."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from facebatch import tables
from facebatch.cluster.photos import conflicts
from facebatch.collection import ClustersManifest, Collection, Generation, MatchesManifest, Snapshot
from facebatch.config import GroupingSettings, Purpose
from facebatch.people import EffectiveDecisions
from facebatch.stages.common import StoredEmbeddings, qualities
from facebatch.stages.matches import named_by

Labels = npt.NDArray[np.int32]
Rows = npt.NDArray[np.int64]

GATES = ("none", "attach", "seed")
"""What a face is good enough for: nothing, to be attached to a person, or to seed one."""

GATE_WORDS = ("none", "join", "found")
"""`GATES` in the words of the table ``clusters``, which are part of its contract."""

_LOOSEST_FIRST: tuple[Purpose, ...] = ("attach", "seed")

_COLUMNS = (
    *("face_id", "media_id", "segment", "timestamp_us", "track", "score"),
    *("x0", "y0", "x1", "y1"),
)


@dataclass(frozen=True, eq=False)
class Faces:
    """A snapshot's faces as clustering sees them.

    Args:
        table: Their columns.
        embeddings: (n, d) float32, rows of length 1; read when they are asked for.
        gates: (n,) int8, places in `GATES`.
        conflict: (n,) int32, as `facebatch.cluster.photos.conflicts` gives it.
        tracks: (n,) int32, number of each face's track in a video; -1 for none.
        named: (n,) int32, number of the person whom a decision or a gallery says the face is;
            -1 for nobody. The people of decisions have the smallest numbers.
        pinned: (n,) of which a decision says the person.
        decided: Ids of the people of decisions, by number.
        forbidden: (p, 2) int64, pairs of a face and the number of a person whom it isn't.
        no_face: (n,) what a user said isn't a face.
        strangers: (p, 2) int64, pairs of faces that a user said aren't of one person.
        released: (n,) faces that an undo took from whom a decision had given them to.
    """

    table: pa.Table
    embeddings: StoredEmbeddings
    gates: npt.NDArray[np.int8]
    conflict: Labels
    tracks: Labels
    named: Labels
    pinned: npt.NDArray[np.bool_]
    decided: tuple[bytes, ...]
    forbidden: Rows
    no_face: npt.NDArray[np.bool_]
    strangers: Rows
    released: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.table)

    @property
    def seeds(self) -> npt.NDArray[np.bool_]:
        """Which faces (n,) may seed a person."""
        return np.asarray((self.gates == GATES.index("seed")) & ~self.no_face)

    @property
    def attachable(self) -> npt.NDArray[np.bool_]:
        """Which faces (n,) may be attached to a person at least."""
        return np.asarray((self.gates > GATES.index("none")) & ~self.no_face)


def read_faces(
    collection: Collection,
    snapshot: Snapshot,
    grouping: GroupingSettings,
    matches: Generation[MatchesManifest] | None,
    effective: EffectiveDecisions,
    followed: str | None,
) -> Faces:
    """Reads what clustering needs of a snapshot's faces, but for their gates.

    Args:
        collection: The collection.
        snapshot: Its faces.
        grouping: Whether faces of one photo are two people.
        matches: The matches against a gallery.
        effective: What users decided.
        followed: The newest decision that the current people follow already.
    """
    table = snapshot.faces(list(_COLUMNS))
    n = len(table)
    conflict = np.full(n, -1, np.int32)
    if grouping.photo_constraint and n:
        conflict = pictures_of(table)
    tracks = np.where(
        table["track"].is_valid().to_numpy(zero_copy_only=False),
        _numbers(table, ["media_id", "segment", "track"]),
        -1,
    ).astype(np.int32)
    named, decided = _named(collection, n, matches, effective)
    numbers = {who: number for number, who in enumerate(decided)}
    pairs = [(row, numbers[who]) for row, who, _ in effective.forbidden if who in numbers]
    no_face = np.zeros(n, bool)
    no_face[list(effective.no_faces)] = True
    named[no_face] = -1
    pinned = np.zeros(n, bool)
    pinned[list(effective.pins)] = True
    for row, number in pairs:
        # What a user said isn't somebody's isn't, whatever a gallery calls it.
        if named[row] == number and not pinned[row]:
            named[row] = -1
    strangers = np.array(effective.strangers, np.int64).reshape(-1, 2)
    # Two who aren't one don't both have the name that a gallery gives them.
    _, other = strangers[(named[strangers] == named[strangers[:, :1]]).all(axis=1)].T
    named[other[~pinned[other]]] = -1
    released = np.zeros(n, bool)
    released[[row for row, by in effective.released.items() if by > (followed or "")]] = True
    listed = table.select(["face_id", "media_id"])
    return Faces(
        table=listed,
        embeddings=StoredEmbeddings(collection, snapshot, listed),
        gates=np.zeros(n, np.int8),
        conflict=conflict,
        tracks=tracks,
        named=named,
        pinned=pinned,
        decided=tuple(decided),
        forbidden=np.array(pairs, np.int64).reshape(-1, 2),
        no_face=no_face,
        strangers=strangers,
        released=released & ~pinned,
    )


PICTURE_COLUMNS = ("media_id", "timestamp_us", "score", "x0", "y0", "x1", "y1")
"""What `pictures_of` asks of faces."""


def pictures_of(table: pa.Table) -> Labels:
    """Returns which faces (n,) are different people, as `conflicts` gives it."""
    boxes = np.stack([table[side].to_numpy() for side in ("x0", "y0", "x1", "y1")], axis=1)
    frames = _numbers(table, ["media_id", "timestamp_us"])
    return conflicts(frames, boxes, table["score"].to_numpy())


def _numbers(table: pa.Table, columns: list[str]) -> npt.NDArray[np.int64]:
    """Returns a number (n,) for each row, the same for rows with the same values."""
    number = np.zeros(len(table), np.int64)
    for name in columns:
        codes = table[name].combine_chunks().dictionary_encode(null_encoding="encode").indices
        code = codes.to_numpy(zero_copy_only=False).astype(np.int64)
        _, number = np.unique(number * (code.max(initial=0) + 1) + code, return_inverse=True)
    return number.astype(np.int64)


def _named(
    collection: Collection,
    n: int,
    matches: Generation[MatchesManifest] | None,
    effective: EffectiveDecisions,
) -> tuple[Labels, list[bytes]]:
    """Returns the number of each face's person (n,), -1 for nobody, and the decided people's ids.

    A gallery's name may be that of a decided person.
    """
    decided = sorted({who for who, _ in effective.pins.values()})
    numbers = {who: number for number, who in enumerate(decided)}
    named = np.full(n, -1, np.int32)
    if matches is not None:
        found, names = named_by(collection, matches)
        own = _decided_of_names(found, names, numbers, effective)
        number_of = [own.get(name, len(decided) + place) for place, name in enumerate(names)]
        named = np.where(found >= 0, np.array([*number_of, -1])[found], -1).astype(np.int32)
    for row, (who, _) in effective.pins.items():
        named[row] = numbers[who]
    return named, decided


def _decided_of_names(
    found: Labels, names: Sequence[str], numbers: Mapping[bytes, int], effective: EffectiveDecisions
) -> dict[str, int]:
    """Returns the number of the decided person whom each name of a gallery means, where one is.

    It is the only one some of whose pinned faces the gallery calls so, whatever users call them;
    else the only one of that name; else the one with the most of those faces.
    """
    seen: dict[str, Counter[int]] = {}
    for row, (who, _) in effective.pins.items():
        if found[row] >= 0:
            seen.setdefault(names[found[row]], Counter())[numbers[who]] += 1
    called: dict[str, list[int]] = {}
    for who, number in numbers.items():
        if who in effective.names:
            called.setdefault(effective.names[who], []).append(number)
    own = {name: faces.most_common(1)[0][0] for name, faces in seen.items()}
    for name, namesakes in called.items():
        if len(namesakes) == 1 and len(seen.get(name, ())) != 1:
            own[name] = namesakes[0]
    return own


def gates_of(
    collection: Collection,
    snapshot: Snapshot,
    listed: pa.Table,
    grouping: GroupingSettings,
    base: Generation[ClustersManifest] | None,
) -> npt.NDArray[np.int8]:
    """Returns which gate each face passes, (n,) int8: places in `GATES`.

    Args:
        collection: The collection.
        snapshot: Its faces.
        listed: Their columns face_id and media_id.
        grouping: The gates.
        base: Clusters of the same gates, whose faces needn't be looked at again.
    """
    gates = np.full(len(listed), -1, np.int8)
    if base is not None:
        path = f"{base.folder}/clusters.parquet"
        rows = tables.read(collection.storage, path, "clusters", ["face_id", "gate"])
        places = pc.index_in(listed["face_id"], rows["face_id"].combine_chunks())
        known = pc.index_in(rows["gate"].take(places), pa.array(GATE_WORDS))
        gates = known.fill_null(-1).to_numpy().astype(np.int8)
    fresh = np.flatnonzero(gates < 0)
    if len(fresh):
        measured = qualities(collection, snapshot, listed.take(pa.array(fresh)))
        gates[fresh] = 0
        for purpose in _LOOSEST_FIRST:
            good = grouping.gate(purpose).passes(*measured)
            gates[fresh[good]] = GATES.index(purpose)
    return gates
