from __future__ import annotations

import io
import random
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps
from support.data import real_data
from support.examples import examples
from support.pictures import as_stored, encode, gradient, with_orientation

from facebatch.errors import MediaError
from facebatch.media.limits import DEFAULT_LIMITS
from facebatch.media.photo.decode import JPEG_SCALES, Photo

Pixels = npt.NDArray[np.uint8]

ORIENTATIONS = st.integers(1, 8)
SHARP = {"quality": 95, "subsampling": 0}
"""JPEG that keeps a mark in its place to a hundredth of a pixel."""


def marked(width: int, height: int, centre: tuple[int, int], half: int) -> Pixels:
    """Returns a black picture with a white square."""
    picture = np.zeros((height, width, 3), np.uint8)
    x, y = centre
    picture[y - half : y + half, x - half : x + half] = 255
    return picture


def found(pixels: Image.Image | Pixels) -> npt.NDArray[np.float64]:
    """Returns the middle of what is bright, (x, y), in corner coordinates of the picture."""
    grey = np.asarray(pixels, np.float64).sum(axis=2)
    grey[grey < 30] = 0
    rows, columns = np.mgrid[0 : grey.shape[0], 0 : grey.shape[1]] + 0.5
    return np.array([(columns * grey).sum(), (rows * grey).sum()]) / grey.sum()


@st.composite
def marked_pictures(draw: st.DrawFn) -> tuple[Pixels, tuple[int, int]]:
    """Upright pictures, most with sides that no scale divides, and the middle of their mark."""
    width, height = draw(st.integers(65, 420)), draw(st.integers(65, 420))
    # Off the edges, whose colour libjpeg repeats in the pixels that reach past the picture.
    half, margin = 16, 24
    x = draw(st.integers(margin, width - margin))
    y = draw(st.integers(margin, height - margin))
    return marked(width, height, (x, y), half), (x, y)


@examples(25, 200)
@given(marked_pictures(), ORIENTATIONS, st.sampled_from(JPEG_SCALES))
def test_a_mark_is_found_where_scale_and_offset_say(
    picture: tuple[Pixels, tuple[int, int]], orientation: int, scale: int
) -> None:
    upright, centre = picture
    stored = as_stored(upright, orientation)
    photo = Photo(encode(stored, "JPEG", exif=with_orientation(orientation), **SHARP))
    assert (photo.facts.width, photo.facts.height) == (upright.shape[1], upright.shape[0])
    decoded = photo.decode(scale)
    assert decoded.scale == scale
    assert found(decoded.pixels) * scale + decoded.offset == pytest.approx(centre, abs=0.15)


@examples(25, 200)
@given(marked_pictures(), ORIENTATIONS, st.sampled_from(JPEG_SCALES), st.integers(64, 500))
def test_a_mark_is_found_where_a_shrunk_picture_says(
    picture: tuple[Pixels, tuple[int, int]], orientation: int, scale: int, max_side: int
) -> None:
    upright, centre = picture
    stored = as_stored(upright, orientation)
    photo = Photo(encode(stored, "JPEG", exif=with_orientation(orientation), **SHARP))
    pixels, covered = photo.decode(scale).shrunk(max_side)
    height, width = upright.shape[:2]
    assert 0.95 * min(max_side, max(width, height)) <= max(pixels.shape[:2]) <= max_side
    assert (pixels.shape[1] * covered[0], pixels.shape[0] * covered[1]) == pytest.approx(
        (width, height)
    )
    # A fifth of the coarsest pixel in play: a whole-pixel mistake at any stage is five times that.
    tolerance = 0.2 * max(scale, *covered)
    assert found(pixels) * covered == pytest.approx(centre, abs=tolerance)


