"""Names, paths and numbers in texts; what would act on a terminal is shown, not done."""

from __future__ import annotations

import unicodedata

_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Categories of characters that act on a terminal or on the direction of text, or aren't text."""

_JOINERS = frozenset("\u200c\u200d")
"""Needed to write some scripts and emoji."""


def count(number: int, noun: str, plural: str | None = None) -> str:
    """Returns a number with its noun in the right form: ``1 face``, ``1,200 faces``."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def duration(seconds: float) -> str:
    """Returns a time that was measured: ``3.1 s``, ``12 min``, ``2.5 h``."""
    if seconds < 120:
        return f"{seconds:.1f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def printable(text: str) -> str:
    r"""Returns a text on one line whose control characters and bidi overrides are escaped.

    ``"a\x1b[2J"`` becomes the text ``a\x1b[2J``; letters of every script stay.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        _escaped(character)
        if unicodedata.category(character) in _HIDDEN and character not in _JOINERS
        else character
        for character in text
    )


def _escaped(character: str) -> str:
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
