"""Tells which sections of README.zh-CN.md are older than the English ones that they translate.

    python docs/translations.py            # part of `make check`
    python docs/translations.py --renew    # when the translation says again what the English says

Below each heading of the translation a comment names the English section and has the hash of its
words: ``<!-- en: Install 1a2b3c4d -->``. How the words are broken into lines doesn't matter.
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
ORIGINAL, TRANSLATION = "README.md", "README.zh-CN.md"
_MARK = re.compile(r"<!-- en: (.+) ([0-9a-f]{8}) -->")
_HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)


def hashes(original: str) -> dict[str, str]:
    """Returns the hash of each section of a page, by its heading; the next heading ends it."""
    parts = _HEADING.split(original)
    return {
        heading: hashlib.blake2b(" ".join(text.split()).encode(), digest_size=4).hexdigest()
        for heading, text in zip(parts[1::2], parts[2::2], strict=True)
    }


def stale(original: str, translation: str) -> Iterator[str]:
    """Yields a line for each section of a translation that isn't that of the original any more."""
    known = hashes(original)
    parts = _HEADING.split(translation)
    for heading, text in zip(parts[1::2], parts[2::2], strict=True):
        mark = _MARK.search(text)
        if mark is None:
            yield f"{heading!r} doesn't say what it translates: <!-- en: HEADING 00000000 -->"
        elif mark[1] not in known:
            yield f"{heading!r} translates {mark[1]!r}, which {ORIGINAL} has no longer"
        elif mark[2] != known[mark[1]]:
            yield f"{heading!r} translates {mark[1]!r}, which {ORIGINAL} says otherwise now"


def renewed(original: str, translation: str) -> str:
    """Returns a translation with the hashes of today's original."""
    known = hashes(original)

    def mark(found: re.Match[str]) -> str:
        return f"<!-- en: {found[1]} {known.get(found[1], found[2])} -->"

    return _MARK.sub(mark, translation)


def main() -> int:
    """Checks or renews, and returns the exit code."""
    original, path = (ROOT / ORIGINAL).read_text("utf-8"), ROOT / TRANSLATION
    if sys.argv[1:] == ["--renew"]:
        path.write_text(renewed(original, path.read_text("utf-8")), "utf-8")
    found = list(stale(original, path.read_text("utf-8")))
    if found:
        found.append(
            f"translate what changed (git log -p {ORIGINAL}), then: "
            "python docs/translations.py --renew"
        )
    sys.stdout.writelines(f"{TRANSLATION}: {line}\n" for line in found)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
