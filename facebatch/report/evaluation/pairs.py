"""What the page of a verification says."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from facebatch.errors import UsageError
from facebatch.evaluate.pairs import PairScore, TarAtFar
from facebatch.report.evaluation import wording
from facebatch.report.evaluation.model import (
    ERRORS_SHOWN,
    Content,
    Details,
    Error,
    Face,
    Gallery,
    Line,
    Table,
)
from facebatch.report.html.words import count
from facebatch.report.plots import verification as plots
from facebatch.report.plots.data import Chart

Floats = npt.NDArray[np.floating[Any]]
Bools = npt.NDArray[np.bool_]


def explain_pairs(scores: PairScore, details: Details) -> Content:
    """Returns what the page says; its details are those of `write_evaluation`."""
    threshold = _pair_threshold(scores)
    total = scores.same + scores.different
    notices = []
    if scores.threshold_chosen_on_itself:
        notices.append(
            "All pairs are in one fold, so the threshold was chosen on the very pairs that it is "
            "judged by. The accuracy is therefore too good, and no result of LFW's protocol."
        )
    if scores.missing:
        notices.append(
            f"In {count(scores.missing, 'pair')} of {total:,} a photo has no face. They count as "
            "wrong answers in the accuracy and are left out of everything else."
        )
    return Content(
        title="Verification: do two photos show one person?",
        summary=(
            f"{count(scores.same, 'pair')} of one person and {scores.different:,} of two people "
            "were compared. Two faces are claimed to be one person's when their distance is at "
            "most a threshold; a distance of 0 is the same picture.",
        ),
        headline={
            "accuracy": wording.percent(scores.accuracy.mean),
            "equal error rate": wording.percent(scores.eer),
            "threshold (d2)": wording.distance(threshold),
            "pairs without a face": f"{scores.missing:,}",
        },
        lines=tuple(_pair_lines(scores)),
        charts=tuple(_pair_charts(scores, details, threshold)),
        tables=tuple(_fold_table(scores)),
        galleries=tuple(_pair_errors(details, threshold)),
        notices=tuple(notices),
    )


def _pair_threshold(scores: PairScore) -> float | None:
    """Returns the folds' mean threshold; None where none of them accepts anything."""
    finite = [fold.threshold for fold in scores.folds if math.isfinite(fold.threshold)]
    return float(np.mean(finite)) if finite else None


def _pair_lines(scores: PairScore) -> Iterator[Line]:
    folds = len(scores.folds)
    yield Line(
        "Accuracy",
        wording.percent(scores.accuracy.mean)
        + (f" ± {100 * scores.accuracy.std:.1f}" if folds > 1 else ""),
        "Share of right answers, pairs without a face counted as wrong. "
        + (
            f"The mean over {folds} folds, each judged at the threshold that is best for the "
            "others, and its standard deviation."
            if folds > 1
            else "The threshold was chosen on the same pairs."
        ),
    )
    without = scores.accuracy_without_missing
    yield Line(
        "Accuracy of pairs with two faces",
        wording.percent(without.mean if without else None),
        "The same without the pairs in which a photo has no face.",
    )
    yield Line(
        "AUC",
        wording.NOT_KNOWN if scores.auc is None else f"{scores.auc:.4f}",
        "How often a pair of one person is nearer than a pair of two: 1 is always, 0.5 is chance.",
    )
    yield Line(
        "Equal error rate (EER)",
        wording.percent(scores.eer),
        "At the threshold where both errors are equally frequent, this share is wrong either way: "
        "of one person's pairs, and of two people's. The threshold is "
        f"{wording.distance(scores.eer_threshold)}.",
    )
    for rate in scores.tar_at_far:
        yield _tar_line(rate, scores.different - scores.missing_different)
    val = scores.val_at_far
    if val:
        yield Line(
            f"VAL at FAR {wording.rate(val.far)}",
            f"{wording.percent(val.val)} ± {100 * val.std:.1f}",
            "The same question as facenet's evaluation asks it: the mean over folds of the share "
            "recognised, at the threshold that takes "
            f"{wording.one_in(val.far)} pairs of strangers for one person in the other folds "
            f"(in the fold itself {wording.percent(val.measured_far)}).",
        )
    best = scores.best_f1
    if best:
        yield Line(
            "Best F1",
            f"{best.f1:.3f}",
            "Harmonic mean of two shares: of the pairs claimed to be one person those that are, "
            "and of the pairs that are those that were claimed. It is best at the threshold "
            f"{wording.distance(best.threshold)}, chosen on all pairs at once.",
        )


def _tar_line(rate: TarAtFar, different: int) -> Line:
    return Line(
        f"TAR at FAR {wording.rate(rate.far)}",
        wording.percent(rate.tar),
        wording.known(
            rate.tar,
            f"Where {wording.one_in(rate.far)} pairs of strangers may be taken for one person "
            "(false accept rate), this share of one person's pairs is recognised (true accept "
            "rate). The "
            f"threshold is {wording.distance(rate.threshold)}.",
            f"Not known: {count(different, 'pair')} of two people can't show an error of "
            f"{wording.one_in(rate.far)}, or no pair is of one person.",
        ),
    )


