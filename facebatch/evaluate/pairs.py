"""Scores of verification, telling whether two photos show one person, by LFW's protocol.

A pair is claimed to be of one person when its distance is at most the threshold. Every distinct
distance divides the pairs, so thresholds are midpoints of neighbouring distances, not a grid.
Where several thresholds are equally good, the strictest (smallest) one is taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from facebatch.evaluate.inputs.pair_lists import Pair as Pair
from facebatch.evaluate.inputs.pair_lists import all_pairs as all_pairs
from facebatch.evaluate.inputs.pair_lists import read_pairs as read_pairs
from facebatch.evaluate.plain import plain_data
from facebatch.evaluate.thresholds import (
    Floats,
    accepted,
    candidate_thresholds,
    errors_allowed,
    share,
    supports,
)

Bools = npt.NDArray[np.bool_]
Integers = npt.NDArray[np.integer]

_FARS = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5)
"""False accept rates that the true accept rate is given for."""

_VAL_FAR = 1e-3
"""False accept rate of davidsandberg/facenet's VAL (src/lfw.py, far_target)."""


@dataclass(frozen=True)
class MeanStd:
    """Mean over folds and standard deviation over folds (ddof=0, as `numpy.std`)."""

    mean: float
    std: float


@dataclass(frozen=True)
class FoldScore:
    """One fold at the threshold that the other folds chose.

    Args:
        fold: The fold's number.
        pairs: Its pairs, with the missing ones.
        missing: Those of them in which a photo has no face.
        threshold: d2 up to which a pair was accepted; minus infinity accepts none.
        accuracy: Right answers among all its pairs; a missing pair is a wrong answer.
        accuracy_without_missing: Right answers among those with two faces; None without any.
    """

    fold: int
    pairs: int
    missing: int
    threshold: float
    accuracy: float
    accuracy_without_missing: float | None


@dataclass(frozen=True)
class TarAtFar:
    """True accept rate where at most so large a share of different pairs is accepted.

    Args:
        far: The false accept rate asked for.
        tar: Share of same pairs accepted; None where the different pairs are fewer than 1/far,
            which can't show such a rate, or where there are no same pairs.
        threshold: The smallest threshold that reaches it; None as above.
    """

    far: float
    tar: float | None
    threshold: float | None


@dataclass(frozen=True)
class ValAtFar:
    """VAL@FAR of davidsandberg/facenet, means over folds.

    Args:
        far: The false accept rate that each fold's threshold has on the other folds.
        val: Mean share of a fold's same pairs accepted.
        std: Its standard deviation over folds (ddof=0).
        measured_far: Mean share of a fold's different pairs accepted.
    """

    far: float
    val: float
    std: float
    measured_far: float


@dataclass(frozen=True)
class BestF1:
    """The threshold with the best F1 over all pairs at once, with its F1 and accuracy."""

    threshold: float
    f1: float
    accuracy: float


@dataclass(frozen=True, eq=False)
class PairCurves:
    """Rates at every threshold that matters, over the pairs with two faces.

    Args:
        thresholds: (m,) float64, ascending d2; the first is minus infinity and accepts nothing.
        fpr: (m,) share of different pairs accepted, NaN without any; ascending from 0 to 1.
        tpr: (m,) share of same pairs accepted, NaN without any; ascending from 0 to 1.
        accuracy: (m,) share of right answers.
        f1: (m,) harmonic mean of precision and recall of the claim "one person".
    """

    thresholds: npt.NDArray[np.float64]
    fpr: npt.NDArray[np.float64]
    tpr: npt.NDArray[np.float64]
    accuracy: npt.NDArray[np.float64]
    f1: npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PairScore:
    """How well distances tell same pairs from different ones.

    Only the two accuracies know of missing pairs; all else is over the pairs with two faces.

    Args:
        same: Pairs of one person, with the missing ones.
        different: Pairs of two people, with the missing ones.
        missing_same: Same pairs in which a photo has no face.
        missing_different: Different pairs in which a photo has no face.
        accuracy: Over folds, missing pairs counted as errors.
        accuracy_without_missing: Over the folds that have pairs with two faces; None without any.
        threshold_chosen_on_itself: There is one fold, so it chose its own threshold; the
            accuracies and VAL are then too good, and no result of the protocol.
        folds: One entry for each fold, ascending.
        auc: Area under the ROC curve; None without a same or without a different pair.
        eer: Equal error rate, where the ROC curve meets fpr = 1 - tpr; None as for auc.
        eer_threshold: The threshold at which the two errors are nearest to each other.
        tar_at_far: TAR at FAR 1e-1 to 1e-5.
        val_at_far: VAL at FAR 1e-3; None where the other folds of some fold hold fewer than
            1,000 different pairs, or where a fold has no same or no different pair.
        best_f1: None without a same pair.
        curves: The rates over thresholds, for plots.
    """

    same: int
    different: int
    missing_same: int
    missing_different: int
    accuracy: MeanStd
    accuracy_without_missing: MeanStd | None
    threshold_chosen_on_itself: bool
    folds: tuple[FoldScore, ...]
    auc: float | None
    eer: float | None
    eer_threshold: float | None
    tar_at_far: tuple[TarAtFar, ...]
    val_at_far: ValAtFar | None
    best_f1: BestF1 | None
    curves: PairCurves

    @property
    def missing(self) -> int:
        """Pairs in which a photo has no face."""
        return self.missing_same + self.missing_different

    def as_json(self) -> dict[str, object]:
        """Returns plain data without the curves; an infinite threshold becomes None."""
        return plain_data(self)