@pytest.mark.parametrize("scale", JPEG_SCALES)
def test_a_scaled_jpegs_pixel_covers_exactly_scale_pixels(scale: int) -> None:
    """The scale isn't full size over decoded size, which differs where no scale divides a side."""
    width, places = 1001, range(64, 900, 40)
    middles = []
    for x in places:
        data = encode(marked(width, 80, (x, 40), 16), "JPEG", **SHARP)
        middles.append(found(Photo(data).decode(scale).pixels)[0])
    slope, start = np.polyfit(middles, list(places), 1)
    assert slope == pytest.approx(scale, rel=1e-4)
    assert start == pytest.approx(0.0, abs=0.05)
    decoded = Photo(data).decode(scale).pixels.width
    assert decoded == -(-width // scale)
    if scale == 8:
        assert abs(width / decoded - slope) > 0.05


@given(ORIENTATIONS, st.integers(1, 9), st.integers(1, 9))
def test_our_storing_of_orientations_is_what_pillow_undoes(
    orientation: int, width: int, height: int
) -> None:
    upright = np.arange(width * height * 3, dtype=np.uint8).reshape(height, width, 3)
    data = encode(as_stored(upright, orientation), "PNG", exif=with_orientation(orientation))
    with Image.open(io.BytesIO(data)) as image:
        np.testing.assert_array_equal(np.asarray(ImageOps.exif_transpose(image)), upright)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_every_format_is_turned_upright_once(kind: str, orientation: int) -> None:
    upright = np.asarray(gradient(31, 17))
    stored = as_stored(upright, orientation)
    options = {"lossless": True} if kind == "WEBP" else {}
    photo = Photo(encode(stored, kind, exif=with_orientation(orientation), **options))
    assert (photo.facts.width, photo.facts.height) == (31, 17)
    assert photo.facts.exif.orientation == orientation
    picture = photo.decode()
    np.testing.assert_array_equal(np.asarray(picture.pixels), upright)
    assert (picture.scale, picture.offset) == (1, (0, 0))


@examples(12, 60)
@given(st.integers(1, 40), st.integers(1, 40), ORIENTATIONS, st.sampled_from(JPEG_SCALES))
def test_the_tiniest_jpeg_covers_its_picture_at_every_scale(
    width: int, height: int, orientation: int, scale: int
) -> None:
    stored = as_stored(np.asarray(gradient(width, height)), orientation)
    picture = Photo(encode(stored, exif=with_orientation(orientation))).decode(scale)
    for side, size, offset in zip(
        picture.pixels.size, (width, height), picture.offset, strict=True
    ):
        assert offset <= 0
        assert offset + side * picture.scale >= size
        assert side == -(-size // picture.scale)
    assert picture.shrunk(1024)[0].shape == (height, width, 3)


@pytest.mark.parametrize(("width", "height"), [(3000, 1), (1, 3000), (4000, 3), (8, 8), (1, 1)])
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_thin_and_tiny_pictures_shrink_to_at_least_a_pixel(
    kind: str, width: int, height: int
) -> None:
    photo = Photo(encode(gradient(width, height), kind))
    pixels, covered = photo.decode(photo.scale_for(64)).shrunk(64)
    assert pixels.shape[:2] == (max(1, round(height * min(1, 64 / width))), min(width, 64)) or (
        pixels.shape[:2] == (min(height, 64), 1)
    )
    assert (pixels.shape[1] * covered[0], pixels.shape[0] * covered[1]) == (width, height)


def test_a_picture_that_needs_no_shrinking_is_given_as_it_is() -> None:
    upright = np.asarray(gradient(100, 80))
    pixels, covered = Photo(encode(upright, "PNG")).decode().shrunk(100)
    np.testing.assert_array_equal(pixels, upright)
    assert covered == (1.0, 1.0)
    assert pixels.flags.c_contiguous


@pytest.mark.parametrize(
    ("size", "shrunk"),
    [
        ((4032, 3024), (1008, 756)),
        ((3000, 4000), (750, 1000)),
        ((4160, 3120), (1024, 768)),
        ((2048, 16), (1024, 8)),
        ((2046, 15), (1024, 8)),
    ],
)
def test_pictures_of_nearly_whole_multiples_shrink_by_whole_blocks(
    size: tuple[int, int], shrunk: tuple[int, int]
) -> None:
    photo = Photo(encode(gradient(*size)))
    picture = photo.decode(photo.scale_for(1400))
    pixels, covered = picture.shrunk(1024)
    assert pixels.shape[1::-1] == shrunk
    assert covered == (size[0] / shrunk[0], size[1] / shrunk[1])
    smooth = picture.pixels.resize(shrunk, Image.Resampling.BILINEAR)
    # The third channel is rough, where averaging blocks and weighing their neighbours differ.
    assert np.abs(pixels.astype(int) - np.asarray(smooth))[..., :2].mean() < 2


@pytest.mark.parametrize(
    ("long_side", "scale"), [(8191, 4), (8192, 8), (4095, 2), (4096, 4), (2047, 1), (2048, 2)]
)
@pytest.mark.parametrize("kind", ["JPEG", "MPO"])
def test_detection_decodes_at_the_coarsest_scale_that_fills_its_side(
    kind: str, long_side: int, scale: int
) -> None:
    photo = Photo(encode(gradient(long_side, 16), kind))
    assert photo.scale_for(1024) == scale
    picture = photo.decode(scale)
    assert (picture.scale, picture.pixels.width) == (scale, -(-long_side // scale))


def test_what_is_no_jpeg_is_decoded_in_full() -> None:
    photo = Photo(encode(gradient(2048, 16), "PNG"))
    assert photo.scale_for(100) == 1
    assert photo.decode(8).scale == 1
    assert photo.decode(8).pixels.size == (2048, 16)


def decoded(data: bytes) -> Pixels:
    picture = Photo(data).decode().pixels
    assert picture.mode == "RGB"
    return np.asarray(picture)


ORANGE = (230, 140, 20)


def flat(mode: str = "RGB") -> Image.Image:
    picture = Image.new("RGB", (24, 16), ORANGE)
    return picture.quantize(4) if mode == "P" else picture.convert(mode)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (encode(flat(), "JPEG"), "JPEG"),
        (encode(flat(), "JPEG", progressive=True), "JPEG"),
        (encode(flat("CMYK"), "JPEG"), "JPEG"),
        (encode(flat(), "PNG"), "PNG"),
        (encode(flat("P"), "PNG"), "PNG"),
        (encode(flat("P"), "GIF"), "GIF"),
        (encode(flat("RGBA"), "PNG"), "PNG"),
        (encode(flat(), "WEBP"), "WEBP"),
        (encode(flat(), "BMP"), "BMP"),
        (encode(flat(), "TIFF"), "TIFF"),
        (encode(flat(), "TIFF", compression="tiff_lzw"), "TIFF"),
        (encode(flat("CMYK"), "TIFF"), "TIFF"),
        (encode(flat(), "MPO", save_all=True, append_images=[gradient(24, 16)]), "MPO"),
    ],
    ids=lambda value: "" if isinstance(value, bytes) else value,
)
def test_every_format_and_mode_gives_the_colours_it_shows(data: bytes, kind: str) -> None:
    pixels = decoded(data)
    assert Photo(data).facts.format == kind
    assert pixels.shape == (16, 24, 3)
    # JPEG and palettes move a flat colour by a few levels.
    assert np.abs(pixels.astype(int) - ORANGE).max() <= 6


@pytest.mark.parametrize("extension", ["png", "jpg", "tif"])
def test_the_content_decides_and_the_extension_doesnt(extension: str, tmp_path: Any) -> None:
    (tmp_path / f"photo.{extension}").write_bytes(encode(flat(), "WEBP"))
    assert Photo((tmp_path / f"photo.{extension}").read_bytes()).facts.format == "WEBP"


def test_an_animation_shows_its_first_frame() -> None:
    frames = [Image.new("RGB", (24, 16), colour) for colour in (ORANGE, "blue", "green")]
    data = encode(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert np.abs(decoded(data).astype(int) - ORANGE).max() <= 6


def test_a_multi_picture_file_shows_its_first_picture_at_any_scale() -> None:
    data = encode(flat(), "MPO", save_all=True, append_images=[Image.new("RGB", (24, 16), "blue")])
    for scale in JPEG_SCALES:
        picture = Photo(data).decode(scale)
        assert picture.scale == scale
        assert np.abs(np.asarray(picture.pixels).astype(int) - ORANGE).max() <= 6


def half_transparent(mode: str) -> Image.Image:
    picture = Image.new("RGBA", (24, 16), (*ORANGE, 255))
    picture.paste((0, 0, 0, 0), (12, 0, 24, 16))
    return picture.convert(mode)


@pytest.mark.parametrize(
    "data",
    [
        encode(half_transparent("RGBA"), "PNG"),
        encode(half_transparent("RGBA"), "WEBP", lossless=True),
        encode(half_transparent("RGBA"), "TIFF"),
        encode(half_transparent("RGBA"), "GIF"),
    ],
    ids=["PNG", "WEBP", "TIFF", "GIF"],
)
def test_what_is_transparent_becomes_white(data: bytes) -> None:
    pixels = decoded(data).astype(int)
    assert np.abs(pixels[:, :11] - ORANGE).max() <= 6
    assert (pixels[:, 13:] == 255).all()


def test_a_transparent_palette_colour_becomes_white() -> None:
    picture = Image.new("P", (4, 4), 1)
    picture.putpalette([0, 0, 0, *ORANGE, 0, 0, 0])
    picture.putpixel((0, 0), 2)
    pixels = decoded(encode(picture, "PNG", transparency=2))
    assert tuple(pixels[0, 0]) == (255, 255, 255)
    assert tuple(pixels[1, 1]) == ORANGE


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bit_grey_keeps_its_tones(kind: str) -> None:
    ramp = np.linspace(0, 65_535, 256).astype(np.uint16).reshape(16, 16)
    pixels = decoded(encode(Image.fromarray(ramp), kind))
    np.testing.assert_allclose(pixels[..., 0].ravel(), np.arange(256), atol=1)
    assert (pixels[..., 0] == pixels[..., 2]).all()


def test_grey_in_unit_floats_keeps_its_tones() -> None:
    ramp = np.linspace(0, 1, 256, dtype=np.float32).reshape(16, 16)
    ramp[0, 0] = np.nan
    pixels = decoded(encode(Image.fromarray(ramp), "TIFF"))
    np.testing.assert_allclose(pixels[..., 0].ravel(), np.arange(256), atol=1)


def test_bilevel_and_grey_become_rgb() -> None:
    for mode in ("1", "L", "LA"):
        assert decoded(encode(Image.new("L", (9, 9), 255).convert(mode), "PNG")).min() == 255


def test_sixteen_bit_colour_keeps_its_tones() -> None:
    rows = b"".join(b"\0" + struct.pack(">3H", 65_535, 32_768, 0) * 4 for _ in range(4))
    pixels = decoded(png(4, 4, zlib.compress(rows), depth=16, colour=2))
    np.testing.assert_allclose(pixels[0, 0], (255, 128, 0), atol=1)


def png(width: int, height: int, data: bytes, depth: int = 8, colour: int = 2) -> bytes:
    """Returns a PNG with a header that may lie (RFC 2083, chapter 3)."""

    def chunk(name: bytes, body: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(name + body))
        return struct.pack(">I", len(body)) + name + body + checksum

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    chunks = (chunk(b"IHDR", header), chunk(b"IDAT", data), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def reason(data: bytes) -> str:
    """Returns the reason code that bytes end with, on opening or on decoding."""
    with pytest.raises(MediaError) as caught:
        Photo(data).decode()
    assert caught.value.message
    return caught.value.reason


WHOLE = {kind: encode(gradient(), kind) for kind in ("JPEG", "PNG", "BMP", "TIFF", "GIF", "WEBP")}


def test_a_file_without_bytes_is_empty() -> None:
    assert reason(b"") == "empty"


@pytest.mark.parametrize(
    "data", [b"\n", b"<html>not found</html>", bytes(5000), b"%PDF-1.4", b"\xff\xd8\xff", b"RIFF"]
)
def test_what_no_decoder_knows_is_not_an_image(data: bytes) -> None:
    assert reason(data) == "not_an_image"


@pytest.mark.parametrize("kind", ["PSD", "ICO", "EPS"])
def test_formats_that_are_not_tried_are_not_an_image(kind: str) -> None:
    data = b"8BPS" + bytes(60) if kind == "PSD" else encode(gradient(), kind)
    assert reason(data) == "not_an_image"


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "GIF"])
def test_a_picture_that_ends_too_early_is_truncated(kind: str) -> None:
    assert reason(WHOLE[kind][: len(WHOLE[kind]) * 2 // 3]) == "truncated"


def test_a_webp_that_ends_too_early_is_corrupt() -> None:
    # Its decoder doesn't say why it failed.
    assert reason(WHOLE["WEBP"][: len(WHOLE["WEBP"]) * 2 // 3]) == "corrupt"


CUTS: dict[str, Callable[[bytes], bytes]] = {
    "without its end": lambda data: data[:-2],
    "cut at 95 %": lambda data: data[: len(data) * 95 // 100],
    "cut at half": lambda data: data[: len(data) // 2],
    "half zeroed": lambda data: data[: len(data) // 2] + bytes(len(data) - len(data) // 2),
}


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("scale", JPEG_SCALES)
def test_a_jpeg_that_is_cut_off_is_decoded_as_far_as_it_goes(
    cut: str, progressive: bool, scale: int
) -> None:
    whole = encode(gradient(400, 320), progressive=progressive)
    photo = Photo(CUTS[cut](whole))
    assert photo.note is None
    found, expected = photo.decode(scale), Photo(whole).decode(scale)
    assert found.pixels.size == expected.pixels.size
    difference = np.abs(np.asarray(found.pixels, int) - np.asarray(expected.pixels, int))
    upper = difference[: len(difference) * 2 // 5]
    # Coarse, before the finer passes come; zeros are read as a wrong pass over all of it.
    assert upper.mean() < (1 if not progressive else 45 if "zeroed" in cut else 12)
    assert photo.note is not None
    assert photo.note.startswith("truncated: ")
    assert Photo(whole).note is None


@pytest.mark.parametrize("scale", JPEG_SCALES)
def test_a_jpeg_of_which_nothing_can_be_seen_is_truncated(scale: int) -> None:
    data = encode(gradient(400, 300))
    photo = Photo(data[: data.index(b"\xff\xda") + 14])
    for _ in range(2):  # it is the same photo however often it is asked
        with pytest.raises(MediaError) as caught:
            photo.decode(scale)
        assert caught.value.reason == "truncated"
    assert photo.note is None


def test_a_white_page_without_its_end_is_decoded() -> None:
    page = Image.new("RGB", (400, 300), "white")
    photo = Photo(encode(page)[:-2])
    assert np.asarray(photo.decode().pixels).min() > 250
    assert photo.note is not None


@pytest.mark.parametrize("kind", sorted(WHOLE))
def test_a_photo_whose_data_contradicts_itself_is_named_and_raises_nothing_else(kind: str) -> None:
    generator = random.Random(kind)
    outcomes = set()
    for _ in range(150):
        broken = bytearray(WHOLE[kind])
        for _ in range(generator.choice((1, 3, 30))):
            broken[generator.randrange(len(broken))] = generator.randrange(256)
        try:
            Photo(bytes(broken)).decode(generator.choice(JPEG_SCALES)).shrunk(64)
        except MediaError as error:
            outcomes.add(error.reason)
    assert outcomes <= {"truncated", "corrupt", "not_an_image", "too_large"}
    assert outcomes


def test_a_compressed_stream_that_contradicts_itself_is_corrupt() -> None:
    assert reason(png(16, 16, b"no zlib stream")) == "corrupt"


def test_a_picture_above_the_limit_is_too_large_before_it_is_decoded() -> None:
    side = int(DEFAULT_LIMITS.max_pixels**0.5) + 1
    for width, height in ((side, side), (60_000, 60_000), (2**31 - 1, 1)):
        assert reason(png(width, height, zlib.compress(b""))) == "too_large"


def test_a_picture_just_below_the_limit_is_decoded() -> None:
    width, height = 25_000, DEFAULT_LIMITS.max_pixels // 25_000
    photo = Photo(png(width, height, zlib.compress(b""), depth=1, colour=0))
    assert photo.facts.width * photo.facts.height == DEFAULT_LIMITS.max_pixels
    # Its data are missing, which shows that decoding was begun.
    with pytest.raises(MediaError) as caught:
        photo.decode()
    assert caught.value.reason == "truncated"


def test_text_that_unpacks_without_end_is_corrupt() -> None:
    text = b"Comment\0\0" + zlib.compress(bytes(100_000_000))
    chunk = struct.pack(">I", len(text)) + b"zTXt" + text
    chunk += struct.pack(">I", zlib.crc32(b"zTXt" + text))
    whole = png(4, 4, zlib.compress(b"\0" + bytes(12)))
    assert reason(whole[:33] + chunk + whole[33:]) == "corrupt"


@pytest.mark.parametrize(
    ("name", "outcome"),
    [
        ("corrupted.png", "not_an_image"),
        ("empty.png", "not_an_image"),
        ("einstein.ico", "not_an_image"),
    ],
)
def test_real_broken_files_have_their_named_outcome(name: str, outcome: str) -> None:
    assert reason(real_data(f"bad_files/{name}").read_bytes()) == outcome


@pytest.mark.parametrize("extension", ["bmp", "gif", "jpeg", "png", "tiff", "webp"])
def test_one_real_portrait_looks_alike_in_every_format(extension: str) -> None:
    folder = real_data("bad_files")
    photos = [Photo((folder / f"einstein.{kind}").read_bytes()) for kind in ("png", extension)]
    first, second = (photo.decode().pixels.convert("L").resize((64, 64)) for photo in photos)
    difference = np.abs(np.asarray(first, float) - np.asarray(second, float))
    assert difference.mean() < 4
