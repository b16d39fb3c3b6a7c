"""Comparing people's names as users do: without regard to case, and to how accents are coded."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable

_SUGGESTIONS = 3
_LEAST_ALIKE = 0.7
"""Share of equal letters (difflib's ratio) from which on a name is suggested: a letter or two of a
short name may be wrong."""


def folded(name: str) -> str:
    """Returns what names have in common that are the same to a user (Unicode's caseless match)."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def near(said: str, names: Iterable[str]) -> list[str]:
    """Returns the names that are most like what a user said, the nearest first, three at most.

    A name is near by its letters, or because what was said is one of its words.
    """
    by_key = {folded(name): name for name in names}
    key = folded(said)
    close = difflib.get_close_matches(key, by_key, _SUGGESTIONS, _LEAST_ALIKE)
    words = [each for each in by_key if key in each.split()]
    return [by_key[each] for each in dict.fromkeys([*close, *words])][:_SUGGESTIONS]