@dataclass(frozen=True)
class _Pairs:
    """Pairs and the fold of each; the distances of missing ones are NaN."""

    distances: npt.NDArray[np.float64]
    same: Bools
    folds: Integers

    def where(self, rows: Bools) -> _Pairs:
        return _Pairs(self.distances[rows], self.same[rows], self.folds[rows])


@dataclass(frozen=True)
class _Counts:
    """How many same and different pairs each candidate threshold accepts, and how many exist."""

    thresholds: npt.NDArray[np.float64]
    accepted_same: npt.NDArray[np.int64]
    accepted_different: npt.NDArray[np.int64]
    same: int
    different: int

    @property
    def right(self) -> npt.NDArray[np.int64]:
        return self.accepted_same + (self.different - self.accepted_different)


def score_pairs(distances: Floats, same: Bools, folds: Integers) -> PairScore:
    """Scores distances of pairs by the protocol of LFW.

    Each fold's accuracy is taken at the threshold that is most accurate on the other folds
    (Huang et al., "Labeled Faces in the Wild", 2007, section 3; View 2 has ten folds). A single
    fold chooses its own threshold, and the result says so. VAL@FAR follows davidsandberg/facenet
    (src/lfw.py, calculate_val): the threshold at which the other folds' FAR, linearly
    interpolated, is 1e-3.

    Args:
        distances: (n,) d2 (squared L2, 0..4) of each pair, NaN where a photo has no face; n > 0.
        same: (n,) whether the pair is of one person.
        folds: (n,) the fold of each pair, any integers.

    Raises:
        ValueError: There is no pair, the three differ in length, or a distance is infinite.
    """
    _check(distances, same, folds)
    missing = np.isnan(distances)
    pairs = _Pairs(np.asarray(distances, np.float64), np.asarray(same, np.bool_), folds)
    counts = _counts(pairs.where(~missing))
    fold_scores = tuple(_fold_score(pairs, int(fold)) for fold in np.unique(folds))
    without_missing = [
        fold.accuracy_without_missing
        for fold in fold_scores
        if fold.accuracy_without_missing is not None
    ]
    curves = _curves(counts)
    eer, eer_threshold = _equal_error_rate(counts)
    return PairScore(
        same=int(pairs.same.sum()),
        different=int((~pairs.same).sum()),
        missing_same=int((missing & pairs.same).sum()),
        missing_different=int((missing & ~pairs.same).sum()),
        accuracy=_mean_std([fold.accuracy for fold in fold_scores]),
        accuracy_without_missing=_mean_std(without_missing) if without_missing else None,
        threshold_chosen_on_itself=len(fold_scores) == 1,
        folds=fold_scores,
        auc=_area(counts),
        eer=eer,
        eer_threshold=eer_threshold,
        tar_at_far=tuple(_tar_at_far(counts, far) for far in _FARS),
        val_at_far=_val_at_far(pairs),
        best_f1=_best_f1(curves) if counts.same else None,
        curves=curves,
    )


def _check(distances: Floats, same: Bools, folds: Integers) -> None:
    if not len(distances) == len(same) == len(folds):
        raise ValueError(
            f"{len(distances)} distances, {len(same)} answers and {len(folds)} folds don't match"
        )
    if len(distances) == 0:
        raise ValueError("there are no pairs to score")
    if np.isinf(distances).any():
        raise ValueError(f"distance {int(np.isinf(distances).argmax())} is infinite")


def _counts(pairs: _Pairs) -> _Counts:
    thresholds = candidate_thresholds(pairs.distances)
    same, different = pairs.distances[pairs.same], pairs.distances[~pairs.same]
    return _Counts(
        thresholds,
        accepted(same, thresholds),
        accepted(different, thresholds),
        len(same),
        len(different),
    )


def _training(pairs: _Pairs, fold: int) -> _Counts:
    """Counts the pairs that choose a fold's threshold: the other folds', or its own if alone."""
    # Missing pairs count here, lest a fold seem alone because the others' pairs are all missing.
    others = pairs.folds != fold
    chosen = pairs.where(others) if others.any() else pairs
    return _counts(chosen.where(~np.isnan(chosen.distances)))


