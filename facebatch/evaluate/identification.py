"""Scores of identification, finding a probe's person in a gallery that may not hold them.

The rates are those of ISO/IEC 19795-1 as Grother, Ngan and Hanaoka state them (FRVT Part 2:
Identification, NIST IR 8271, section on metrics): FPIR is the share of non-mated searches that
return any identity within the threshold; FNIR is the share of mated searches in which the right
identity is beyond the threshold or, where a rank is asked for, outside that rank; TPIR is 1 - FNIR.
Ties count against the system: an equally near identity stands before the right one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from facebatch.evaluate.plain import plain_data
from facebatch.evaluate.thresholds import (
    Floats,
    accepted,
    candidate_thresholds,
    errors_allowed,
    share,
    supports,
)

Integers = npt.NDArray[np.integer]
Rows = npt.NDArray[np.int64]

_FPIRS = (1e-1, 1e-2, 1e-3)
"""False positive identification rates that the true positive rate is given for."""


@dataclass(frozen=True)
class TpirAtFpir:
    """True positive identification rate where at most so many non-mated probes are accepted.

    All but fpir are None where the non-mated probes with a face are fewer than 1/fpir, which
    can't show such a rate, or where there are no mated probes.

    Args:
        fpir: The false positive identification rate asked for.
        tpir: Share of mated probes whose right identity is within the threshold, at any rank
            (1 - FNIR(N, N, T)).
        rank_1: Share of those whose right identity is within it and nearest, so that naming the
            nearest identity is right (1 - FNIR(N, 1, T)): the open-set rank-1 rate.
        threshold: The smallest d2 that reaches tpir; minus infinity where tpir is 0.
    """

    fpir: float
    tpir: float | None
    rank_1: float | None
    threshold: float | None


@dataclass(frozen=True, eq=False)
class DetCurve:
    """Errors of open-set identification at every threshold that matters.

    Args:
        fpir: (m,) share of non-mated probes with any identity within the threshold, over those
            with a face; NaN without any. Ascending.
        fnir: (m,) share of mated probes whose right identity is beyond it; NaN without any.
            Descending.
        threshold: (m,) float64, ascending d2; the first is minus infinity and accepts nothing.
    """

    fpir: npt.NDArray[np.float64]
    fnir: npt.NDArray[np.float64]
    threshold: npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class IdentificationScores:
    """How well probes find their person in a gallery.

    A probe without a face is a miss if it is mated. If not, it is left out of FPIR, since it
    couldn't raise a false alarm; counting it, as FRVT does, would flatter the system.

    Args:
        gallery: Identities in the gallery.
        mated: Probes whose person is in the gallery, with those without a face.
        non_mated: Probes whose person isn't, with those without a face.
        missing_mated: Mated probes without a face.
        missing_non_mated: Non-mated probes without a face.
        cmc: Share of mated probes whose right identity is at rank 1, 2, ... or better: closed-set
            identification. Empty without a mated probe.
        at_fpir: TPIR at FPIR 1e-1 to 1e-3.
        det: The errors over thresholds, for plots.
    """

    gallery: int
    mated: int
    non_mated: int
    missing_mated: int
    missing_non_mated: int
    cmc: tuple[float, ...]
    at_fpir: tuple[TpirAtFpir, ...]
    det: DetCurve

    @property
    def rank_1(self) -> float | None:
        """Closed-set rank-1 rate of the mated probes; None without any."""
        return self.cmc[0] if self.cmc else None

    def as_json(self) -> dict[str, object]:
        """Returns plain data without the curve; an infinite threshold becomes None."""
        return plain_data(self)


def score_identification(scores: Floats, truth: Integers, ranks: int = 20) -> IdentificationScores:
    """Scores searches of probes in a gallery.

    Args:
        scores: (p, g) d2 of each probe to each identity, lower is nearer; g > 0. NaN where there
            is no face: throughout a probe's row, or throughout an identity's column.
        truth: (p,) column of the probe's person, -1 if the gallery doesn't hold them.
        ranks: Length of the CMC curve, at least 1; clipped to g.

    Raises:
        ValueError: The shapes don't match, the gallery is empty, a truth is no column, a score is
            infinite or ranks is below 1.
    """
    _check(scores, truth, ranks)
    missing = np.isnan(scores).all(axis=1)
    mated = truth >= 0
    own = _own_scores(scores, truth)[mated]
    rank = _ranks(scores, truth)[mated]
    # fmin passes over NaN, which only a probe without a face has throughout.
    alarms = np.fmin.reduce(scores, axis=1)[~mated & ~missing]
    counts = _OpenSet.of(own, rank, alarms)
    return IdentificationScores(
        gallery=scores.shape[1],
        mated=int(mated.sum()),
        non_mated=int((~mated).sum()),
        missing_mated=int((mated & missing).sum()),
        missing_non_mated=int((~mated & missing).sum()),
        cmc=_cmc(rank, min(ranks, scores.shape[1])),
        at_fpir=tuple(counts.tpir_at(fpir) for fpir in _FPIRS),
        det=counts.det(),
    )


def open_set_split(labels: npt.NDArray[Any], seed: int) -> tuple[Rows, Rows, Rows]:
    """Divides labelled faces into a gallery, mated probes and non-mated probes.

    The gallery is one face, drawn at random, of each person with two or more; the other faces of
    these people are the mated probes, and everyone else's faces the non-mated ones.

    Args:
        labels: (n,) the person of each face; every label, negative ones too, is a person.
        seed: Seed of the draw; the same labels and seed give the same split.

    Returns:
        Rows int64 of the gallery, ordered by label, so that the truth of mated probes is
        ``np.searchsorted(labels[gallery], labels[mated])``; of the mated probes and of the
        non-mated ones, both ascending. Together they hold every row once.
    """
    _, person, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    shuffled = np.random.default_rng(seed).permutation(len(labels))
    _, first = np.unique(person[shuffled], return_index=True)
    gallery = shuffled[first][sizes >= 2].astype(np.int64)
    non_mated = np.flatnonzero(sizes[person] < 2)
    mated = np.setdiff1d(np.arange(len(labels)), np.concatenate((gallery, non_mated)))
    return gallery, mated, non_mated


@dataclass(frozen=True)
class _OpenSet:
    """What each candidate threshold accepts of mated and non-mated probes, and their numbers."""

    thresholds: npt.NDArray[np.float64]
    found: npt.NDArray[np.int64]
    found_nearest: npt.NDArray[np.int64]
    alarms: npt.NDArray[np.int64]
    mated: int
    non_mated: int

    @classmethod
    def of(cls, own: Floats, rank: Floats, alarms: Floats) -> _OpenSet:
        faces = ~np.isnan(own)
        thresholds = candidate_thresholds(np.concatenate((own[faces], alarms)))
        return cls(
            thresholds,
            accepted(own[faces], thresholds),
            accepted(own[faces & (rank == 1)], thresholds),
            accepted(alarms, thresholds),
            len(own),
            len(alarms),
        )

    def tpir_at(self, fpir: float) -> TpirAtFpir:
        if not self.mated or not supports(self.non_mated, fpir):
            return TpirAtFpir(fpir, None, None, None)
        allowed = errors_allowed(self.non_mated, fpir)
        loosest = int(np.searchsorted(self.alarms, allowed, side="right")) - 1
        strictest = int(np.searchsorted(self.found, self.found[loosest], side="left"))
        return TpirAtFpir(
            fpir,
            float(self.found[strictest] / self.mated),
            float(self.found_nearest[strictest] / self.mated),
            float(self.thresholds[strictest]),
        )

    def det(self) -> DetCurve:
        return DetCurve(
            fpir=share(self.alarms, self.non_mated),
            fnir=share(self.mated - self.found, self.mated),
            threshold=self.thresholds,
        )


def _check(scores: Floats, truth: Integers, ranks: int) -> None:
    if scores.ndim != 2 or scores.shape[0] != len(truth):
        raise ValueError(f"scores of shape {scores.shape} don't match {len(truth)} probes")
    if scores.shape[1] == 0:
        raise ValueError("the gallery is empty")
    if np.isinf(scores).any():
        raise ValueError("a score is infinite")
    wrong = (truth < -1) | (truth >= scores.shape[1])
    if wrong.any():
        raise ValueError(f"{truth[wrong][0]} is no column of a gallery of {scores.shape[1]}")
    if ranks < 1:
        raise ValueError(f"ranks must be at least 1, not {ranks}")


def _own_scores(scores: Floats, truth: Integers) -> Floats:
    """(p,) the score of each probe's own identity; of non-mated probes it means nothing."""
    return np.take_along_axis(scores, np.maximum(truth, 0)[:, None], axis=1)[:, 0]


def _ranks(scores: Floats, truth: Integers) -> npt.NDArray[np.float64]:
    """(p,) rank of each probe's own identity, from 1; infinite where either has no face."""
    own = _own_scores(scores, truth)
    as_near = (scores <= own[:, None]).sum(axis=1)
    return np.where(np.isnan(own), np.inf, as_near)


def _cmc(rank: npt.NDArray[np.float64], ranks: int) -> tuple[float, ...]:
    if len(rank) == 0:
        return ()
    return tuple(float((rank <= k).mean()) for k in range(1, ranks + 1))
