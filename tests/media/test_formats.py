from __future__ import annotations

import io
import struct
import subprocess
import sys
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageCms
from support.pictures import (
    ORIENTATION,
    TiffWriter,
    as_stored,
    dng,
    encode,
    gradient,
    heif,
    png_chunk,
    tiff,
    with_orientation,
)

from facebatch.errors import MediaError
from facebatch.media.limits import Limits
from facebatch.media.photo.decode import Photo

ORANGE = (230, 140, 20)
UPRIGHT = np.asarray(gradient(64, 48))
DEEP = UPRIGHT.astype(np.uint16) * 257


def decoded(data: bytes) -> npt.NDArray[np.int64]:
    picture = Photo(data).decode().pixels
    assert picture.mode == "RGB"
    return np.asarray(picture).astype(np.int64)


def flat(mode: str = "RGB") -> Image.Image:
    return Image.new("RGB", (24, 16), ORANGE).convert(mode)


def is_orange(pixels: npt.NDArray[np.int64]) -> bool:
    return bool(np.abs(pixels - ORANGE).max() <= 6)


def beside(channel: npt.NDArray[Any], last: int) -> npt.NDArray[Any]:
    """Returns channels with one more, of one value."""
    return np.dstack([channel, np.full(channel.shape[:2], last, channel.dtype)])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_heic_is_turned_upright_once_by_its_own_turns(orientation: int) -> None:
    data = heif(as_stored(UPRIGHT, orientation), orientation)
    photo = Photo(data)
    assert (photo.facts.format, photo.facts.width, photo.facts.height) == ("HEIF", 64, 48)
    assert photo.facts.exif.orientation == 1
    assert np.abs(decoded(data) - UPRIGHT).mean() < 3


def test_the_exif_of_a_heic_turns_nothing() -> None:
    # ISO/IEC 23008-12, annex A: only the file's own properties turn the picture.
    exif = with_orientation(1).tobytes()
    data = heif(UPRIGHT, exif=exif)
    at = data.index(struct.pack(">HHIH", ORIENTATION, 3, 1, 1))
    data = data[:at] + struct.pack(">HHIH", ORIENTATION, 3, 1, 6) + data[at + 10 :]
    photo = Photo(data)
    assert (photo.facts.width, photo.facts.height, photo.facts.exif.orientation) == (64, 48, 1)
    assert np.abs(decoded(data) - UPRIGHT).mean() < 3


def test_a_heics_facts_are_read() -> None:
    exif = Image.Exif()
    exif[0x0132] = "2021:03:04 05:06:07"
    assert Photo(heif(UPRIGHT, exif=exif.tobytes())).facts.exif.captured_at == datetime(
        2021, 3, 4, 5, 6, 7
    )


def test_a_heic_of_several_pictures_shows_its_primary_one() -> None:
    others = [Image.new("RGB", (64, 48), colour) for colour in ("blue", "red")]
    data = heif(np.asarray(others[0]), save_all=True, append_images=[others[1]], primary_index=1)
    assert np.abs(decoded(data) - (255, 0, 0)).max() < 10


def test_a_heic_with_a_thumbnail_is_decoded_in_full_at_every_scale() -> None:
    data = heif(np.asarray(gradient(320, 240)), thumbnails=[80])
    photo = Photo(data)
    assert photo.scale_for(64) == 1
    picture = photo.decode(8)
    assert (picture.scale, picture.pixels.size) == (1, (320, 240))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_avif_is_turned_upright_once(orientation: int) -> None:
    stored = as_stored(UPRIGHT, orientation)
    data = encode(stored, "AVIF", exif=with_orientation(orientation), subsampling="4:4:4")
    photo = Photo(data)
    assert (photo.facts.format, photo.facts.width, photo.facts.height) == ("AVIF", 64, 48)
    assert np.abs(decoded(data) - UPRIGHT).mean() < 6


def test_an_animated_avif_shows_its_first_picture() -> None:
    data = encode(flat(), "AVIF", save_all=True, append_images=[Image.new("RGB", (24, 16), "blue")])
    assert is_orange(decoded(data))


def test_what_is_transparent_in_an_avif_becomes_white() -> None:
    assert decoded(encode(Image.new("RGBA", (24, 16)), "AVIF")).min() >= 253


