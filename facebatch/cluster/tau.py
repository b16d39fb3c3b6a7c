"""How long a link may be: tau, from the size of the archive and the embedder's false accepts.

Strangers multiply with the archive: among N faces there are N * N / 2 pairs, and at a fixed
distance a fixed share of them, the FAR, lies nearer. So tau shrinks as N grows, which keeps the
number of false links per face. The tables belong to spaces (`facebatch.models.space_thresholds`).
"""

from __future__ import annotations

from facebatch.faces.far_table import d2_at
from facebatch.models.space_thresholds import Links

_LARGEST_FAR = 1e-5
_FALSE_LINKS = 0.13
"""N * FAR(tau) that the simulated archives of 13,000 to 80,000 faces kept their precision at."""


def choose_tau(n_faces: int, links: Links) -> float:
    """Returns the longest link for an archive of a given size.

    It is the d2 at FAR = min(1e-5, 0.13 / n_faces): linear in the logarithm of FAR between the
    table's entries, beyond the smallest one with the slope of the last two, and never below the
    table's floor. Measured up to 80,000 faces, an extrapolation beyond.

    Args:
        n_faces: Faces in the archive, 0 or more.
        links: What was measured of the space.

    Returns:
        tau as d2 (squared L2).
    """
    rate = min(_LARGEST_FAR, _FALSE_LINKS / max(n_faces, 1))
    d2 = d2_at(sorted(links.far.items(), reverse=True), rate).d2
    return max(links.floor, d2) * links.scale
