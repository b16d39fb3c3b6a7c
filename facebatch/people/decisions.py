"""What users decided about people: a decision, its faces, whose they were and whose they are by it.

`facebatch.people.recording` keeps decisions, `facebatch.people.effective` says what stands of all.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

KINDS = (
    *("name", "assign", "merge", "split", "apart", "reject", "not_a_face", "hide", "import"),
    "undo",
)


class Concern(NamedTuple):
    """A face that a decision concerns.

    Attributes:
        face_id: The face.
        before: The person it belonged to; None for nobody.
        after: The person it belongs to by the decision; None where that isn't said.
    """

    face_id: bytes
    before: bytes | None
    after: bytes | None


Columns = tuple[tuple[bytes, ...], tuple[bytes | None, ...], tuple[bytes | None, ...]]
"""Faces, whose they were and whose they are, as `Concern` has them."""


class Concerns(Collection[Concern]):
    """The faces of a decision as columns, so that many decisions that are read are few objects."""

    __slots__ = ("columns",)

    def __init__(self, columns: Columns) -> None:
        self.columns = columns

    def __len__(self) -> int:
        return len(self.columns[0])

    def __iter__(self) -> Iterator[Concern]:
        return map(Concern._make, zip(*self.columns, strict=True))

    def __contains__(self, one: object) -> bool:
        return one in tuple(self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Concerns | tuple) and tuple(self) == tuple(other)

    __hash__ = None  # type: ignore[assignment]


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
    concerns: Collection[Concern] = ()
    decision: str = ""
    names: Mapping[bytes, str] = field(default_factory=dict)

    @cached_property
    def about(self) -> frozenset[bytes]:
        """The people whom it is about."""
        _, before, after = self.columns
        known = {self.person_id, *self.names, *before, *after}
        return frozenset(who for who in known if who is not None)

    @property
    def columns(self) -> Columns:
        """The faces as columns."""
        if isinstance(self.concerns, Concerns):
            return self.concerns.columns
        faces, before, after = zip(*self.concerns, strict=True) if self.concerns else ((), (), ())
        return faces, before, after


def cancelled(decisions: Sequence[Decision]) -> frozenset[str]:
    """Returns the names of the decisions that an undo cancels which isn't cancelled itself."""
    found: set[str] = set()
    for decision in reversed(decisions):
        if decision.cancels and decision.decision not in found:
            found.add(decision.cancels)
    return frozenset(found)


def about_all(decision: Decision, by_name: Mapping[str, Decision]) -> frozenset[bytes]:
    """Returns the people whom a decision is about; of an undo also those whom what it cancels is.

    Args:
        decision: The decision.
        by_name: All decisions, by their names.
    """
    about = decision.about
    # An undo of names says of no face whose it is, and another may cancel it.
    while decision.cancels and decision.cancels in by_name:
        decision = by_name[decision.cancels]
        about |= decision.about
    return about


def hash_of_names(names: Iterable[str]) -> str | None:
    """Returns a hash of which decisions there are; one may appear that isn't the newest."""
    text = "\n".join(sorted(names))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest() if text else None