@pytest.mark.parametrize("kind", ["HEIF", "AVIF"])
def test_a_container_that_ends_too_early_is_truncated(kind: str) -> None:
    data = heif(UPRIGHT) if kind == "HEIF" else encode(UPRIGHT, "AVIF")
    for length in (len(data) - 1, len(data) // 2, 60):
        with pytest.raises(MediaError) as caught:
            Photo(data[:length]).decode()
        assert caught.value.reason == "truncated"


@pytest.mark.parametrize(
    ("main", "others", "reasons"),
    [
        (b"isom", b"isommp42", {"not_an_image"}),
        (b"qt  ", b"qt  ", {"not_an_image"}),
        (b"heic", b"mif1heic", {"corrupt", "truncated"}),
        (b"mif1", b"avifmiaf", {"corrupt", "truncated"}),
        (b"MiHE", b"mif1heic", {"corrupt", "truncated"}),
        (b"crx ", b"crx isom", {"corrupt", "truncated"}),
    ],
)
def test_containers_are_told_apart_by_their_brands(
    main: bytes, others: bytes, reasons: set[str]
) -> None:
    body = main + bytes(4) + others
    with pytest.raises(MediaError) as caught:
        Photo(struct.pack(">I", len(body) + 8) + b"ftyp" + body)
    assert caught.value.reason in reasons


@pytest.mark.parametrize(
    ("blocked", "kind", "remedy"),
    [
        ("pillow_heif", "heic", "pip install 'facebatch[heif]'"),
        ("rawpy", "dng", "pip install 'facebatch[raw]'"),
        ("PIL._avif", "avif", "'pillow>=11.3'"),
        ("PIL.AvifImagePlugin", "avif", "'pillow>=11.3'"),
    ],
)
def test_a_decoder_that_isnt_installed_is_named(
    blocked: str, kind: str, remedy: str, tmp_path: Any
) -> None:
    data = {"heic": heif(UPRIGHT), "dng": dng(UPRIGHT), "avif": encode(UPRIGHT, "AVIF")}[kind]
    (tmp_path / "photo").write_bytes(data)
    program = f"""
import sys
sys.modules[{blocked!r}] = None  # as if it weren't installed
from pathlib import Path
from facebatch.errors import MediaError
from facebatch.media.photo.decode import Photo
try:
    Photo(Path({str(tmp_path / "photo")!r}).read_bytes())
except MediaError as error:
    print(error.reason, error.message)
"""
    command = [sys.executable, "-c", program]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert ran.stdout.startswith("decoder_missing "), ran.stderr
    assert remedy in ran.stdout


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_raw_file_shows_its_largest_preview_upright(orientation: int) -> None:
    preview = encode(as_stored(UPRIGHT, orientation), quality=95, subsampling=0)
    data = dng(UPRIGHT, orientation, preview)
    photo = Photo(data)
    assert (photo.facts.format, photo.facts.width, photo.facts.height) == ("RAW", 64, 48)
    assert photo.facts.exif.orientation == orientation
    assert np.abs(decoded(data) - UPRIGHT).mean() < 3


def test_a_preview_that_is_upright_already_isnt_turned() -> None:
    data = dng(UPRIGHT, 6, encode(UPRIGHT, quality=95, subsampling=0))
    photo = Photo(data)
    assert (photo.facts.width, photo.facts.height, photo.facts.exif.orientation) == (64, 48, 1)
    assert np.abs(decoded(data) - UPRIGHT).mean() < 3


def test_a_raw_files_facts_are_its_own() -> None:
    exif = Image.Exif()
    exif[0x0132] = "1999:01:01 00:00:00"
    photo = Photo(dng(UPRIGHT, 1, encode(UPRIGHT, exif=exif), date="2021:03:04 05:06:07"))
    assert photo.facts.exif.captured_at == datetime(2021, 3, 4, 5, 6, 7)


def test_a_preview_is_decoded_at_scales_as_a_jpeg_is() -> None:
    upright = np.asarray(gradient(640, 480))
    photo = Photo(dng(upright, 6, encode(as_stored(upright, 6), quality=95)))
    assert photo.scale_for(80) == 8
    picture = photo.decode(8)
    assert (picture.scale, picture.pixels.size) == (8, (80, 60))


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_a_raw_file_without_a_preview_of_use_is_developed_at_half_size(orientation: int) -> None:
    upright = np.asarray(Image.new("RGB", (640, 480), "red")).copy()
    upright[:240] = (0, 0, 255)
    for preview in (None, encode(gradient(160, 120))):
        photo = Photo(dng(upright, orientation, preview))
        assert (photo.facts.width, photo.facts.height) == (320, 240)
        pixels = np.asarray(photo.decode().pixels).astype(int)
        # The upper half is blue and the lower red, whatever the brightness that LibRaw chooses.
        assert (pixels[:110, :, 2] - pixels[:110, :, 0]).min() > 60
        assert (pixels[130:, :, 0] - pixels[130:, :, 2]).min() > 60


def test_raw_pixels_above_the_limit_are_too_large_to_develop() -> None:
    data = dng(np.asarray(gradient(640, 480)))
    with pytest.raises(MediaError) as caught:
        Photo(data, Limits(max_pixels=640 * 480 - 1))
    assert caught.value.reason == "too_large"
    assert Photo(data, Limits(max_pixels=640 * 480)).facts.width == 320


def test_a_preview_above_the_limit_is_too_large() -> None:
    data = dng(UPRIGHT, 1, encode(UPRIGHT))
    with pytest.raises(MediaError) as caught:
        Photo(data, Limits(max_pixels=64 * 48 - 1))
    assert caught.value.reason == "too_large"


def with_tag(tag: int, kind: int, value: int, mark: bytes = b"") -> bytes:
    """Returns a TIFF whose one picture is a grey thumbnail, with one more tag."""
    writer = TiffWriter()
    if mark:
        writer.add(mark)
    place = writer.add(bytes(64))
    # Width, height, bits, compression, photometric interpretation, strip, its bytes.
    numbers = {256: 8, 257: 8, 258: 8, 259: 1, 262: 1, 273: place, 279: 64}
    tags = {name: (4, [number]) for name, number in numbers.items()}
    return writer.file(writer.directory({**tags, tag: (kind, [value])}))


@pytest.mark.parametrize(
    "data",
    [
        b"FUJIFILMCCD-RAW 0201" + bytes(200),
        b"IIRO\x08\0\0\0" + bytes(200),
        b"IIU\0\x18\0\0\0" + bytes(200),
        b"\0MRM" + bytes(200),
        b"II\x1a\0\0\0HEAPCCDR" + bytes(200),
        with_tag(34_713, 3, 1, b"CR\x02\0"),
        with_tag(34_713, 3, 1, b"IIII"),
        with_tag(262, 3, 32_803),
        with_tag(259, 3, 34_713),
        with_tag(50_706, 4, 0x0401),
    ],
    ids=["RAF", "ORF", "RW2", "MRW", "CRW", "CR2", "IIQ", "CFA", "NEF", "DNG"],
)
def test_raw_files_are_never_taken_for_their_thumbnails(data: bytes) -> None:
    with pytest.raises(MediaError) as caught:
        Photo(data)
    assert caught.value.reason in {"corrupt", "truncated"}
    assert "LibRaw" in caught.value.message


def test_a_tiff_that_no_camera_wrote_is_a_tiff() -> None:
    assert Photo(with_tag(34_713, 3, 1)).facts.format == "TIFF"
    assert Photo(encode(flat(), "TIFF", compression="packbits")).facts.format == "TIFF"


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("compression", [1, 8])
@pytest.mark.parametrize("planes", [False, True])
def test_sixteen_bit_colour_tiffs_keep_their_tones(
    order: str, compression: int, planes: bool
) -> None:
    np.testing.assert_array_equal(decoded(tiff(DEEP, 2, order, compression, planes)), UPRIGHT)
    opaque = tiff(beside(DEEP, 65_535), 2, order, compression, planes, extra=[2])
    np.testing.assert_array_equal(decoded(opaque), UPRIGHT)


@pytest.mark.parametrize(("photometric", "order"), [(1, "<"), (1, ">"), (0, "<")])
def test_sixteen_bit_grey_tiffs_count_from_black_or_white(photometric: int, order: str) -> None:
    grey = DEEP[..., :1] if photometric else 65_535 - DEEP[..., :1]
    pixels = decoded(tiff(grey, photometric, order))
    np.testing.assert_array_equal(pixels[..., 0], UPRIGHT[..., 0])
    np.testing.assert_array_equal(pixels[..., 2], UPRIGHT[..., 0])


@pytest.mark.parametrize(
    "data",
    [
        tiff(DEEP.astype(np.uint32) * 65_537, 2),
        tiff((UPRIGHT / 255).astype(np.float32), 2),
        tiff((UPRIGHT[..., :1] / 255).astype(np.float64), 1),
        tiff(beside(DEEP[..., :1], 65_535), 1, extra=[2]),
        tiff(DEEP[..., :1], 0, ">"),
    ],
    ids=["RGB 32", "RGB float", "grey double", "grey and alpha 16", "grey 16 from white, MM"],
)
def test_tiffs_of_rarer_pixels_are_not_an_image_and_say_why(data: bytes) -> None:
    with pytest.raises(MediaError) as caught:
        Photo(data).decode()
    assert caught.value.reason == "not_an_image"
    assert "TIFF" in caught.value.message


@pytest.mark.parametrize("planes", [False, True])
def test_cmyk_tiffs_show_their_colours(planes: bool) -> None:
    pixels = decoded(tiff(beside(255 - UPRIGHT, 0), 5, planes=planes))
    np.testing.assert_array_equal(pixels, UPRIGHT)
    if not planes:
        pixels = decoded(tiff(beside(65_535 - DEEP, 0), 5))
        np.testing.assert_array_equal(pixels, UPRIGHT)


def test_lab_tiffs_show_their_colours() -> None:
    to_lab = ImageCms.buildTransform(
        ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB"
    )
    lab = Image.new("LAB", (24, 16))
    to_lab.apply(flat(), lab)
    assert is_orange(decoded(encode(lab, "TIFF")))


def test_bilevel_tiffs_show_black_and_white() -> None:
    picture = Image.new("1", (24, 16), 1)
    picture.paste(0, (0, 0, 12, 16))
    for compression in ("raw", "group4"):
        pixels = decoded(encode(picture, "TIFF", compression=compression))
        assert (pixels[:, :12] == 0).all()
        assert (pixels[:, 12:] == 255).all()


def without_adobe(jpeg: bytes) -> bytes:
    at = jpeg.index(b"\xff\xee")
    return jpeg[:at] + jpeg[at + 2 + struct.unpack_from(">H", jpeg, at + 2)[0] :]


def test_cmyk_jpegs_hold_inverted_inks_with_adobes_mark_or_without() -> None:
    data = encode(flat("CMYK"), quality=95)
    assert is_orange(decoded(data))
    assert is_orange(decoded(without_adobe(data)))


def test_ycck_jpegs_show_their_colours() -> None:
    # Adobe's transform 2: YCbCr of the inverted inks, and black; Pillow inverts what it writes.
    luma = np.asarray(Image.new("RGB", (24, 16), tuple(255 - x for x in ORANGE)).convert("YCbCr"))
    stored = Image.fromarray(255 - beside(luma, 255), "CMYK")
    data = encode(stored, quality=95, subsampling=0)
    at = data.index(b"Adobe") + 11
    assert data[at] == 0
    assert is_orange(decoded(data[:at] + b"\2" + data[at + 1 :]))


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "GIF"])
def test_an_animation_of_any_format_shows_its_first_picture(kind: str) -> None:
    frames = [flat(), *(Image.new("RGB", (24, 16), colour) for colour in ("blue", "green"))]
    data = encode(frames[0], kind, save_all=True, append_images=frames[1:])
    with Image.open(io.BytesIO(data)) as image:
        assert getattr(image, "n_frames", 1) == 3
    assert is_orange(decoded(data))


