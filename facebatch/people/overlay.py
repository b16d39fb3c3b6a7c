"""The people as decisions that nobody followed yet make them: what a regrouping will say of these.

A decision says of every face that it moves whose it is, so that this needs neither embeddings nor
neighbours. Where a face goes that was taken from somebody and given to nobody, only a regrouping
says; until then it is nobody's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from facebatch.people.decisions import Decision
from facebatch.people.effective import EffectiveDecisions
from facebatch.people.identity import Person

_TAKING = frozenset({"reject", "not_a_face", "undo"})
"""Kinds that leave a face to nobody where they say no person."""


@dataclass(frozen=True, eq=False)
class Overlay:
    """Who is who.

    Args:
        labels: (n,) int32, the cluster of each face; -1 for a face on its own.
        known: Everyone ever known, by person id.
        free: A number from which on no cluster has one.
    """

    labels: npt.NDArray[np.int32]
    known: Mapping[bytes, Person]
    free: int

    @classmethod
    def of(cls, labels: npt.NDArray[np.int32], known: Mapping[bytes, Person]) -> Overlay:
        """Returns who is who before there are decisions."""
        clusters = (one.cluster for one in known.values() if one.cluster is not None)
        return cls(labels, known, max(int(labels.max(initial=-1)), max(clusters, default=-1)) + 1)

    def with_decisions(
        self,
        decisions: Iterable[Decision],
        rows: Mapping[bytes, int],
        effective: EffectiveDecisions,
        generation: str,
    ) -> Overlay:
        """Returns who is who when some more decisions are followed.

        Args:
            decisions: The decisions, oldest first.
            rows: The row of each of their faces.
            effective: What stands of all decisions, these among them.
            generation: The generation that says who was who before.
        """
        changing = _Changing(self, rows, effective, generation)
        for decision in decisions:
            changing.follow(decision)
        return Overlay(changing.labels, changing.known, changing.free)


class _Changing:
    """Labels and people that decisions change."""

    def __init__(
        self,
        before: Overlay,
        rows: Mapping[bytes, int],
        effective: EffectiveDecisions,
        generation: str,
    ) -> None:
        self.labels = before.labels.copy()
        self.known = dict(before.known)
        self._rows = rows
        self._effective = effective
        self._generation = generation
        self.free = before.free

    def follow(self, decision: Decision) -> None:
        """Follows one decision."""
        left: dict[int, Counter[int]] = {}
        rows: dict[bytes | None, list[int]] = {}
        for one in decision.concerns:
            row = self._rows.get(one.face_id)
            if row is not None and (one.after is not None or decision.kind in _TAKING):
                rows.setdefault(one.after, []).append(row)
        for after, theirs in rows.items():
            target = -1 if after is None else self._cluster(after)
            were = self.labels[theirs]
            for label, count in zip(
                *np.unique(were[were != target], return_counts=True), strict=True
            ):
                left.setdefault(int(label), Counter())[target] += int(count)
            self.labels[theirs] = target
        touched = set(decision.about)
        for cluster, targets in left.items():
            if cluster >= 0 and not (self.labels == cluster).any():
                touched |= self._empty(cluster, targets, decision.about)
        for other in self._effective.decisions if decision.cancels else ():
            touched |= other.about if other.decision == decision.cancels else frozenset()
        for who in touched & set(self.known):
            self.known[who] = self._called(self.known[who])

    def _cluster(self, who: bytes) -> int:
        """Returns the cluster of a person, who is founded or comes back where there is none."""
        person = self.known.get(who) or Person(who, self._generation)
        if person.cluster is None:
            person = replace(person, status="active", merged_into=None, cluster=self.free)
            self.free += 1
            self.known[who] = person
        return int(person.cluster or 0)

    def _empty(self, cluster: int, targets: Counter[int], about: frozenset[bytes]) -> set[bytes]:
        """Lets a person go who has no faces left; returns who that is, and who takes over."""
        gone = self._of_cluster(cluster, about)
        if gone is None:
            return set()
        target, count = targets.most_common(1)[0]
        heir = self._of_cluster(target, about) if 2 * count > targets.total() else None
        if heir is None:
            self.known[gone.person_id] = replace(gone, status="dissolved", cluster=None)
            return {gone.person_id}
        into = heir.person_id
        self.known[gone.person_id] = replace(gone, status="merged", cluster=None, merged_into=into)
        for who, one in list(self.known.items()):
            if one.merged_into == gone.person_id:
                self.known[who] = replace(one, merged_into=into)
        if heir.name is None:
            self.known[into] = replace(heir, name=gone.name, named_by=gone.named_by)
        return {gone.person_id, into}

    def _of_cluster(self, cluster: int, about: frozenset[bytes]) -> Person | None:
        if cluster < 0:
            return None
        likely = (self.known[who] for who in about if who in self.known)
        for one in (*likely, *self.known.values()):
            if one.cluster == cluster:
                return one
        return None

    def _called(self, person: Person) -> Person:
        name, source = person.name, person.named_by
        if person.person_id in self._effective.names:
            name, source = self._effective.names[person.person_id], "decision"
        elif source == "decision":  # which was cancelled
            name, source = None, None
        hidden = person.person_id in self._effective.hidden
        return replace(person, name=name, named_by=source, hidden=hidden)
