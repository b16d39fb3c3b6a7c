"""What may be asked, and how likely a yes is: in arrays for the many, as objects for the few."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from facebatch.people.suggestions import Floats, Rows

Kind = Literal["people", "face", "faces"]


@dataclass(frozen=True)
class Suggestion:
    """Something to ask: whether two people are one, a face is somebody's, or two faces are one's.

    Args:
        kind: ``people``, ``face``, or ``faces`` for two that are nobody's.
        person_id: The person of more faces, or the one whose the face may be; one of two faces,
            whose id stands for a person wherever a decision asks for one.
        other: The other person's id, or the face's.
        probability: That of a yes.
        gain: Pairs of faces that a yes brings together.
        d2: Between the means of both, or the face and the person's mean, or the faces.
    """

    kind: Kind
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
class Judged:
    """Pairs that may be asked about, and what is known of them.

    Args:
        kind: What each is of.
        pairs: (m, 2) numbers of people, the larger first; a row and a number; or two rows.
        probability: (m,) of a yes.
        gain: (m,) pairs of faces that a yes brings together.
        d2: (m,).
    """

    kind: Kind
    pairs: Rows
    probability: Floats
    gain: Rows
    d2: Floats

    @property
    def worth(self) -> Floats:
        """What asking each is worth, (m,), see `Suggestion.worth`."""
        return np.asarray(self.probability * np.sqrt(self.gain))

    def most(self, values: Floats, limit: int) -> Judged:
        """Returns those of the largest values (m,), and all that are equal to the last of them."""
        if limit >= len(values):
            return self
        least = np.partition(values, len(values) - limit)[len(values) - limit]
        some = np.flatnonzero(values >= least)
        return Judged(
            self.kind, self.pairs[some], self.probability[some], self.gain[some], self.d2[some]
        )
