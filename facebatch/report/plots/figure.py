"""Plots of results: from arrays and result dataclasses to SVG for pages and PNG for papers.

The only module that imports matplotlib; import it where a plot is made and not before. Figures
are drawn without pyplot, on axes of fixed place, so that thumbnails can be laid on them and the
same input gives the same bytes. On a page their colours are the style sheet's; as PNG they are
black on white. They are made for the width of a phone, where text keeps its size.
"""

from __future__ import annotations

import functools
import io
import math
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from facebatch.evaluate.detection import DetectionCurve, SizeRecall
from facebatch.evaluate.identification import DetCurve
from facebatch.evaluate.pairs import PairCurves
from facebatch.report.html.elements import CONTROL_PICTURES, Html
from facebatch.report.html.svg import Picture, inline
from facebatch.report.html.words import shortened
from facebatch.report.overview import PEOPLE_COLOURED, Clustered

Floats = npt.NDArray[np.floating[Any]]
Integers = npt.NDArray[np.integer]
Bools = npt.NDArray[np.bool_]
P = ParamSpec("P")
R = TypeVar("R")

HEATMAP_SIDE = 24
"""Rows and columns of a heatmap, beyond which it can't be read."""

_INK, _SOFT, _LINE = "#1d1c1a", "#66635d", "#e3dfd8"
_FIRST, _SECOND, _THIRD, _MARK = "#1f6aa5", "#b4531a", "#4f7d2c", "#8a1f4b"
_ON_DARK, _ON_LIGHT = "#fefefe", "#010101"
_ROLES = {
    _INK: "currentColor",
    _SOFT: f"var(--soft, {_SOFT})",
    _LINE: f"var(--plot-line, {_LINE})",
    _FIRST: f"var(--plot-1, {_FIRST})",
    _SECOND: f"var(--plot-2, {_SECOND})",
    _THIRD: f"var(--plot-3, {_THIRD})",
    _MARK: f"var(--plot-4, {_MARK})",
}
"""What each colour becomes on a page, whose style sheet has one for light and one for dark."""

_PEOPLE = (
    *("#2b83c6", "#d9702a", "#4c9a3f", "#c2407f", "#8a63c9"),
    *("#a8862b", "#2a9c94", "#d1504f", "#7187a8", "#8f6a4c"),
)
"""Colours of people, which are seen on white and on black."""

_WIDTH, _HEIGHT = 360.0, 240.0
_POINTS = 72
_SVG_DPI, _PNG_DPI = 160, 200
_THUMBNAIL_SIDE = 26.0
_BINS = 60
_RELIABILITY_BINS = 10
_SIZE_RANGES = ((1, 1), (2, 2), (3, 5), (6, 20), (21, 100), (101, None))

_SETTINGS: dict[str, Any] = {
    "axes.edgecolor": _SOFT,
    "axes.grid": True,
    "axes.labelcolor": _INK,
    "axes.axisbelow": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.facecolor": "white",
    "figure.dpi": _POINTS,
    "font.family": ["DejaVu Sans"],
    "font.size": 9.5,
    "grid.color": _LINE,
    "grid.linewidth": 0.8,
    "axes.labelsize": 9.5,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "lines.linewidth": 1.7,
    "path.simplify": True,
    "path.simplify_threshold": 0.3,
    "svg.fonttype": "none",
    "svg.hashsalt": "facebatch",
    "text.color": _INK,
    "text.parse_math": False,
    "xtick.color": _SOFT,
    "xtick.labelcolor": _INK,
    "xtick.labelsize": 9,
    "ytick.color": _SOFT,
    "ytick.labelcolor": _INK,
    "ytick.labelsize": 9,
}

_RESET = frozenset(
    {
        *("axes", "figure", "font", "grid", "hatch", "image", "legend", "lines", "patch"),
        *("path", "savefig", "scatter", "svg", "text", "xaxis", "xtick", "yaxis", "ytick"),
    }
)
"""Groups of matplotlib's settings of which the user's don't hold here."""


