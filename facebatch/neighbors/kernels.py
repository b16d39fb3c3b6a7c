"""The loops of the search that have to be compiled, and nothing else."""

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


@compiled
def counts_within(
    starts: npt.NDArray[np.int64], distances: npt.NDArray[np.float32], longest: np.float32
) -> npt.NDArray[np.int64]:
    """Counts how many of each row's distances, which ascend, aren't longer than one.

    Args:
        starts: (n + 1,) where each row's distances begin.
        distances: (e,) them.
        longest: The longest that counts.
    """
    counts = np.zeros(len(starts) - 1, np.int64)
    for row in range(len(counts)):
        end = starts[row + 1]
        while end > starts[row] and distances[end - 1] > longest:
            end -= 1
        counts[row] = end - starts[row]
    return counts


@compiled
def widen(halves: npt.NDArray[np.uint16], bits: npt.NDArray[np.uint32]) -> None:
    """Turns the bits of finite float16 (r, d) into those of the same float32, but for a scale.

    The exponent's bias isn't corrected: as float32 the numbers are 2**-112 of what they should be,
    which a multiplication mends exactly. So the loop is one of integers, eight or more at a time.

    Args:
        halves: (r, d) bits of float16.
        bits: (r, d) filled.
    """
    for row in range(halves.shape[0]):
        for axis in range(halves.shape[1]):
            half = np.uint32(halves[row, axis])
            sign = (half & np.uint32(0x8000)) << np.uint32(16)
            bits[row, axis] = sign | ((half & np.uint32(0x7FFF)) << np.uint32(13))


@compiled
def keep_best(
    similarity: npt.NDArray[np.float32],
    queries: npt.NDArray[np.int64],
    first: int,
    least: np.float32,
    best: npt.NDArray[np.float32],
    places: npt.NDArray[np.int32],
    held: npt.NDArray[np.int32],
) -> None:
    """Keeps each query's most similar rows: heaps whose root is the least similar kept.

    Args:
        similarity: (m, r) of m queries to r rows.
        queries: (m,) the numbers of the queries.
        first: The number of the first row; the others follow.
        least: Similarity that counts.
        best: (q, w) the similarities kept of all queries.
        places: (q, w) the rows that they are of.
        held: (q,) how many are kept.
    """
    width, rows = best.shape[1], similarity.shape[1]
    for asked in range(len(queries)):
        query = queries[asked]
        heap, of, line = best[query], places[query], similarity[asked]
        bar = least if held[query] < width else max(least, heap[0])
        for start in range(0, rows, 64):
            end = min(start + 64, rows)
            # Nearly always none: a count, unlike a branch for each, takes many at a time.
            hits = 0
            for row in range(start, end):
                hits += line[row] > bar
            if hits == 0:
                continue
            for row in range(start, end):
                value = line[row]
                if not value > bar:
                    continue
                if held[query] < width:
                    place = held[query]
                    held[query] += 1
                    while place > 0 and heap[(place - 1) // 2] > value:
                        heap[place], of[place] = heap[(place - 1) // 2], of[(place - 1) // 2]
                        place = (place - 1) // 2
                else:
                    place = 0
                    while True:
                        child = 2 * place + 1
                        if child >= width:
                            break
                        if child + 1 < width and heap[child + 1] < heap[child]:
                            child += 1
                        if heap[child] >= value:
                            break
                        heap[place], of[place] = heap[child], of[child]
                        place = child
                heap[place], of[place] = value, first + row
                if held[query] == width:
                    bar = max(least, heap[0])
