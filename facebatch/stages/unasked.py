"""What isn't asked: of one photo, kept apart, hidden, given to somebody since, or no face."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import numpy.typing as npt

from facebatch.people.deciding import People
from facebatch.people.suggestions import Pictures, Rows

Mask = npt.NDArray[np.bool_]


class Unasked:
    """Says which pairs may be asked about.

    Args:
        people: The people, and what was decided about them.
        pictures: (n,) int32, as `facebatch.cluster.photos.conflicts` gives it.
        sizes: (g,) faces of the people, by their number.
    """

    def __init__(self, people: People, pictures: npt.NDArray[np.int32], sizes: Rows) -> None:
        self._people = people
        self._pictures = pictures
        self._sizes = sizes
        self._decided = people.effective_decisions

    def people_left(self, pairs: Rows) -> Mask:
        """Returns which pairs of people (m, 2), by their numbers, may be asked about."""
        left = self._is_there[pairs].all(axis=1) & ~np.isin(self._coded(pairs), self._apart)
        some = np.flatnonzero(left)
        left[some] = ~self._in_pictures.shared(pairs[some, 0], pairs[some, 1])
        return np.asarray(left)

    def faces_left(self, pairs: Rows) -> Mask:
        """Returns which pairs of a row and a person's number (m, 2) may be asked about."""
        left = self._is_loose[pairs[:, 0]] & self._is_there[pairs[:, 1]]
        left &= ~np.isin(pairs[:, 0] * len(self._sizes) + pairs[:, 1], self._rejected)
        left &= ~self._in_pictures.hold(self._pictures[pairs[:, 0]], pairs[:, 1])
        return left

    def couples_left(self, pairs: Rows) -> Mask:
        """Returns which pairs of rows (m, 2), the smaller first, may be asked about."""
        pictures = self._pictures[pairs]
        left = self._is_loose[pairs].all(axis=1)
        left &= (pictures[:, 0] != pictures[:, 1]) | (pictures[:, 0] < 0)
        n = len(self._people.labels)
        strangers = [min(pair) * n + max(pair) for pair in self._decided.strangers]
        left &= ~np.isin(pairs[:, 0] * n + pairs[:, 1], np.array(strangers, np.int64))
        return np.asarray(left)

    @cached_property
    def _is_loose(self) -> Mask:
        """Which faces (n,) are nobody's, and faces."""
        loose = self._people.labels < 0
        loose[list(self._decided.no_faces)] = False
        return loose

    @cached_property
    def _is_there(self) -> Mask:
        """Which numbers (g,) are of people who have faces and aren't hidden."""
        known = np.zeros(len(self._sizes), bool)
        for person in self._people.known.values():
            if person.cluster is not None and not person.hidden:
                known[person.cluster] = True
        return np.asarray(known & (self._sizes > 0))

    @cached_property
    def _in_pictures(self) -> Pictures:
        return Pictures(self._people.labels, self._pictures)

    @cached_property
    def _apart(self) -> Rows:
        """Pairs of people who aren't one, as numbers: smaller times their count plus larger."""
        decided, labels = self._decided, self._people.labels
        pairs = [[self._number(who) for who in pair] for pair in decided.apart]
        pairs += [[int(labels[row]), self._number(who)] for row, who, _ in decided.forbidden]
        pairs += [[int(labels[row]) for row in both] for both in decided.strangers]
        known = np.array([pair for pair in pairs if min(pair) >= 0], np.int64).reshape(-1, 2)
        return self._coded(known)

    @cached_property
    def _rejected(self) -> Rows:
        """Faces that aren't people's, by row times the count of people plus number."""
        labels = self._people.labels
        found = [(row, self._number(who)) for row, who, _ in self._decided.forbidden]
        for one, other in self._decided.strangers:
            found += [(one, int(labels[other])), (other, int(labels[one]))]
        codes = [row * len(self._sizes) + who for row, who in found if who >= 0]
        return np.array(codes, np.int64)

    def _number(self, who: bytes) -> int:
        person = self._people.known.get(who)
        return -1 if person is None or person.cluster is None else person.cluster

    def _coded(self, pairs: Rows) -> Rows:
        ordered = np.sort(pairs, axis=1)
        return ordered[:, 0] * len(self._sizes) + ordered[:, 1]
