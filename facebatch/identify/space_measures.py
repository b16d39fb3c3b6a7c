"""What a calibration says of a whole space: links for clustering, and limits of tracks.

Both follow from the distances at which impostors are taken for one person. The rates below are
those at which dlib-resnet's limits lie, which were found on labelled archives and videos.
"""

from __future__ import annotations

from typing import Any

from facebatch.errors import UsageError
from facebatch.faces.far_table import d2_at
from facebatch.identify.calibration import Calibration
from facebatch.models.space_thresholds import Links, SpaceThresholds, TrackLimits

FLOOR_FAR = 6.5e-8
"""FAR of the shortest links: those of two million faces, at 0.13 false links a face."""

NEAR_FAR, OVERLAPPING_FAR = 2.4e-6, 2.6e-4
"""FAR at which a face goes on with a track, wherever it is and where its box overlaps."""

_LEAST_FAR = 1e-4
"""The clustering begins at 1e-5; further than a decade from what was measured it isn't trusted."""


def space_thresholds(calibration: Calibration) -> SpaceThresholds:
    """Returns the thresholds of a calibration's space.

    Args:
        calibration: Measured on pairs, with its space.

    Raises:
        UsageError: It has no threshold at FAR 1e-4.
    """
    points = [point for point in calibration.far if point.threshold is not None]
    far = {point.rate: float(point.threshold or 0) for point in points}
    if len(far) < 2 or min(far) > _LEAST_FAR:
        raise UsageError(
            "the thresholds of a space need 10,000 pairs of two people, which is what about 150 "
            "photos of different people have"
        )
    table = sorted(far.items(), reverse=True)
    source = points[-1].source

    def at(rate: float) -> float:
        # Beyond what was measured the line goes on; in a weak space it would fall below zero.
        return max(0.0, d2_at(table, rate).d2)

    data: dict[str, Any] = calibration.as_json()
    return SpaceThresholds(
        calibration.embedder,
        calibration.tta,
        calibration.space,
        Links(far, 1.0, at(FLOOR_FAR), source),
        TrackLimits(at(NEAR_FAR), at(OVERLAPPING_FAR), source),
        {name: data[name] for name in ("far", "curve", "fpir")},
    )
