from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from fontTools.colorLib.builder import buildCOLR, buildCPAL
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib.font_manager import fontManager
from PIL import Image

from facebatch.faces import fonts
from facebatch.faces.drawing import drawn
from facebatch.faces.fonts import MissingGlyph, families, isolated, lettered

NAMES = {
    "Latin, Greek, Cyrillic": "Ñandú Ωμέγα Жуков",
    "Arabic": "أحمد بن محمد",
    "Hebrew": "דוד בן־גוריון",
    "Chinese": "王小明 諸葛亮",
    "Japanese": "山田 さくら タロウ",
    "Korean": "김철수",
    "Devanagari": "नरेन्द्र क्षत्रिय",
    "Thai": "สมชาย",
    "emoji": "Zoë 👩🏽‍🚀❤️🎉",
}
PRIVATE = "\uf8a1"
"""A character that no font of a system has: it is there for everybody's own use."""


@pytest.fixture
def fresh(monkeypatch):
    """Nothing was looked for or said yet, and what is added to the fonts is forgotten."""
    monkeypatch.setattr(fonts, "_said", set())
    monkeypatch.setattr(fontManager, "ttflist", list(fontManager.ttflist))
    _forget()
    yield
    _forget()


def _forget():
    for remembered in (fonts._best, fonts._candidates, lettered):
        remembered.cache_clear()


def a_font(path: Path, name: str, *, coloured: bool = False) -> None:
    """Makes a font whose only visible glyph is a square for `PRIVATE`."""
    pen = TTGlyphPen(None)
    pen.moveTo((100, 0))
    for corner in ((100, 700), (900, 700), (900, 0)):
        pen.lineTo(corner)
    pen.closePath()
    builder = FontBuilder(1000)
    builder.setupGlyphOrder([".notdef", "square"])
    builder.setupCharacterMap({ord(PRIVATE): "square"})
    builder.setupGlyf({".notdef": TTGlyphPen(None).glyph(), "square": pen.glyph()})
    builder.setupHorizontalMetrics({".notdef": (1000, 0), "square": (1000, 100)})
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": name, "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    if coloured:
        builder.font["COLR"] = buildCOLR({"square": [("square", 0)]})
        builder.font["CPAL"] = buildCPAL([[(1.0, 0.0, 0.0, 1.0)]])
    builder.save(path)
    fontManager.addfont(path)


def skip_without_fonts(text):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        families(text)
    if caught:
        pytest.skip(f"{caught[0].message}")


@pytest.mark.parametrize("script", NAMES)
def test_names_of_every_script_are_drawn_without_an_empty_box(script, fresh):
    skip_without_fonts(NAMES[script])
    # A glyph that is missing is a warning, of ours and of matplotlib's, and so an error here.
    assert np.asarray(lettered(NAMES[script], 24)).max() == 255


@pytest.mark.parametrize("text", ["Ada", "أحمد", "Ωμέγα", "", "a\u200d\ufe0f\u2068b\u2069\x00"])
def test_what_comes_with_matplotlib_is_enough_for_much(text, fresh):
    assert families(text) == [fonts.BASE]


@pytest.mark.parametrize(
    ("name", "region"), [("山田 さくら", " JP"), ("金철수", " KR"), ("王小明", " SC")]
)
def test_chinese_characters_are_those_of_the_names_region(name, region, fresh):
    skip_without_fonts(name)
    found = families(name)
    if not any("CJK" in one for one in found):
        pytest.skip("the fonts here are of one region each")
    assert found[-1].endswith(region)


def test_arabic_letters_are_joined_and_run_from_the_right():
    alone, joined = lettered("ب", 60), lettered("ببب", 60)
    assert joined.width < 2.5 * alone.width, "in a word they are narrower"
    ink = np.asarray(lettered("اسس", 60)) > 128
    tall = ink.any(axis=0).nonzero()[0][ink.sum(axis=0)[ink.any(axis=0)].argmax()]
    assert tall > ink.shape[1] / 2, "the first letter, which is tall, stands at the right"


def test_a_probability_stays_behind_the_name_whatever_its_direction():
    mixed = np.asarray(lettered(f"{isolated('أحمد')} 99%", 40)) > 128
    digits = np.asarray(lettered("99%", 40)) > 128
    width = np.ptp(digits.any(axis=0).nonzero()[0]) + 1
    end = mixed.any(axis=0).nonzero()[0].max() + 1
    assert np.abs(mixed[:, end - width : end].sum() - digits.sum()) < 0.1 * digits.sum()


def test_a_glyph_that_is_missing_is_said_once_with_what_to_install(fresh):
    with pytest.warns(MissingGlyph, match=r"no font here has .*\n*.*facebatch\[fonts\]"):
        assert families(f"Ada {PRIVATE}") == [fonts.BASE]
    families(PRIVATE)  # a second warning would be an error
    with pytest.warns(MissingGlyph):
        families("\uf8a2")


def test_pictures_sheets_and_plots_say_which_glyph_is_missing(fresh):
    from facebatch.report.plots.people import projection

    picture = Image.new("RGB", (200, 100))
    with pytest.warns(MissingGlyph), pytest.warns(UserWarning, match="Glyph"):
        drawn(picture, [(10, 10, 50, 50)], [{"name": PRIVATE, "probability": 0.5}])
    fonts._said.clear()
    plot = projection(np.zeros((2, 2)), np.zeros(2, np.int64), [PRIVATE], {}, "PCA")
    plot.svg()  # where browsers have their own fonts
    with pytest.warns(MissingGlyph), pytest.warns(UserWarning, match="Glyph"):
        plot.png()


def test_a_font_of_the_system_that_has_the_character_is_found(fresh, tmp_path):
    a_font(tmp_path / "plain.ttf", "Plain Squares")
    assert families(f"Ada {PRIVATE}") == [fonts.BASE, "Plain Squares"]
    square = np.asarray(lettered(PRIVATE, 100)) > 128
    assert square.sum() == pytest.approx(80 * 70, rel=0.05)


def test_coloured_fonts_are_not_taken_since_they_would_be_drawn_empty(fresh, tmp_path):
    a_font(tmp_path / "coloured.ttf", "A Coloured Font", coloured=True)
    with pytest.warns(MissingGlyph):
        families(PRIVATE)
    a_font(tmp_path / "plain.ttf", "Plain Squares")
    _forget()
    assert families(PRIVATE) == [fonts.BASE, "Plain Squares"]


@pytest.mark.parametrize("name", ["A" * 300, "caf\udce9", "a\nb", ""])
def test_hostile_names_are_drawn_inside_the_picture(name):
    picture = Image.new("RGB", (120, 90))
    made = drawn(picture, [(100, 60, 119, 89)], [{"name": name, "probability": None}])
    assert made.size == picture.size
    assert np.asarray(made)[45:].any()


def test_only_the_label_and_the_box_are_drawn():
    picture = Image.new("RGB", (400, 300))
    made = np.asarray(drawn(picture, [(50, 50, 90, 100)], [{"name": "Ada", "probability": 0.9}]))
    assert not made[:49].any()
    assert not made[140:].any()
    label = made[103:125, 50:90]
    assert (label == (0, 200, 83)).all(axis=2).any(), "the label's ground"
    assert (label.max(axis=2) < 60).any(), "its letters"
