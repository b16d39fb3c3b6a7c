"""Numbers, sizes and times as the report words them."""

from __future__ import annotations

from datetime import datetime

from facebatch.storage.printable import count

__all__ = [
    "CONTROL_PICTURES",
    "SHORT_ID",
    "count",
    "moment",
    "person_name",
    "shortened",
    "size",
    "size_range",
    "span",
]

SHORT_ID = 8
"""Hex digits that an unnamed person is called by."""

CONTROL_PICTURES = {code: 0x2400 + code for code in range(0x20) if chr(code) not in "\t\n"}
CONTROL_PICTURES[0x7F] = 0x2421
CONTROL_PICTURES.update({0xFFFE: 0xFFFD, 0xFFFF: 0xFFFD})  # no characters of XML 1.0
"""Control characters are no text of a page, yet file names may hold them: what shows them."""

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


def size(number: float) -> str:
    """Returns a number of bytes in decimal units: ``4.2 MB``."""
    unit = 0
    while number >= 999.5 and unit < len(_UNITS) - 1:
        number /= 1000
        unit += 1
    return (
        f"{number:.1f} {_UNITS[unit]}" if unit and number < 9.95 else f"{number:.0f} {_UNITS[unit]}"
    )


def size_range(smallest: float, largest: float | None) -> str:
    """Returns a range of sizes as it is shown; None is without an end: ``21+``."""
    if largest is None:
        return f"{smallest:g}+"
    return f"{smallest:g}" if largest == smallest else f"{smallest:g}–{largest:g}"  # noqa: RUF001


def moment(at: datetime) -> str:
    """Returns a time to the minute: ``2003-05-01 14:03``."""
    return at.isoformat(" ", "minutes").partition("+")[0]


def span(first: datetime, last: datetime) -> str:
    """Returns the days that a span covers: ``2001-02-03 to 2007-08-09``."""
    days = [at.date().isoformat() for at in (first, last)]
    return days[0] if days[0] == days[1] else f"{days[0]} to {days[1]}"


def shortened(text: str, most: int) -> str:
    """Returns a text of at most so many characters, the rest being an ellipsis."""
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def person_name(name: str | None, person_id: str) -> str:
    """Returns what a person is called: the name, or the id's first digits where there is none."""
    return name or f"Person {person_id[:SHORT_ID]}"
