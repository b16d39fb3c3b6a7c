"""Verifying an erasure: every file below a collection is searched for what was erased from it.

What is looked for depends on what is known. The suppression list tells of every id, found as
binary or as hex, and of every root and path, whether it is of something erased. While an erasure
is under way its embeddings, chips and names are known too, and are looked for by what they are.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from facebatch import ids
from facebatch.collection import Suppression
from facebatch.erasure import file_contents
from facebatch.erasure.file_contents import Part
from facebatch.errors import CollectionError
from facebatch.faces.thumbnails import thumbnail
from facebatch.storage.local import TEMPORARY_MARK
from facebatch.storage.store import Storage

SAME_FACE = 0.9999
"""Cosine above which two embeddings are of the same pixels."""

_BLOCK = 8_192
_HEX = re.compile(r"[0-9a-fA-F]{32,}")
_WORD = re.compile(r"[^\s,;:\"'<>()|=]+")
_WORDS_IN_A_PATH = 12
"""Words of a text up to which they are tried as one path, which may hold blanks and commas."""

_SIGNATURE_SIDE = 8
_ALIKE, _SAME = 8.0, 7.0
"""Mean difference of two pictures' pixels, 0..255: above the first, at 8 pixels a side, they aren't
compared; below the second, at full size, they are one picture. Thumbnails of 712 chips of real
photos differed from the chips themselves by 5.4 at most, and from other chips by 13.5 at least."""

Matrix = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Finding:
    """Something erased that a file still holds, or a file that nobody can look into.

    Args:
        path: The file's path inside its root.
        where: The column or part of it.
        what: What was found: ``id``, ``path or name``, ``picture``, ``vector``, ``unreadable``.
        count: How many values.
        message: What is wrong, where the file can't be read.
    """

    path: str
    where: str
    what: str
    count: int
    message: str = ""

    def as_json(self) -> dict[str, Any]:
        """Returns it as plain data."""
        return dict(vars(self))


@dataclass(frozen=True, eq=False)
class ErasureTargets:
    """What is looked for.

    Args:
        suppression: The list; it knows ids, and places by their ids.
        places: Roots and paths of erased items.
        names: Names that nobody has any more.
        chips: Erased chips, as JPEG.
        embeddings: Erased embeddings, (e, d), rows of length 1.
        remaining: Roots and paths of items that stay: a text that names one of them isn't taken
            for a shorter name in it.
        held: Ids, (h,) V16, of items that were read later under the paths of erased ones, and so
            tell of nothing erased.
        held_places: Their roots and paths.
    """

    suppression: Suppression
    places: frozenset[tuple[str, str]] = frozenset()
    names: frozenset[str] = frozenset()
    chips: tuple[bytes, ...] = ()
    embeddings: Matrix = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    remaining: frozenset[tuple[str, str]] = frozenset()
    held: npt.NDArray[np.void] = field(default_factory=lambda: ids.as_array(()))
    held_places: frozenset[tuple[str, str]] = frozenset()

    def matches(self, part: Part) -> npt.NDArray[np.bool_]:
        """Returns which of a part's values (n,) tell of something erased."""
        if not len(part.values):
            return np.zeros(0, bool)
        if part.kind == "ids":
            return self._hidden(part.values)
        if part.kind == "vectors":
            return same_faces(part.values, self.embeddings)
        if part.kind == "pictures":
            return np.array([self._is_erased_chip(picture) for picture in part.values])
        test = self._is_erased_place if part.kind == "places" else self._tells
        known = {value: test(value) for value in set(part.values)}
        return np.array([known[value] for value in part.values])

    def rows(self, table: Any) -> npt.NDArray[np.bool_]:
        """Returns which rows (n,) of a table of any kind tell of something erased."""
        told = np.zeros(len(table), bool)
        for part in file_contents.of_table(table):
            if part.rows is not None:
                told[part.rows[self.matches(part)]] = True
        return told

    def _hidden(self, found: npt.NDArray[np.void]) -> npt.NDArray[np.bool_]:
        return self.suppression.hidden(found) & ~np.isin(found, self.held)

    def _is_erased_place(self, place: tuple[str, str]) -> bool:
        if place in self.held_places:
            return False
        return place in self.places or self.suppression.hides_media(ids.media_id(*place))

    def _tells(self, text: str) -> bool:
        if text.strip() in self.names:
            return True
        found = [bytes.fromhex(window) for window in _hex_windows(text)]
        if self._hidden(ids.as_array(found)).any():
            return True
        return any(not self._is_part_of_another(span, text) for span in self._named(text))

    def _named(self, text: str) -> Iterator[str]:
        """Yields the parts of a text that are an erased item's path, with its root or without."""
        spans = dict.fromkeys(_spans(text))
        places = [
            (span, (span[:at], span[at + 1 :]))
            for span in spans
            for at in range(len(span))
            if span[at] == "/" and (span[:at], span[at + 1 :]) not in self.held_places
        ]
        found = ids.as_array([ids.media_id(*place) for _, place in places])
        hidden = self.suppression.hidden_media(found)
        erased = {span for (span, _), is_hidden in zip(places, hidden, strict=True) if is_hidden}
        for span in spans:
            if span in self._paths or span in self._full_names or span in erased:
                yield span

    def _is_part_of_another(self, span: str, text: str) -> bool:
        longer = (f"{root}/{path}" for root, path in self.remaining)
        return any(span in name and name != span and name in text for name in longer)

    @cached_property
    def _full_names(self) -> frozenset[str]:
        return frozenset(f"{root}/{path}" for root, path in self.places)

    @cached_property
    def _paths(self) -> frozenset[str]:
        others = {path for _, path in self.remaining}
        return frozenset(path for _, path in self.places if path not in others)

    @cached_property
    def _signatures(self) -> npt.NDArray[np.float32]:
        found = [_pixels(chip, _SIGNATURE_SIDE) for chip in self.chips]
        known = [pixels.reshape(-1) for pixels in found if pixels is not None]
        return np.array(known, np.float32).reshape(len(known), -1)

    @cached_property
    def _readable_chips(self) -> list[bytes]:
        return [chip for chip in self.chips if _pixels(chip, _SIGNATURE_SIDE) is not None]

    def _is_erased_chip(self, picture: bytes) -> bool:
        if not self.chips:
            return False
        if picture in self.chips:
            return True
        small = _pixels(picture, _SIGNATURE_SIDE)
        if small is None or not len(self._signatures):
            return False
        apart = np.abs(self._signatures - small.reshape(-1)).mean(axis=1)
        alike = np.flatnonzero(apart < _ALIKE)
        return any(_is_same_picture(self._readable_chips[row], picture) for row in alike)