def _pair_charts(scores: PairScore, details: Details, threshold: float | None) -> Iterator[Chart]:
    both_kinds = scores.auc is not None
    distances, same = _pair_arrays(details)
    if distances is not None and same is not None and np.isfinite(distances).any():
        yield Chart(
            plots.score_distributions(distances[same], distances[~same], threshold),
            "Distances",
            "The less the two hills overlap, the better. Blue right of the threshold is missed, "
            "orange left of it is a false match.",
        )
    if both_kinds:
        yield Chart(
            plots.roc(scores.curves),
            "ROC curve",
            "From a strict threshold at the left to a loose one: how many of one person's pairs "
            "are recognised for how many strangers taken for one person. The nearer to the upper "
            "left corner, the better.",
        )
        yield Chart(
            plots.det_pairs(scores.curves),
            "DET curve",
            "Both errors against each other; lower is better. The dotted line is where they are "
            "equal. A rate of 0 is drawn at the edge.",
        )
    if np.isfinite(scores.curves.thresholds).any():
        yield Chart(
            plots.accuracy_f1(scores.curves, threshold),
            "Accuracy and F1 over the threshold",
            "A broad top means that the exact threshold matters little.",
        )
    if both_kinds and distances is not None and same is not None:
        probability = _probability(distances, same, details)
        if probability is not None:
            yield Chart(
                plots.reliability(probability, same),
                "Are probabilities right?",
                "Of the pairs said to be of one person with 80\u00a0%, 80\u00a0% should be: points "
                "on the dotted line. Below, how many pairs that is (logarithmic). One person and "
                "two are taken as equally likely beforehand."
                + ("" if "probability" in details else " The curve was fitted to these pairs."),
            )


def _pair_arrays(details: Details) -> tuple[Floats | None, Bools | None]:
    if "distances" not in details or "same" not in details:
        return None, None
    return np.asarray(details["distances"], np.float64), np.asarray(details["same"], np.bool_)


def _probability(distances: Floats, same: Bools, details: Details) -> Floats | None:
    if "probability" in details:
        return np.asarray(details["probability"], np.float64)
    from facebatch.identify.fit_calibration import fit_logistic

    known = np.isfinite(distances)
    try:
        slope, intercept = fit_logistic(distances[known], same[known])
    except UsageError:
        return None
    odds = np.clip(slope * distances + intercept, -500, 500)
    return np.asarray(1 / (1 + np.exp(odds)), np.float64)


def _fold_table(scores: PairScore) -> Iterator[Table]:
    if len(scores.folds) > 1:
        yield Table(
            "Folds",
            "Each fold at the threshold that is best for the other folds.",
            ("Fold", "Pairs", "Without a face", "Threshold", "Accuracy"),
            tuple(
                (
                    str(fold.fold),
                    f"{fold.pairs:,}",
                    f"{fold.missing:,}",
                    wording.distance(fold.threshold),
                    wording.percent(fold.accuracy),
                )
                for fold in scores.folds
            ),
        )


def _pair_errors(details: Details, threshold: float | None) -> Iterator[Gallery]:
    distances, same = _pair_arrays(details)
    if distances is None or same is None or "pairs" not in details:
        return
    pairs: Sequence[tuple[str, str]] = details["pairs"]
    chips: Mapping[str, bytes] = details.get("chips", {})
    limit = -math.inf if threshold is None else threshold

    def gallery(title: str, text: str, rows: npt.NDArray[np.intp]) -> Gallery:
        errors = [
            Error(
                f"distance {distances[row]:.3f}" if np.isfinite(distances[row]) else "no distance",
                tuple(Face("", path, chips.get(path)) for path in pairs[row]),
            )
            for row in rows[:ERRORS_SHOWN].tolist()
        ]
        return Gallery(title, f"{wording.shown_of(len(rows), 'pair')} {text}", tuple(errors))

    order = np.argsort(distances, kind="stable")
    accepted = distances[order] <= limit
    known = np.isfinite(distances[order])
    yield gallery(
        "Worst false matches",
        f"Two people, yet within the threshold of {wording.distance(threshold)}; the nearest "
        "first.",
        order[accepted & ~same[order]],
    )
    yield gallery(
        "Worst misses",
        f"One person, yet beyond the threshold of {wording.distance(threshold)}; the farthest "
        "first.",
        order[~accepted & known & same[order]][::-1],
    )
    if not known.all():
        yield gallery(
            "Pairs without a face",
            "In one photo or both no face was found, or the photo couldn't be read.",
            np.flatnonzero(~np.isfinite(distances)),
        )
