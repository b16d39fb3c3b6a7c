"""What all plots share: a canvas of fixed size, axes, colours, and the way to SVG and PNG.

Figures are drawn without pyplot, on axes of fixed place, so that thumbnails can be laid on them
and the same input gives the same bytes. On a page their colours are the style sheet's; as PNG they
are black on white. They are made for the width of a phone, where text keeps its size.
"""

from __future__ import annotations

import functools
import io
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

import matplotlib as mpl
import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

from facebatch.faces.fonts import BASE, families
from facebatch.report.html.svg import Picture, inline
from facebatch.report.html.words import CONTROL_PICTURES, shortened

P = ParamSpec("P")
R = TypeVar("R")

INK, SOFT, LINE = "#1d1c1a", "#66635d", "#e3dfd8"
FIRST, SECOND, THIRD, MARK = "#1f6aa5", "#b4531a", "#4f7d2c", "#8a1f4b"
_ROLES = {
    INK: "currentColor",
    SOFT: f"var(--soft, {SOFT})",
    LINE: f"var(--plot-line, {LINE})",
    FIRST: f"var(--plot-1, {FIRST})",
    SECOND: f"var(--plot-2, {SECOND})",
    THIRD: f"var(--plot-3, {THIRD})",
    MARK: f"var(--plot-4, {MARK})",
}
"""What each colour becomes on a page, whose style sheet has one for light and one for dark."""

WIDTH, _HEIGHT = 360.0, 240.0
_POINTS = 72
_SVG_DPI, _PNG_DPI = 160, 200

_SETTINGS: dict[str, Any] = {
    "axes.edgecolor": SOFT,
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.axisbelow": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.facecolor": "white",
    "figure.dpi": _POINTS,
    "font.family": [BASE],
    "font.size": 9.5,
    "grid.color": LINE,
    "grid.linewidth": 0.8,
    "axes.labelsize": 9.5,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "lines.linewidth": 1.7,
    "path.simplify": True,
    "path.simplify_threshold": 0.3,
    "svg.fonttype": "none",
    "svg.hashsalt": "facebatch",
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": SOFT,
    "xtick.labelcolor": INK,
    "xtick.labelsize": 9,
    "ytick.color": SOFT,
    "ytick.labelcolor": INK,
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

    def svg(self) -> Markup:
        """Returns the plot as an element of a page, in the page's colours."""
        with warnings.catch_warnings():
            # Browsers have fonts of their own; here letters are only measured.
            warnings.filterwarnings("ignore", message="Glyph .* missing from")
            self._write_in(lambda _: [BASE])
            source = self._saved("svg", _SVG_DPI, {"Date": None}, transparent=True)
        return inline(source, self.name, self.title, _ROLES, self.pictures)

    def png(self) -> bytes:
        """Returns the plot as a PNG file, black on white.

        Warns:
            MissingGlyph: No font here has a character of a name.
        """
        self._write_in(families)
        data = self._saved("png", _PNG_DPI, {"Software": None})
        return _with_pictures(data, self.pictures) if self.pictures else data

    def _write_in(self, fonts_of: Callable[[str], list[str]]) -> None:
        for text in self.figure.findobj(Text):
            text.set_fontfamily(fonts_of(text.get_text()))

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
    with mpl.rc_context(settings):
        yield


def in_settings(function: Callable[P, R]) -> Callable[P, R]:
    """Lets a function draw with our settings of matplotlib."""

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


def canvas(width: float = WIDTH, height: float = _HEIGHT) -> Figure:
    """Returns an empty figure, its sides in points."""
    return Figure(figsize=(width / _POINTS, height / _POINTS), dpi=_POINTS)


def axes_within(
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


def say_no_data(axes: Axes) -> None:
    """Says that there is nothing to draw."""
    axes.set_axis_off()
    axes.text(0.5, 0.5, "nothing to show", ha="center", color=SOFT, transform=axes.transAxes)


def percent(value: float, _: object = None) -> str:
    """Returns a share as a tick's label."""
    return f"{100 * value:.6g} %"


def short_name(text: str, most: int) -> str:
    """Returns a name as a plot can hold it: one short line without control characters."""
    one_line = " ".join(str(text).encode("utf-8", "replace").decode().split())
    return shortened(one_line.translate(CONTROL_PICTURES), most)


def mark_threshold(axes: Axes, threshold: float | None) -> None:
    """Draws a line at a threshold, if it is finite."""
    if threshold is None or not math.isfinite(threshold):
        return
    axes.axvline(threshold, color=MARK, linestyle=(0, (5, 2)), linewidth=1.3)
    axes.annotate(
        f"threshold {threshold:.3f}",
        (threshold, 1),
        xycoords=("data", "axes fraction"),
        xytext=(0, 3),
        textcoords="offset points",
        ha="center",
        color=MARK,
        fontsize=9,
    )


def draw_bars(
    axes: Axes, labels: Sequence[str], heights: Sequence[float], notes: Sequence[str]
) -> None:
    """Draws bars with a label below and a note above each."""
    places = np.arange(len(labels))
    axes.bar(places, heights, color=FIRST, alpha=0.75, width=0.72)
    for place, height, note in zip(places, heights, notes, strict=True):
        at = (float(place), height)
        offset = (0, 3)
        axes.annotate(
            note, at, xytext=offset, textcoords="offset points", ha="center", fontsize=8.5
        )
    axes.set_xticks(places, labels)
    axes.grid(visible=False, axis="x")
