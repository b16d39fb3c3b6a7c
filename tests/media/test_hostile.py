from __future__ import annotations

import json
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support import mutations
from support.pictures import TiffWriter, encode, gradient, heif, png_chunk

from facebatch.errors import MediaError
from facebatch.media.limits import Limits
from facebatch.media.photo.decode import Photo
from facebatch.media.photo.exif import ExifFacts

TESTS = Path(mutations.__file__).parents[1]
A_KIND = 100
"""Mutations of every kind of file in `make test-full`: 2,400 of all 24."""

_MEASURE = """
import json, sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from support.mutations import peak_megabytes
from facebatch.errors import MediaError
from facebatch.media.photo.decode import Photo
Photo(Path(sys.argv[2]).read_bytes()).decode()  # so that what is loaded once isn't counted
before = peak_megabytes()
try:
    Photo(Path(sys.argv[1]).read_bytes()).decode()
    outcome = "ok"
except MediaError as error:
    outcome = error.reason
print(json.dumps([outcome, peak_megabytes() - before]))
"""


def decoded_apart(data: bytes, harmless: bytes, folder: Path) -> tuple[str, float]:
    """Returns what came of a photo in a process of its own, and the memory it took in MB."""
    (folder / "photo").write_bytes(data)
    (folder / "harmless").write_bytes(harmless)
    files = [str(folder / "photo"), str(folder / "harmless")]
    command = [sys.executable, "-c", _MEASURE, *files, str(TESTS)]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr[-2000:]
    outcome, used = json.loads(ran.stdout)
    return outcome, used


@pytest.mark.parametrize("each", [20, pytest.param(A_KIND, marks=pytest.mark.full)])
def test_mutated_files_of_every_format_have_a_named_outcome(each: int) -> None:
    kinds = sorted(mutations.originals())
    assert len(kinds) >= 20
    command = [sys.executable, "-m", "support.mutations", "0", str(each), *kinds]
    ran = subprocess.run(command, cwd=TESTS, capture_output=True, text=True, timeout=300)
    lines = ran.stdout.splitlines()
    # The last line names the mutation that a crash, a hang or an exception ended.
    assert ran.returncode == 0, f"{lines[-1:]}, status {ran.returncode}: {ran.stderr[-2000:]}"
    found = json.loads(lines[-1])
    outcomes = found["outcomes"]
    assert sum(outcomes.values()) == each * len(kinds)
    assert set(outcomes) <= {"ok", "truncated", "corrupt", "not_an_image", "too_large"}
    assert min(outcomes["ok"], outcomes["corrupt"], outcomes["truncated"]) > each // 2
    assert found["megabytes"] < 300


def test_what_is_mutated_was_whole() -> None:
    outcomes = {kind: mutations.outcome(data) for kind, data in mutations.originals().items()}
    assert set(outcomes.values()) == {"ok"}, outcomes


def overlapping_tags(size: int, count: int, start: int = 14) -> bytes:
    """Returns a directory whose every tag claims all the bytes that lie behind it."""
    behind = start + 12 * count
    tags = b"".join(
        struct.pack("<HHII", 1000 + number, 1, size - behind, behind) for number in range(count)
    )
    return (b"II*\0" + struct.pack("<IH", 8, count) + tags + bytes(4)).ljust(size, b"\1")


def with_exif_segments(jpeg: bytes, block: bytes) -> bytes:
    segments = b""
    for at in range(0, len(block), 60_000):
        body = b"Exif\0\0" + block[at : at + 60_000]
        segments += b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body
    return jpeg[:2] + segments + jpeg[2:]


def with_hidden_exif(png: bytes, block: bytes) -> bytes:
    text = b"Raw profile type exif\0\0" + zlib.compress(b"\nexif\n1\n" + block.hex().encode())
    return png[:33] + png_chunk(b"zTXt", text) + png[33:]


def with_bomb(data: bytes, size: int, count: int) -> bytes:
    """Puts overlapping tags over an EXIF block that was written whole."""
    at = data.index(HONEST)
    bomb = overlapping_tags(size, count)
    return data[:at] + bomb + data[at + size :]


SMALL = gradient(64, 48)
SIZE, TAGS = 600_000, 3_000
"""600 kB whose 3,000 tags claim 1.7 GB."""
HONEST = (b"II*\0" + struct.pack("<IH", 8, 0) + bytes(4)).ljust(SIZE, b"\1")
BOMB = overlapping_tags(SIZE, TAGS)


@pytest.mark.parametrize(
    ("name", "outcome"),
    [
        ("JPEG", "ok"),
        ("PNG", "ok"),
        ("PNG text", "ok"),
        ("WebP", "ok"),
        ("HEIC", "ok"),
        ("AVIF", "corrupt"),
        ("TIFF", "corrupt"),
    ],
)
def test_tags_that_claim_the_same_bytes_take_no_memory(
    name: str, outcome: str, tmp_path: Path
) -> None:
    harmless = {"HEIC": "HEIF", "PNG text": "PNG"}.get(name, name).upper()
    plain = heif(np.asarray(SMALL)) if harmless == "HEIF" else encode(SMALL, harmless)
    data = {
        "JPEG": lambda: with_exif_segments(plain, BOMB),
        "PNG": lambda: encode(SMALL, "PNG", exif=BOMB),
        "PNG text": lambda: with_hidden_exif(plain, overlapping_tags(400_000, TAGS)),
        "WebP": lambda: encode(SMALL, "WEBP", exif=BOMB),
        "HEIC": lambda: with_bomb(heif(np.asarray(SMALL), exif=b"Exif\0\0" + HONEST), SIZE, TAGS),
        "AVIF": lambda: with_bomb(encode(SMALL, "AVIF", exif=HONEST), SIZE, TAGS),
        "TIFF": lambda: BOMB,
    }[name]()
    assert len(data) < 2 * SIZE
    found, used = decoded_apart(data, plain, tmp_path)
    assert found == outcome
    assert used < 100


