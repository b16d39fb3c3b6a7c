"""How long a link may be: tau, from the size of the archive and the embedder's false accepts.

Strangers multiply with the archive: among N faces there are N * N / 2 pairs, and at a fixed
distance a fixed share of them, the FAR, lies nearer. So tau shrinks as N grows, which keeps the
number of false links per face. The tables were measured on LFW and pins (docs/concepts.md) and
belong to the default embedder; another embedder needs a table of its own.
"""

from __future__ import annotations

from collections.abc import Mapping

from facebatch.errors import UsageError
from facebatch.faces.far_table import d2_at

FAR_TABLE: Mapping[float, float] = {1e-3: 0.134, 1e-4: 0.110, 1e-5: 0.090, 1e-6: 0.074}
"""d2 at which two impostors' embeddings lie nearer with probability FAR: the default embedder with
mirrored chips, mean of LFW and pins. Measured on LFW and pins, docs/concepts.md."""

AVERAGING_SCALE: Mapping[str, float] = {"none": 0.094 / 0.091, "mirror": 1.0, "full": 0.088 / 0.091}
"""tau of one pass, of the mirrored default and of six passes relative to the default: averaging
takes noise out of embeddings and draws all distances together. Ratio of the d2 at FAR 1e-5 on
LFW. Measured on LFW and pins, docs/concepts.md."""

_LARGEST_FAR = 1e-5
_FALSE_LINKS = 0.13
"""N * FAR(tau) that the simulated archives of 13,000 to 80,000 faces kept their precision at."""
_FLOOR = 0.055
"""Below it tau would part photos of one person; reached at about two million faces."""


def tau(n_faces: int, far_table: Mapping[float, float]) -> float:
    """Returns the longest link for an archive of a given size.

    It is the d2 at FAR = min(1e-5, 0.13 / n_faces): linear in the logarithm of FAR between the
    table's entries, beyond the smallest one with the slope of the last two, and never below
    0.055. Measured on LFW and pins up to 80,000 faces, an extrapolation beyond.

    Args:
        n_faces: Faces in the archive, 0 or more.
        far_table: d2 for each FAR, at least two entries, one of them at 1e-5 or above.

    Returns:
        tau as d2 (squared L2).
    """
    rate = min(_LARGEST_FAR, _FALSE_LINKS / max(n_faces, 1))
    return max(_FLOOR, d2_at(sorted(far_table.items(), reverse=True), rate).d2)


def choose_tau(n_faces: int, tta: str) -> float:
    """Returns the longest link for the default embedder.

    Args:
        n_faces: Faces in the archive, 0 or more.
        tta: Averaging of the embeddings: ``none``, ``mirror`` or ``full``.

    Returns:
        tau as d2 (squared L2).

    Raises:
        UsageError: There is no such averaging.
    """
    if tta not in AVERAGING_SCALE:
        raise UsageError(f"averaging {tta!r} isn't one of {', '.join(AVERAGING_SCALE)}")
    return tau(n_faces, FAR_TABLE) * AVERAGING_SCALE[tta]
