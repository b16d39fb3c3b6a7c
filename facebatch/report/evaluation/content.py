"""What the pages of evaluations say: figures, plots and errors of each kind of evaluation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from facebatch.report.evaluation.clusters import explain_clusters
from facebatch.report.evaluation.detection import explain_detection
from facebatch.report.evaluation.identification import explain_identification
from facebatch.report.evaluation.model import Content, Details, Kind, Scores
from facebatch.report.evaluation.pairs import explain_pairs


def explain(kind: Kind, scores: Scores, details: Details) -> Content:
    """Returns what the page of an evaluation says.

    Args:
        kind: Which evaluation it is.
        scores: Its scores, of the kind's own class.
        details: See `facebatch.report.evaluation.write_evaluation`.
    """
    explainers: dict[str, Callable[[Any, Details], Content]] = {
        "pairs": explain_pairs,
        "identification": explain_identification,
        "clusters": explain_clusters,
        "detection": explain_detection,
    }
    return explainers[kind](scores, details)
