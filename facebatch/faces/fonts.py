"""Names on pictures: which fonts have their letters, and how they become pixels.

Matplotlib, whose text is shaped and runs in both directions, draws for Pillow too, so that one list
of fonts holds for photos, contact sheets and plots. DejaVu Sans comes with it; what DejaVu lacks is
looked for among the fonts of the system and those of the packages of the extra ``fonts``. Fonts of
coloured bitmaps, as most of emoji are, can't be drawn.
"""

from __future__ import annotations

import importlib.util
import io
import math
import unicodedata
import warnings
from collections.abc import Iterable, Iterator
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.font_manager import FontEntry
    from PIL import Image

BASE = "DejaVu Sans"
"""The font that comes with matplotlib: Latin, Greek, Cyrillic, Arabic, Hebrew and some more."""

_PACKAGES = ("manimgx_fonts", "noto_cjk_sans_otc")
"""Of the extra ``fonts``: the scripts of Noto Sans with Noto Emoji, and Noto Sans CJK."""

_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp", "Zs"})
_SELECTORS = (range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0))
"""Variation selectors, which choose among glyphs and have none."""

_REGULAR = 400
_PADDING = 2  # pixels around letters, which reach beyond their measures
_DPI = 72

_said: set[str] = set()


class MissingGlyph(UserWarning):
    """No font has a character of a name, which is drawn as an empty box."""


def families(text: str) -> list[str]:
    """Returns the names of fonts that between them have every character of a text.

    They are matplotlib's names, in the order in which it is to ask them.

    Warns:
        MissingGlyph: No font has some; each character is named once a process.
    """
    found = [BASE]
    missing = {one for one in text if _is_visible(one)} - _held(BASE, text)
    while missing:
        name = _best(frozenset(missing), _region(text))
        if name is None:
            _say(missing)
            break
        found.append(name)
        missing -= _held(name, "".join(missing))
    return found


@lru_cache(512)
def lettered(text: str, height: int) -> Image.Image:
    """Returns a text as a mask for `PIL.ImageDraw.ImageDraw.bitmap`, in mode L, not to be changed.

    Args:
        text: One line. What can't be written in UTF-8 becomes a question mark.
        height: Size of the font in pixels.

    Warns:
        MissingGlyph: As for `families`.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure
    from PIL import Image, ImageOps

    text = text.encode("utf-8", "replace").decode()
    figure, pixels = Figure(dpi=_DPI), io.BytesIO()
    written = figure.text(0, 0, text, family=families(text), size=height, parse_math=False)
    box = written.get_window_extent()
    width, high = (math.ceil(side) + 2 * _PADDING for side in (box.width, box.height))
    figure.set_size_inches(width / _DPI, high / _DPI)
    written.set_position(((_PADDING - box.x0) / width, (_PADDING - box.y0) / high))
    with rc_context({"savefig.bbox": None, "savefig.transparent": False}):
        figure.savefig(pixels, format="png", dpi=_DPI, facecolor="white")
    with Image.open(pixels) as drawn:
        return ImageOps.invert(drawn.convert("L"))


def isolated(text: str) -> str:
    """Returns a name that what stands beside it can't reorder, whatever its direction (UAX #9)."""
    return f"\N{FIRST STRONG ISOLATE}{text}\N{POP DIRECTIONAL ISOLATE}"


def _is_visible(character: str) -> bool:
    if unicodedata.category(character) in _INVISIBLE:
        return False
    return not any(ord(character) in selectors for selectors in _SELECTORS)


def _held(name: str, text: Iterable[str]) -> set[str]:
    """Returns the characters of a text that the regular font of a family has."""
    from matplotlib.ft2font import FT2Font

    entry = next(one for one in _candidates() if one.name == name)
    font = FT2Font(entry.fname, face_index=entry.index)
    return {one for one in text if font.get_char_index(ord(one))}


def _region(text: str) -> str:
    """Returns how the names of fonts end whose Chinese characters are those of a text's region.

    The same characters are drawn otherwise in Japan and in Korea; where a name has no others than
    these, it is taken for a Chinese one.
    """
    if any("\u3040" <= one <= "\u30ff" for one in text):
        return " JP"
    return " KR" if any("\uac00" <= one <= "\ud7a3" for one in text) else " SC"


@lru_cache(512)
def _best(missing: frozenset[str], region: str) -> str | None:
    """Returns the family that has most of some characters; None where none has any."""
    best, most = None, (0, False)
    for entry in _candidates():
        fit = len(_held(entry.name, missing)), entry.name.endswith(region)
        if fit[0] and fit > most:
            best, most = entry.name, fit
    return best


@cache
def _candidates() -> tuple[FontEntry, ...]:
    """Returns one font of every family that can be drawn, those that suit a name first."""
    from matplotlib.font_manager import fontManager

    for path in _shipped():
        fontManager.addfont(path)
    best: dict[str, FontEntry] = {}
    for entry in sorted(fontManager.ttflist, key=_unfitness):
        best.setdefault(entry.name, entry)
    return tuple(filter(_is_drawable, best.values()))


def _unfitness(entry: FontEntry) -> tuple[object, ...]:
    """Sorts fonts: upright and regular ones first, then sans serif, then those of Noto."""
    name = entry.name
    weight = entry.weight if isinstance(entry.weight, int) else _REGULAR
    return (
        entry.style != "normal",
        abs(weight - _REGULAR),
        name != BASE,
        "Mono" in name or "Serif" in name,
        not name.startswith("Noto Sans"),
        name,
        entry.fname,
    )


def _is_drawable(entry: FontEntry) -> bool:
    from matplotlib.ft2font import FaceFlags, FT2Font

    if "Last Resort" in entry.name:
        return False
    try:
        flags = FT2Font(entry.fname, face_index=entry.index).face_flags
    except (OSError, RuntimeError):
        return False
    return FaceFlags.SCALABLE in flags and FaceFlags.COLOR not in flags


def _shipped() -> Iterator[Path]:
    for package in _PACKAGES:
        found = importlib.util.find_spec(package)
        for folder in (found and found.submodule_search_locations) or ():
            yield from sorted(Path(folder).glob("*.tt[cf]"))


def _say(missing: set[str]) -> None:
    fresh = sorted(missing - _said)
    if not fresh:
        return
    _said.update(fresh)
    warnings.warn(
        f"no font here has {' '.join(fresh)}: such characters are drawn as empty boxes. Fonts come "
        "with pip install 'facebatch[fonts]', or with the system (Debian: fonts-noto-core, "
        "fonts-noto-cjk)",
        MissingGlyph,
        stacklevel=3,
    )