def _fold_score(pairs: _Pairs, fold: int) -> FoldScore:
    training = _training(pairs, fold)
    threshold = float(training.thresholds[training.right.argmax()])
    own = pairs.where(pairs.folds == fold)
    missing = np.isnan(own.distances)
    right = int(((own.distances <= threshold) == own.same)[~missing].sum())
    scored = int((~missing).sum())
    return FoldScore(
        fold=fold,
        pairs=len(own.same),
        missing=int(missing.sum()),
        threshold=threshold,
        accuracy=right / len(own.same),
        accuracy_without_missing=right / scored if scored else None,
    )


def _mean_std(values: Sequence[float]) -> MeanStd:
    return MeanStd(float(np.mean(values)), float(np.std(values)))


def _curves(counts: _Counts) -> PairCurves:
    # 2 TP / (2 TP + FP + FN) = 2 TP / (pairs claimed + same pairs).
    claimed_and_same = counts.accepted_same + counts.accepted_different + counts.same
    return PairCurves(
        thresholds=counts.thresholds,
        fpr=share(counts.accepted_different, counts.different),
        tpr=share(counts.accepted_same, counts.same),
        accuracy=share(counts.right, counts.same + counts.different),
        f1=2 * counts.accepted_same / np.maximum(claimed_and_same, 1),
    )


def _area(counts: _Counts) -> float | None:
    if not (counts.same and counts.different):
        return None
    # Trapezoids in whole numbers, so that a perfect area is 1 and not nearly 1.
    width = np.diff(counts.accepted_different)
    twice_height = counts.accepted_same[1:] + counts.accepted_same[:-1]
    return int((width * twice_height).sum()) / (2 * counts.same * counts.different)


def _equal_error_rate(counts: _Counts) -> tuple[float | None, float | None]:
    if not (counts.same and counts.different):
        return None, None
    # False accepts minus false rejects, in whole numbers so that equal ones are equal: the rates
    # times same times different. It ascends from below 0 to above 0.
    rejected_same = counts.same - counts.accepted_same
    excess = counts.accepted_different * counts.same - rejected_same * counts.different
    after = int((excess >= 0).argmax())
    before = after - 1
    along = -excess[before] / (excess[after] - excess[before])
    false_accepts = counts.accepted_different[[before, after]] / counts.different
    rate = false_accepts[0] + along * (false_accepts[1] - false_accepts[0])
    return float(rate), float(counts.thresholds[np.abs(excess).argmin()])


def _tar_at_far(counts: _Counts, far: float) -> TarAtFar:
    if not counts.same or not supports(counts.different, far):
        return TarAtFar(far, None, None)
    allowed = errors_allowed(counts.different, far)
    loosest = int(np.searchsorted(counts.accepted_different, allowed, side="right")) - 1
    most = counts.accepted_same[loosest]
    strictest = int(np.searchsorted(counts.accepted_same, most, side="left"))
    return TarAtFar(far, float(most / counts.same), float(counts.thresholds[strictest]))


def _val_at_far(pairs: _Pairs) -> ValAtFar | None:
    rates = [_val_and_far(pairs, int(fold)) for fold in np.unique(pairs.folds)]
    measured = [rate for rate in rates if rate is not None]
    if len(measured) < len(rates):
        return None
    val = _mean_std([val for val, _ in measured])
    return ValAtFar(_VAL_FAR, val.mean, val.std, float(np.mean([far for _, far in measured])))


def _val_and_far(pairs: _Pairs, fold: int) -> tuple[float, float] | None:
    own = pairs.where((pairs.folds == fold) & ~np.isnan(pairs.distances))
    training = _training(pairs, fold)
    if own.same.all() or not own.same.any() or not supports(training.different, _VAL_FAR):
        return None
    claimed = own.distances <= _threshold_at(training, _VAL_FAR)
    return float(claimed[own.same].mean()), float(claimed[~own.same].mean())


def _threshold_at(counts: _Counts, far: float) -> float:
    """The threshold with this FAR, linearly interpolated between candidates."""
    fars = counts.accepted_different / counts.different
    after = int(np.searchsorted(fars, far, side="left"))
    lower, upper = counts.thresholds[after - 1], counts.thresholds[after]
    if fars[after] == far or np.isinf(lower):
        return float(upper if fars[after] == far else lower)
    along = (far - fars[after - 1]) / (fars[after] - fars[after - 1])
    return float(lower + along * (upper - lower))


def _best_f1(curves: PairCurves) -> BestF1:
    best = int(curves.f1.argmax())
    return BestF1(
        float(curves.thresholds[best]), float(curves.f1[best]), float(curves.accuracy[best])
    )