@dataclass(frozen=True)
class Plot:
    """A plot that was drawn.

    Args:
        name: Begins the ids inside it; another for every plot of a page.
        title: What it shows, for those who can't see it.
        figure: Matplotlib's figure.
        pictures: Thumbnails that lie on it.
    """

    name: str
    title: str
    figure: Figure
    pictures: tuple[Picture, ...] = ()

    def svg(self) -> Html:
        """Returns the plot as an element of a page, in the page's colours."""
        source = self._saved("svg", _SVG_DPI, {"Date": None}, transparent=True)
        return inline(source, self.name, self.title, _ROLES, self.pictures)

    def png(self) -> bytes:
        """Returns the plot as a PNG file, black on white."""
        data = self._saved("png", _PNG_DPI, {"Software": None})
        return _with_pictures(data, self.pictures) if self.pictures else data

    def _saved(self, kind: str, dpi: int, metadata: dict[str, None], **options: Any) -> bytes:
        buffer = io.BytesIO()
        with _settings():
            self.figure.savefig(buffer, format=kind, dpi=dpi, metadata=metadata, **options)
        return buffer.getvalue()


@contextmanager
def _settings() -> Iterator[None]:
    """Makes matplotlib's own defaults and ours hold, whatever the user's settings are."""
    defaults = {
        name: value
        for name, value in mpl.rcParamsDefault.items()
        if name.partition(".")[0] in _RESET
    }
    settings: Any = {**defaults, **_SETTINGS}
    with warnings.catch_warnings(), mpl.rc_context(settings):
        # Names may be in a script that matplotlib's font lacks; browsers have it.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield


def _plotting(function: Callable[P, R]) -> Callable[P, R]:
    @functools.wraps(function)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> R:
        with _settings():
            return function(*args, **kwargs)

    return drawn


def _with_pictures(png: bytes, pictures: Sequence[Picture]) -> bytes:
    from PIL import Image

    scale = _PNG_DPI / _POINTS
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(png)) as opened:
        image = opened.convert("RGB")
    for picture in pictures:
        side = max(1, round(picture.side * scale))
        with Image.open(io.BytesIO(picture.jpeg)) as chip:
            small = chip.convert("RGB").resize((side, side), Image.Resampling.LANCZOS)
        image.paste(small, (round(picture.x * scale), round(picture.y * scale)))
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _canvas(width: float = _WIDTH, height: float = _HEIGHT) -> Figure:
    return Figure(figsize=(width / _POINTS, height / _POINTS), dpi=_POINTS)


def _axes(
    figure: Figure,
    *,
    left: float = 54,
    right: float = 20,
    top: float = 10,
    bottom: float = 42,
) -> Axes:
    """Returns axes with margins in points."""
    width, height = (side * _POINTS for side in figure.get_size_inches())
    place = (
        left / width,
        bottom / height,
        (width - left - right) / width,
        (height - top - bottom) / height,
    )
    return figure.add_axes(place)


def _no_data(axes: Axes) -> None:
    axes.set_axis_off()
    axes.text(0.5, 0.5, "nothing to show", ha="center", color=_SOFT, transform=axes.transAxes)


def _percent(value: float, _: object = None) -> str:
    return f"{100 * value:.6g} %"


def _shown(text: str, most: int) -> str:
    """Returns a name as a plot can hold it: one short line without control characters."""
    one_line = " ".join(str(text).encode("utf-8", "replace").decode().split())
    return shortened(one_line.translate(CONTROL_PICTURES), most)


def _mark_threshold(axes: Axes, threshold: float | None) -> None:
    if threshold is None or not math.isfinite(threshold):
        return
    axes.axvline(threshold, color=_MARK, linestyle=(0, (5, 2)), linewidth=1.3)
    axes.annotate(
        f"threshold {threshold:.3f}",
        (threshold, 1),
        xycoords=("data", "axes fraction"),
        xytext=(0, 3),
        textcoords="offset points",
        ha="center",
        color=_MARK,
        fontsize=9,
    )


@_plotting
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
    figure = _canvas()
    axes = _axes(figure, top=18)
    kinds = [values[np.isfinite(values)] for values in (same, different)]
    both = np.concatenate(kinds)
    plot = Plot(name, f"Distribution of the distances of {' and of '.join(labels)}", figure)
    if not len(both):
        _no_data(axes)
        return plot
    edges = np.linspace(min(0.0, float(both.min())), max(float(both.max()), 1e-6), _BINS + 1)
    styles = zip(kinds, labels, (_FIRST, _SECOND), ("-", (0, (2, 1))), strict=True)
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
    axes.yaxis.set_major_formatter(FuncFormatter(_percent))
    axes.legend(loc="upper left" if (threshold or 0) > edges.mean() else "upper right")
    _mark_threshold(axes, threshold)
    return plot


