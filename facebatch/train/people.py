"""Whom a network learns from and whom it is tried on: chips of named people, split by person."""

from __future__ import annotations

import csv
import hashlib
import io
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from PIL import Image

from facebatch.errors import CollectionError, InputError
from facebatch.faces.align import Template, cut_chip

Rows = npt.NDArray[np.int64]

_FOLDS = 10
_MOST_PAIRS = 3000
"""Pairs of one person, and as many of two: as many of each as LFW's View 2 has."""

_MOST_PHOTOS = 1000
"""Photos of one person that pairs are drawn from: half a million pairs."""


@dataclass(frozen=True, eq=False)
class NamedChips:
    """Aligned faces of people who are known.

    Args:
        chips: A JPEG each, n of them.
        names: The person of each.
        sources: Where each came from, root/path.
        template: What they are aligned to.
    """

    chips: Sequence[bytes]
    names: Sequence[str]
    sources: Sequence[str]
    template: Template

    @cached_property
    def rows(self) -> dict[str, Rows]:
        """The rows of each person, by name in alphabetical order."""
        found: dict[str, list[int]] = defaultdict(list)
        for row, name in enumerate(self.names):
            found[name].append(row)
        return {name: np.array(found[name], np.int64) for name in sorted(found)}

    @cached_property
    def fingerprint(self) -> str:
        """Hash of all chips with their names, 32 hex digits, whatever their order."""
        parts = sorted(
            hashlib.blake2b(name.encode() + b"\0" + chip, digest_size=16).digest()
            for name, chip in zip(self.names, self.chips, strict=True)
        )
        return hashlib.blake2b(b"".join(parts), digest_size=16).hexdigest()

    def pixels(self, rows: Rows, side: int) -> npt.NDArray[np.uint8]:
        """Returns chips as the network reads them: uint8 (n, side, side, 3), RGB.

        A chip of another size is resampled as one is cut out of a photo; the landmarks lie at the
        same places in units of the side.

        Raises:
            CollectionError: A chip can't be decoded.
        """
        found = np.empty((len(rows), side, side, 3), np.uint8)
        for place, row in enumerate(rows.tolist()):
            try:
                with Image.open(io.BytesIO(self.chips[row]), formats=["JPEG"]) as opened:
                    picture = opened.convert("RGB")
            except (OSError, ValueError, SyntaxError) as error:
                raise CollectionError(
                    f"the chip of {self.sources[row]} can't be decoded: {error}"
                ) from error
            scale = picture.width / side
            matrix = [[scale, 0.0, 0.0], [0.0, scale, 0.0]]
            found[place] = np.asarray(picture) if scale == 1 else cut_chip(picture, matrix, side)
        return found


@dataclass(frozen=True)
class Split:
    """Who is trained on and who isn't.

    Args:
        trained: People who are trained on, with two photos at least.
        stopping: Held-out people by whom the training is stopped.
        tested: Held-out people whom the figures are measured on; those with one photo are among
            them, where they make pairs of two people.
    """

    trained: tuple[str, ...]
    stopping: tuple[str, ...]
    tested: tuple[str, ...]


def split_people(chips: NamedChips, held_out: float, seed: int) -> Split:
    """Splits people, at random but for the seed.

    Args:
        chips: The people with their chips.
        held_out: Share of the people with two photos or more that aren't trained on; two people
            each say when to stop and are tested, at least.
        seed: Seed of the draw.

    Raises:
        InputError: There are too few people, or nobody has two photos.
    """
    several = [name for name, rows in chips.rows.items() if len(rows) > 1]
    single = [name for name, rows in chips.rows.items() if len(rows) == 1]
    if len(chips.rows) < 2:
        raise InputError(
            f"training needs photos of several people, there is {len(chips.rows)} with a face: "
            "put each person's photos into a folder of their own"
        )
    if not several:
        raise InputError(
            f"nobody of {len(single)} people has two photos with a face: a network learns from "
            "photos of one person that differ"
        )
    each = max(2, round(len(several) * held_out / 2))
    if len(several) < 2 * each + 2:
        raise InputError(
            f"{len(several)} people with two photos are too few: two at least are trained on, and "
            f"{2 * each} are held out"
        )
    drawn = np.random.default_rng(seed).permutation(np.array(several, dtype=object)).tolist()
    return Split(
        tuple(sorted(drawn[2 * each :])),
        tuple(sorted(drawn[:each])),
        tuple(sorted([*drawn[each : 2 * each], *single])),
    )


