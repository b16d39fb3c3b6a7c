"""Plots of people and clusters: their sizes, their history, their faces on a plane."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from facebatch.report.html.svg import Picture
from facebatch.report.html.words import size_range
from facebatch.report.plots.data import PEOPLE_COLOURED, Clustered
from facebatch.report.plots.figure import (
    FIRST,
    Plot,
    axes_within,
    canvas,
    draw_bars,
    in_settings,
    percent,
    say_no_data,
    short_name,
)

Floats = npt.NDArray[np.floating[Any]]
Integers = npt.NDArray[np.integer]

_THUMBNAIL_SIDE = 26.0
_SIZE_RANGES = ((1, 1), (2, 2), (3, 5), (6, 20), (21, 100), (101, None))

_PEOPLE = (
    *("#2b83c6", "#d9702a", "#4c9a3f", "#c2407f", "#8a63c9"),
    *("#a8862b", "#2a9c94", "#d1504f", "#7187a8", "#8f6a4c"),
)
"""Colours of people, which are seen on white and on black."""


@in_settings
def cluster_sizes(sizes: Integers, what: str = "people", name: str = "sizes") -> Plot:
    """Draws how many people, or clusters, have how many faces.

    Args:
        sizes: (n,) faces of each cluster.
        what: What they are called.
        name: The plot's name.
    """
    figure = canvas()
    axes = axes_within(figure)
    ranges = [(low, math.inf if high is None else high) for low, high in _SIZE_RANGES]
    counts = [int(((sizes >= low) & (sizes <= high)).sum()) for low, high in ranges]
    labels = [size_range(low, high) for low, high in _SIZE_RANGES]
    draw_bars(axes, labels, counts, [f"{number:,}" for number in counts])
    axes.set_ylim(0, max(1, *counts) * 1.13)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.set_xlabel("number of faces")
    axes.set_ylabel(what)
    return Plot(name, f"{what.capitalize()} by number of faces", figure)


@in_settings
def history(points: Sequence[Clustered]) -> Plot:
    """Draws faces, people, the share on their own and tau over the clusterings that are kept."""
    figure = canvas(height=250)
    places = np.arange(len(points))
    panels: tuple[tuple[str, list[float | None], Callable[[float, object], str]], ...] = (
        ("faces", [point.faces for point in points], lambda value, _: f"{value:,.0f}"),
        ("people", [point.people for point in points], lambda value, _: f"{value:,.0f}"),
        ("on their own", [point.unclustered for point in points], percent),
        ("tau (d2)", [point.tau for point in points], lambda value, _: f"{value:.4g}"),
    )
    for number, (title, values, shown) in enumerate(panels):
        column, row = number % 2, number // 2
        axes = axes_within(
            figure,
            left=46 + 180 * column,
            right=12 + 180 * (1 - column),
            top=22 + 118 * row,
            bottom=30 + 118 * (1 - row),
        )
        known = np.array([math.nan if value is None else value for value in values], np.float64)
        axes.plot(places, known, color=FIRST, marker="o", markersize=3.5)
        top = float(np.nanmax(known, initial=0.0))
        axes.set_ylim(0, 1.2 * top or 1)
        axes.set_xlim(-0.15, max(0.15, len(points) - 0.85))
        axes.set_title(title, fontsize=9.5, loc="left", pad=5)
        axes.yaxis.set_major_locator(MaxNLocator(nbins=3))
        axes.yaxis.set_major_formatter(FuncFormatter(shown))
        _first_and_last_day(axes, [point.day for point in points])
    return Plot("history", "Faces, people, faces on their own and tau over time", figure)


def _first_and_last_day(axes: Axes, days: Sequence[str]) -> None:
    last = len(days) - 1
    shown = [day if place in (0, last) else "" for place, day in enumerate(days)]
    axes.set_xticks(np.arange(len(days)), shown, fontsize=8)
    if last > 0:
        labels = axes.get_xticklabels()
        labels[0].set_horizontalalignment("left")
        labels[last].set_horizontalalignment("right")


@in_settings
def projection(
    points: Floats,
    people: Integers,
    names: Sequence[str],
    pictures: Mapping[int, bytes],
    method: str,
) -> Plot:
    """Draws faces on a plane, each person in a colour, with thumbnails where there is room.

    Args:
        points: (n, 2) places.
        people: (n,) number of each face's person among the names, -1 for everybody else.
        names: Names of the people that have a colour; beyond `PEOPLE_COLOURED` they are grey.
        pictures: Small JPEG by row; earlier ones have precedence where there is no room for all.
        method: What made the plane.
    """
    names = names[:PEOPLE_COLOURED]
    lines = math.ceil(len(names) / 2)
    bottom = 16 + 14 * lines
    figure = canvas(height=330 + bottom)
    axes = axes_within(figure, left=16, right=16, top=16, bottom=bottom)
    plot = Plot(
        f"projection-{method.lower()}", f"Faces on a plane by {method}, near ones alike", figure
    )
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    if not len(points):
        say_no_data(axes)
        return plot
    # Stated, since thumbnails are laid where points are before matplotlib would choose.
    for limit, values in ((axes.set_xlim, points[:, 0]), (axes.set_ylim, points[:, 1])):
        margin = 0.06 * float(np.ptp(values)) or 1.0
        limit(float(values.min()) - margin, float(values.max()) + margin)
    grey = (people < 0) | (people >= len(names))
    axes.scatter(
        points[grey, 0],
        points[grey, 1],
        s=5,
        color="#8c8a86",
        alpha=0.45,
        linewidths=0,
        rasterized=True,
    )
    for number, name in enumerate(names):
        x, y = points[people == number].T
        label, colour = short_name(name, 20), _PEOPLE[number]
        axes.scatter(x, y, s=9, color=colour, alpha=0.75, linewidths=0, rasterized=True)
        axes.scatter([], [], s=26, color=colour, label=label)
    placed = _placed(axes, points, pictures)
    for row, _ in placed:
        number = int(people[row])
        frame = _PEOPLE[number] if 0 <= number < len(names) else "#8c8a86"
        size = (_THUMBNAIL_SIDE + 3) ** 2
        x, y = points[row]
        axes.scatter(x, y, marker="s", s=size, color=frame, linewidths=0, clip_on=False)
    if names:
        figure.legend(
            loc="lower center",
            ncols=2,
            bbox_to_anchor=(0.5, 0),
            handletextpad=0.2,
            labelspacing=0.35,
            borderpad=0.2,
        )
    return Plot(plot.name, plot.title, figure, tuple(picture for _, picture in placed))


def _placed(axes: Axes, points: Floats, pictures: Mapping[int, bytes]) -> list[tuple[int, Picture]]:
    """Returns the thumbnails that don't cover an earlier one, with their rows."""
    height = float(axes.figure.bbox.height)
    taken: list[tuple[int, Picture]] = []
    for row, jpeg in pictures.items():
        x, y = (float(value) for value in axes.transData.transform(points[row]))
        left, top = x - _THUMBNAIL_SIDE / 2, height - y - _THUMBNAIL_SIDE / 2
        room = _THUMBNAIL_SIDE + 4
        if all(max(abs(left - p.x), abs(top - p.y)) >= room for _, p in taken):
            taken.append((row, Picture(jpeg, left, top, _THUMBNAIL_SIDE)))
    return taken
