"""What plots are drawn of, where no other room has a name for it. Light: without matplotlib."""

from __future__ import annotations

from dataclasses import dataclass

PEOPLE_COLOURED = 10
"""People with a colour, the largest."""


@dataclass(frozen=True)
class Clustered:
    """One clustering among those that are kept.

    Args:
        day: When it was made, as shown.
        faces: Faces that it grouped.
        people: People that came of it; None where that isn't known.
        alone: Share of the faces that stayed on their own, 0..1.
        tau: Longest link, as d2.
    """

    day: str
    faces: int
    people: int | None
    alone: float
    tau: float
