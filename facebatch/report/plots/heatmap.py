"""A heatmap of the distances between people, with their faces along its sides."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colors import Normalize

from facebatch.report.html.svg import Picture
from facebatch.report.plots.figure import (
    WIDTH,
    Plot,
    axes_within,
    canvas,
    in_settings,
    say_no_data,
    short_name,
)

Floats = npt.NDArray[np.floating[Any]]

HEATMAP_SIDE = 24
"""Rows and columns of a heatmap, beyond which it can't be read."""

_ON_DARK, _ON_LIGHT = "#fefefe", "#010101"


@dataclass(frozen=True)
class Side:
    """What stands along one side of a heatmap.

    Args:
        names: (n,) names.
        chips: (n,) small JPEGs, None where there is none.
    """

    names: Sequence[str]
    chips: Sequence[bytes | None]


@in_settings
def heatmap(distances: Floats, rows: Side, columns: Side, labels: tuple[str, str]) -> Plot:
    """Draws distances between two sets of people, with faces along the sides.

    Args:
        distances: (r, c) d2, NaN where there is none; sides beyond `HEATMAP_SIDE` are cut.
        rows: What stands at the left.
        columns: What stands above.
        labels: What rows and columns are.
    """
    distances = distances[:HEATMAP_SIDE, :HEATMAP_SIDE]
    n_rows, n_columns = distances.shape
    cell = min(30.0, 262 / max(n_rows, n_columns, 1))
    left, top = 92.0, 90.0
    width, height = cell * n_columns, cell * n_rows
    figure = canvas(WIDTH, top + height + 52)
    plot_name, title = "heatmap", f"Distances of {labels[0]} and {labels[1]}"
    axes = axes_within(figure, left=left, right=WIDTH - left - width, top=top, bottom=52)
    if not np.isfinite(distances).any():
        say_no_data(axes)
        return Plot(plot_name, title, figure)
    scale = Normalize(min(0.0, float(np.nanmin(distances))), float(np.nanmax(distances)) or 1.0)
    image = axes.imshow(
        distances, cmap="cividis_r", norm=scale, aspect="auto", interpolation="nearest"
    )
    _heatmap_sides(axes, rows, columns, distances.shape, cell)
    if cell >= 24:
        _heatmap_numbers(axes, distances, scale)
    total = top + height + 52
    bar = figure.add_axes((left / WIDTH, 32 / total, max(width, 120) / WIDTH, 7 / total))
    figure.colorbar(image, cax=bar, orientation="horizontal")
    bar.set_xlabel("mean distance: dark is far", fontsize=8.5, labelpad=2)
    bar.tick_params(labelsize=8)
    bar.grid(visible=False)
    side = min(cell - 1, 24.0)
    inset = (cell - side) / 2
    pictures = [
        Picture(chip, left - side - 3, top + place * cell + inset, side)
        for place, chip in enumerate(rows.chips[:n_rows])
        if chip
    ] + [
        Picture(chip, left + place * cell + inset, top - side - 3, side)
        for place, chip in enumerate(columns.chips[:n_columns])
        if chip
    ]
    return Plot(plot_name, title, figure, tuple(pictures))


def _heatmap_sides(
    axes: Axes, rows: Side, columns: Side, shape: tuple[int, ...], cell: float
) -> None:
    font = min(8.5, 0.72 * cell)
    for axis, side, count in ((axes.yaxis, rows, shape[0]), (axes.xaxis, columns, shape[1])):
        names = [short_name(name, 11) for name in side.names[:count]]
        axis.set_ticks(np.arange(count), names, fontsize=font)
        padding = min(cell, 25.0) + 3 if any(side.chips[:count]) else 3
        axis.set_tick_params(length=0, pad=padding)
    axes.xaxis.tick_top()
    for label in axes.get_xticklabels():
        label.set_rotation(90)
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _heatmap_numbers(axes: Axes, distances: Floats, scale: Normalize) -> None:
    for (row, column), value in np.ndenumerate(distances):
        if math.isfinite(value):
            light = scale(float(value)) < 0.5
            colour = _ON_LIGHT if light else _ON_DARK
            text = f"{value:.2f}".removeprefix("0")
            axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=8)