@_plotting
def roc(curves: PairCurves) -> Plot:
    """Draws the share of same pairs accepted over that of different ones, from strict to loose."""
    figure = _canvas()
    axes = _axes(figure)
    plot = Plot("roc", "ROC curve: true accept rate over false accept rate", figure)
    drawn = np.isfinite(curves.fpr) & np.isfinite(curves.tpr)
    if not drawn.any():
        _no_data(axes)
        return plot
    fpr, tpr = curves.fpr[drawn], curves.tpr[drawn]
    floor = _floor(fpr)
    axes.plot(np.maximum(fpr, floor), tpr, color=_FIRST, drawstyle="steps-post")
    _log_axis(axes, "x", floor)
    axes.set_ylim(min(0.9, max(0.0, float(tpr[fpr <= floor].max(initial=0)) - 0.05)), 1.004)
    axes.yaxis.set_major_formatter(FuncFormatter(_percent))
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
    axis.set_major_formatter(FuncFormatter(_percent))
    axis.set_minor_formatter(NullFormatter())


def det_pairs(curves: PairCurves) -> Plot:
    """Draws both errors of verification against each other, on logarithmic axes."""
    labels = "two people taken for one (FAR)", "one person missed (FRR)"
    return _det("det", curves.fpr, 1 - curves.tpr, labels)


def det_identification(det: DetCurve) -> Plot:
    """Draws both errors of open-set identification against each other, on logarithmic axes."""
    labels = "strangers taken for somebody (FPIR)", "known people missed (FNIR)"
    return _det("det", det.fpir, det.fnir, labels)


@_plotting
def _det(name: str, alarms: Floats, misses: Floats, labels: tuple[str, str]) -> Plot:
    figure = _canvas()
    axes = _axes(figure, left=60)
    plot = Plot(name, f"DET curve: {labels[1]} over {labels[0]}", figure)
    drawn = np.isfinite(alarms) & np.isfinite(misses)
    if not drawn.any():
        _no_data(axes)
        return plot
    x, y = alarms[drawn], misses[drawn]
    floors = _floor(x), _floor(y)
    steps = np.maximum(x, floors[0]), np.maximum(y, floors[1])
    axes.plot(*steps, color=_FIRST, drawstyle="steps-post")
    low = max(floors)
    axes.plot([low, 1], [low, 1], color=_SOFT, linewidth=0.9, linestyle=(0, (1, 2)))
    _log_axis(axes, "x", floors[0])
    _log_axis(axes, "y", floors[1])
    axes.set_xlabel(labels[0])
    axes.set_ylabel(labels[1])
    return plot


@_plotting
def accuracy_f1(curves: PairCurves, threshold: float | None) -> Plot:
    """Draws accuracy and F1 of verification over the threshold.

    Args:
        curves: The rates.
        threshold: d2 that is marked, if finite.
    """
    figure = _canvas()
    axes = _axes(figure, top=18)
    plot = Plot("accuracy", "Accuracy and F1 over the threshold", figure)
    finite = np.isfinite(curves.thresholds)
    if not finite.any():
        _no_data(axes)
        return plot
    at = curves.thresholds[finite]
    axes.plot(at, curves.accuracy[finite], color=_FIRST, label="accuracy")
    axes.plot(at, curves.f1[finite], color=_SECOND, linestyle=(0, (4, 1)), label="F1")
    axes.set_ylim(0, 1.02)
    axes.set_xlim(min(0.0, float(at[0])), max(float(at[-1]), 1e-6))
    axes.yaxis.set_major_formatter(FuncFormatter(_percent))
    axes.set_yticks(np.linspace(0, 1, 6))
    axes.set_xlabel("threshold (d2)")
    axes.legend(loc="lower right")
    _mark_threshold(axes, threshold)
    return plot


