"""Cards are whole and true to what they describe; a damaged one is refused in one line."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facebatch.errors import CardError
from facebatch.models import registry
from facebatch.models.card import Input, parse

OWN = """
name = "mine"
kind = "embedder"
summary = "A network of my own."
format = "onnx"
dimension = 256
points = [[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]]
licence = "mine"
source = "trained at home"

[input]
size = 128
colour = "BGR"

[[files]]
name = "mine.onnx"
"""


def own(*changes: tuple[str, str]) -> bytes:
    text = OWN
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return text.encode()


def test_a_card_says_what_feeds_a_network():
    card = parse(own(), "mine.toml")
    assert card.input == Input(128, "BGR", (0, 0, 0), (1, 1, 1), "NCHW", "float32")
    assert (card.dimension, card.commercial, card.recommended) == (256, None, False)
    assert card.precision == "float32"
    assert [(file.name, file.model, file.pinned) for file in card.files] == [
        ("mine.onnx", "mine", None)
    ]
    template = card.chip_template()
    assert template.size == 128
    np.testing.assert_allclose(template.points[2], [64, 76.8])


def test_points_of_ones_own_are_a_template_of_their_own():
    moved = own(("[0.5, 0.6]", "[0.5, 0.61]"))
    names = {parse(content, "c").chip_template().name for content in (own(), own(), moved)}
    assert len(names) == 2


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ('name = "mine"', 'name = "../mine"', "name is"),
        ('name = "mine.onnx"', 'name = "../mine.onnx"', "files: name is"),
        ('kind = "embedder"', 'kind = "oracle"', "there are detector, embedder"),
        ("dimension = 256", "dimension = 0", "at least 1"),
        ("dimension = 256", "dimension = 2.5", "not of type int"),
        ("dimension = 256", "dimensions = 256", "has no dimension"),
        ("[0.5, 0.6]", "[50, 60]", "five pairs"),
        ("[0.5, 0.6],", "", "five pairs"),
        ('licence = "mine"', "", "has no licence"),
        ("size = 128", "size = 128\nspeed = 3", "unknown key: speed"),
        ("dimension = 256", 'dimension = 256\nprecision = "int4"', "there are float32, bfloat16"),
        (
            'format = "onnx"',
            'format = "facenet"\nprecision = "bfloat16"',
            "format facenet runs in float32 alone",
        ),
        ("size = 128", "size = 128\nstd = [1, 0, 1]", "above 0"),
        ("size = 128", "size = 128\nstd = [1, nan, 1]", "three numbers"),
        ("size = 128", 'size = 128\ndtype = "uint8"\nmean = [1, 1, 1]', "no mean or std"),
        ('name = "mine.onnx"', 'name = "mine.onnx"\nsha256 = "abc"', "sha256 is 'abc'"),
        ('name = "mine.onnx"', 'name = "mine.onnx"\nurl = "ftp://a/b"', "url is"),
        ('name = "mine.onnx"', 'name = "mine.onnx"\npackage = "some"', "has no requirement"),
        ("[[files]]", "[files]", "not of type list"),
        ("[[files]]", "[[others]]", "unknown key: others"),
        ('[[files]]\nname = "mine.onnx"', "", "names no files"),
        ("[input]", "[input", "isn't a model card"),
        ("points = [[0.3", 'template = "dlib-150"\npoints = [[0.3', "unknown key: template"),
        ("points = [[0.3", 'template = "dlib-150"\nspots = [[0.3', "unknown key: spots"),
    ],
)
def test_what_a_card_lacks_or_gets_wrong_is_named_in_one_line(old, new, what):
    with pytest.raises(CardError) as refused:
        parse(own((old, new)), "mine.toml")
    assert what in str(refused.value)
    assert "mine.toml" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_named_template_must_be_there_and_fit_the_input():
    points = OWN.partition("points")[2].partition("\n")[0]
    for name in ("no-such-template", "arcface-112"):
        card = parse(own((f"points{points}", f'template = "{name}"')), "mine.toml")
        with pytest.raises(CardError, match=name):
            card.chip_template()


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_whatever_is_given_as_a_card_is_read_or_refused(content):
    with pytest.raises(CardError):
        parse(content, "junk")


def test_a_file_comes_from_one_place():
    two = 'url = "https://host/a"\n[files.archive]\nname = "a.zip"\nsha256 = "' + "0" * 64 + '"'
    with pytest.raises(CardError, match="not from two"):
        parse(own(('name = "mine.onnx"', f'name = "mine.onnx"\n{two}')), "mine.toml")


@pytest.mark.parametrize("card", registry.CARDS.values(), ids=lambda card: card.name)
def test_a_shipped_card_pins_its_files_and_says_who_licenses_them(card):
    assert card.licence
    assert card.source
    assert all(file.pinned for file in card.files)
    if card.kind == "embedder":
        template = card.chip_template()
        assert template.size == card.input.size
        assert ((template.points > 0) & (template.points < template.size)).all()
