"""What the page of a detector's scores says."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from facebatch.evaluate.detection import DetectionScores
from facebatch.report.evaluation import wording
from facebatch.report.evaluation.model import (
    Content,
    Details,
    Line,
)
from facebatch.report.html.words import count
from facebatch.report.plots import detection as plots
from facebatch.report.plots.data import Chart


def explain_detection(scores: DetectionScores, details: Details) -> Content:
    """Returns what the page says; its details are those of `write_evaluation`."""
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
            "faces found (recall)": wording.percent(scores.recall),
            "detections that are faces": wording.percent(scores.precision),
            "average precision": wording.NOT_KNOWN
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
            wording.percent(scores.recall),
            f"Share of the true faces that were found: {scores.found:,} of {scores.faces:,}.",
        ),
        Line(
            "Precision",
            wording.percent(scores.precision),
            "Share of the detections that are faces: "
            f"{scores.found:,} of {scores.found + scores.false_detections:,}.",
        ),
        Line(
            "Average precision (AP)",
            wording.NOT_KNOWN if average is None else f"{average:.3f}",
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
            plots.precision_recall(scores.curve),
            "Precision and recall",
            "From the surest detections at the left to all of them at the right; the nearer to the "
            "upper right corner, the better.",
        )
    if any(entry.faces for entry in scores.by_size):
        yield Chart(
            plots.recall_by_size(scores.by_size),
            "Recall by size of the face",
            "Share of the faces of each size that were found; the numbers are found and all. Size "
            "is the root of the face's area in the full-size photo.",
        )
