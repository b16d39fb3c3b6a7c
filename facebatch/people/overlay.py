"""The people as decisions that nobody followed yet make them: what a regrouping will say of these.

A decision says of every face that it moves whose it is, so that this needs neither embeddings nor
neighbours. Where a face goes that was taken from somebody and given to nobody, only a regrouping
says; until then it is nobody's.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import cast

import numpy as np
import numpy.typing as npt

from facebatch.people.decisions import Decision, about_all
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
        by_cluster: The person of every cluster.
        sizes: By cluster, the number of its faces; new clusters are numbered from its length on.
        led: Whom the ids of people lead to who had no faces before there were decisions.
        emptied: By person whom decisions left without a face, who got the last ones; None where
            nobody did. In the order of time.
    """

    labels: npt.NDArray[np.int32]
    known: Mapping[bytes, Person]
    by_cluster: Mapping[int, bytes]
    sizes: Sequence[int]
    led: Mapping[bytes, bytes]
    emptied: Mapping[bytes, bytes | None] = field(default_factory=dict)

    @classmethod
    def of(cls, labels: npt.NDArray[np.int32], known: Mapping[bytes, Person]) -> Overlay:
        """Returns who is who before there are decisions."""
        by_cluster = {one.cluster: who for who, one in known.items() if one.cluster is not None}
        led = {who: one.merged_into for who, one in known.items() if one.merged_into is not None}
        sizes = np.bincount(labels[labels >= 0], minlength=max(by_cluster, default=-1) + 1)
        return cls(labels, known, by_cluster, sizes.tolist(), led)

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
        return changing.done()


class _Changing:
    """Labels and people that decisions change."""

    def __init__(
        self,
        before: Overlay,
        rows: Mapping[bytes, int],
        effective: EffectiveDecisions,
        generation: str,
    ) -> None:
        self._labels = before.labels.copy()
        # One number of it is read and written in a third of the time.
        self._label = memoryview(self._labels)  # type: ignore[arg-type]
        self._known = dict(before.known)
        self._by_cluster = dict(before.by_cluster)
        self._sizes = list(before.sizes)
        self._led = dict(before.led)
        self._emptied = dict(before.emptied)
        self._rows = rows
        self._effective = effective
        self._generation = generation
        self._touched: set[bytes] = set()

    def done(self) -> Overlay:
        """Returns who is who when the decisions were followed."""
        for who in self._touched:
            self._call(who)
        for who in (*self._led, *self._emptied):
            self._lead(who)
        return Overlay(
            self._labels,
            self._known,
            self._by_cluster,
            self._sizes,
            self._led,
            self._emptied,
        )

    def follow(self, decision: Decision) -> None:
        """Follows one decision."""
        faces, _, owners = decision.columns
        targets: dict[bytes | None, int | None] = {None: -1 if decision.kind in _TAKING else None}
        moves: dict[tuple[int, int], int] = defaultdict(int)
        for row, owner in zip(map(self._rows.get, faces), owners, strict=True):
            if row is None:
                continue
            if owner not in targets:
                targets[owner] = self._cluster(cast("bytes", owner))
            target, was = targets[owner], self._label[row]
            if target is None or target == was:
                continue
            self._label[row] = target
            moves[was, target] += 1
        left: dict[int, Counter[int]] = {}
        for (was, target), count in moves.items():
            left.setdefault(was, Counter())[target] = count
            self._count(was, -count)
            self._count(target, count)
        for cluster, gone in left.items():
            if cluster >= 0 and not self._sizes[cluster]:
                self._empty(cluster, gone)
        self._touched |= about_all(decision, self._by_name)

    @cached_property
    def _by_name(self) -> Mapping[str, Decision]:
        return {one.decision: one for one in self._effective.decisions}

    def _count(self, cluster: int, more: int) -> None:
        if cluster >= 0:
            self._sizes[cluster] += more

    def _cluster(self, who: bytes) -> int:
        """Returns the cluster of a person, who is founded or comes back where there is none."""
        person = self._known.get(who) or Person(who, self._generation)
        if person.cluster is None:
            number = len(self._sizes)
            self._led.pop(who, None)
            self._emptied.pop(who, None)
            person = replace(person, status="active", merged_into=None, cluster=number)
            self._sizes.append(0)
            self._by_cluster[number] = who
            self._known[who] = person
        return cast("int", person.cluster)

    def _empty(self, cluster: int, targets: Counter[int]) -> None:
        """Lets a person go who has no faces left."""
        who = self._by_cluster.pop(cluster, None)
        if who is None:
            return
        self._call(who)
        gone = self._known[who]
        target, count = targets.most_common(1)[0]
        into = self._by_cluster.get(target) if 2 * count > targets.total() else None
        self._known[who] = replace(gone, status="dissolved", cluster=None)
        if into is None:
            if -1 not in targets:  # else a regrouping says where they went
                self._emptied[who] = None
            return
        self._emptied[who] = into
        self._call(into)
        heir = self._known[into]
        if heir.name is None:
            self._known[into] = replace(heir, name=gone.name, named_by=gone.named_by)
            self._touched.add(into)

    def _lead(self, who: bytes) -> None:
        """Lets the id of a person without faces lead to who took over in the end."""
        end = who
        while (into := self._led.get(end) or self._emptied.get(end)) is not None:
            end = into
        if end != who and end != self._known[who].merged_into:
            self._known[who] = replace(self._known[who], status="merged", merged_into=end)

    def _call(self, who: bytes) -> None:
        """Gives a person the name that decisions say, and hides who is to be hidden."""
        person = self._known.get(who)
        if person is None:
            return
        name, source = person.name, person.named_by
        if who in self._effective.names:
            name, source = self._effective.names[who], "decision"
        elif source == "decision":  # which was cancelled
            name, source = None, None
        hidden = who in self._effective.hidden
        if (name, source, hidden) != (person.name, person.named_by, person.hidden):
            self._known[who] = replace(person, name=name, named_by=source, hidden=hidden)
