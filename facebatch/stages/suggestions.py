"""Whom to ask a user about: likely the same people, and whose a face that is nobody's likely is."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from facebatch import ids
from facebatch.cluster.tau import choose_tau
from facebatch.people.answers import answered
from facebatch.people.deciding import People
from facebatch.people.decisions import Decision
from facebatch.people.suggestions import (
    CANDIDATES,
    Floats,
    Groups,
    Likelihood,
    Pictures,
    Rows,
    crowd,
    features,
    groups_of,
    likelihood_of,
    probability,
    recalibrated,
)
from facebatch.stages.centroids import Centroids, neighborhood
from facebatch.stages.common import embeddings_of
from facebatch.stages.faces import PICTURE_COLUMNS, pictures_of

_ASKED_AT_ONCE = 65_536
_PEOPLE_OF_A_FACE = 2
"""People whose a face on its own may be that are asked about."""

_ANSWERS = 1000
"""Newest decisions that the likelihood is recalibrated by."""

Answers = tuple[Floats, npt.NDArray[np.bool_]]


@dataclass(frozen=True)
class Suggestion:
    """Something to ask: whether two people are one, or whether a face is somebody's.

    Args:
        kind: ``people`` or ``face``.
        person_id: The person of more faces, or the one whose the face may be.
        other: The other person's id, or the face's.
        probability: That of a yes.
        gain: Pairs of faces that a yes brings together.
        d2: Between the means of both, or the face and the person's mean.
    """

    kind: Literal["people", "face"]
    person_id: bytes
    other: bytes
    probability: float
    gain: int
    d2: float

    @property
    def worth(self) -> float:
        """What asking is worth, see `Suggester.best`."""
        return self.probability * math.sqrt(self.gain)

    def as_json(self) -> dict[str, Any]:
        """Returns plain data."""
        ids = {"person_id": self.person_id.hex(), "other": self.other.hex()}
        return {**vars(self), **ids}


@dataclass(frozen=True, eq=False)
class Suggester:
    """Suggestions for the people of a collection.

    Args:
        people: The people.
        embeddings: (n, d) the faces' embeddings, in the order of ``people.face_ids``.
        pictures: (n,) int32, as `facebatch.cluster.photos.conflicts` gives it.
        groups: The people's sums, by their number in ``people.labels``.
        near: (g, k) int64, the nearest groups of each, -1 for none.
        crowds: (g,) as `facebatch.people.suggestions.crowd` gives it.
        unit: The space's longest link, as d2.
        answers: By decision, the log odds that there were of it, and the answer.
    """

    people: People
    embeddings: npt.NDArray[np.floating]
    pictures: npt.NDArray[np.int32]
    groups: Groups
    near: Rows
    crowds: Floats
    unit: float
    answers: Mapping[str, Answers] = field(default_factory=dict)

    @classmethod
    def of(cls, people: People, embeddings: npt.NDArray[np.floating] | None = None) -> Suggester:
        """Returns the suggestions for people.

        Args:
            people: The people.
            embeddings: (n, d) float16 or float32, in the order of ``people.face_ids``, mapped from
                a file say; by default they are read.

        Raises:
            UsageError: Nothing was measured of the collection's space.
            CollectionError: Photos came or went since the people were made.
        """
        pictures, read = _seen(people, wanted=embeddings is None)
        embeddings = read if embeddings is None else embeddings
        groups = groups_of(embeddings, people.labels, _count(people))
        near, crowds = neighborhood(groups, np.flatnonzero(groups.sizes))
        settings = people.collection.settings
        unit = choose_tau(1, settings.thresholds().links)
        made = cls(people, embeddings, pictures, groups, near, crowds, unit)
        return replace(made, answers=made._answered(people.decisions[-_ANSWERS:]))

    def following(self, people: People) -> Suggester:
        """Returns the suggestions for the same faces when decisions were taken about them."""
        was, now = self.people.labels, people.labels
        rows = np.flatnonzero(was != now)
        more = max(0, _count(people) - len(self.groups.sizes))
        sums = np.pad(self.groups.sums, ((0, more), (0, 0)))
        sizes = np.pad(self.groups.sizes, (0, more))
        moved = np.asarray(self.embeddings[rows], np.float32)
        for sign, labels in ((-1, was[rows]), (1, now[rows])):
            owned = labels >= 0
            np.add.at(sums, labels[owned], sign * moved[owned])
            np.add.at(sizes, labels[owned], sign)
        groups = Groups(sums, sizes, int((now < 0).sum()))
        near = np.pad(self.near, ((0, more), (0, 0)), constant_values=-1)
        crowds = np.pad(self.crowds, (0, more), constant_values=4.0)
        changed = np.unique(np.concatenate([was[rows], now[rows]]))
        changed = changed[changed >= 0]
        changed = changed[sizes[changed] > 0]
        if len(changed):
            near[changed], crowds[changed] = neighborhood(groups, changed, near.shape[1])
        # What was likely before an answer, not after it, says how good the likelihood is.
        before = {one.decision for one in self.people.decisions}
        asked = self._answered([one for one in people.decisions if one.decision not in before])
        return replace(
            self,
            people=people,
            groups=groups,
            near=near,
            crowds=crowds,
            answers={**self.answers, **asked},
        )

    @cached_property
    def likelihood(self) -> Likelihood:
        """What was measured of the embedder, recalibrated by the answers that stand."""
        gone = self.people.effective_decisions.cancelled
        standing = [each for name, each in self.answers.items() if name not in gone]
        logits = np.concatenate([np.zeros(0), *(odds for odds, _ in standing)])
        same = np.concatenate([np.zeros(0, bool), *(said for _, said in standing)])
        return recalibrated(self._measured, logits, same)

    @property
    def _measured(self) -> Likelihood:
        return likelihood_of(self.people.collection.settings.embedder)

    def _answered(self, decisions: Sequence[Decision]) -> dict[str, Answers]:
        """Returns the log odds that there are of pairs that users answered, and the answers."""
        return {
            one.decision: self._answers_of(found)
            for one in decisions
            if (found := answered(self.people, one))
        }

    def _answers_of(self, found: Sequence[tuple[Rows, Rows, bool]]) -> Answers:
        sides = [
            np.stack([self._look(rows) for rows in side])
            for side in ([first for first, *_ in found], [second for _, second, _ in found])
        ]
        sizes = np.array([[len(first), len(second)] for first, second, _ in found])
        crowds = [crowd(self._centroids.near(side, CANDIDATES)[0]) for side in sides]
        d2 = np.maximum(0.0, 2 - 2 * np.einsum("md,md->m", *sides).astype(np.float64))
        per_group = self.groups.faces_per_group
        known = features(d2, sizes, np.stack(crowds, axis=1), self.unit, per_group)
        return self._measured.logits(known), np.array([same for *_, same in found])

    def best(self, limit: int = 20, *, loose: bool = False) -> list[Suggestion]:
        """Returns what to ask next, by the probability of a yes and what that brings.

        The worth of a yes is the root of the pairs of faces that it joins, which is their number
        for two people of one size: fewer answers are no than by the pairs themselves, and recall
        grows faster than by the faces of the smaller one (benchmarks/suggestions.py).

        Args:
            limit: How many at most.
            loose: Also whose faces are that are nobody's.
        """
        first = np.repeat(np.arange(len(self.near)), self.near.shape[1])
        second = self.near.reshape(-1)
        found = second >= 0
        pairs = np.sort(np.stack([first[found], second[found]], axis=1), axis=1)
        judged = self._people(np.unique(pairs, axis=0))
        if loose:
            judged += self._faces(self._loose_rows, _PEOPLE_OF_A_FACE)
        judged.sort(key=lambda one: (-one.worth, one.person_id, one.other))
        return judged[:limit]

    def same(self, person_id: bytes, limit: int = 5) -> list[Suggestion]:
        """Returns who is likely the same as a person, the likeliest first."""
        mine = self.people.known[person_id].cluster
        if mine is None or not self.groups.sizes[mine]:
            return []
        near, _ = neighborhood(self.groups, np.array([mine]), CANDIDATES + limit)
        other = near[0][near[0] >= 0]
        judged = self._people(np.stack([np.full(len(other), mine), other], axis=1))
        return _likeliest([_as_of(one, person_id) for one in judged], limit)

    def person_of(self, face_id: bytes, limit: int = 5) -> list[Suggestion]:
        """Returns whose a face that is nobody's likely is, the likeliest first."""
        row = self.people.places.row(face_id)
        if row is None or self.people.labels[row] >= 0:
            return []
        return _likeliest(self._faces(np.array([row]), CANDIDATES), limit)

    def loose(self, person_id: bytes, limit: int = 24) -> list[Suggestion]:
        """Returns the faces that are nobody's and likely a person's, the likeliest first."""
        mine = self.people.known[person_id].cluster
        rows = self._loose_rows
        if mine is None or not self.groups.sizes[mine] or not len(rows):
            return []
        centroid = self.groups.centroids[mine]
        blocks = range(0, len(rows), _ASKED_AT_ONCE)
        dots = [
            np.asarray(self.embeddings[rows[start : start + _ASKED_AT_ONCE]], np.float32) @ centroid
            for start in blocks
        ]
        nearest = np.argsort(-np.concatenate(dots), kind="stable")[: CANDIDATES + 2 * limit]
        judged = self._faces(rows[nearest], CANDIDATES, only=mine)
        return _likeliest(judged, limit)

    @cached_property
    def _loose_rows(self) -> Rows:
        loose = self.people.labels < 0
        loose[list(self.people.effective_decisions.no_faces)] = False
        return np.flatnonzero(loose)

    @cached_property
    def _hidden(self) -> Rows:
        known = self.people.known.values()
        return np.array(
            [one.cluster for one in known if one.hidden and one.cluster is not None], int
        )

    @cached_property
    def _barred(self) -> Rows:
        """Pairs of people who aren't one, as numbers: smaller times their count plus larger."""
        effective, labels = self.people.effective_decisions, self.people.labels
        pairs = [[self._number(who) for who in pair] for pair in effective.apart]
        pairs += [[int(labels[row]), self._number(who)] for row, who, _ in effective.forbidden]
        pairs += [[int(labels[row]) for row in both] for both in effective.strangers]
        known = np.array([pair for pair in pairs if min(pair) >= 0], np.int64).reshape(-1, 2)
        return self._coded(known)

    @cached_property
    def _forbidden(self) -> frozenset[tuple[int, int]]:
        """Faces and the numbers of people whose they aren't."""
        effective, labels = self.people.effective_decisions, self.people.labels
        found = {(row, self._number(who)) for row, who, _ in effective.forbidden}
        for one, other in effective.strangers:
            found |= {(one, int(labels[other])), (other, int(labels[one]))}
        return frozenset(found)

    def _number(self, who: bytes) -> int:
        person = self.people.known.get(who)
        return -1 if person is None or person.cluster is None else person.cluster

    def _coded(self, pairs: Rows) -> Rows:
        ordered = np.sort(pairs, axis=1)
        return ordered[:, 0] * len(self.groups.sizes) + ordered[:, 1]

    def _people(self, pairs: Rows) -> list[Suggestion]:
        """Returns what to say of pairs (m, 2) of people, without those that aren't asked."""
        sizes = self.groups.sizes
        asked = (sizes[pairs] > 0).all(axis=1) & ~np.isin(pairs, self._hidden).any(axis=1)
        asked &= ~np.isin(self._coded(pairs), self._barred)
        pairs = pairs[asked]
        pairs = pairs[~self._in_pictures.shared(pairs[:, 0], pairs[:, 1])]
        d2 = self.groups.d2(pairs[:, 0], pairs[:, 1])
        likely = self._probability(d2, sizes[pairs], self.crowds[pairs])
        larger_first = np.where(
            (sizes[pairs[:, 0]] >= sizes[pairs[:, 1]])[:, None], pairs, pairs[:, ::-1]
        )
        gains = sizes[pairs].prod(axis=1)
        by_cluster = self.people.by_cluster
        return [
            Suggestion("people", by_cluster[one], by_cluster[other], p, gain, distance)
            for (one, other), p, gain, distance in zip(
                larger_first.tolist(), likely.tolist(), gains.tolist(), d2.tolist(), strict=True
            )
            if one in by_cluster and other in by_cluster
        ]

    def _faces(self, rows: Rows, most: int, only: int | None = None) -> list[Suggestion]:
        """Returns whose some faces (m,) that are nobody's may be, each the ``most`` nearest."""
        found: list[Suggestion] = []
        for start in range(0, len(rows), _ASKED_AT_ONCE):
            found += self._few_faces(rows[start : start + _ASKED_AT_ONCE], most, only)
        return found

    def _few_faces(self, rows: Rows, most: int, only: int | None) -> list[Suggestion]:
        looks = np.asarray(self.embeddings[rows], np.float32)
        distances, near = self._centroids.near(looks, CANDIDATES)
        crowds = crowd(distances)
        asked = near[:, :most] if only is None else np.full((len(rows), 1), only)
        face = np.repeat(np.arange(len(rows)), asked.shape[1])
        who = asked.reshape(-1)
        there = (who >= 0) & ~np.isin(who, self._hidden)
        face, who = face[there], who[there]
        in_picture = self._in_pictures.hold(self.pictures[rows[face]], who)
        face, who = face[~in_picture], who[~in_picture]
        dots = np.einsum("md,md->m", looks[face], self.groups.centroids[who])
        d2 = np.maximum(0.0, 2 - 2 * dots.astype(np.float64))
        sizes = np.stack([np.ones(len(who), np.int64), self.groups.sizes[who]], axis=1)
        likely = self._probability(d2, sizes, np.stack([crowds[face], self.crowds[who]], axis=1))
        by_cluster = self.people.by_cluster
        return [
            Suggestion(
                "face",
                by_cluster[other],
                self.people.face_ids[row].tobytes(),
                p,
                int(self.groups.sizes[other]),
                distance,
            )
            for row, other, p, distance in zip(
                rows[face].tolist(), who.tolist(), likely.tolist(), d2.tolist(), strict=True
            )
            if (row, other) not in self._forbidden and other in by_cluster
        ]

    @cached_property
    def _centroids(self) -> Centroids:
        return Centroids(self.groups)

    @cached_property
    def _in_pictures(self) -> Pictures:
        return Pictures(self.people.labels, self.pictures)

    def _look(self, rows: Rows) -> npt.NDArray[np.float32]:
        """Returns the mean of some faces, scaled to length 1, (d,)."""
        total = np.asarray(self.embeddings[rows], np.float32).sum(axis=0)
        return np.asarray(total / max(1e-12, float(np.linalg.norm(total))), np.float32)

    def _probability(self, d2: Floats, sizes: Rows, crowds: Floats) -> Floats:
        per_group = self.groups.faces_per_group
        known = features(d2, sizes, crowds, self.unit, per_group)
        return probability(self.likelihood.logits(known))


