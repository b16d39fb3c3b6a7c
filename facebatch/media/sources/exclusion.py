"""What of a root is left out by rule: folders of systems, marked folders, and patterns.

A path that is left out is neither listed nor looked into. What is known of it vanishes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache

from pathspec import GitIgnoreSpec

from facebatch.errors import UsageError

SYSTEM_FOLDERS = frozenset(
    {
        *("@eadir", "#recycle", "#snapshot"),  # Synology
        *("@recycle", "@recently-snapshot"),  # QNAP
        "~snapshot",  # NetApp
        *("$recycle.bin", "recycler", "system volume information"),  # Windows
        "lost+found",  # Linux
        *("__macosx", "ipod photo cache", "network trash folder", "temporary items"),  # macOS
    }
)
"""Names of folders, in lower case, in which systems keep thumbnails, what was deleted and earlier
versions. Those whose names begin with a dot are hidden, as all such are."""

MARKS = frozenset({".nomedia", ".noimage"})
"""Files that say of their folder that no media in it are to be shown; Android's, and its kin."""


class Exclusion:
    """What is left out of a root.

    Args:
        patterns: Lines as in a ``.gitignore``, which is to be thought of as lying in the root. The
            last that fits decides. One with a ``!`` takes in again what an earlier one, the name of
            a system's folder or a mark leaves out.

    Raises:
        UsageError: One isn't a pattern.
    """

    def __init__(self, patterns: Sequence[str] = ()) -> None:
        self._spec = _compiled(tuple(patterns)) if patterns else None
        self._patterns = tuple(patterns)

    def of_folder(self, path: str) -> tuple[str, str] | None:
        """Returns why a folder is left out, as `Ignored` has reason and kind; None if it isn't."""
        said, pattern = self._said(f"{path}/")
        if said:
            return "excluded", pattern
        name = path.rpartition("/")[2]
        if said is None and name.lower() in SYSTEM_FOLDERS:
            return "system_folder", name
        return None

    def of_file(self, path: str) -> tuple[str, str] | None:
        """Returns why a file is left out, if not for its folder; None if it isn't."""
        said, pattern = self._said(path)
        return ("excluded", pattern) if said else None

    def marks(self, path: str) -> bool:
        """Tells whether a mark, one of `MARKS`, counts."""
        return self._said(path)[0] is not False

    def covers(self, path: str, is_folder: bool = False) -> tuple[str, str] | None:
        """Returns why a path is left out, for its own sake or that of a folder above it."""
        for folder in _above(path):
            if found := self.of_folder(folder):
                return found
        return self.of_folder(path) if is_folder else self.of_file(path)

    def _said(self, path: str) -> tuple[bool | None, str]:
        """Returns whether the patterns leave a path out, or take it in, and which decides."""
        if self._spec is None:
            return None, ""
        found = self._spec.check_file(path)
        pattern = "" if found.index is None else self._patterns[found.index]
        return found.include, pattern


@cache
def _compiled(patterns: tuple[str, ...]) -> GitIgnoreSpec:
    for pattern in patterns:
        try:
            parts = GitIgnoreSpec.from_lines([pattern]).patterns
        except ValueError as error:
            raise UsageError(f"--exclude {pattern!r} is no pattern of a .gitignore") from error
        if not parts or parts[0].include is None:
            raise UsageError(f"--exclude {pattern!r} is no pattern: it says nothing")
    return GitIgnoreSpec.from_lines(patterns)


def _above(path: str) -> Iterator[str]:
    """Yields the folders that a path lies in, from the root on."""
    at = path.find("/")
    while at >= 0:
        yield path[:at]
        at = path.find("/", at + 1)