def test_a_palette_png_with_half_transparent_colours_lies_on_white() -> None:
    picture = Image.new("P", (4, 4), 1)
    picture.putpalette([0, 0, 0, *ORANGE, 0, 0, 0])
    picture.putpixel((0, 0), 2)
    pixels = decoded(encode(picture, "PNG", transparency=bytes([255, 255, 128])))
    assert tuple(pixels[1, 1]) == ORANGE
    assert np.abs(pixels[0, 0] - 127).max() <= 1


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_png_palettes_of_few_bits_show_their_colours(depth: int) -> None:
    picture = Image.new("P", (24, 16), 1)
    picture.putpalette([0, 0, 0, *ORANGE])
    assert is_orange(decoded(encode(picture, "PNG", bits=depth)))


@pytest.mark.parametrize("name", ["photo.jpg", "photo.heic", "photo.nef", "photo.avif"])
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "HEIF", "AVIF", "DNG"])
def test_whatever_a_file_is_called_its_content_decides(name: str, kind: str, tmp_path: Any) -> None:
    written = {"HEIF": heif, "DNG": dng}.get(kind, lambda pixels: encode(pixels, kind))(UPRIGHT)
    (tmp_path / name).write_bytes(written)
    read = Photo((tmp_path / name).read_bytes()).facts.format
    assert read == {"DNG": "RAW"}.get(kind, kind)


