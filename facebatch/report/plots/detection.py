"""Plots of how well faces are found."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.ticker import FuncFormatter

from facebatch.evaluate.detection import DetectionCurve, SizeRecall
from facebatch.report.html.words import size_range
from facebatch.report.plots.figure import (
    FIRST,
    Plot,
    axes_within,
    canvas,
    draw_bars,
    in_settings,
    percent,
    say_no_data,
)


@in_settings
def precision_recall(curve: DetectionCurve) -> Plot:
    """Draws the share of detections that are faces over the share of faces that are found."""
    figure = canvas()
    axes = axes_within(figure)
    plot = Plot("precision-recall", "Precision over recall of detection", figure)
    drawn = np.isfinite(curve.recall)
    if not drawn.any():
        say_no_data(axes)
        return plot
    recall, precision = curve.recall[drawn], curve.precision[drawn]
    axes.plot([0, *recall], [precision[0], *precision], color=FIRST, drawstyle="steps-pre")
    axes.set_xlim(0, 1.01)
    axes.set_ylim(0, 1.03)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(percent))
    axes.set_xlabel("faces that are found (recall)")
    axes.set_ylabel("faces among detections")
    return plot


@in_settings
def recall_by_size(sizes: Sequence[SizeRecall]) -> Plot:
    """Draws the share of faces that are found, by their size."""
    figure = canvas()
    axes = axes_within(figure)
    shares = [entry.recall or 0.0 for entry in sizes]
    notes = [f"{entry.found:,}/{entry.faces:,}" if entry.faces else "none" for entry in sizes]
    ranges = [size_range(entry.smallest, entry.largest) for entry in sizes]
    draw_bars(axes, ranges, shares, notes)
    axes.set_ylim(0, 1.12)
    axes.set_yticks(np.linspace(0, 1, 6))
    axes.yaxis.set_major_formatter(FuncFormatter(percent))
    axes.set_xlabel("size of the face in pixels")
    axes.set_ylabel("found (recall)")
    return Plot("recall", "Recall by size of the face", figure)