def test_one_segment_of_exif_cant_claim_much(tmp_path: Path) -> None:
    plain = encode(SMALL)
    found, used = decoded_apart(
        with_exif_segments(plain, overlapping_tags(60_000, 2_500)), plain, tmp_path
    )
    assert found == "ok"
    assert used < 200


def test_a_jpeg_loses_the_exif_that_claims_too_much_and_nothing_else() -> None:
    plain = encode(SMALL)
    photo = Photo(with_exif_segments(plain, BOMB))
    assert photo.facts.exif == ExifFacts()
    np.testing.assert_array_equal(photo.decode().pixels, Photo(plain).decode().pixels)


def test_honest_exif_of_several_segments_is_read() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x9286] = "a" * 100_000
    block = exif.tobytes().removeprefix(b"Exif\0\0")
    assert Photo(with_exif_segments(encode(SMALL), block)).facts.exif.orientation == 6


def test_directories_in_a_ring_end() -> None:
    writer = TiffWriter()
    place = writer.add(bytes(64))
    numbers = {256: 8, 257: 8, 258: 8, 259: 1, 262: 1, 273: place, 279: 64, 330: 2**16}
    at = writer.directory({tag: (4, [number]) for tag, number in numbers.items()})
    data = bytearray(writer.file(at))
    # The next directory, and the one inside, are itself.
    struct.pack_into("<I", data, at + 2 + 12 * len(numbers), at)
    struct.pack_into("<I", data, at + 2 + 12 * (len(numbers) - 1) + 8, at)
    assert Photo(bytes(data)).decode().pixels.size == (8, 8)


@cache
def zipped() -> bytes:
    return zlib.compress(bytes(100_000_000), 1)


def png_with(name: bytes, body: bytes) -> bytes:
    png = encode(SMALL, "PNG")
    return png[:33] + png_chunk(name, body + zipped()) + png[33:]


def png_of(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zipped()), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*part) for part in parts)


def gif_of_a_huge_frame() -> bytes:
    gif = bytearray(encode(SMALL.quantize(4), "GIF"))
    struct.pack_into("<HH", gif, gif.index(b"\x2c", 13 + 12) + 5, 65_535, 65_535)
    return bytes(gif)


def webp_of_huge_sides() -> bytes:
    webp = bytearray(encode(SMALL, "WEBP"))
    struct.pack_into("<HH", webp, webp.index(b"\x9d\x01\x2a") + 3, 16_383, 16_383)
    return bytes(webp)


def tiff_of_huge_sides_and_a_huge_strip() -> bytes:
    tags = {256: 60_000, 257: 60_000, 258: 8, 259: 1, 262: 1, 273: 8, 279: 2**32 - 1}
    writer = TiffWriter()
    return writer.file(writer.directory({tag: (4, [value]) for tag, value in tags.items()}))


def avif_of_huge_sides() -> bytes:
    avif = encode(SMALL, "AVIF")
    at = avif.index(b"ispe") + 8
    return avif[:at] + struct.pack(">II", 60_000, 60_000) + avif[at + 8 :]


@pytest.mark.parametrize(
    ("bomb", "outcome", "kin"),
    [
        (lambda: png_of(60_000, 60_000), "too_large", "PNG"),
        (lambda: png_of(64, 48), "ok", "PNG"),
        (lambda: png_with(b"iCCP", b"x\0\0"), "corrupt", "PNG"),
        (lambda: png_with(b"zTXt", b"Comment\0\0"), "corrupt", "PNG"),
        (lambda: png_with(b"iTXt", b"Comment\0\1\0\0\0"), "corrupt", "PNG"),
        (gif_of_a_huge_frame, "too_large", "GIF"),
        (webp_of_huge_sides, "too_large", "WEBP"),
        (tiff_of_huge_sides_and_a_huge_strip, "too_large", "TIFF"),
        (avif_of_huge_sides, "corrupt", "AVIF"),
    ],
    ids=["PNG", "PNG data", "PNG iCCP", "PNG zTXt", "PNG iTXt", "GIF", "WebP", "TIFF", "AVIF"],
)
def test_a_bomb_is_named_and_takes_no_memory(
    bomb: Callable[[], bytes], outcome: str, kin: str, tmp_path: Path
) -> None:
    found, used = decoded_apart(bomb(), encode(SMALL, kin), tmp_path)
    assert found == outcome
    assert used < 60


@pytest.mark.parametrize("sides", [(32, 24), (320, 240)])
def test_a_heic_that_is_larger_or_smaller_than_it_claims_is_corrupt(
    sides: tuple[int, int],
) -> None:
    data = heif(np.asarray(gradient(*sides)))
    at = data.index(b"ispe") + 8
    data = data[:at] + struct.pack(">II", 64, 48) + data[at + 8 :]
    with pytest.raises(MediaError) as caught:
        Photo(data).decode()
    assert caught.value.reason == "corrupt"


def test_memory_that_isnt_there_makes_a_photo_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> object:
        raise MemoryError

    photo = Photo(encode(SMALL))
    monkeypatch.setattr(Image.Image, "transpose", fails)
    monkeypatch.setattr(Image.core, "new", fails)
    with pytest.raises(MediaError) as caught:
        photo.decode()
    assert caught.value.reason == "too_large"


def test_nothing_that_a_photo_does_depends_on_anothers_limits() -> None:
    data = encode(SMALL)
    with pytest.raises(MediaError):
        Photo(data, Limits(max_pixels=10))
    assert Photo(data).decode().pixels.size == (64, 48)