def _count(people: People) -> int:
    numbers = [one.cluster for one in people.known.values() if one.cluster is not None]
    return max([int(people.labels.max(initial=-1)), *numbers]) + 1


def _seen(people: People, wanted: bool) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    """Returns the pictures (n,) and, where they are wanted, the embeddings (n, d) of the faces.

    Of a face that isn't there any more they are -1 and zero.
    """
    columns = [*PICTURE_COLUMNS, *(["embedding"] if wanted else [])]
    rows = people.snapshot.faces(["face_id", *columns])
    places = pc.index_in(ids.to_arrow(people.face_ids), rows["face_id"].combine_chunks())
    there = places.is_valid().to_numpy(zero_copy_only=False)
    found = places.drop_null().to_numpy()
    pictures = np.full(len(there), -1, np.int32)
    pictures[there] = pictures_of(rows)[found] if len(rows) else -1
    vectors = embeddings_of(people.collection, rows) if wanted else np.zeros((0, 0), np.float32)
    embeddings = np.zeros((len(there), vectors.shape[1]), np.float32)
    embeddings[there] = vectors[found] if wanted else 0
    return pictures, embeddings


def _likeliest(found: list[Suggestion], limit: int) -> list[Suggestion]:
    return sorted(found, key=lambda one: (-one.probability, one.other))[:limit]


def _as_of(one: Suggestion, person_id: bytes) -> Suggestion:
    """Returns the same question with a person in the first place."""
    if one.person_id == person_id:
        return one
    return replace(one, person_id=person_id, other=one.person_id)
