"""What users decided about people, as it is recorded.

Each decision is a file that is never changed: its faces, whose they were before and whose they are
by it. `facebatch.people.effective` says what stands of all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from facebatch import tables
from facebatch.collection import Collection
from facebatch.collection.generations import name_after

FOLDER = "decisions"

KINDS = (
    *("name", "assign", "merge", "split", "apart", "reject", "not_a_face", "hide", "import"),
    "undo",
)

PLACE = ("media_id", "content_id", "segment", "timestamp_us", "x0", "y0", "x1", "y1")
"""Columns of a face's row by which it is found again."""

Embedding = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Concern:
    """A face that a decision concerns.

    Args:
        face_id: The face.
        before: The person it belonged to; None for nobody.
        after: The person it belongs to by the decision; None where that isn't said.
        place: Columns media_id, content_id, segment, timestamp_us, x0, y0, x1, y1 of its row.
        embedding: (d,) float32, to be recorded; None once it was (`recorded_embeddings`).
    """

    face_id: bytes
    before: bytes | None
    after: bytes | None
    place: Mapping[str, Any]
    embedding: Embedding | None = field(default=None, compare=False, repr=False)


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
        names: The names that an import gives, by person.
    """

    kind: str
    person_id: bytes | None = None
    name: str | None = None
    cancels: str | None = None
    concerns: tuple[Concern, ...] = ()
    decision: str = ""
    names: Mapping[bytes, str] = field(default_factory=dict)

    @property
    def about(self) -> frozenset[bytes]:
        """The people whom it is about."""
        theirs = (who for one in self.concerns for who in (one.before, one.after))
        known = (self.person_id, *self.names, *theirs)
        return frozenset(who for who in known if who is not None)


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
            "embedding": concern.embedding,
            **_given(decision, concern.after),
        }
        for concern in decision.concerns
    ]
    table = tables.from_rows("decisions", rows or [common])
    path = _path(name)
    tables.write(collection.storage, path, "decisions", table, collection.fingerprint)
    return replace(decision, decision=name)


def _given(decision: Decision, person: bytes | None) -> dict[str, Any]:
    """Returns the columns of an import's row: whom it names."""
    if decision.kind != "import":
        return {}
    return {"person_id": person, "name": decision.names.get(person) if person else None}


def next_name(collection: Collection) -> str:
    """Returns a name for a new decision, later than all others."""
    names = _names(collection)
    return name_after(names[-1] if names else None)


def _path(name: str) -> str:
    return f"{FOLDER}/{name}.parquet"


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


_READ = (
    *("kind", "person_id", "name", "cancels", "face_id", "before", "after"),
    *PLACE,
)


def _read_one(collection: Collection, name: str) -> Decision:
    rows = tables.read(collection.storage, _path(name), "decisions", _READ).to_pylist()
    concerns = tuple(
        Concern(row["face_id"], row["before"], row["after"], {key: row[key] for key in PLACE})
        for row in rows
        if row["face_id"] is not None
    )
    first = rows[0]
    if first["kind"] == "import":
        names = {row["person_id"]: row["name"] for row in rows if row["name"] is not None}
        return Decision("import", concerns=concerns, decision=name, names=names)
    return Decision(
        first["kind"], first["person_id"], first["name"], first["cancels"], concerns, name
    )


def recorded_embeddings(collection: Collection, faces: set[bytes]) -> dict[bytes, Embedding]:
    """Returns the embeddings (d,) that decisions recorded of faces.

    Those that were taken before facebatch recorded any have none.

    Raises:
        CollectionError: A file can't be read.
    """
    found: dict[bytes, Embedding] = {}
    for name in _names(collection):
        columns = ["face_id", "embedding"]
        for row in tables.read(collection.storage, _path(name), "decisions", columns).to_pylist():
            if row["face_id"] in faces and row["embedding"] is not None:
                found[row["face_id"]] = np.array(row["embedding"], np.float32)
    return found


def cancelled(decisions: Sequence[Decision]) -> frozenset[str]:
    """Returns the names of the decisions that an undo cancels which isn't cancelled itself."""
    found: set[str] = set()
    for decision in reversed(decisions):
        if decision.cancels and decision.decision not in found:
            found.add(decision.cancels)
    return frozenset(found)
