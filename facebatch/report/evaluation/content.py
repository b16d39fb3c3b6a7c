"""What the pages of evaluations say: figures, plots and errors of each kind of evaluation."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from facebatch.errors import UsageError
from facebatch.evaluate.clusters import ClusterScores
from facebatch.evaluate.detection import DetectionScores
from facebatch.evaluate.identification import IdentificationScores, TpirAtFpir
from facebatch.evaluate.pairs import PairScore, TarAtFar
from facebatch.faces.thumbnails import thumbnail
from facebatch.report.evaluation.page import (
    ERRORS_SHOWN,
    Chart,
    Content,
    Error,
    Face,
    Gallery,
    Kind,
    Line,
    Scores,
    Table,
)
from facebatch.report.html.words import count
from facebatch.report.plots import figure

Floats = npt.NDArray[np.floating[Any]]
Integers = npt.NDArray[np.integer]
Bools = npt.NDArray[np.bool_]
Details = Mapping[str, Any]

_HEATMAP_CHIP_SIDE = 48
_NONE = "—"


def explain(kind: Kind, scores: Scores, details: Details) -> Content:
    """Returns what the page of an evaluation says.

    Args:
        kind: Which evaluation it is.
        scores: Its scores, of the kind's own class.
        details: See `facebatch.report.evaluation.page.write_evaluation`.
    """
    explainers: dict[str, Callable[[Any, Details], Content]] = {
        "pairs": _pairs,
        "identification": _identification,
        "clusters": _clusters,
        "detection": _detection,
    }
    return explainers[kind](scores, details)


def _percent(value: float | None) -> str:
    """Returns a share with three or four digits: 98.3 %; a dash where it isn't known."""
    if value is None or not math.isfinite(value):
        return _NONE
    # Nearly all isn't all, and hardly any isn't none.
    digits = 1 if 0.001 < value < 0.999 or value in (0, 1) else 3
    return f"{100 * value:.{digits}f}\u00a0%"


def _distance(value: float | None) -> str:
    if value is None:
        return _NONE
    return f"{value:.3f}" if math.isfinite(value) else "none accepted"


def _one_in(rate: float) -> str:
    return f"1 in {round(1 / rate):,}"


def _known(value: float | None, meaning: str, why_not: str) -> str:
    return meaning if value is not None else why_not


def _rate(value: float) -> str:
    return f"{value:g}" if value >= 1e-3 else f"{value:.0e}".replace("e-0", "e-")


def _limited(number: int, noun: str, plural: str | None = None) -> str:
    worst = f"; the worst {ERRORS_SHOWN} are shown" if number > ERRORS_SHOWN else ""
    return f"{count(number, noun, plural)}{worst}."


# Pairs


def _pairs(scores: PairScore, details: Details) -> Content:
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
            "accuracy": _percent(scores.accuracy.mean),
            "equal error rate": _percent(scores.eer),
            "threshold (d2)": _distance(threshold),
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
        _percent(scores.accuracy.mean)
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
        _percent(without.mean if without else None),
        "The same without the pairs in which a photo has no face.",
    )
    yield Line(
        "AUC",
        _NONE if scores.auc is None else f"{scores.auc:.4f}",
        "How often a pair of one person is nearer than a pair of two: 1 is always, 0.5 is chance.",
    )
    yield Line(
        "Equal error rate (EER)",
        _percent(scores.eer),
        "At the threshold where both errors are equally frequent, this share is wrong either way: "
        "of one person's pairs, and of two people's. The threshold is "
        f"{_distance(scores.eer_threshold)}.",
    )
    for rate in scores.tar_at_far:
        yield _tar_line(rate, scores.different - scores.missing_different)
    val = scores.val_at_far
    if val:
        yield Line(
            f"VAL at FAR {_rate(val.far)}",
            f"{_percent(val.val)} ± {100 * val.std:.1f}",
            "The same question as facenet's evaluation asks it: the mean over folds of the share "
            "recognised, at the threshold that takes "
            f"{_one_in(val.far)} pairs of strangers for one person in the other folds "
            f"(in the fold itself {_percent(val.measured_far)}).",
        )
    best = scores.best_f1
    if best:
        yield Line(
            "Best F1",
            f"{best.f1:.3f}",
            "Harmonic mean of two shares: of the pairs claimed to be one person those that are, "
            "and of the pairs that are those that were claimed. It is best at the threshold "
            f"{_distance(best.threshold)}, chosen on all pairs at once.",
        )