@_plotting
def reliability(probability: Floats, same: Bools) -> Plot:
    """Draws predicted probabilities against what share truly was one person.

    Each kind of pair weighs a half altogether, since probabilities are at equal priors.

    Args:
        probability: (n,) predicted, 0..1; NaN is left out.
        same: (n,) whether the pair is of one person.
    """
    figure = _canvas(height=280)
    upper = _axes(figure, bottom=110)
    lower = _axes(figure, bottom=42, top=190)
    plot = Plot("reliability", "Reliability: share of one person over probability", figure)
    known = np.isfinite(probability)
    probability, same = probability[known], same[known]
    if not (same.any() and (~same).any()):
        _no_data(upper)
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
    upper.plot([0, 1], [0, 1], color=_SOFT, linewidth=0.9, linestyle=(0, (1, 2)))
    places = (predicted[filled] / total[filled], right[filled] / total[filled])
    upper.plot(*places, color=_FIRST, marker="o", markersize=4)
    upper.set_ylabel("truly one person")
    upper.yaxis.set_major_formatter(FuncFormatter(_percent))
    lower.bar(edges[:-1], counts, width=edges[1], align="edge", color=_FIRST, alpha=0.5)
    lower.set_yscale("log")
    lower.set_ylim(0.5, max(10, 2 * int(counts.max())))
    lower.yaxis.set_minor_formatter(NullFormatter())
    lower.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    lower.set_ylabel("pairs")
    lower.set_xlabel("predicted probability of one person")
    lower.xaxis.set_major_formatter(FuncFormatter(_percent))
    upper.tick_params(labelbottom=False)
    for axes in (upper, lower):
        axes.set_xlim(0, 1)
    return plot


@_plotting
def cmc(shares: Sequence[float]) -> Plot:
    """Draws how often the right identity is among the nearest.

    Args:
        shares: Share of mated probes whose identity is at rank 1, 2, ... or better.
    """
    figure = _canvas()
    axes = _axes(figure)
    plot = Plot("cmc", "CMC: share of probes whose person is among the nearest", figure)
    if not shares:
        _no_data(axes)
        return plot
    ranks = np.arange(1, len(shares) + 1)
    axes.plot(ranks, shares, color=_FIRST, marker="o", markersize=3.5)
    axes.set_xlim(0.5, len(shares) + 0.5)
    axes.set_ylim(max(0.0, min(shares) - 0.08), 1.004)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=10))
    axes.yaxis.set_major_formatter(FuncFormatter(_percent))
    axes.set_xlabel("rank: people looked at, nearest first")
    axes.set_ylabel("right person among them")
    return plot


@_plotting
def precision_recall(curve: DetectionCurve) -> Plot:
    """Draws the share of detections that are faces over the share of faces that are found."""
    figure = _canvas()
    axes = _axes(figure)
    plot = Plot("precision-recall", "Precision over recall of detection", figure)
    drawn = np.isfinite(curve.recall)
    if not drawn.any():
        _no_data(axes)
        return plot
    recall, precision = curve.recall[drawn], curve.precision[drawn]
    axes.plot([0, *recall], [precision[0], *precision], color=_FIRST, drawstyle="steps-pre")
    axes.set_xlim(0, 1.01)
    axes.set_ylim(0, 1.03)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(_percent))
    axes.set_xlabel("faces that are found (recall)")
    axes.set_ylabel("faces among detections")
    return plot


@_plotting
def recall_by_size(sizes: Sequence[SizeRecall]) -> Plot:
    """Draws the share of faces that are found, by their size."""
    figure = _canvas()
    axes = _axes(figure)
    shares = [entry.recall or 0.0 for entry in sizes]
    notes = [f"{entry.found:,}/{entry.faces:,}" if entry.faces else "none" for entry in sizes]
    ranges = [size_range(entry.smallest, entry.largest) for entry in sizes]
    _bars(axes, ranges, shares, notes)
    axes.set_ylim(0, 1.12)
    axes.set_yticks(np.linspace(0, 1, 6))
    axes.yaxis.set_major_formatter(FuncFormatter(_percent))
    axes.set_xlabel("size of the face in pixels")
    axes.set_ylabel("found (recall)")
    return Plot("recall", "Recall by size of the face", figure)


def size_range(smallest: float, largest: float | None) -> str:
    """Returns a range of sizes as it is shown; None is without an end: ``21+``."""
    if largest is None:
        return f"{smallest:g}+"
    return f"{smallest:g}" if largest == smallest else f"{smallest:g}–{largest:g}"  # noqa: RUF001


