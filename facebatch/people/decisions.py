"""What users decided about people, and what of it stands today.

Each decision is a file that is never changed: its faces, whose they were before and whose they are
by it. What stands is read from all of them in the order of time; later ones win, and an undo
cancels another. A decision finds its faces by their ids, and where these are gone by place: the
same item or content, the same moment, and nearly the same box.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from facebatch import ids, tables
from facebatch.collection import Collection, Snapshot
from facebatch.collection.generations import name_after
from facebatch.faces.boxes import iou

FOLDER = "decisions"

KINDS = ("name", "merge", "split", "reject", "not_a_face", "hide", "undo")

SAME_PLACE_IOU = 0.5
"""Overlap of two boxes in one picture from which on they are taken for the same face."""

PLACE = ("media_id", "content_id", "segment", "timestamp_us", "x0", "y0", "x1", "y1")
"""Columns of a face's row by which it is found again."""


@dataclass(frozen=True)
class Concern:
    """A face that a decision concerns.

    Args:
        face_id: The face.
        before: The person it belonged to; None for nobody.
        after: The person it belongs to by the decision; None where that isn't said.
        place: Columns media_id, content_id, segment, timestamp_us, x0, y0, x1, y1 of its row.
    """

    face_id: bytes
    before: bytes | None
    after: bytes | None
    place: Mapping[str, Any]


@dataclass(frozen=True)
class Decision:
    """One decision of a user.

    Args:
        kind: One of `KINDS`.
        person_id: The person it is about.
        name: The name given.
        cancels: Name of the decision that an undo cancels.
        concerns: The faces.
        decision: Its own name; empty until it is recorded.
    """

    kind: str
    person_id: bytes | None = None
    name: str | None = None
    cancels: str | None = None
    concerns: tuple[Concern, ...] = ()
    decision: str = ""


@dataclass(frozen=True)
class EffectiveDecisions:
    """What stands of all decisions, over the faces of one snapshot.

    Args:
        decisions: All of them, oldest first, those that were cancelled included.
        cancelled: Names of those that don't count.
        pins: By row, the person whom a face belongs to and the decision that says so.
        forbidden: (row, person, decision): faces that aren't a person's.
        no_faces: Rows of what isn't a face.
        names: By person, the name given.
        hidden: People who are hidden.
        reasons: By person, the newest decision about them.
    """

    decisions: tuple[Decision, ...] = ()
    cancelled: frozenset[str] = frozenset()
    pins: Mapping[int, tuple[bytes, str]] = field(default_factory=dict)
    forbidden: tuple[tuple[int, bytes, str], ...] = ()
    no_faces: frozenset[int] = frozenset()
    names: Mapping[bytes, str] = field(default_factory=dict)
    hidden: frozenset[bytes] = frozenset()
    reasons: Mapping[bytes, str] = field(default_factory=dict)

    @property
    def newest(self) -> str | None:
        """Name of the newest decision; None where there is none."""
        return self.decisions[-1].decision if self.decisions else None


def record(collection: Collection, decision: Decision) -> Decision:
    """Appends a decision and returns it with its name.

    Raises:
        CollectionError: The store refuses it.
    """
    name = next_name(collection)
    common = {
        "decision": name,
        "kind": decision.kind,
        "person_id": decision.person_id,
        "name": decision.name,
        "cancels": decision.cancels,
    }
    rows = [
        {
            **common,
            **concern.place,
            "face_id": concern.face_id,
            "before": concern.before,
            "after": concern.after,
        }
        for concern in decision.concerns
    ]
    table = tables.from_rows("decisions", rows or [common])
    path = f"{FOLDER}/{name}.parquet"
    tables.write(collection.storage, path, "decisions", table, collection.fingerprint)
    return Decision(**{**vars(decision), "decision": name})


def next_name(collection: Collection) -> str:
    """Returns a name for a new decision, later than all others."""
    names = _names(collection)
    return name_after(names[-1] if names else None)


def _names(collection: Collection) -> list[str]:
    """Returns the names of all decisions, oldest first."""
    files = [file.path for file in collection.storage.files(FOLDER)]
    return sorted(
        path.removeprefix(f"{FOLDER}/").removesuffix(".parquet")
        for path in files
        if path.endswith(".parquet")
    )


def read(collection: Collection) -> list[Decision]:
    """Returns all decisions, oldest first.

    Raises:
        CollectionError: A file can't be read.
    """
    return [_read_one(collection, name) for name in _names(collection)]


def _read_one(collection: Collection, name: str) -> Decision:
    rows = tables.read(collection.storage, f"{FOLDER}/{name}.parquet", "decisions").to_pylist()
    concerns = tuple(
        Concern(row["face_id"], row["before"], row["after"], {key: row[key] for key in PLACE})
        for row in rows
        if row["face_id"] is not None
    )
    first = rows[0]
    return Decision(
        first["kind"], first["person_id"], first["name"], first["cancels"], concerns, name
    )


def cancelled(decisions: Sequence[Decision]) -> frozenset[str]:
    """Returns the names of the decisions that an undo cancels which isn't cancelled itself."""
    found: set[str] = set()
    for decision in reversed(decisions):
        if decision.cancels and decision.decision not in found:
            found.add(decision.cancels)
    return frozenset(found)


