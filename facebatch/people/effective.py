"""What stands today of all that users decided about people.

It is read from all decisions in the order of time; later ones win, and an undo cancels another.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import cached_property
from typing import cast

from facebatch.collection import Collection, Snapshot
from facebatch.people.decisions import Concern, Decision, cancelled
from facebatch.people.locating import Located, locate
from facebatch.people.recording import read


@dataclass(frozen=True)
class EffectiveDecisions:
    """What stands of all decisions, over the faces of one snapshot.

    Args:
        decisions: All of them, oldest first, those that were cancelled included.
        cancelled: Names of those that don't count.
        located: Where the faces of all of them are.
        pins: By row, the person whom a face belongs to and the decision that says so.
        forbidden: (row, person, decision): faces that aren't a person's.
        no_faces: Rows of what isn't a face.
        strangers: Pairs of rows that aren't of one person.
        apart: Pairs of people who aren't one.
        released: By row, the undo that says a face is nobody's again.
        names: By person, the name given.
        hidden: People who are hidden.
    """

    decisions: tuple[Decision, ...] = ()
    cancelled: frozenset[str] = frozenset()
    located: Located = field(default_factory=Located)
    pins: Mapping[int, tuple[bytes, str]] = field(default_factory=dict)
    forbidden: tuple[tuple[int, bytes, str], ...] = ()
    no_faces: frozenset[int] = frozenset()
    strangers: tuple[tuple[int, int], ...] = ()
    apart: frozenset[frozenset[bytes]] = frozenset()
    released: Mapping[int, str] = field(default_factory=dict)
    names: Mapping[bytes, str] = field(default_factory=dict)
    hidden: frozenset[bytes] = frozenset()

    @cached_property
    def reasons(self) -> Mapping[bytes, str]:
        """By person, the newest decision about them, whether it was cancelled or not."""
        found: dict[bytes, str] = {}
        for one in self.decisions:
            found |= dict.fromkeys(one.about, one.decision)
        return found

    @property
    def newest(self) -> str | None:
        """Name of the newest decision; None where there is none."""
        return self.decisions[-1].decision if self.decisions else None

    @property
    def resting(self) -> frozenset[bytes]:
        """Faces that a decision which counts is about, and whose place another face took."""
        return frozenset(
            one.face_id
            for decision in self.decisions
            if decision.decision not in self.cancelled
            for one in decision.concerns
            if one.face_id in self.located.resting
        )


def effective_decisions(collection: Collection, snapshot: Snapshot) -> EffectiveDecisions:
    """Returns what stands of a collection's decisions, over the faces of a snapshot.

    Raises:
        CollectionError: A decision can't be read.
    """
    decisions = read(collection)
    if not decisions:
        return EffectiveDecisions()
    concerned = {one.face_id: one for decision in decisions for one in decision.concerns}
    return fold(decisions, locate(list(concerned.values()), collection, snapshot))


def earlier_versions(collection: Collection, snapshot: Snapshot, faces: set[bytes]) -> set[bytes]:
    """Returns the ids that some faces had when users decided about them, where they are others.

    Raises:
        CollectionError: A decision can't be read.
    """
    rows = effective_decisions(collection, snapshot).located.rows
    today = snapshot.face_ids
    return {face for face, row in rows.items() if today[row].tobytes() in faces} - faces


def fold(decisions: Sequence[Decision], located: Located) -> EffectiveDecisions:
    """Returns what stands of decisions.

    Args:
        decisions: All of them, oldest first.
        located: Where their faces are.
    """
    gone = cancelled(decisions)
    said = _Said()
    for decision in decisions:
        if decision.decision not in gone:
            said.take(decision, located.rows)
    return said.effective(decisions, gone, located)


def followed(
    effective: EffectiveDecisions, decision: Decision, located: Located
) -> EffectiveDecisions:
    """Returns what stands when one more decision was taken.

    Args:
        effective: What stood before it.
        decision: The decision, later than all others.
        located: Where the faces of all decisions are, its own among them.
    """
    every = (*effective.decisions, decision)
    if decision.kind == "undo":
        return fold(every, located)
    said = _Said.of(effective)
    said.take(decision, located.rows)
    return said.effective(every, effective.cancelled, located)


@dataclass
class _Said:
    """What decisions say of faces, by row, and of people; each is told in the order of time."""

    pins: dict[int, tuple[bytes, str]] = field(default_factory=dict)
    forbidden: dict[tuple[int, bytes], str] = field(default_factory=dict)
    no_faces: set[int] = field(default_factory=set)
    strangers: list[tuple[int, int]] = field(default_factory=list)
    apart: set[frozenset[bytes]] = field(default_factory=set)
    released: dict[int, str] = field(default_factory=dict)
    names: dict[bytes, str] = field(default_factory=dict)
    hidden: set[bytes] = field(default_factory=set)
    refused: defaultdict[bytes, set[int]] = field(default_factory=lambda: defaultdict(set))
    """The faces that were ever said not to be a person's, by person."""
    parted: defaultdict[bytes, set[bytes]] = field(default_factory=lambda: defaultdict(set))
    """The people who aren't a person, by person."""

    @classmethod
    def of(cls, effective: EffectiveDecisions) -> _Said:
        """Returns what some decisions said, to go on from there."""
        said = cls(
            dict(effective.pins),
            no_faces=set(effective.no_faces),
            strangers=list(effective.strangers),
            released=dict(effective.released),
            names=dict(effective.names),
            hidden=set(effective.hidden),
        )
        for row, who, by in effective.forbidden:
            said._forbid(row, who, by)
        for pair in effective.apart:
            said._part(pair)
        return said

    def take(self, decision: Decision, rows: Mapping[bytes, int]) -> None:
        """Takes in a decision that counts."""
        if decision.kind == "name" and decision.person_id and decision.name:
            self.names[decision.person_id] = decision.name
        elif decision.kind == "merge":
            _merge_names(decision, self.names)
            self._inherit(decision.person_id, set(decision.columns[1]) - {decision.person_id, None})
        elif decision.kind == "hide" and decision.person_id is not None:
            self.hidden.add(decision.person_id)
        self.names |= decision.names
        faces, _, owners = decision.columns
        found = list(map(rows.get, faces))
        given = {who: (who, decision.decision) for who in set(owners)}
        pins = dict(zip(found, map(given.__getitem__, owners), strict=True))
        pins.pop(None, None)
        if None in given:
            pins = {row: pin for row, pin in pins.items() if pin[0] is not None}
        self._pin(cast("dict[int, tuple[bytes, str]]", pins))
        if None in given:
            for row, one in zip(found, decision.concerns, strict=True):
                if row is not None and one.after is None:
                    self._free(row, one, decision, given.keys())
        if decision.kind == "apart":
            self._apart(decision, rows)

    def effective(
        self, decisions: Sequence[Decision], gone: frozenset[str], located: Located
    ) -> EffectiveDecisions:
        """Returns what stands of the decisions that were taken in."""
        return EffectiveDecisions(
            decisions=tuple(decisions),
            cancelled=gone,
            located=located,
            pins=self.pins,
            forbidden=tuple((row, who, by) for (row, who), by in self.forbidden.items()),
            no_faces=frozenset(self.no_faces),
            strangers=tuple(self.strangers),
            apart=frozenset(self.apart),
            released=self.released,
            names=self.names,
            hidden=frozenset(self.hidden),
        )

    def _inherit(self, heir: bytes | None, merged: Set[bytes | None]) -> None:
        """Says of a person whom and which faces those aren't who are merged into it."""
        if heir is None:
            return
        for who in self.refused.keys() & merged:
            for row in tuple(self.refused[who]):
                by = self.forbidden.get((row, who))
                if by is not None and (row, heir) not in self.forbidden:
                    self._forbid(row, heir, by)
        for who in self.parted.keys() & merged:
            for other in self.parted[who] - merged - {heir}:
                self._part(frozenset((heir, other)))

    def _forbid(self, row: int, who: bytes, by: str) -> None:
        self.forbidden[row, who] = by
        self.refused[who].add(row)

    def _part(self, people: frozenset[bytes]) -> None:
        self.apart.add(people)
        one, other = people
        self.parted[one].add(other)
        self.parted[other].add(one)

    def _pin(self, given: Mapping[int, tuple[bytes, str]]) -> None:
        """Takes in whose faces are that a decision gives to somebody."""
        self.pins.update(given)
        if self.no_faces:
            self.no_faces.difference_update(given)
        if self.released:
            for row in self.released.keys() & given.keys():
                del self.released[row]
        if self.forbidden:
            for row, (who, _) in given.items():
                self.forbidden.pop((row, who), None)

    def _free(self, row: int, one: Concern, decision: Decision, given: Set[bytes | None]) -> None:
        """Takes in what a decision, which gives faces to some people, says of one that it doesn't.

        Args:
            row: The face's.
            one: What it says of it.
            decision: The decision.
            given: Whom it gives faces to.
        """
        if decision.kind == "not_a_face":
            self.pins.pop(row, None)
            self.no_faces.add(row)
        elif decision.kind == "reject" and one.before is not None:
            if row in self.pins and self.pins[row][0] == one.before:
                del self.pins[row]
            self._forbid(row, one.before, decision.decision)
        elif decision.kind == "undo" and one.before in given:
            # It had been given to somebody who had others: who was founded on it needs no more
            # than that nothing says so any longer.
            self.released[row] = decision.decision

    def _apart(self, decision: Decision, rows: Mapping[bytes, int]) -> None:
        """Takes in that two people, a face and a person, or two faces are two."""
        people = frozenset(one.after for one in decision.concerns if one.after is not None)
        faces = [rows.get(one.face_id) for one in decision.concerns if one.after is None]
        known = [row for row in faces if row is not None]
        if len(people) == 2:
            self._part(people)
        elif len(people) == 1:
            for row in known:
                self._forbid(row, next(iter(people)), decision.decision)
        elif len(known) == 2:
            self.strangers.append((known[0], known[1]))


def _merge_names(decision: Decision, names: dict[bytes, str]) -> None:
    """Lets a person without a name take over that of the first one merged into it."""
    if decision.person_id is None or decision.person_id in names:
        return
    for concern in decision.concerns:
        if concern.before in names:
            names[decision.person_id] = names[concern.before]
            return