def _tar_line(rate: TarAtFar, different: int) -> Line:
    return Line(
        f"TAR at FAR {_rate(rate.far)}",
        _percent(rate.tar),
        _known(
            rate.tar,
            f"Where {_one_in(rate.far)} pairs of strangers may be taken for one person (false "
            "accept rate), this share of one person's pairs is recognised (true accept rate). The "
            f"threshold is {_distance(rate.threshold)}.",
            f"Not known: {count(different, 'pair')} of two people can't show an error of "
            f"{_one_in(rate.far)}, or no pair is of one person.",
        ),
    )


def _pair_charts(scores: PairScore, details: Details, threshold: float | None) -> Iterator[Chart]:
    both_kinds = scores.auc is not None
    distances, same = _pair_arrays(details)
    if distances is not None and same is not None and np.isfinite(distances).any():
        yield Chart(
            figure.score_distributions(distances[same], distances[~same], threshold),
            "Distances",
            "The less the two hills overlap, the better. Blue right of the threshold is missed, "
            "orange left of it is a false match.",
        )
    if both_kinds:
        yield Chart(
            figure.roc(scores.curves),
            "ROC curve",
            "From a strict threshold at the left to a loose one: how many of one person's pairs "
            "are recognised for how many strangers taken for one person. The nearer to the upper "
            "left corner, the better.",
        )
        yield Chart(
            figure.det_pairs(scores.curves),
            "DET curve",
            "Both errors against each other; lower is better. The dotted line is where they are "
            "equal. A rate of 0 is drawn at the edge.",
        )
    if np.isfinite(scores.curves.thresholds).any():
        yield Chart(
            figure.accuracy_f1(scores.curves, threshold),
            "Accuracy and F1 over the threshold",
            "A broad top means that the exact threshold matters little.",
        )
    if both_kinds and distances is not None and same is not None:
        probability = _probability(distances, same, details)
        if probability is not None:
            yield Chart(
                figure.reliability(probability, same),
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
    except (UsageError, np.linalg.LinAlgError):
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
                    _distance(fold.threshold),
                    _percent(fold.accuracy),
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
        return Gallery(title, f"{_limited(len(rows), 'pair')} {text}", tuple(errors))

    order = np.argsort(distances, kind="stable")
    accepted = distances[order] <= limit
    known = np.isfinite(distances[order])
    yield gallery(
        "Worst false matches",
        f"Two people, yet within the threshold of {_distance(threshold)}; the nearest first.",
        order[accepted & ~same[order]],
    )
    yield gallery(
        "Worst misses",
        f"One person, yet beyond the threshold of {_distance(threshold)}; the farthest first.",
        order[~accepted & known & same[order]][::-1],
    )
    if not known.all():
        yield gallery(
            "Pairs without a face",
            "In one photo or both no face was found, or the photo couldn't be read.",
            np.flatnonzero(~np.isfinite(distances)),
        )


# Identification


def _identification(scores: IdentificationScores, details: Details) -> Content:
    point = _working_point(scores)
    missing = scores.missing_mated + scores.missing_non_mated
    notices = []
    if missing:
        notices.append(
            f"{count(missing, 'photo')} searched for had no face. Of known people "
            f"({scores.missing_mated:,}) they count as missed; of strangers "
            f"({scores.missing_non_mated:,}) they are left out, since they can't be taken for "
            "anybody."
        )
    if not scores.mated:
        notices.append("Nobody searched for is in the gallery, so no one could be found.")
    if not scores.non_mated:
        notices.append("No stranger was searched for, so false alarms aren't known.")
    return Content(
        title="Identification: who of a gallery is it?",
        summary=(
            f"The gallery holds {count(scores.gallery, 'person', 'people')}. "
            f"{count(scores.mated, 'photo')} of people in it and {scores.non_mated:,} of strangers "
            "were searched for. A photo is taken for the nearest person if that is within a "
            "threshold, and for a stranger if not.",
        ),
        headline={
            "right person nearest (rank 1)": _percent(scores.rank_1),
            "found, 1 in 100 strangers wrong": _percent(_tpir(scores, 1e-2)),
            "people in the gallery": f"{scores.gallery:,}",
            "photos searched for": f"{scores.mated + scores.non_mated:,}",
        },
        lines=tuple(_identification_lines(scores)),
        charts=tuple(_identification_charts(scores, details, point)),
        galleries=tuple(_identification_errors(details, point)),
        notices=tuple(notices),
    )


def _working_point(scores: IdentificationScores) -> TpirAtFpir | None:
    """Returns the threshold that errors are shown at: at FPIR 1e-2 or what is nearest to it."""
    known = [point for point in scores.at_fpir if point.threshold is not None]
    return min(known, key=lambda point: abs(math.log10(point.fpir) + 2), default=None)


def _tpir(scores: IdentificationScores, fpir: float) -> float | None:
    return next((point.tpir for point in scores.at_fpir if point.fpir == fpir), None)


def _identification_lines(scores: IdentificationScores) -> Iterator[Line]:
    for rank in (1, 5, 20):
        if rank <= len(scores.cmc):
            among = "the nearest one" if rank == 1 else f"among the {rank} nearest"
            yield Line(
                f"Rank {rank}",
                _percent(scores.cmc[rank - 1]),
                f"Share of photos of known people whose person is {among}, whatever the distance.",
            )
    for point in scores.at_fpir:
        yield Line(
            f"TPIR at FPIR {_rate(point.fpir)}",
            _percent(point.tpir),
            _known(
                point.tpir,
                f"Where {_one_in(point.fpir)} strangers may be taken for somebody (false positive "
                "identification rate), the right person is within the threshold for this share of "
                f"known people's photos, and the nearest one for {_percent(point.rank_1)}. The "
                f"threshold is {_distance(point.threshold)}.",
                f"Not known: too few strangers to show an error of {_one_in(point.fpir)}, or no "
                "known people.",
            ),
        )


def _identification_charts(
    scores: IdentificationScores, details: Details, point: TpirAtFpir | None
) -> Iterator[Chart]:
    distances, truth = _searches(details)
    if distances is not None and truth is not None and np.isfinite(distances).any():
        threshold = point.threshold if point else None
        mated = truth >= 0
        own = np.take_along_axis(distances, np.maximum(truth, 0)[:, None], axis=1)[:, 0]
        nearest = np.fmin.reduce(distances, axis=1)
        yield Chart(
            figure.score_distributions(
                own[mated], nearest[~mated], threshold, ("the right person", "strangers' nearest")
            ),
            "Distances",
            "Of known people to their own entry, and of strangers to whoever is nearest. The less "
            "they overlap, the better.",
        )
    if scores.cmc:
        yield Chart(
            figure.cmc(scores.cmc),
            "CMC curve",
            "How often the right person is among the nearest so many.",
        )
    if scores.cmc and np.isfinite(scores.det.fpir).any():
        yield Chart(
            figure.det_identification(scores.det),
            "DET curve",
            "Both errors against each other, from a strict threshold at the left to a loose one; "
            "lower is better. A rate of 0 is drawn at the edge.",
        )
    if distances is not None and truth is not None and "names" in details:
        yield from _identification_heatmap(distances, truth, details)


def _searches(details: Details) -> tuple[Floats | None, Integers | None]:
    if "scores" not in details or "truth" not in details:
        return None, None
    return np.asarray(details["scores"], np.float64), np.asarray(details["truth"], np.int64)


def _identification_heatmap(
    distances: Floats, truth: Integers, details: Details
) -> Iterator[Chart]:
    searched = np.bincount(truth[truth >= 0], minlength=distances.shape[1])
    people = np.sort(np.argsort(-searched, kind="stable")[: figure.HEATMAP_SIDE])
    people = people[searched[people] > 0]
    if len(people) < 2:
        return
    means = np.stack([_column_means(distances[truth == person]) for person in people])[:, people]
    chips = [
        thumbnail(chip, _HEATMAP_CHIP_SIDE)
        for chip in (_gallery_chip(details, person) for person in people.tolist())
    ]
    side = figure.Side([str(details["names"][person]) for person in people], chips)
    more = len(np.unique(truth[truth >= 0])) > len(people)
    yield Chart(
        figure.heatmap(means, side, side, ("photos searched for", "people of the gallery")),
        "Who is near whom",
        "Mean distance of each person's photos (rows) to the people of the gallery (columns). The "
        "diagonal should be bright and all else dark; a bright spot off it is two people who look "
        "alike." + (f" The {len(people)} people with the most photos are shown." if more else ""),
    )


def _column_means(rows: Floats) -> Floats:
    known = np.isfinite(rows)
    total = np.where(known, rows, 0).sum(axis=0)
    n = known.sum(axis=0)
    return np.where(n > 0, total / np.maximum(n, 1), np.nan)


def _gallery_chip(details: Details, person: int) -> bytes | None:
    by_name: Mapping[str, bytes] = details.get("gallery_chips", {})
    by_path: Mapping[str, bytes] = details.get("chips", {})
    if details["names"][person] in by_name:
        return by_name[details["names"][person]]
    return by_path.get(details["gallery"][person]) if "gallery" in details else None


def _identification_errors(details: Details, point: TpirAtFpir | None) -> Iterator[Gallery]:
    distances, truth = _searches(details)
    if distances is None or truth is None or not {"names", "probes"} <= details.keys():
        return
    limit = math.inf if point is None or point.threshold is None else point.threshold
    filled = np.where(np.isnan(distances), np.inf, distances)
    nearest = filled.argmin(axis=1)
    best = filled.min(axis=1)
    own = np.take_along_axis(filled, np.maximum(truth, 0)[:, None], axis=1)[:, 0]
    claimed = np.isfinite(best) & (best <= limit)
    false = np.flatnonzero(claimed & (nearest != truth))
    missed = np.flatnonzero((truth >= 0) & np.isfinite(best) & ((own > limit) | (nearest != truth)))
    beyond = ""
    if point and math.isfinite(limit):
        beyond = (
            f" within the threshold of {_distance(limit)}, where {_one_in(point.fpir)} strangers "
            "is taken for somebody"
        )
    and_within = f", or not{beyond}" if beyond else ""
    false = false[np.argsort(best[false], kind="stable")]
    missed = missed[np.argsort(-own[missed], kind="stable")]
    yield Gallery(
        "Worst false matches",
        f"{_limited(len(false), 'photo')} Somebody else is nearest{beyond}; the nearest first.",
        tuple(
            _search_error(details, row, int(nearest[row]), f"distance {best[row]:.3f}", "taken for")
            for row in false[:ERRORS_SHOWN].tolist()
        ),
    )
    yield Gallery(
        "Worst misses",
        f"{_limited(len(missed), 'photo')} The right person isn't nearest{and_within}; the "
        "farthest first.",
        tuple(
            _search_error(details, row, int(truth[row]), f"distance {own[row]:.3f}", "really")
            for row in missed[:ERRORS_SHOWN].tolist()
        ),
    )


def _search_error(details: Details, row: int, person: int, title: str, role: str) -> Error:
    path = details["probes"][row]
    probe = Face("searched for", path, details.get("chips", {}).get(path))
    entry = Face(role, str(details["names"][person]), _gallery_chip(details, person))
    return Error(title, (probe, entry))


# Clusters


def _clusters(scores: ClusterScores, details: Details) -> Content:
    return Content(
        title="Clusters: are people kept together and apart?",
        summary=(
            f"{count(scores.faces, 'face')} of {count(scores.people, 'person', 'people')} were "
            f"grouped into {count(scores.clusters, 'cluster')}; {scores.alone:,} stayed on their "
            "own. Precision asks whether a cluster holds one person only, recall whether a person "
            "is in one cluster only.",
        ),
        headline={
            "precision of pairs": _percent(scores.pairwise.precision),
            "recall of pairs": _percent(scores.pairwise.recall),
            "clusters": f"{scores.clusters:,}",
            "faces on their own": f"{scores.alone:,}",
        },
        lines=_cluster_lines(scores),
        charts=tuple(_cluster_charts(details)),
        tables=(_size_table(scores), *_mixing_tables(details)),
    )


def _cluster_lines(scores: ClusterScores) -> tuple[Line, ...]:
    pairs, faces = scores.pairwise, scores.bcubed
    return (
        Line(
            "Pairwise precision",
            _percent(pairs.precision),
            "Of all pairs of faces in one cluster, the share that is of one person. Less means "
            "that people were merged.",
        ),
        Line(
            "Pairwise recall",
            _percent(pairs.recall),
            "Of all pairs of one person's faces, the share that is in one cluster. Less means that "
            "people were split. People with many faces weigh most.",
        ),
        Line("Pairwise F", f"{pairs.f:.3f}", "The harmonic mean of the two: low if either is low."),
        Line(
            "BCubed precision",
            _percent(faces.precision),
            "For the average face: the share of its cluster that is of its person.",
        ),
        Line(
            "BCubed recall",
            _percent(faces.recall),
            "For the average face: the share of its person that is in its cluster. Every face "
            "weighs the same here.",
        ),
        Line("BCubed F", f"{faces.f:.3f}", "The harmonic mean of the two."),
        Line(
            "V-measure",
            f"{scores.v_measure.v:.3f}",
            "How much clusters tell of people (homogeneity "
            f"{scores.v_measure.homogeneity:.3f}) and people of clusters (completeness "
            f"{scores.v_measure.completeness:.3f}); 1 is all. Many single faces look homogeneous.",
        ),
        Line(
            "Purity",
            _percent(scores.purity.purity),
            "Share of faces that are of the commonest person of their cluster.",
        ),
        Line(
            "Inverse purity",
            _percent(scores.purity.inverse_purity),
            "Share of faces that are in the cluster that holds most of their person.",
        ),
        Line(
            "Faces on their own",
            _percent(scores.alone_share),
            "Share of faces that joined no cluster: too far from all others, or too poor.",
        ),
    )


def _cluster_charts(details: Details) -> Iterator[Chart]:
    labels = details.get("labels")
    if labels is None or not len(labels):
        return
    labels = np.asarray(labels)
    sizes = np.unique(labels[labels >= 0], return_counts=True)[1]
    yield Chart(
        figure.cluster_sizes(sizes, int((labels < 0).sum()), "clusters"),
        "Sizes of clusters",
        "How many clusters have how many faces of known people; faces on their own are clusters of "
        "one.",
    )
    if "truth" in details:
        true_sizes = np.unique(np.asarray(details["truth"]), return_counts=True)[1]
        yield Chart(
            figure.cluster_sizes(true_sizes, name="true-sizes"),
            "Sizes of people",
            "How many people truly have how many faces: what the plot beside it should look like.",
        )


def _size_table(scores: ClusterScores) -> Table:
    rows = tuple(
        (
            figure.size_range(entry.smallest, entry.largest),
            f"{entry.clusters:,}",
            f"{entry.faces:,}",
            _percent(entry.purity),
        )
        for entry in scores.by_size
    )
    return Table(
        "By size of the cluster",
        "Purity is the share of faces that are of the commonest person of their cluster.",
        ("Faces", "Clusters", "Faces in them", "Purity"),
        rows,
    )


def _mixing_tables(details: Details) -> Iterator[Table]:
    if not {"labels", "truth"} <= details.keys():
        return
    labels, truth = np.asarray(details["labels"]), np.asarray(details["truth"])
    grouped = labels >= 0
    merged = _spread_over(labels[grouped], truth[grouped])
    if merged:
        yield Table(
            "Clusters that mix people",
            f"{_limited(len(merged), 'cluster')} The worst have the most faces that aren't of "
            "their commonest person.",
            ("Cluster", "Faces", "People", "Not of the commonest"),
            tuple(merged[:ERRORS_SHOWN]),
        )
    split = _spread_over(truth[grouped], labels[grouped])
    if split:
        yield Table(
            "People who are split",
            f"{_limited(len(split), 'person', 'people')} The worst have the most faces outside the "
            "cluster that holds most of them; faces on their own aren't counted.",
            ("Person", "Faces", "Clusters", "Not in the largest"),
            tuple(split[:ERRORS_SHOWN]),
        )


def _spread_over(groups: npt.NDArray[Any], parts: npt.NDArray[Any]) -> list[tuple[str, ...]]:
    """Returns name, members, parts and members outside the largest part of each group with two."""
    names, group = np.unique(groups, return_inverse=True)
    _, part = np.unique(parts, return_inverse=True)
    cell, sizes = np.unique(np.stack([group, part]), axis=1, return_counts=True)
    members = np.bincount(group, minlength=len(names))
    n_parts = np.bincount(cell[0], minlength=len(names))
    largest = np.zeros(len(names), np.int64)
    np.maximum.at(largest, cell[0], sizes)
    outside = members - largest
    order = np.argsort(-outside, kind="stable")
    return [
        (str(names[row]), f"{members[row]:,}", f"{n_parts[row]:,}", f"{outside[row]:,}")
        for row in order[outside[order] > 0].tolist()
    ]


# Detection


def _detection(scores: DetectionScores, details: Details) -> Content:
    del details
    notices = []
    if scores.images_not_searched:
        notices.append(
            f"{count(scores.images_not_searched, 'photo')} of those with known faces weren't "
            "searched; their faces count as missed."
        )
    if scores.images_without_truth:
        notices.append(
            f"{count(scores.images_without_truth, 'photo')} searched have no known faces and "
            "aren't scored."
        )
    if not scores.faces:
        notices.append("There is no true face, so nothing could be found.")
    return Content(
        title="Detection: are the faces found?",
        summary=(
            f"{count(scores.images, 'photo')} with {count(scores.faces, 'face')} whose places are "
            f"known. A detection is right when it overlaps a true face by at least "
            f"{100 * scores.iou:g} % (intersection over union), or holds the point that marks it.",
        ),
        headline={
            "faces found (recall)": _percent(scores.recall),
            "detections that are faces": _percent(scores.precision),
            "average precision": _NONE
            if scores.average_precision is None
            else f"{scores.average_precision:.3f}",
            "false detections": f"{scores.false_detections:,}",
        },
        lines=_detection_lines(scores),
        charts=tuple(_detection_charts(scores)),
        notices=tuple(notices),
    )


def _detection_lines(scores: DetectionScores) -> tuple[Line, ...]:
    average = scores.average_precision
    return (
        Line(
            "Recall",
            _percent(scores.recall),
            f"Share of the true faces that were found: {scores.found:,} of {scores.faces:,}.",
        ),
        Line(
            "Precision",
            _percent(scores.precision),
            "Share of the detections that are faces: "
            f"{scores.found:,} of {scores.found + scores.false_detections:,}.",
        ),
        Line(
            "Average precision (AP)",
            _NONE if average is None else f"{average:.3f}",
            "Precision averaged over all recalls, from the surest detections to the least sure: 1 "
            "finds all faces and nothing else.",
        ),
        Line(
            "False detections",
            f"{scores.false_detections:,}",
            "Detections that are no face, or a face that was found already.",
        ),
        Line(
            "Left out",
            f"{scores.ignored_faces:,}",
            "True faces marked as not to be counted; "
            f"{count(scores.ignored_detections, 'detection')} of them count for nothing.",
        ),
    )


def _detection_charts(scores: DetectionScores) -> Iterator[Chart]:
    if len(scores.curve.score) and np.isfinite(scores.curve.recall).any():
        yield Chart(
            figure.precision_recall(scores.curve),
            "Precision and recall",
            "From the surest detections at the left to all of them at the right; the nearer to the "
            "upper right corner, the better.",
        )
    if any(entry.faces for entry in scores.by_size):
        yield Chart(
            figure.recall_by_size(scores.by_size),
            "Recall by size of the face",
            "Share of the faces of each size that were found; the numbers are found and all. Size "
            "is the root of the face's area in the full-size photo.",
        )
