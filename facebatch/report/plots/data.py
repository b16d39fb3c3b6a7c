"""What plots are drawn of where no other room has it, and what is said of them; no matplotlib."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from facebatch.report.plots.figure import Plot

PEOPLE_COLOURED = 10
"""People with a colour, the largest."""


@dataclass(frozen=True)
class Clustered:
    """One clustering among those that are kept.

    Args:
        day: When it was made, as shown.
        faces: Faces that it grouped.
        people: People that came of it; None where that isn't known.
        unclustered: Share of the faces that stayed on their own, 0..1.
        tau: Longest link, as d2.
    """

    day: str
    faces: int
    people: int | None
    unclustered: float
    tau: float


@dataclass(frozen=True)
class Chart:
    """A plot with its title and how to read it."""

    plot: Plot
    title: str
    caption: str
