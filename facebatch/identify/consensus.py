"""The face that recurs through a person's photos, found among everybody whom the photos show.

Everything here is arrays: embeddings, the photo that each is of, and how near two must lie.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from facebatch.errors import UsageError
from facebatch.identify.calibration import Calibration
from facebatch.identify.distances import Doubles, Floats, squared_distances
from facebatch.identify.thresholds import threshold_for

CHANCE = 0.01
"""How likely one at least of the faces of two photos may agree where everybody differs: the error
rate at which facebatch names people by default (`facebatch.stages.matches.DEFAULT_FPIR`)."""

_ROUNDS = 10
"""Rounds of choosing each photo's face by the others' until nothing changes; two are usual."""

_JUDGES = 2_000
"""Faces of one person that are compared with all the others; of more an even sample is taken."""

_BLOCK_BYTES = 64 << 20
"""Memory for the distances of one block of faces."""

Limit = Callable[[int], float]
"""Largest d2 at which two faces agree, by the number of pairs of faces that their photos make."""

Rows = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


def limit_by(calibration: Calibration | None) -> Limit | None:
    """Returns how near two faces must lie, so that strangers agree with the probability `CHANCE`.

    Two photos with a and b faces make a b pairs, each of which lies nearer than the d2 at a FAR
    with that probability. So the limit is the d2 at FAR = CHANCE / (a b), by the union bound: the
    more faces two photos show, the nearer two of them must lie to be taken for one person's. FARs
    too small to have been measured, as for crowds, have a limit that nothing is below.

    Args:
        calibration: What was measured in the embeddings' space, or nothing.

    Returns:
        The limit by pairs of faces; None where no FAR was measured.
    """
    if calibration is None:
        return None
    try:
        threshold_for(calibration, "nearest", 1, far=CHANCE)
    except UsageError:
        return None

    def limit(pairs: int) -> float:
        try:
            return threshold_for(calibration, "nearest", 1, far=CHANCE / pairs)[0]
        except UsageError:
            return -1.0

    return limit


def recurring(
    embeddings: Floats, photo: Rows, largest: Flags, limit: Limit
) -> npt.NDArray[np.int64] | None:
    """Returns the faces of whoever recurs through photos, at most one of each photo.

    It begins with the face that agrees with faces of the most other photos; of equal ones with
    that which agrees with the most faces that are the largest of theirs, and then with the nearest.
    Then each photo's face is chosen anew as the one that agrees with the most of the others' faces
    and with half of them at least, until nothing changes. So no single wrong face decides, as it
    would in a mean.

    Args:
        embeddings: (f, d) float32, rows of length 1; f may be 0.
        photo: (f,) the photo of each face, ascending.
        largest: (f,) whether it is the largest of its photo.
        limit: How near two faces must lie.

    Returns:
        Rows, ascending; None where nobody recurs in half of the photos and in two at least, or
        where two people do so equally.
    """
    faces = _Faces(embeddings, photo, limit)
    if len(faces.starts) < 2:
        return None
    support, prominence, distance = faces.support(largest)
    best = int(np.lexsort((distance, -prominence, -support))[0])
    if not support[best]:
        return None
    members = faces.nearest_of_each(int(faces.seeds[best]))
    for _ in range(_ROUNDS):
        share, chosen = faces.chosen_by(members)
        if np.array_equal(chosen, members):
            break
        members = chosen
    if len(members) < 2 or 2 * len(members) < len(faces.starts):
        return None
    is_as_often = (support == support[best]) & (prominence == prominence[best])
    others = faces.seeds[is_as_often & (share[faces.seeds] < 0.5)]
    return None if len(np.setdiff1d(others, members)) else members


class _Faces:
    """Faces by photo, and which of them agree; distances are computed in blocks and not kept."""

    def __init__(self, embeddings: Floats, photo: Rows, limit: Limit) -> None:
        self.embeddings = embeddings
        self.photo = photo
        self.starts, counts = np.unique(photo, return_index=True, return_counts=True)[1:]
        self.count = np.repeat(counts, counts)
        kinds = np.unique(counts)
        pairs = np.unique(np.multiply.outer(kinds, kinds))
        self._limits = np.zeros(int(pairs[-1]) + 1 if len(pairs) else 1)
        self._limits[pairs] = [limit(int(number)) for number in pairs]
        self.seeds = _sampled(np.arange(len(photo)))

    def _agreement(self, rows: Rows | slice, others: Rows | slice) -> tuple[Doubles, Flags]:
        d2 = squared_distances(self.embeddings[rows], self.embeddings[others])
        limits = self._limits[np.multiply.outer(self.count[rows], self.count[others])]
        apart = self.photo[rows][:, None] != self.photo[others]
        return d2, (d2 <= limits) & apart

    def _blocks(self, rows: Rows, width: int) -> list[Rows]:
        step = max(1, _BLOCK_BYTES // (8 * max(1, width)))
        return [rows[start : start + step] for start in range(0, len(rows), step)]

    def support(self, largest: Flags) -> tuple[Rows, Rows, Doubles]:
        """Returns of each seed the photos it agrees with, as whose largest, and the mean d2."""
        found = []
        for block in self._blocks(self.seeds, len(self.photo)):
            d2, agree = self._agreement(block, slice(None))
            photos = np.logical_or.reduceat(agree, self.starts, axis=1).sum(axis=1)
            prominent = (agree & largest).sum(axis=1) + largest[block]
            mean = np.where(agree, d2, 0).sum(axis=1) / np.maximum(agree.sum(axis=1), 1)
            found.append((photos, prominent, mean))
        support, prominence, distance = (np.concatenate(part) for part in zip(*found, strict=True))
        return support, prominence, distance

    def nearest_of_each(self, row: int) -> Rows:
        """Returns a face with the nearest that agrees with it of each other photo, ascending."""
        d2, agree = self._agreement(np.array([row]), slice(None))
        best = self._best_of_each(-np.where(agree[0], d2[0], np.inf))
        return np.sort(np.append(best[agree[0, best]], row))

    def chosen_by(self, members: Rows) -> tuple[Doubles, Rows]:
        """Returns the share of members that each face agrees with, and who is chosen by them.

        Members of a face's own photo don't count.
        """
        judges = _sampled(members)
        shares, means = [], []
        for block in self._blocks(np.arange(len(self.photo)), len(judges)):
            d2, agree = self._agreement(block, judges)
            others = self.photo[block][:, None] != self.photo[judges]
            number = np.maximum(others.sum(axis=1), 1)
            shares.append(agree.sum(axis=1) / number)
            means.append(np.where(others, d2, 0).sum(axis=1) / number)
        share, mean = np.concatenate(shares), np.concatenate(means)
        # The mean d2 is at most 4, so that it decides between equal shares alone.
        best = self._best_of_each(share * 1e6 - mean)
        return share, best[share[best] >= 0.5]

    def _best_of_each(self, value: Doubles) -> Rows:
        order = np.lexsort((-value, self.photo))
        return np.sort(order[self.starts])


def _sampled(rows: Rows) -> Rows:
    return rows[:: -(-len(rows) // _JUDGES) or 1]


def unlike_the_others(embeddings: Floats, limit: Limit) -> tuple[Flags, bool]:
    """Returns which entries of one person are of somebody else, as far as the others tell.

    Args:
        embeddings: (n, d) float32, rows of length 1, each by a photo of its own.
        limit: How near two faces must lie.

    Returns:
        (n,) bool, and whether a majority agrees: without one, nobody is said to be unlike it. One
        entry agrees with itself.
    """
    n = len(embeddings)
    unlike = np.zeros(n, np.bool_)
    if n < 2:
        return unlike, True
    members = recurring(embeddings, np.arange(n), np.ones(n, np.bool_), limit)
    if members is None:
        return unlike, False
    unlike[:] = True
    unlike[members] = False
    return unlike, True
