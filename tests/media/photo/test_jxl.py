"""JPEG XL, by a decoder that may be missing, and JPEG 2000, by Pillow's own."""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from support.pictures import encode, gradient, with_orientation

from facebatch.errors import MediaError
from facebatch.media.limits import Limits
from facebatch.media.photo.decode import Photo
from facebatch.media.photo.jxl import size_of

pytest.importorskip("pillow_jxl")

UPRIGHT = np.asarray(gradient(64, 48))


def jxl(pixels: Any = UPRIGHT, **options: Any) -> bytes:
    return encode(pixels, "JXL", **{"effort": 1, **options})


@given(st.integers(1, 3000), st.integers(1, 3000), st.booleans())
@settings(max_examples=25, deadline=None)
def test_the_size_is_read_without_decoding(width: int, height: int, boxed: bool) -> None:
    data = jxl(Image.new("L", (width, height)), use_container=boxed)
    assert size_of(data) == (width, height)


@pytest.mark.parametrize("size", [(1920, 1080), (1280, 1024), (800, 600), (72, 48), (2400, 1200)])
def test_the_sizes_of_usual_ratios_are_read(size: tuple[int, int]) -> None:
    assert size_of(jxl(Image.new("L", size))) == size


def test_a_picture_is_decoded_with_its_facts_and_its_exif_turns_nothing() -> None:
    exif = with_orientation(6)
    exif[0x0132] = "2021:03:04 05:06:07"
    photo = Photo(jxl(exif=exif.tobytes(), lossless=True))
    facts = photo.facts
    assert (facts.format, facts.width, facts.height, facts.exif.orientation) == ("JXL", 64, 48, 1)
    assert facts.exif.captured_at == datetime(2021, 3, 4, 5, 6, 7)
    assert np.abs(np.asarray(photo.decode().pixels).astype(int) - UPRIGHT).max() == 0


def test_a_packed_jpeg_is_what_the_jpeg_was(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    gradient(64, 48).save(path, exif=with_orientation(6).tobytes(), quality=95)
    with Image.open(path) as opened, pytest.warns(UserWarning, match="reconstruction"):
        packed = encode(opened, "JXL")
    one, other = Photo(packed), Photo(path.read_bytes())
    assert (one.facts.width, one.facts.height) == (other.facts.width, other.facts.height)
    pixels = [np.asarray(photo.decode().pixels).astype(int) for photo in (one, other)]
    assert np.abs(pixels[0] - pixels[1]).max() <= 2


def test_a_size_beyond_the_limit_is_refused_before_anything_is_decoded() -> None:
    data = jxl()
    assert Photo(data, Limits(max_pixels=64 * 48)).facts.width == 64
    # A square of 2**30 lines, of which no pixel is there: a decoder would say that it is broken.
    huge = b"\xff\x0a" + (0b11 << 1 | (2**30 - 1) << 3 | 1 << 33).to_bytes(9, "little")
    for claimed, limits in ((data, Limits(max_pixels=64 * 48 - 1)), (huge, Limits())):
        with pytest.raises(MediaError) as caught:
            Photo(claimed, limits)
        assert caught.value.reason == "too_large"


@pytest.mark.parametrize("length", [2, 5, 12, 30, -40])
def test_what_is_broken_has_a_reason(length: int) -> None:
    for data in (jxl(), jxl(use_container=True), jxl(exif=with_orientation(3).tobytes())):
        with pytest.raises(MediaError) as caught:
            Photo(data[:length]).decode()
        assert caught.value.reason in ("corrupt", "truncated", "not_an_image")


def test_the_missing_decoder_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.jxl").write_bytes(jxl())
    program = f"""
import sys
sys.modules["pillow_jxl"] = None  # as if it weren't installed
from pathlib import Path
from facebatch.errors import MediaError
from facebatch.media.photo.decode import Photo
try:
    Photo(Path({str(tmp_path / "a.jxl")!r}).read_bytes())
except MediaError as error:
    print(error.reason, error.message)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.startswith("decoder_missing"), done.stderr
    assert "pip install 'facebatch[jxl]'" in done.stdout


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA"])
def test_jpeg_2000_is_read(mode: str) -> None:
    picture = Image.fromarray(UPRIGHT).convert(mode)
    photo = Photo(encode(picture, "JPEG2000"))
    assert (photo.facts.format, photo.facts.width) == ("JPEG2000", 64)
    pixels = np.asarray(photo.decode().pixels).astype(int)
    assert np.abs(pixels - np.asarray(picture.convert("RGB"))).max() <= 1


def test_jpeg_2000_beyond_the_limit_is_refused_and_a_cut_one_has_a_reason() -> None:
    data = encode(UPRIGHT, "JPEG2000")
    with pytest.raises(MediaError) as caught:
        Photo(data, Limits(max_pixels=100))
    assert caught.value.reason == "too_large"
    with pytest.raises(MediaError) as caught:
        Photo(data[:60]).decode()
    assert caught.value.reason in ("truncated", "corrupt", "not_an_image")
