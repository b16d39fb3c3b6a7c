"""Whom to ask a user about: likely the same people, and whose a face that is nobody's likely is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa
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
    Rows,
    crowd,
    d2_between,
    features,
    groups_of,
    likelihood_of,
    probability,
    recalibrated,
)
from facebatch.stages.centroids import Centroids
from facebatch.stages.common import embeddings_of
from facebatch.stages.faces import PICTURE_COLUMNS, pictures_of
from facebatch.stages.judged import Judged, Suggestion
from facebatch.stages.loose import Loose, nearest
from facebatch.stages.unasked import Unasked

_CHANGED = 1000
"""People who may change before all loose faces are looked at anew."""

_ANSWERS = 1000
"""Newest decisions that the likelihood is recalibrated by."""

Answers = tuple[Floats, npt.NDArray[np.bool_]]


@dataclass(frozen=True, eq=False)
class Suggester:
    """Suggestions for the people of a collection.

    Args:
        people: The people.
        embeddings: (n, d) the faces' embeddings, in the order of ``people.face_ids``.
        pictures: (n,) int32, as `facebatch.cluster.photos.conflicts` gives it.
        groups: The people's sums, by their number in ``people.labels``.
        near: (g, k) int64, the nearest groups of each, -1 for none.
        crowds: (g,) as `facebatch.people.suggestions.crowd` gives it, 4 where there is nobody.
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
    def of(
        cls,
        people: People,
        embeddings: npt.NDArray[np.floating] | None = None,
        pictures: npt.NDArray[np.int32] | None = None,
    ) -> Suggester:
        """Returns the suggestions for people.

        Args:
            people: The people.
            embeddings: (n, d) float16 or float32, in the order of ``people.face_ids``, mapped from
                a file say; by default they and the pictures are read.
            pictures: (n,) int32, as for this class.

        Raises:
            UsageError: Nothing was measured of the collection's space.
        """
        if pictures is None:
            pictures = _pictures(people)
        if embeddings is None:
            embeddings = _embeddings(people)
        unit = choose_tau(1, people.collection.settings.thresholds().links)
        groups = groups_of(embeddings, people.labels, _count(people))
        near = np.full((len(groups.sizes), CANDIDATES), -1, np.int64)
        crowds = np.full(len(groups.sizes), 4.0)
        there = np.flatnonzero(groups.sizes)
        near[there], crowds[there] = Centroids(groups).around(there)
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
        near[changed], crowds[changed] = Centroids(groups).around(changed)
        # What was likely before an answer, not after it, says how good the likelihood is.
        before = {one.decision for one in self.people.decisions}
        asked = self._answered([one for one in people.decisions if one.decision not in before])
        made = replace(
            self,
            people=people,
            groups=groups,
            near=near,
            crowds=crowds,
            answers={**self.answers, **asked},
        )
        if "_loose" in vars(self) and len(changed) <= _CHANGED:
            fresh = rows[(now[rows] < 0) & ~np.isin(rows, self._loose.rows)]
            loose = self._loose.with_people(changed, groups.centroids)
            loose = loose.with_faces(self.embeddings, fresh, made._centroids)
            vars(made)["_loose"] = loose
        return made

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
        judged = [self._people(np.unique(pairs, axis=0))]
        if loose:
            judged += [self._faces(self._loose.asked), self._couples(self._loose.couples)]
        best = [one for each in judged for one in self._said(each.most(each.worth, limit))]
        best.sort(key=lambda one: (-one.worth, one.person_id, one.other))
        return best[:limit]

    def same(self, person_id: bytes, limit: int = 5) -> list[Suggestion]:
        """Returns who is likely the same as a person, the likeliest first."""
        mine = self.people.known[person_id].cluster
        if mine is None or not self.groups.sizes[mine]:
            return []
        near, _ = self._centroids.around(np.array([mine]), CANDIDATES + limit)
        other = near[0][near[0] >= 0]
        judged = self._people(np.stack([np.full(len(other), mine), other], axis=1))
        return self._likeliest(judged, limit, person_id)

    def person_of(self, face_id: bytes, limit: int = 5) -> list[Suggestion]:
        """Returns whose a face that is nobody's likely is, the likeliest first."""
        row = self.people.places.row(face_id)
        if row is None or self.people.labels[row] >= 0:
            return []
        looks = np.asarray(self.embeddings[[row]], np.float32)
        d2, near = self._centroids.near(looks, CANDIDATES)
        who = near[0][near[0] >= 0]
        crowds = np.full(len(who), crowd(d2)[0])
        pairs = np.stack([np.full(len(who), row), who], axis=1)
        return self._likeliest(self._faces(pairs, crowds), limit)

    def loose(self, person_id: bytes, limit: int = 24) -> list[Suggestion]:
        """Returns the faces that are nobody's and likely a person's, the likeliest first."""
        mine = self.people.known[person_id].cluster
        if mine is None or not self.groups.sizes[mine]:
            return []
        rows, dots = self._loose.dots(self.groups.centroids[mine])
        dots[self.people.labels[rows] >= 0] = -np.inf
        rows = rows[nearest(dots, CANDIDATES + 2 * limit)]
        judged = self._faces(np.stack([rows, np.full(len(rows), mine)], axis=1))
        return self._likeliest(judged, limit)

    @cached_property
    def _loose(self) -> Loose:
        rows = np.flatnonzero(self.people.labels < 0)
        return Loose.of(self.embeddings, rows, self._centroids)

    @cached_property
    def _unasked(self) -> Unasked:
        return Unasked(self.people, self.pictures, self.groups.sizes)

    def _people(self, pairs: Rows) -> Judged:
        """Returns what is known of pairs (m, 2) of people, without those that aren't asked."""
        sizes = self.groups.sizes
        pairs = pairs[self._unasked.people_left(pairs)]
        swapped = sizes[pairs[:, 0]] < sizes[pairs[:, 1]]
        pairs = np.where(swapped[:, None], pairs[:, ::-1], pairs)
        d2 = self.groups.d2(pairs[:, 0], pairs[:, 1])
        likely = self._probability(d2, sizes[pairs], self.crowds[pairs])
        return Judged("people", pairs, likely, sizes[pairs].prod(axis=1), d2)

    def _faces(self, pairs: Rows, crowds: Floats | None = None) -> Judged:
        """Returns what is known of pairs (m, 2) of a face and a person, without those not asked.

        Args:
            pairs: Rows and numbers.
            crowds: (m,) of the faces; those of `Loose` by default.
        """
        around = self._loose.crowds[pairs[:, 0]] if crowds is None else crowds
        asked = self._unasked.faces_left(pairs)
        pairs, around = pairs[asked], around[asked].astype(np.float64)
        rows, who = pairs[:, 0], pairs[:, 1]
        d2 = d2_between((self.embeddings, rows), (self.groups.centroids, who))
        sizes = np.stack([np.ones(len(who), np.int64), self.groups.sizes[who]], axis=1)
        likely = self._probability(d2, sizes, np.stack([around, self.crowds[who]], axis=1))
        return Judged("face", pairs, likely, self.groups.sizes[who], d2)

    def _couples(self, pairs: Rows) -> Judged:
        """Returns what is known of pairs (m, 2) of faces, without those that aren't asked."""
        pairs = pairs[self._unasked.couples_left(pairs)]
        d2 = d2_between((self.embeddings, pairs[:, 0]), (self.embeddings, pairs[:, 1]))
        ones = np.ones(pairs.shape, np.int64)
        crowds = self._loose.crowds[pairs].astype(np.float64)
        return Judged("faces", pairs, self._probability(d2, ones, crowds), ones[:, 0], d2)

    def _said(self, judged: Judged) -> list[Suggestion]:
        by_cluster, faces = self.people.by_cluster, self.people.face_ids
        columns = (judged.pairs, judged.probability, judged.gain, judged.d2)
        found = []
        for (one, other), *figures in zip(*(each.tolist() for each in columns), strict=True):
            if judged.kind == "people":
                both = by_cluster[one], by_cluster[other]
            elif judged.kind == "face":
                both = by_cluster[other], faces[one].tobytes()
            else:
                both = faces[one].tobytes(), faces[other].tobytes()
            found.append(Suggestion(judged.kind, *both, *figures))
        return found

    def _likeliest(
        self, judged: Judged, limit: int, person_id: bytes | None = None
    ) -> list[Suggestion]:
        """Returns the likeliest; a person who is given is named first."""
        found = self._said(judged.most(judged.probability, limit))
        if person_id is not None:
            found = [_as_of(one, person_id) for one in found]
        return sorted(found, key=lambda one: (-one.probability, one.other))[:limit]

    @cached_property
    def _centroids(self) -> Centroids:
        return Centroids(self.groups)

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