@pytest.mark.parametrize(
    "data",
    [
        *(encode(gradient(64, 48), kind) for kind in ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")),
        *(encode(gradient(64, 48), "AVIF"), heif(UPRIGHT)),
    ],
    ids=["JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "AVIF", "HEIF"],
)
def test_limits_are_the_photos_own(data: bytes) -> None:
    assert Photo(data, Limits(max_pixels=64 * 48)).facts.width == 64
    for limits in (Limits(max_pixels=64 * 48 - 1), Limits(max_bytes=len(data) - 1)):
        with pytest.raises(MediaError) as caught:
            Photo(data, limits)
        assert caught.value.reason == "too_large"
    assert Photo(data, Limits(max_bytes=len(data))).facts.width == 64


def test_a_limit_above_the_usual_one_is_honoured() -> None:
    # 300 megapixels of one bit; its data are missing, which shows that decoding was begun.
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", 20_000, 15_000, 1, 0, 0, 0, 0))
    data = b"\x89PNG\r\n\x1a\n" + header + png_chunk(b"IDAT", b"") + png_chunk(b"IEND", b"")
    with pytest.raises(MediaError) as caught:
        Photo(data)
    assert caught.value.reason == "too_large"
    assert Photo(data, Limits(max_pixels=300_000_000)).facts.width == 20_000
