"""Whether a clustering looks sound: figures that users understand, bounds, and what to change.

Nothing here knows the truth. What it can tell is that a collection isn't like those on which the
method was measured (docs/people.md has the figures that the bounds come from).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

WIDEST_SHOWN = 5
"""People listed for their spread."""

FEW_FACES = 100
"""Below so many faces shares say nothing, and no warning is given."""


@dataclass(frozen=True)
class Bound:
    """When a figure is a warning.

    Args:
        most: The largest value that isn't.
        advice: What the figure may mean, and what to change.
    """

    most: float
    advice: str


BOUNDS: Mapping[str, Bound] = {
    "alone_share": Bound(
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
    ),
    "broke_photo_constraint_share": Bound(
        0.01,
        "groups held two faces of one photo before these were parted: relatives who look alike, or "
        "a threshold that is too large; for collages and mirrors give --no-photo-constraint",
    ),
}


def examine(people: Sequence[Mapping[str, Any]], clusters: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the health of a clustering as plain data.

    Args:
        people: Rows of the table ``people``.
        clusters: Manifest of the clusters that they are made of.

    Returns:
        ``people``, the shares that `BOUNDS` names (``alone_share`` and ``largest_share`` of the
        faces, ``wide_share`` of the people whose mean d2 is above the guard's, ``broke_...`` of
        the clusters), the ``widest`` people with their mean d2, and the ``warnings``.
    """
    active = [row for row in people if row["status"] == "active"]
    faces, found = clusters["faces"], clusters["clusters"]
    widest = clusters["config"]["guard_factor"] * clusters["config"]["tau"]
    spread = [row for row in active if row.get("spread") is not None]
    by_spread = sorted(spread, key=lambda row: (-row["spread"], row["person_id"]))
    figures = {
        "alone_share": clusters["alone"] / max(1, faces),
        "largest_share": clusters["largest"] / max(1, faces),
        "wide_share": sum(row["spread"] > widest for row in spread) / max(1, len(active)),
        "broke_photo_constraint_share": clusters["broke_photo_constraint"] / max(1, found),
    }
    return {
        "people": len(active),
        **figures,
        "widest": [
            {
                "person_id": row["person_id"].hex(),
                "name": row["name"],
                "faces": row["faces"],
                "mean_d2": row["spread"],
            }
            for row in by_spread[:WIDEST_SHOWN]
        ],
        "warnings": _warnings(figures) if faces >= FEW_FACES else [],
    }


def warning_text(warning: Mapping[str, Any]) -> str:
    """Returns one of the ``warnings`` in words."""
    figure = warning["figure"].replace("_", " ")
    return f"{figure} is {warning['value']:.1%}, above {warning['most']:.1%}: {warning['advice']}"


def _warnings(figures: Mapping[str, float]) -> list[dict[str, Any]]:
    return [
        {"figure": name, "value": figures[name], "most": bound.most, "advice": bound.advice}
        for name, bound in BOUNDS.items()
        if figures[name] > bound.most
    ]
