"""Which faces count when people are made of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from facebatch.config.setting import fields_of, setting

if TYPE_CHECKING:
    from facebatch.faces.quality import Gate

Purpose = Literal["seed", "attach"]
"""What a face may be good enough for: to make a person of, or to be brought to one."""

ALGORITHMS = ("graph", "hdbscan")
"""What may group all faces: the steps of `facebatch.cluster`, or the package hdbscan."""
DEFAULT_ALGORITHM = "graph"

_PANEL = "Which faces count (stays with a collection once given)"
_MEASURES = ("size", "score", "inside", "sharpness", "yaw")


def _limit(default: float, measure: str, largest: float, formerly: str) -> float:
    return setting(
        default,
        measure,
        panel=_PANEL,
        metavar="N",
        range=(0, largest),
        default_text=f"{default:g} at first",
        formerly=formerly,
    )


@dataclass(frozen=True)
class GroupingSettings:
    """What may seed a person, what may be attached to one, and whether a photo holds one once.

    The limits are those of two gates: ``seed`` for the faces that people are made of, ``attach``
    for those that are brought to the people afterwards. A face has to pass all of a gate's.
    Limits of sharpness and yaw are wide open: on LFW's View 1 test set they only cost recall
    (docs/people.md).
    """

    algorithm: str = setting(
        DEFAULT_ALGORITHM,
        "What groups all faces: graph, or hdbscan, the package itself: exact, slow, up to 30,000 "
        "faces. Another one groups all faces anew.",
        panel=_PANEL,
        choices=ALGORITHMS,
        default_text="graph at first",
    )
    photo_constraint: bool = setting(
        True,
        "Two faces in one photo, or one frame of a video, are two people. Switch it off for "
        "collages and mirrors.",
        panel=_PANEL,
        default_text="yes at first",
    )
    seed_size: float = _limit(
        28.0,
        "A face that people are made of: least shorter side of its box, pixels of the full-size "
        "picture.",
        10_000,
        "found_size",
    )
    seed_score: float = _limit(
        0.95, "The same: least probability by the detector.", 1, "found_score"
    )
    seed_inside: float = _limit(
        0.75, "The same: least share of the chip inside the picture.", 1, "found_inside"
    )
    seed_sharpness: float = _limit(
        0.0, "The same: least sharpness, as the table of faces has it.", 64, "found_sharpness"
    )
    seed_yaw: float = _limit(
        10.0,
        "The same: largest turn of the head to either side, in half eye distances.",
        10,
        "found_yaw",
    )
    attach_size: float = _limit(
        20.0, "A face that is brought to people: as --seed-size.", 10_000, "join_size"
    )
    attach_score: float = _limit(0.9, "The same: as --seed-score.", 1, "join_score")
    attach_inside: float = _limit(0.6, "The same: as --seed-inside.", 1, "join_inside")
    attach_sharpness: float = _limit(0.0, "The same: as --seed-sharpness.", 64, "join_sharpness")
    attach_yaw: float = _limit(10.0, "The same: as --seed-yaw.", 10, "join_yaw")

    def gate(self, purpose: Purpose) -> Gate:
        """Returns what a face needs to seed a person, or to be attached to one."""
        from facebatch.faces.quality import Gate

        return Gate(*(getattr(self, f"{purpose}_{measure}") for measure in _MEASURES))


def in_todays_names(kept: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the grouping settings that a manifest holds by the names of `GroupingSettings`.

    Args:
        kept: As the manifest has them; of an earlier version maybe, under the names of its time.
    """
    names = {key: field.name for field in fields_of(GroupingSettings) for key in field.keys}
    return {names.get(key, key): value for key, value in kept.items()}
