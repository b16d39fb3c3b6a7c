"""How rates, distances and numbers of errors are worded on the pages of evaluations."""

from __future__ import annotations

import math

from facebatch.report.evaluation.model import ERRORS_SHOWN
from facebatch.report.html.words import count

NOT_KNOWN = "—"


def percent(value: float | None) -> str:
    """Returns a share with three or four digits: 98.3 %; a dash where it isn't known."""
    if value is None or not math.isfinite(value):
        return NOT_KNOWN
    # Nearly all isn't all, and hardly any isn't none.
    digits = 1 if 0.001 < value < 0.999 or value in (0, 1) else 3
    return f"{100 * value:.{digits}f}\u00a0%"


def distance(value: float | None) -> str:
    """Returns a d2 or a threshold; minus infinity is a threshold that accepts nothing."""
    if value is None:
        return NOT_KNOWN
    return f"{value:.3f}" if math.isfinite(value) else "none accepted"


def one_in(rate: float) -> str:
    """Returns a rate above 0 as people say it: ``1 in 1,000``."""
    return f"1 in {round(1 / rate):,}"


def known(value: float | None, meaning: str, why_not: str) -> str:
    """Returns what a figure means, or why it isn't known."""
    return meaning if value is not None else why_not


def rate(value: float) -> str:
    """Returns a FAR or FPIR as its name has it: ``0.01``, ``1e-5``."""
    return f"{value:g}" if value >= 1e-3 else f"{value:.0e}".replace("e-0", "e-")


def shown_of(number: int, noun: str, plural: str | None = None) -> str:
    """Returns how many errors there are, and that not all are shown where that is so."""
    worst = f"; the worst {ERRORS_SHOWN} are shown" if number > ERRORS_SHOWN else ""
    return f"{count(number, noun, plural)}{worst}."
