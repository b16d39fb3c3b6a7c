"""PK batches: K photos of each of P people, every batch a function of its number alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt


class PKSampler:
    """Gives batches of several people with several photos each (Hermans et al., 2017, section 2).

    An epoch has every person once; its last batch is filled up with people of the epoch's
    beginning. Since a batch depends on the seed and its number only, a training that goes on at a
    batch sees what it would have seen.

    Args:
        rows: The rows of each person, each of one row at least.
        people: People a batch; all of them where there are fewer.
        photos: Photos of each. Who has fewer is drawn with repetition, nobody else is.
        seed: Seed of all draws.
    """

    def __init__(
        self, rows: Sequence[npt.NDArray[np.int64]], people: int, photos: int, seed: int
    ) -> None:
        self._rows = list(rows)
        self._people = min(people, len(self._rows))
        self._photos = photos
        self._seed = seed
        self.batches = -(-len(self._rows) // self._people)
        """Batches an epoch."""

    def batch(self, number: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Returns the rows of a batch and the number of the person of each, both (P K,)."""
        epoch, place = divmod(number, self.batches)
        order = np.random.default_rng([self._seed, 2, epoch]).permutation(len(self._rows))
        chosen = np.take(
            order, range(place * self._people, (place + 1) * self._people), mode="wrap"
        )
        rng = np.random.default_rng([self._seed, 3, number])
        rows = [self._drawn(person, rng) for person in chosen.tolist()]
        return np.concatenate(rows), np.repeat(chosen.astype(np.int64), self._photos)

    def _drawn(self, person: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
        own = self._rows[person]
        if len(own) >= self._photos:
            return rng.permutation(own)[: self._photos]
        return np.resize(rng.permutation(own), self._photos)
