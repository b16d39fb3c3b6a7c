"""The page of a training: its figures, how they came about, and the triplets that are hardest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from facebatch.evaluate.pairs import PairCurves
from facebatch.report.evaluation import wording
from facebatch.report.evaluation.model import Content, Error, Gallery, Line
from facebatch.report.evaluation.page import render_evaluation
from facebatch.report.html.words import count
from facebatch.report.plots.data import Chart

PAGE = "report.html"
_FARS = ("0.1", "0.01", "0.001")
_POINTS = 200


def training_page(
    summary: Mapping[str, Any],
    metrics: Sequence[Mapping[str, Any]],
    curves: PairCurves,
    triplets: Sequence[Error],
) -> str:
    """Returns the page of a training, which fetches nothing.

    Args:
        summary: What the training gave, as its command prints it.
        metrics: The lines of its ``metrics.jsonl``.
        curves: Rates over thresholds on the people who are tested.
        triplets: The hardest triplets, three faces each.
    """
    measured = summary["figures"]
    people = summary["people"]
    return render_evaluation(
        Content(
            title=f"Training of {summary['name']}",
            summary=(
                f"{summary['settings']['backbone']} learned {summary['settings']['dimension']} "
                f"numbers a face from {count(summary['photos']['trained'], 'photo')} of "
                f"{count(people['trained'], 'person', 'people')}, in "
                f"{count(summary['step'], 'step')}. The figures are of "
                f"{count(people['tested'], 'person', 'people')} whom it never saw, and who had no "
                "part in the choice of that step.",
            ),
            headline={
                "accuracy": wording.percent(measured["accuracy"]),
                "equal error rate": wording.percent(measured["eer"]),
                "people trained on": f"{people['trained']:,}",
                "steps": f"{summary['step']:,}",
            },
            lines=tuple(_lines(summary)),
            charts=tuple(_charts(metrics, curves)),
            galleries=(
                Gallery(
                    "Triplets",
                    "What the network was learning from in the end: of people who are trained on "
                    "those faces that it holds for another person's rather than for their own. "
                    "Wrong labels stand out here.",
                    tuple(triplets),
                ),
            ),
        )
    )


def _lines(summary: Mapping[str, Any]) -> Iterator[Line]:
    measured = summary["figures"]
    yield Line(
        "Accuracy",
        f"{wording.percent(measured['accuracy'])} ± {100 * measured['accuracy_std']:.1f}",
        f"Share of right answers on {summary['pairs']:,} pairs of people who weren't trained on, "
        "half of them of one person, by folds of people.",
    )
    yield Line(
        "Equal error rate (EER)",
        wording.percent(measured["eer"]),
        "At the threshold where both errors are equally frequent.",
    )
    for far, tar in measured["tar_at_far"].items():
        if tar is not None:
            yield Line(
                f"TAR at FAR {wording.rate(float(far))}",
                wording.percent(tar),
                f"Share of one person's pairs that is recognised where "
                f"{wording.one_in(float(far))} pairs of two people may be taken for one.",
            )
    yield Line(
        "Accuracy that chose the step",
        wording.percent(summary["stopping"]["accuracy"]),
        "On other held-out people. The best of many evaluations is too good by a little.",
    )


def _charts(metrics: Sequence[Mapping[str, Any]], curves: PairCurves) -> Iterator[Chart]:
    from facebatch.report.plots import training, verification

    batches = [line for line in metrics if line["kind"] == "train"]
    scores = [line for line in metrics if line["kind"] == "evaluation"]
    losses = {"all": _smoothed([(line["step"], line["loss"]) for line in batches])}
    for part in batches[0]["parts"] if batches and len(batches[0]["parts"]) > 1 else ():
        losses[part] = _smoothed([(line["step"], line["parts"][part]) for line in batches])
    yield Chart(
        training.over_steps("loss", "Loss over steps", losses, label="loss"),
        "Loss",
        "What is minimised, in means over stretches of steps.",
    )
    accuracy = {"accuracy": [(line["step"], line["accuracy"]) for line in scores]}
    yield Chart(
        training.over_steps(
            "accuracy-steps", "Accuracy over steps", accuracy, label="accuracy", shares=True
        ),
        "Accuracy while learning",
        "On pairs of the held-out people who say when to stop; 50 % is chance.",
    )
    tars = {
        f"FAR {far}": [(line["step"], line["tar_at_far"].get(far)) for line in scores]
        for far in _FARS
    }
    yield Chart(
        training.over_steps("tar", "TAR at FAR over steps", tars, label="TAR", shares=True),
        "TAR at FAR while learning",
        "Share of one person's pairs that is recognised, at three false accept rates, on the same "
        "people.",
    )
    yield Chart(
        verification.roc(curves),
        "ROC curve",
        "In the end, on the people who are tested: TAR over FAR.",
    )


def _smoothed(line: Sequence[tuple[int, float]]) -> list[tuple[int, float | None]]:
    """Returns means over stretches, few enough to be drawn."""
    if not line:
        return []
    parts = np.array_split(np.array(line, np.float64), min(_POINTS, len(line)))
    return [(int(part[-1, 0]), float(part[:, 1].mean())) for part in parts]
