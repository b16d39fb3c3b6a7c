"""What the page of an open-set identification says."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from facebatch.evaluate.identification import IdentificationScores, TpirAtFpir
from facebatch.faces.thumbnails import thumbnail
from facebatch.report.evaluation import wording
from facebatch.report.evaluation.model import (
    ERRORS_SHOWN,
    Content,
    Details,
    Error,
    Face,
    Gallery,
    Line,
)
from facebatch.report.html.words import count
from facebatch.report.plots import heatmap as heatmaps
from facebatch.report.plots import verification as plots
from facebatch.report.plots.data import Chart

Floats = npt.NDArray[np.floating[Any]]
Integers = npt.NDArray[np.integer]

_HEATMAP_CHIP_SIDE = 48


def explain_identification(scores: IdentificationScores, details: Details) -> Content:
    """Returns what the page says; its details are those of `write_evaluation`."""
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
            "right person nearest (rank 1)": wording.percent(scores.rank_1),
            "found, 1 in 100 strangers wrong": wording.percent(_tpir(scores, 1e-2)),
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
                wording.percent(scores.cmc[rank - 1]),
                f"Share of photos of known people whose person is {among}, whatever the distance.",
            )
    for point in scores.at_fpir:
        yield Line(
            f"TPIR at FPIR {wording.rate(point.fpir)}",
            wording.percent(point.tpir),
            wording.known(
                point.tpir,
                f"Where {wording.one_in(point.fpir)} strangers may be taken for somebody (false "
                "positive identification rate), the right person is within the threshold for "
                "this share of "
                f"known people's photos, and the nearest one for {wording.percent(point.rank_1)}. "
                f"The threshold is {wording.distance(point.threshold)}.",
                f"Not known: too few strangers to show an error of {wording.one_in(point.fpir)}, "
                "or no known people.",
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
            plots.score_distributions(
                own[mated], nearest[~mated], threshold, ("the right person", "strangers' nearest")
            ),
            "Distances",
            "Of known people to their own entry, and of strangers to whoever is nearest. The less "
            "they overlap, the better.",
        )
    if scores.cmc:
        yield Chart(
            plots.cmc(scores.cmc),
            "CMC curve",
            "How often the right person is among the nearest so many.",
        )
    if scores.cmc and np.isfinite(scores.det.fpir).any():
        yield Chart(
            plots.det_identification(scores.det),
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
    people = np.sort(np.argsort(-searched, kind="stable")[: heatmaps.HEATMAP_SIDE])
    people = people[searched[people] > 0]
    if len(people) < 2:
        return
    means = np.stack([_column_means(distances[truth == person]) for person in people])[:, people]
    chips = [
        thumbnail(chip, _HEATMAP_CHIP_SIDE)
        for chip in (_gallery_chip(details, person) for person in people.tolist())
    ]
    side = heatmaps.Side([str(details["names"][person]) for person in people], chips)
    more = len(np.unique(truth[truth >= 0])) > len(people)
    yield Chart(
        heatmaps.heatmap(means, side, side, ("photos searched for", "people of the gallery")),
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
            f" within the threshold of {wording.distance(limit)}, where "
            f"{wording.one_in(point.fpir)} strangers is taken for somebody"
        )
    and_within = f", or not{beyond}" if beyond else ""
    false = false[np.argsort(best[false], kind="stable")]
    missed = missed[np.argsort(-own[missed], kind="stable")]
    yield Gallery(
        "Worst false matches",
        f"{wording.shown_of(len(false), 'photo')} Somebody else is nearest{beyond}; the nearest "
        "first.",
        tuple(
            _search_error(details, row, int(nearest[row]), f"distance {best[row]:.3f}", "taken for")
            for row in false[:ERRORS_SHOWN].tolist()
        ),
    )
    yield Gallery(
        "Worst misses",
        f"{wording.shown_of(len(missed), 'photo')} The right person isn't nearest{and_within}; the "
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