def effective_decisions(collection: Collection, snapshot: Snapshot) -> EffectiveDecisions:
    """Returns what stands of a collection's decisions, over the faces of a snapshot.

    Raises:
        CollectionError: A decision can't be read.
    """
    decisions = read(collection)
    if not decisions:
        return EffectiveDecisions()
    concerned = {one.face_id: one for decision in decisions for one in decision.concerns}
    return fold(decisions, locate(list(concerned.values()), snapshot))


def fold(decisions: Sequence[Decision], rows: Mapping[bytes, int]) -> EffectiveDecisions:
    """Returns what stands of decisions.

    Args:
        decisions: All of them, oldest first.
        rows: The row of each face that is still there, by the face id that decisions have.
    """
    gone = cancelled(decisions)
    names: dict[bytes, str] = {}
    reasons: dict[bytes, str] = {}
    said = _Said()
    for decision in decisions:
        about = {decision.person_id} | {
            person for one in decision.concerns for person in (one.before, one.after)
        }
        reasons |= {who: decision.decision for who in about if who is not None}
        if decision.decision in gone:
            continue
        if decision.kind == "name" and decision.person_id and decision.name:
            names[decision.person_id] = decision.name
        elif decision.kind == "merge":
            _merge_names(decision, names)
        for one in decision.concerns:
            if one.face_id in rows:
                said.of(rows[one.face_id], one, decision)
    hidden = (one.person_id for one in decisions if one.kind == "hide" and one.decision not in gone)
    return EffectiveDecisions(
        decisions=tuple(decisions),
        cancelled=gone,
        pins=said.pins,
        forbidden=tuple((row, who, by) for (row, who), by in said.forbidden.items()),
        no_faces=frozenset(said.no_faces),
        names=names,
        hidden=frozenset(who for who in hidden if who is not None),
        reasons=reasons,
    )


class _Said:
    """What decisions say of faces, by row; each is told in the order of time."""

    def __init__(self) -> None:
        self.pins: dict[int, tuple[bytes, str]] = {}
        self.forbidden: dict[tuple[int, bytes], str] = {}
        self.no_faces: set[int] = set()

    def of(self, row: int, one: Concern, decision: Decision) -> None:
        """Takes in what a decision says of the face in a row."""
        if one.after is not None:
            self.pins[row] = (one.after, decision.decision)
            self.forbidden.pop((row, one.after), None)
            self.no_faces.discard(row)
        elif decision.kind == "not_a_face":
            self.pins.pop(row, None)
            self.no_faces.add(row)
        elif decision.kind == "reject" and one.before is not None:
            if row in self.pins and self.pins[row][0] == one.before:
                del self.pins[row]
            self.forbidden[row, one.before] = decision.decision


def _merge_names(decision: Decision, names: dict[bytes, str]) -> None:
    """Lets a person without a name take over that of the first one merged into it."""
    if decision.person_id is None or decision.person_id in names:
        return
    for concern in decision.concerns:
        if concern.before in names:
            names[decision.person_id] = names[concern.before]
            return


def locate(concerns: Sequence[Concern], snapshot: Snapshot) -> dict[bytes, int]:
    """Finds faces in a snapshot: by their ids, else by place.

    Args:
        concerns: The faces.
        snapshot: Where they are looked for.

    Returns:
        The row of each face that was found, by the face id that was given.
    """
    if not concerns:
        return {}
    wanted = pa.array([one.face_id for one in concerns], pa.binary(ids.ID_BYTES))
    places = pc.index_in(wanted, ids.to_arrow(snapshot.face_ids)).to_pylist()
    found = {
        one.face_id: place for one, place in zip(concerns, places, strict=True) if place is not None
    }
    missing = [one for one in concerns if one.face_id not in found]
    return found | _located_by_place(missing, snapshot) if missing else found


def _located_by_place(concerns: Sequence[Concern], snapshot: Snapshot) -> dict[bytes, int]:
    faces = snapshot.faces([*PLACE])
    by_item: dict[tuple[Any, ...], list[int]] = {}
    for key in ("content_id", "media_id"):
        wanted = pa.array([one.place[key] for one in concerns], pa.binary(ids.ID_BYTES))
        rows = np.flatnonzero(pc.is_in(faces[key], wanted).to_numpy(zero_copy_only=False))
        candidates = faces.take(pa.array(rows)).to_pylist()
        for row, face in zip(rows.tolist(), candidates, strict=True):
            by_item.setdefault((face[key], face["segment"], face["timestamp_us"]), []).append(row)
    boxes = np.stack([faces[side].to_numpy() for side in ("x0", "y0", "x1", "y1")], axis=1)
    found = {}
    for one in concerns:
        moment_of = (one.place["segment"], one.place["timestamp_us"])
        near = [
            row
            for key in ("content_id", "media_id")
            for row in by_item.get((one.place[key], *moment_of), ())
        ]
        if not near:
            continue
        box = np.array([one.place[side] for side in ("x0", "y0", "x1", "y1")], np.float64)
        overlap = iou(boxes[near], box)
        if overlap.max() >= SAME_PLACE_IOU:
            found[one.face_id] = near[int(overlap.argmax())]
    return found