def _pictures(people: People) -> npt.NDArray[np.int32]:
    """Returns the pictures (n,) of the faces, -1 of one that isn't there any more."""
    rows, there, found = _today(people, PICTURE_COLUMNS)
    pictures = np.full(len(there), -1, np.int32)
    pictures[there] = pictures_of(rows)[found] if len(rows) else -1
    return pictures


def _embeddings(people: People) -> npt.NDArray[np.float32]:
    """Returns the embeddings (n, d) of the faces, zero of one that isn't there any more."""
    rows, there, found = _today(people, ("embedding",))
    vectors = embeddings_of(people.collection, rows)
    embeddings = np.zeros((len(there), vectors.shape[1]), np.float32)
    embeddings[there] = vectors[found]
    return embeddings


def _today(
    people: People, columns: Sequence[str]
) -> tuple[pa.Table, npt.NDArray[np.bool_], npt.NDArray[np.int64]]:
    """Returns columns of the snapshot's faces, which of the people's are there, and their rows."""
    rows = people.snapshot.faces(["face_id", *columns])
    places = pc.index_in(ids.to_arrow(people.face_ids), rows["face_id"].combine_chunks())
    there = places.is_valid().to_numpy(zero_copy_only=False)
    return rows, there, places.drop_null().to_numpy()


def _as_of(one: Suggestion, person_id: bytes) -> Suggestion:
    """Returns the same question with a person in the first place."""
    if one.person_id == person_id:
        return one
    return replace(one, person_id=person_id, other=one.person_id)
