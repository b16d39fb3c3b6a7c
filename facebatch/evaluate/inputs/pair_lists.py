"""Lists of pairs to verify: read from LFW's files or a CSV, or all pairs of labelled faces."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from facebatch.errors import InputError
from facebatch.evaluate.inputs.csv_rows import flag, header_of, read_rows, whole_number

_COLUMNS = ("left", "right", "same")

_OTHER_COLUMNS = (("file_x", "file_y", "Decision"),)
"""The same columns as other programs call them: serengil/deepface's lists of pairs."""

PairRows = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.bool_]]
"""Rows of the left and the right faces of some pairs, and whether each is of one person."""


@dataclass(frozen=True)
class Pair:
    """Two photos and whether they show one person.

    Args:
        left: Path of one photo, inside its root.
        right: Path of the other.
        same: Whether both are of one person.
        fold: The fold that the pair belongs to, from 0.
    """

    left: str
    right: str
    same: bool
    fold: int


def read_pairs(text: str) -> list[Pair]:
    """Reads a list of pairs: LFW's pairs.txt (View 2 and View 1) or a CSV.

    LFW's first line is folds and n (View 2: 10 and 300) or n alone (View 1: one fold). For each
    fold follow n lines ``name i j`` of pairs of one person and n lines ``name1 i name2 j`` of two;
    photo i of a person is ``name/name_%04d.jpg``. A CSV has the header left,right,same[,fold] or
    deepface's file_x,file_y,Decision, with commas or semicolons; same is 1, 0, true, false, yes or
    no, and without the column fold all pairs are in fold 0.

    Args:
        text: The file's text.

    Returns:
        The pairs in the order of the file.

    Raises:
        InputError: The text is neither, holds no pair, or a line is malformed, which it names.
    """
    text = text.removeprefix("\ufeff")
    if re.match(r"[ \t]*\d", text, re.ASCII):
        return _read_lfw(text.splitlines())
    header = set(header_of(text))
    for columns in (_COLUMNS, *_OTHER_COLUMNS):
        if set(columns) & header:
            return _read_csv(text, columns)
    raise InputError(
        'line 1: neither the counts that an LFW list begins with ("10 300", "500") '
        "nor a CSV header left,right,same[,fold] or file_x,file_y,Decision"
    )


def all_pairs(labels: npt.NDArray[np.integer], block: int = 1 << 20) -> Iterator[PairRows]:
    """Pairs every labelled face with every other, some at a time so that memory stays bounded.

    Args:
        labels: (n,) the person of each face; every number is a person.
        block: Pairs in each block, at least 1; the last one may be smaller.

    Yields:
        Rows of the left faces (b,) int64 and of the right ones (b,) int64, left < right, and
        whether they are of one person (b,) bool. All blocks together hold each of the
        n (n - 1) / 2 pairs once, ordered by left and then by right.

    Raises:
        ValueError: The block is below 1.
    """
    if block < 1:
        raise ValueError(f"a block must hold at least 1 pair, not {block}")
    n = len(labels)
    rows = np.arange(n, dtype=np.int64)
    # Row i is the left one of n - 1 - i pairs, which begin at first[i].
    first = rows * (n - 1) - rows * (rows - 1) // 2
    for start in range(0, n * (n - 1) // 2, block):
        pairs = np.arange(start, min(start + block, n * (n - 1) // 2), dtype=np.int64)
        # The last row is never a left one; without it equal beginnings can't be mistaken.
        left = np.searchsorted(first[:-1], pairs, side="right") - 1
        right = pairs - first[left] + left + 1
        yield left, right, np.asarray(labels[left] == labels[right])


def _read_lfw(lines: list[str]) -> list[Pair]:
    folds, each = _lfw_counts(lines[0])
    while lines and not lines[-1].strip():
        lines.pop()
    wanted = 1 + 2 * folds * each
    if len(lines) != wanted:
        line = min(len(lines), wanted) + 1
        raise InputError(
            f"line {line}: line 1 announces {folds} x {each} same and as many different pairs, "
            f"so {wanted} lines in all, and there are {len(lines)}"
        )
    places = [(fold, same) for fold in range(folds) for same in (True, False) for _ in range(each)]
    return [
        _lfw_pair(text, number, same, fold)
        for number, (text, (fold, same)) in enumerate(zip(lines[1:], places, strict=True), start=2)
    ]


def _lfw_counts(line: str) -> tuple[int, int]:
    counts = [whole_number(word, 1) for word in line.split()]
    if len(counts) > 2 or min(counts) < 1:
        raise InputError(f"line 1: {line!r} isn't the folds and pairs of an LFW list")
    return (1, counts[0]) if len(counts) == 1 else (counts[0], counts[1])


def _lfw_pair(text: str, line: int, same: bool, fold: int) -> Pair:
    words = text.split()
    if len(words) != (3 if same else 4):
        form = "name i j" if same else "name1 i name2 j"
        kind = "same" if same else "different"
        raise InputError(f"line {line}: {text!r} isn't a {kind} pair, {form}")
    if same:
        name, i, j = words
        return Pair(_lfw_photo(name, i, line), _lfw_photo(name, j, line), True, fold)
    name, i, other, j = words
    if name == other:
        raise InputError(f"line {line}: {name} stands on both sides of a different pair")
    return Pair(_lfw_photo(name, i, line), _lfw_photo(other, j, line), False, fold)


def _lfw_photo(name: str, number: str, line: int) -> str:
    return f"{name}/{name}_{whole_number(number, line):04d}.jpg"


def _read_csv(text: str, columns: tuple[str, str, str]) -> list[Pair]:
    left, right, same = columns
    pairs = []
    for line, row in read_rows(text, columns):
        for side, column in (("left", left), ("right", right)):
            if not row[column]:
                raise InputError(f"line {line}: no photo on the {side}")
        fold = whole_number(row["fold"], line) if "fold" in row else 0
        pairs.append(Pair(row[left], row[right], flag(row[same], line), fold))
    if not pairs:
        raise InputError("line 2: there is no pair below the header")
    return pairs