def _bars(
    axes: Axes, labels: Sequence[str], heights: Sequence[float], notes: Sequence[str]
) -> None:
    places = np.arange(len(labels))
    axes.bar(places, heights, color=_FIRST, alpha=0.75, width=0.72)
    for place, height, note in zip(places, heights, notes, strict=True):
        at = (float(place), height)
        offset = (0, 3)
        axes.annotate(
            note, at, xytext=offset, textcoords="offset points", ha="center", fontsize=8.5
        )
    axes.set_xticks(places, labels)
    axes.grid(visible=False, axis="x")


@_plotting
def cluster_sizes(
    sizes: Integers, alone: int = 0, what: str = "people", name: str = "sizes"
) -> Plot:
    """Draws how many people, or clusters, have how many faces.

    Args:
        sizes: (n,) faces of each cluster.
        alone: Faces on their own, which are no cluster.
        what: What they are called.
        name: The plot's name.
    """
    figure = _canvas()
    axes = _axes(figure)
    ranges = [(low, math.inf if high is None else high) for low, high in _SIZE_RANGES]
    counts = [int(((sizes >= low) & (sizes <= high)).sum()) for low, high in ranges]
    counts[0] += alone
    labels = [size_range(low, high) for low, high in _SIZE_RANGES]
    _bars(axes, labels, counts, [f"{number:,}" for number in counts])
    axes.set_ylim(0, max(1, *counts) * 1.13)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.set_xlabel("number of faces")
    axes.set_ylabel(what)
    return Plot(name, f"{what.capitalize()} by number of faces", figure)


@_plotting
def history(points: Sequence[Clustered]) -> Plot:
    """Draws faces, people, the share on their own and tau over the clusterings that are kept."""
    figure = _canvas(height=250)
    places = np.arange(len(points))
    panels: tuple[tuple[str, list[float | None], Callable[[float, object], str]], ...] = (
        ("faces", [point.faces for point in points], lambda value, _: f"{value:,.0f}"),
        ("people", [point.people for point in points], lambda value, _: f"{value:,.0f}"),
        ("on their own", [point.alone for point in points], _percent),
        ("tau (d2)", [point.tau for point in points], lambda value, _: f"{value:.4g}"),
    )
    for number, (title, values, shown) in enumerate(panels):
        column, row = number % 2, number // 2
        axes = _axes(
            figure,
            left=46 + 180 * column,
            right=12 + 180 * (1 - column),
            top=22 + 118 * row,
            bottom=30 + 118 * (1 - row),
        )
        known = np.array([math.nan if value is None else value for value in values], np.float64)
        axes.plot(places, known, color=_FIRST, marker="o", markersize=3.5)
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


@dataclass(frozen=True)
class Side:
    """What stands along one side of a heatmap.

    Args:
        names: (n,) names.
        chips: (n,) small JPEGs, None where there is none.
    """

    names: Sequence[str]
    chips: Sequence[bytes | None]


@_plotting
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
    figure = _canvas(_WIDTH, top + height + 52)
    plot_name, title = "heatmap", f"Distances of {labels[0]} and {labels[1]}"
    axes = _axes(figure, left=left, right=_WIDTH - left - width, top=top, bottom=52)
    if not np.isfinite(distances).any():
        _no_data(axes)
        return Plot(plot_name, title, figure)
    scale = Normalize(min(0.0, float(np.nanmin(distances))), float(np.nanmax(distances)) or 1.0)
    image = axes.imshow(
        distances, cmap="cividis_r", norm=scale, aspect="auto", interpolation="nearest"
    )
    _heatmap_sides(axes, rows, columns, distances.shape, cell)
    if cell >= 24:
        _heatmap_numbers(axes, distances, scale)
    total = top + height + 52
    bar = figure.add_axes((left / _WIDTH, 32 / total, max(width, 120) / _WIDTH, 7 / total))
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
        names = [_shown(name, 11) for name in side.names[:count]]
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


@_plotting
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
    figure = _canvas(height=330 + bottom)
    axes = _axes(figure, left=16, right=16, top=16, bottom=bottom)
    plot = Plot(
        f"projection-{method.lower()}", f"Faces on a plane by {method}, near ones alike", figure
    )
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    if not len(points):
        _no_data(axes)
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
        label, colour = _shown(name, 20), _PEOPLE[number]
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