@dataclass(frozen=True, eq=False)
class VerificationPairs:
    """Pairs of chips, as many of two people as of one.

    Args:
        left: (n,) int64, rows of `NamedChips`.
        right: Likewise.
        same: (n,) whether both are of one person.
        folds: (n,) int64; no person is in two folds.
    """

    left: Rows
    right: Rows
    same: npt.NDArray[np.bool_]
    folds: Rows

    def as_csv(self, sources: Sequence[str]) -> str:
        """Returns them as `facebatch evaluate pairs` reads them."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(("left", "right", "same", "fold"))
        columns = (self.left.tolist(), self.right.tolist(), self.same.tolist(), self.folds.tolist())
        for left, right, same, fold in zip(*columns, strict=True):
            writer.writerow((sources[left], sources[right], int(same), fold))
        return text.getvalue()


def draw_pairs(chips: NamedChips, people: Sequence[str], seed: int) -> VerificationPairs:
    """Draws pairs to verify: of one person, and as many of two people of the same fold.

    Args:
        chips: The people with their chips.
        people: Two of them at least, one with two chips.
        seed: Seed of the draw.
    """
    rng = np.random.default_rng([seed, 1])
    order = sorted(people, key=lambda name: (len(chips.rows[name]) == 1, name))
    count = min(_FOLDS, sum(len(chips.rows[name]) > 1 for name in people), len(people) // 2)
    parts = [_fold(chips, order[fold :: max(1, count)], rng) for fold in range(max(1, count))]
    most = -(-_MOST_PAIRS // len(parts))
    found: list[tuple[Rows, npt.NDArray[np.bool_], Rows]] = []
    for number, (same, different) in enumerate(parts):
        n = min(most, len(same), len(different))
        rows = np.concatenate([rng.permutation(kind)[:n] for kind in (same, different)])
        found.append((rows, np.arange(2 * n) < n, np.full(2 * n, number, np.int64)))
    rows, same_flags, folds = (np.concatenate(column) for column in zip(*found, strict=True))
    return VerificationPairs(rows[:, 0], rows[:, 1], same_flags, folds)


def draw_photos(chips: NamedChips, people: Sequence[str], most: int, seed: int) -> Rows:
    """Returns the rows of people's chips, or so many of them at random, in ascending order.

    Args:
        chips: The people with their chips.
        people: Whose; one at least.
        most: How many rows at most.
        seed: Seed of the draw.
    """
    rows = np.sort(np.concatenate([chips.rows[name] for name in people]))
    if len(rows) > most:
        rows = np.sort(np.random.default_rng([seed, 7]).choice(rows, most, replace=False))
    return rows


def _fold(chips: NamedChips, people: Sequence[str], rng: np.random.Generator) -> tuple[Rows, Rows]:
    """Returns all pairs of one person (m, 2) and a sample of those of two.

    Of who has more than `_MOST_PHOTOS` so many are drawn.
    """
    own = [chips.rows[name] for name in people]
    own = [
        rng.choice(rows, _MOST_PHOTOS, replace=False) if len(rows) > _MOST_PHOTOS else rows
        for rows in own
    ]
    inside = [np.stack(np.triu_indices(len(rows), 1), axis=1) for rows in own]
    same = np.concatenate([rows[places] for rows, places in zip(own, inside, strict=True)])
    rows = np.concatenate(own)
    person = np.repeat(np.arange(len(own)), [len(each) for each in own])
    drawn = rng.integers(len(rows), size=(4 * _MOST_PAIRS, 2))
    drawn = np.unique(np.sort(drawn, axis=1), axis=0)
    return same, rows[drawn[person[drawn[:, 0]] != person[drawn[:, 1]]]]
