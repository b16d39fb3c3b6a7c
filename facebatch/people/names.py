"""Comparing people's names as users do: without regard to case, and to how accents are coded."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable

_SUGGESTIONS = 3
_LEAST_ALIKE = 0.7
"""Share of equal letters (difflib's ratio) from which on a name is suggested: a letter or two of a
short name may be wrong."""


def written(name: str) -> str:
    """Returns a name as it is kept: accents as one character with their letter (NFC), trimmed.

    Folders of a Mac have accents apart (NFD), keyboards give them as one: both look the same.
    """
    return unicodedata.normalize("NFC", name).strip()


def folded(name: str) -> str:
    """Returns what names have in common that are the same to a user (Unicode's caseless match)."""
    return unicodedata.normalize("NFC", written(name).casefold())


def meant(said: str, names: Iterable[str]) -> str | None:
    """Returns the name that a user means: this one, or the only one that differs in case alone."""
    alike = [name for name in names if folded(name) == folded(said)]
    return written(said) if written(said) in alike else alike[0] if len(alike) == 1 else None


def hint(said: str, names: Iterable[str]) -> str:
    """Returns who may have been meant, for the end of a message; empty where nobody is near."""
    like = near(said, names)
    return f"; did you mean {' or '.join(map(repr, like))}?" if like else ""


def near(said: str, names: Iterable[str]) -> list[str]:
    """Returns the names that are most like what a user said, the nearest first, three at most.

    A name is near by its letters, or because what was said is one of its words.
    """
    by_key = {folded(name): name for name in names}
    key = folded(said)
    close = difflib.get_close_matches(key, by_key, _SUGGESTIONS, _LEAST_ALIKE)
    words = [each for each in by_key if key in each.split()]
    return [by_key[each] for each in dict.fromkeys([*close, *words])][:_SUGGESTIONS]
