"""The faces that are nobody's: whose each may be, and which two of them may be one person's.

To look for these among a million faces takes seconds. It is done once, and brought up to date
after decisions, so that what is asked about a person costs one pass over the loose faces.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from facebatch.neighbors import choose, find_neighbors
from facebatch.people.suggestions import CANDIDATES, Rows, crowd
from facebatch.stages.centroids import Centroids
from facebatch.workers.machine import usable_memory
from facebatch.workers.scratch import scratch

ROWS_AT_ONCE = 16_384

PEOPLE_OF_A_FACE = 2
"""People whose a face on its own may be that are asked about."""

_FACES_OF_A_FACE = 2
"""Other faces on their own that a face is asked about with."""

_FACES_OF_A_PERSON = 50
"""Faces that are asked about a person who changed."""

Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Loose:
    """Faces that were nobody's when they were looked for, and what may be asked about them.

    Whose faces some of them are since, whoever asks knows.

    Args:
        parts: Rows (m,) of faces and their embeddings (m, d), each face in one part.
        crowds: (n,) float32 of all faces, how crowded it is around those that are loose, as
            `facebatch.people.suggestions.crowd` gives it.
        asked: (q, 2) rows of faces, and the numbers of people whose they may be.
        couples: (p, 2) rows of two faces that may be one person's, the smaller first.
    """

    parts: tuple[tuple[Rows, Vectors], ...]
    crowds: npt.NDArray[np.float32]
    asked: Rows
    couples: Rows

    @property
    def rows(self) -> Rows:
        """Rows (m,) of all the faces."""
        return np.concatenate([np.zeros(0, np.int64), *(rows for rows, _ in self.parts)])

    @classmethod
    def of(cls, embeddings: npt.NDArray[np.floating], rows: Rows, centroids: Centroids) -> Loose:
        """Looks for what may be asked about faces.

        Args:
            embeddings: (n, d) of all faces.
            rows: (m,) of those that are nobody's.
            centroids: The people.
        """
        none = np.zeros((0, 2), np.int64)
        made = cls((), np.full(len(embeddings), 4.0, np.float32), none, none)
        made = made.with_faces(embeddings, rows, centroids)
        return replace(made, couples=made._coupled())

    def with_faces(
        self, embeddings: npt.NDArray[np.floating], rows: Rows, centroids: Centroids
    ) -> Loose:
        """Returns the same with more faces, which aren't asked about with each other."""
        looks = scratch(len(rows), embeddings.shape[1])
        crowds, asked = self.crowds.copy(), [self.asked]
        for start in range(0, len(rows), ROWS_AT_ONCE):
            some = rows[start : start + ROWS_AT_ONCE]
            looks[start : start + ROWS_AT_ONCE] = embeddings[some]
            d2, near = centroids.near(looks[start : start + ROWS_AT_ONCE], CANDIDATES)
            crowds[some] = crowd(d2)
            near = near[:, :PEOPLE_OF_A_FACE]
            pairs = np.stack([np.repeat(some, near.shape[1]), near.reshape(-1)], axis=1)
            asked.append(pairs[pairs[:, 1] >= 0])
        parts = (*self.parts, (rows, looks)) if len(rows) else self.parts
        return replace(self, parts=parts, crowds=crowds, asked=np.concatenate(asked))

    def with_people(self, changed: Rows, centroids: npt.NDArray[np.float32]) -> Loose:
        """Returns the same when people changed, or came.

        Args:
            changed: (c,) their numbers.
            centroids: (g, d) everybody's.
        """
        asked = [self.asked]
        for who in changed.tolist():
            rows, dots = self.dots(centroids[who])
            rows = rows[nearest(dots, _FACES_OF_A_PERSON)]
            asked.append(np.stack([rows, np.full(len(rows), who)], axis=1))
        return replace(self, asked=np.unique(np.concatenate(asked), axis=0))

    def dots(self, centroid: npt.NDArray[np.float32]) -> tuple[Rows, npt.NDArray[np.float32]]:
        """Returns the rows (m,) of all the faces, and their cosine (m,) with a vector (d,)."""
        none = np.zeros(0, np.int64), np.zeros(0, np.float32)
        found = [none, *((rows, looks @ centroid) for rows, looks in self.parts)]
        rows, dots = (np.concatenate(each) for each in zip(*found, strict=True))
        return rows, dots

    def _coupled(self) -> Rows:
        """Returns the pairs (p, 2) of rows of faces that are each other's nearest, or nearly."""
        [(rows, looks)] = self.parts or [(np.zeros(0, np.int64), np.zeros((0, 1), np.float32))]
        there = np.flatnonzero(looks.any(axis=1))  # a face that is gone from the tables has none
        if len(there) < len(rows):
            rows, looks = rows[there], looks[there]
        if len(rows) < 2:
            return np.zeros((0, 2), np.int64)
        k = min(_FACES_OF_A_FACE, len(rows) - 1)
        plan = choose(len(rows), looks.shape[1], usable_memory())
        near = find_neighbors(looks, k, np.inf, plan)
        pairs = rows[np.stack([near.askers, near.indices], axis=1)]
        return np.unique(np.sort(pairs, axis=1), axis=0)


def nearest(values: npt.NDArray[np.floating], count: int) -> Rows:
    """Returns the places of the largest values (n,), the largest first."""
    if count < len(values):
        some = np.argpartition(-values, count)[:count]
    else:
        some = np.arange(len(values))
    return np.asarray(some[np.argsort(-values[some], kind="stable")], np.int64)
