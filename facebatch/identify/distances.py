"""Distances between embeddings, to the same digits in whatever blocks they are computed."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

_ROWS_AT_ONCE = 8_192
"""Entries that are turned into float64 at once."""

_ROUNDING = 1e-13
"""Subtracted from every d2: more than float64 rounding of equal vectors gives, so that these are
at 0 exactly, and less than float32 shows of any other d2."""

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int32]


def squared_distances(probes: npt.NDArray[Any], others: npt.NDArray[Any]) -> Doubles:
    """Returns d2 of every probe to every other vector, (p, n) float64, 0 for equal ones.

    It is |a|^2 + |b|^2 - 2 a.b in float64, of which float32 then shows the same digits in
    whatever blocks it was computed.

    Args:
        probes: (p, d) vectors, in any precision.
        others: (n, d) vectors, in any precision.
    """
    a = probes.astype(np.float64)
    lengths = np.einsum("pd,pd->p", a, a)[:, None] - _ROUNDING
    squares = np.empty((len(probes), len(others)))
    for start in range(0, len(others), _ROWS_AT_ONCE):
        b = others[start : start + _ROWS_AT_ONCE].astype(np.float64)
        part = squares[:, start : start + _ROWS_AT_ONCE]
        np.matmul(a, b.T, out=part)
        part *= -2
        part += lengths
        part += np.einsum("nd,nd->n", b, b)
    return np.maximum(squares, 0, out=squares)


def centroids(entries: Floats, person: Numbers) -> Doubles:
    """Returns each person's mean embedding scaled back to length 1, (people, d) float64.

    Args:
        entries: (n, d) float32, rows of length 1.
        person: (n,) int32, ascending, numbers from 0 without gaps.
    """
    starts = np.flatnonzero(np.diff(person, prepend=-1))
    means = np.add.reduceat(entries.astype(np.float64), starts, axis=0)
    # Opposite embeddings have no mean direction; theirs stays at 0, at the same d2 from everyone.
    lengths = np.linalg.norm(means, axis=1, keepdims=True)
    return np.asarray(means / np.maximum(lengths, 1e-12), np.float64)


def least(values: npt.NDArray[Any], k: int) -> npt.NDArray[np.intp]:
    """Returns the columns (p, k) of each row's least values, ascending, equal ones by column.

    One pass for each of a few places is faster than sorting, and unlike a partition it says which
    of equal values come first.
    """
    left = values.copy()
    rows = np.arange(len(left))
    columns = np.empty((len(left), k), np.intp)
    for place in range(k):
        columns[:, place] = left.argmin(axis=1) if len(left) else 0
        left[rows, columns[:, place]] = np.inf
    return columns
