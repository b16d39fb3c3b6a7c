"""Plots of a training: what changes from step to step."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.ticker import FuncFormatter, MaxNLocator

from facebatch.report.plots.figure import (
    FIRST,
    MARK,
    SECOND,
    THIRD,
    Plot,
    axes_within,
    canvas,
    in_settings,
    percent,
    say_no_data,
)

_STYLES = ((FIRST, "-"), (SECOND, (0, (4, 1))), (THIRD, (0, (2, 1))), (MARK, (0, (1, 1))))


@in_settings
def over_steps(
    name: str,
    title: str,
    series: Mapping[str, Sequence[tuple[int, float | None]]],
    *,
    label: str,
    shares: bool = False,
) -> Plot:
    """Draws up to four lines over steps.

    Args:
        name: The plot's name.
        title: What it shows, for those who can't see it.
        series: Steps and values of each line; None is left out.
        label: What the values are.
        shares: Whether they are shares, 0..1.
    """
    figure = canvas()
    axes = axes_within(figure)
    plot = Plot(name, title, figure)
    drawn = {
        key: [(step, value) for step, value in line if value is not None and math.isfinite(value)]
        for key, line in series.items()
    }
    drawn = {key: line for key, line in drawn.items() if line}
    if not drawn:
        say_no_data(axes)
        return plot
    for (key, line), (colour, dashes) in zip(drawn.items(), _STYLES, strict=False):
        steps, values = np.array(line).T
        alone = "o" if len(steps) < 2 else None
        axes.plot(steps, values, color=colour, linestyle=dashes, label=key, marker=alone)
    if shares:
        axes.yaxis.set_major_formatter(FuncFormatter(percent))
        axes.set_ylim(top=1.02)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.set_xlabel("step")
    axes.set_ylabel(label)
    if len(drawn) > 1:
        axes.legend(loc="best")
    return plot