def check(
    storage: Storage, targets: ErasureTargets, paths: Iterable[str] | None = None
) -> list[Finding]:
    """Searches files for what was erased.

    Args:
        storage: A collection, or a gallery.
        targets: What is looked for.
        paths: The files to look into; all below the root by default.

    Returns:
        What was found, by path; nothing where the erasure is complete.

    Raises:
        CollectionError: The folder can't be listed.
    """
    findings: list[Finding] = []
    for path in file_contents.walk(storage) if paths is None else paths:
        try:
            findings += _look(storage, path, targets)
        except CollectionError as error:
            if storage.exists(path):
                findings.append(Finding(path, "file", "unreadable", 1, str(error)))
    return findings


def _look(storage: Storage, path: str, targets: ErasureTargets) -> list[Finding]:
    said = {"ids": "id", "vectors": "vector", "pictures": "picture"}
    counts: dict[tuple[str, str], int] = {}
    for part in file_contents.read(storage, path):
        found = int(targets.matches(part).sum())
        key = (part.where, said.get(part.kind, "path or name"))
        counts[key] = counts.get(key, 0) + found
    findings = [Finding(path, *key, count) for key, count in counts.items() if count]
    if path.endswith(".index") and TEMPORARY_MARK not in path:
        findings += _unaccounted(storage, path)
    return findings


def _unaccounted(storage: Storage, path: str) -> list[Finding]:
    """Finds an index whose vectors aren't those of the faces that ``ids.parquet`` lists."""
    beside = f"{path.rpartition('/')[0]}/ids.parquet"
    vectors = len(file_contents.index_vectors(storage.read(path)))
    listed = sum(map(len, file_contents.batches(storage, beside))) if storage.exists(beside) else 0
    if vectors == listed:
        return []
    message = f"it holds {vectors} vectors, but {beside} lists {listed} faces"
    return [Finding(path, "index", "vector", abs(vectors - listed), message)]


def same_faces(vectors: npt.NDArray[Any], others: Matrix) -> npt.NDArray[np.bool_]:
    """Returns which vectors (n,) have a cosine above `SAME_FACE` to one of the others.

    Args:
        vectors: (n, d) of any length.
        others: (e, d), rows of length 1. Vectors of another dimension equal none of them.
    """
    same = np.zeros(len(vectors), bool)
    if not len(others) or vectors.shape[1] != others.shape[1]:
        return same
    for begin in range(0, len(vectors), _BLOCK):
        block = np.asarray(vectors[begin : begin + _BLOCK], np.float64)
        lengths = np.linalg.norm(block, axis=1)
        safe = np.where(np.isfinite(lengths) & (lengths > 0), lengths, np.inf)
        block = np.nan_to_num(block / safe[:, None], posinf=0, neginf=0).astype(np.float32)
        for first in range(0, len(others), _BLOCK):
            cosine = block @ others[first : first + _BLOCK].T
            same[begin : begin + _BLOCK] |= (cosine > SAME_FACE).any(axis=1)
    return same


def _hex_windows(text: str) -> Iterator[str]:
    for run in _HEX.findall(text):
        for at in range(len(run) - 31):
            yield run[at : at + 32]


def _spans(text: str) -> Iterator[str]:
    """Yields the parts of a text that may be a path: some words with what is between them."""
    words = [match.span() for match in _WORD.finditer(text)]
    for number, (begin, _) in enumerate(words):
        for _, end in words[number : number + _WORDS_IN_A_PATH]:
            yield text[begin:end]


def _pixels(picture: bytes, side: int | Sequence[int]) -> npt.NDArray[np.float32] | None:
    """Returns a picture's pixels at a size, (height, width, 3); None if it can't be read."""
    from PIL import Image

    size = (side, side) if isinstance(side, int) else (side[0], side[1])
    try:
        with Image.open(io.BytesIO(picture)) as image:
            method = Image.Resampling.BOX if isinstance(side, int) else Image.Resampling.LANCZOS
            return np.asarray(image.convert("RGB").resize(size, method), np.float32)
    except (OSError, ValueError, SyntaxError):
        return None


def _is_same_picture(chip: bytes, picture: bytes) -> bool:
    from PIL import Image

    with Image.open(io.BytesIO(picture)) as image:
        size = image.size
    shown = _pixels(picture, size)
    # As a report makes it smaller, or as any other program might.
    for made in (thumbnail(chip, max(size)), chip):
        pixels = None if made is None else _pixels(made, size)
        if shown is not None and pixels is not None and np.abs(shown - pixels).mean() < _SAME:
            return True
    return False
