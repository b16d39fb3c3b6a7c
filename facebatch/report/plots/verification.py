"""Plots of verification and open-set identification: distances, error rates, probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from facebatch.evaluate.identification import DetCurve
from facebatch.evaluate.pairs import PairCurves
from facebatch.report.plots.figure import (
    FIRST,
    SECOND,
    SOFT,
    Plot,
    axes_within,
    canvas,
    in_settings,
    mark_threshold,
    percent,
    say_no_data,
)

Floats = npt.NDArray[np.floating[Any]]
Bools = npt.NDArray[np.bool_]

_BINS = 60
_RELIABILITY_BINS = 10


@in_settings
def score_distributions(
    same: Floats,
    different: Floats,
    threshold: float | None,
    labels: tuple[str, str] = ("one person", "two people"),
    name: str = "distribution",
) -> Plot:
    """Draws how distances of the same and of different people are distributed.

    Args:
        same: (n,) d2; NaN is left out.
        different: (m,) d2; NaN is left out.
        threshold: d2 that is marked, if finite.
        labels: What the two are called.
        name: The plot's name.
    """
    figure = canvas()
    axes = axes_within(figure, top=18)
    kinds = [values[np.isfinite(values)] for values in (same, different)]
    both = np.concatenate(kinds)
    plot = Plot(name, f"Distribution of the distances of {' and of '.join(labels)}", figure)
    if not len(both):
        say_no_data(axes)
        return plot
    edges = np.linspace(min(0.0, float(both.min())), max(float(both.max()), 1e-6), _BINS + 1)
    styles = zip(kinds, labels, (FIRST, SECOND), ("-", (0, (2, 1))), strict=True)
    for values, label, colour, line in styles:
        if not len(values):
            continue
        heights = np.histogram(values, edges)[0] / max(1, len(values))
        axes.stairs(heights, edges, fill=True, color=colour, alpha=0.25, linewidth=0)
        axes.stairs(heights, edges, color=colour, linestyle=line, linewidth=1.5, label=label)
    axes.set_xlim(edges[0], edges[-1])
    axes.set_ylim(0, axes.get_ylim()[1] * 1.35)
    axes.set_xlabel("distance: less is more alike")
    axes.set_ylabel("share of comparisons")
    axes.yaxis.set_major_formatter(FuncFormatter(percent))
    axes.legend(loc="upper left" if (threshold or 0) > edges.mean() else "upper right")
    mark_threshold(axes, threshold)
    return plot


@in_settings
def roc(curves: PairCurves) -> Plot:
    """Draws the share of same pairs accepted over that of different ones, from strict to loose."""
    figure = canvas()
    axes = axes_within(figure)
    plot = Plot("roc", "ROC curve: true accept rate over false accept rate", figure)
    drawn = np.isfinite(curves.fpr) & np.isfinite(curves.tpr)
    if not drawn.any():
        say_no_data(axes)
        return plot
    fpr, tpr = curves.fpr[drawn], curves.tpr[drawn]
    floor = _floor(fpr)
    axes.plot(np.maximum(fpr, floor), tpr, color=FIRST, drawstyle="steps-post")
    _log_axis(axes, "x", floor)
    axes.set_ylim(min(0.9, max(0.0, float(tpr[fpr <= floor].max(initial=0)) - 0.05)), 1.004)
    axes.yaxis.set_major_formatter(FuncFormatter(percent))
    axes.set_xlabel("two people taken for one (FAR)")
    axes.set_ylabel("one person recognised (TAR)")
    return plot


def _floor(rates: Floats) -> float:
    """Returns what stands for 0 on a logarithmic axis: half the smallest rate above it."""
    above = rates[rates > 0]
    return float(above.min()) / 2 if len(above) else 0.5


def _log_axis(axes: Axes, which: str, floor: float) -> None:
    axis = axes.xaxis if which == "x" else axes.yaxis
    (axes.set_xscale if which == "x" else axes.set_yscale)("log")
    (axes.set_xlim if which == "x" else axes.set_ylim)(floor, 1.0)
    axis.set_major_formatter(FuncFormatter(percent))
    axis.set_minor_formatter(NullFormatter())


def det_pairs(curves: PairCurves) -> Plot:
    """Draws both errors of verification against each other, on logarithmic axes."""
    labels = "two people taken for one (FAR)", "one person missed (FRR)"
    return _det("det", curves.fpr, 1 - curves.tpr, labels)


def det_identification(det: DetCurve) -> Plot:
    """Draws both errors of open-set identification against each other, on logarithmic axes."""
    labels = "strangers taken for somebody (FPIR)", "known people missed (FNIR)"
    return _det("det", det.fpir, det.fnir, labels)


@in_settings
def _det(name: str, alarms: Floats, misses: Floats, labels: tuple[str, str]) -> Plot:
    figure = canvas()
    axes = axes_within(figure, left=60)
    plot = Plot(name, f"DET curve: {labels[1]} over {labels[0]}", figure)
    drawn = np.isfinite(alarms) & np.isfinite(misses)
    if not drawn.any():
        say_no_data(axes)
        return plot
    x, y = alarms[drawn], misses[drawn]
    floors = _floor(x), _floor(y)
    steps = np.maximum(x, floors[0]), np.maximum(y, floors[1])
    axes.plot(*steps, color=FIRST, drawstyle="steps-post")
    low = max(floors)
    axes.plot([low, 1], [low, 1], color=SOFT, linewidth=0.9, linestyle=(0, (1, 2)))
    _log_axis(axes, "x", floors[0])
    _log_axis(axes, "y", floors[1])
    axes.set_xlabel(labels[0])
    axes.set_ylabel(labels[1])
    return plot


@in_settings
def accuracy_f1(curves: PairCurves, threshold: float | None) -> Plot:
    """Draws accuracy and F1 of verification over the threshold.

    Args:
        curves: The rates.
        threshold: d2 that is marked, if finite.
    """
    figure = canvas()
    axes = axes_within(figure, top=18)
    plot = Plot("accuracy", "Accuracy and F1 over the threshold", figure)
    finite = np.isfinite(curves.thresholds)
    if not finite.any():
        say_no_data(axes)
        return plot
    at = curves.thresholds[finite]
    axes.plot(at, curves.accuracy[finite], color=FIRST, label="accuracy")
    axes.plot(at, curves.f1[finite], color=SECOND, linestyle=(0, (4, 1)), label="F1")
    axes.set_ylim(0, 1.02)
    axes.set_xlim(min(0.0, float(at[0])), max(float(at[-1]), 1e-6))
    axes.yaxis.set_major_formatter(FuncFormatter(percent))
    axes.set_yticks(np.linspace(0, 1, 6))
    axes.set_xlabel("threshold (d2)")
    axes.legend(loc="lower right")
    mark_threshold(axes, threshold)
    return plot


@in_settings
def reliability(probability: Floats, same: Bools) -> Plot:
    """Draws predicted probabilities against what share truly was one person.

    Each kind of pair weighs a half altogether, since probabilities are at equal priors.

    Args:
        probability: (n,) predicted, 0..1; NaN is left out.
        same: (n,) whether the pair is of one person.
    """
    figure = canvas(height=280)
    upper = axes_within(figure, bottom=110)
    lower = axes_within(figure, bottom=42, top=190)
    plot = Plot("reliability", "Reliability: share of one person over probability", figure)
    known = np.isfinite(probability)
    probability, same = probability[known], same[known]
    if not (same.any() and (~same).any()):
        say_no_data(upper)
        lower.set_axis_off()
        return plot
    weight = np.where(same, 0.5 / same.sum(), 0.5 / (~same).sum())
    edges = np.linspace(0, 1, _RELIABILITY_BINS + 1)
    total, right, predicted = (
        np.histogram(probability, edges, weights=values)[0]
        for values in (weight, weight * same, weight * probability)
    )
    counts = np.histogram(probability, edges)[0]
    filled = total > 0
    upper.plot([0, 1], [0, 1], color=SOFT, linewidth=0.9, linestyle=(0, (1, 2)))
    places = (predicted[filled] / total[filled], right[filled] / total[filled])
    upper.plot(*places, color=FIRST, marker="o", markersize=4)
    upper.set_ylabel("truly one person")
    upper.yaxis.set_major_formatter(FuncFormatter(percent))
    lower.bar(edges[:-1], counts, width=edges[1], align="edge", color=FIRST, alpha=0.5)
    lower.set_yscale("log")
    lower.set_ylim(0.5, max(10, 2 * int(counts.max())))
    lower.yaxis.set_minor_formatter(NullFormatter())
    lower.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    lower.set_ylabel("pairs")
    lower.set_xlabel("predicted probability of one person")
    lower.xaxis.set_major_formatter(FuncFormatter(percent))
    upper.tick_params(labelbottom=False)
    for axes in (upper, lower):
        axes.set_xlim(0, 1)
    return plot


@in_settings
def cmc(shares: Sequence[float]) -> Plot:
    """Draws how often the right identity is among the nearest.

    Args:
        shares: Share of mated probes whose identity is at rank 1, 2, ... or better.
    """
    figure = canvas()
    axes = axes_within(figure)
    plot = Plot("cmc", "CMC: share of probes whose person is among the nearest", figure)
    if not shares:
        say_no_data(axes)
        return plot
    ranks = np.arange(1, len(shares) + 1)
    axes.plot(ranks, shares, color=FIRST, marker="o", markersize=3.5)
    axes.set_xlim(0.5, len(shares) + 0.5)
    axes.set_ylim(max(0.0, min(shares) - 0.08), 1.004)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=10))
    axes.yaxis.set_major_formatter(FuncFormatter(percent))
    axes.set_xlabel("rank: people looked at, nearest first")
    axes.set_ylabel("right person among them")
    return plot
