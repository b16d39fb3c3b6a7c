"""The compiled loop that orders candidates by distance, and nothing else."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from facebatch.workers.jit import compiled, compiled_with


# The sum may be taken in any order, so that it is taken several numbers at a time; it is the same
# order for the two ends of a link.
@compiled_with(fastmath={"reassoc", "contract", "nsz"}, inline="never")
def _d2(one: npt.NDArray[np.float32], other: npt.NDArray[np.float32]) -> np.float32:
    total = np.float32(0)
    for axis in range(len(one)):
        difference = one[axis] - other[axis]
        total += difference * difference
    return total


@compiled
def nearest(
    embeddings: npt.NDArray[np.float32],
    rows: npt.NDArray[np.int64],
    candidates: npt.NDArray[np.int64],
    distances: npt.NDArray[np.float32],
    indices: npt.NDArray[np.int32],
) -> None:
    """Puts each row's nearest candidates in order: by d2, then by row number.

    Args:
        embeddings: (n, d) their embeddings.
        rows: (q,) the rows that ask; a candidate that is the row itself is passed over.
        candidates: (q, c) rows, -1 for none; repeats count once. Nearest first is fastest.
        distances: (q, k) infinite; filled with d2.
        indices: (q, k) filled with the candidates' rows.
    """
    k = distances.shape[1]
    for query in range(len(rows)):
        row = rows[query]
        held = 0
        for candidate in candidates[query]:
            if candidate < 0 or candidate == row:
                continue
            d2 = _d2(embeddings[row], embeddings[candidate])
            place = held
            while place > 0 and (
                distances[query, place - 1] > d2
                or (distances[query, place - 1] == d2 and indices[query, place - 1] > candidate)
            ):
                place -= 1
            # Equal rows have equal distances, so a repeat would stand right before.
            repeated = (
                place > 0
                and distances[query, place - 1] == d2
                and indices[query, place - 1] == candidate
            )
            if repeated or place == k:
                continue
            held = min(held + 1, k)
            for later in range(held - 1, place, -1):
                distances[query, later] = distances[query, later - 1]
                indices[query, later] = indices[query, later - 1]
            distances[query, place] = d2
            indices[query, place] = candidate
