"""Whether a clustering looks sound: figures that users understand, bounds, and what to change.

Nothing here knows the truth. What it can tell is that a collection isn't like those on which the
method was measured (docs/people.md has the figures that the bounds come from).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from facebatch.collection import ClustersManifest

WIDEST_SHOWN = 5
"""People listed for their spread."""

FEW_FACES = 100
"""Below so many faces shares say nothing, and no warning is given."""

FEW_GROUPS = 3
"""Fewer people that are too wide, or groups that were parted, happen to anybody."""


@dataclass(frozen=True)
class Bound:
    """When a figure is a warning.

    Args:
        most: The largest value that isn't.
        advice: What the figure may mean, and what to change.
        at_least: How many it must be of, so that one of a few isn't a warning.
    """

    most: float
    advice: str
    at_least: int = 0


BOUNDS: Mapping[str, Bound] = {
    "unclustered_share": Bound(
        0.85,
        "few faces have a second photo here, or links are too short: try "
        "`facebatch cluster --threshold` with a larger one",
    ),
    "largest_share": Bound(
        0.5,
        "one person has most of the faces: if that isn't so (`facebatch people show`), try "
        "`facebatch cluster --threshold` with a smaller one",
    ),
    "wide_share": Bound(
        0.005,
        "people are wider than one person's faces are: look at the widest with `facebatch people "
        "show`, split them, or try a smaller `--threshold`",
        at_least=FEW_GROUPS,
    ),
    "broke_photo_constraint_share": Bound(
        0.01,
        "groups held two faces of one photo before these were parted: relatives who look alike, or "
        "a threshold that is too large; for collages and mirrors give --no-photo-constraint",
        at_least=FEW_GROUPS,
    ),
}


def examine(
    people: Sequence[Mapping[str, Any]],
    clusters: ClustersManifest,
    decided: Collection[bytes] = (),
) -> dict[str, Any]:
    """Returns the health of a clustering as plain data.

    Args:
        people: Rows of the table ``people``.
        clusters: Manifest of the clusters that they are made of.
        decided: Ids of those whose faces a user saw and decided on: their width is no news.

    Returns:
        ``people``, the shares that `BOUNDS` names (``unclustered_share`` and ``largest_share`` of
        the faces, ``wide_share`` of the people whose mean d2 is above the guard's, ``broke_...`` of
        the clusters), the ``widest`` people with their mean d2, and the ``warnings``. Who is
        decided on is neither wide nor among the widest.
    """
    active = [row for row in people if row["status"] == "active"]
    faces, broken = clusters.faces or 0, clusters.broke_photo_constraint or 0
    spread = [
        row for row in active if row.get("spread") is not None and row["person_id"] not in decided
    ]
    by_spread = sorted(spread, key=lambda row: (-row["spread"], row["person_id"]))
    counts = {
        "wide_share": sum(row["spread"] > clusters.widest for row in spread),
        "broke_photo_constraint_share": broken,
    }
    figures = {
        "unclustered_share": (clusters.unclustered or 0) / max(1, faces),
        "largest_share": (clusters.largest or 0) / max(1, faces),
        "wide_share": counts["wide_share"] / max(1, len(active)),
        "broke_photo_constraint_share": broken / max(1, clusters.clusters or 0),
    }
    return {
        "people": len(active),
        **figures,
        "alone_share": figures["unclustered_share"],  # its former name
        "widest": [
            {
                "person_id": row["person_id"].hex(),
                "name": row["name"],
                "faces": row["faces"],
                "mean_d2": row["spread"],
            }
            for row in by_spread[:WIDEST_SHOWN]
        ],
        "warnings": _warnings(figures, counts) if faces >= FEW_FACES else [],
    }


def warning_text(warning: Mapping[str, Any]) -> str:
    """Returns one of the ``warnings`` in words."""
    figure = warning["figure"].replace("_", " ")
    return f"{figure} is {warning['value']:.1%}, above {warning['most']:.1%}: {warning['advice']}"


def _warnings(figures: Mapping[str, float], counts: Mapping[str, int]) -> list[dict[str, Any]]:
    return [
        {"figure": name, "value": figures[name], "most": bound.most, "advice": bound.advice}
        for name, bound in BOUNDS.items()
        if figures[name] > bound.most and counts.get(name, bound.at_least) >= bound.at_least
    ]
