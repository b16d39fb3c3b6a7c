"""Mutated pictures, each by a number: the same bytes again, by the same libraries' encoders."""

from __future__ import annotations

import faulthandler
import json
import random
import resource
import struct
import sys
import zlib
from collections import Counter
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image
from support.pictures import dng, encode, gradient, heif, tiff, with_orientation

SIDES = (64, 48)
SLOWEST = 20.0  # seconds; a mutation takes milliseconds
ADDRESSES = 4 * 2**30  # bytes that a child may map


@cache
def originals() -> dict[str, bytes]:
    """Returns one small whole file of every format and kind."""
    picture = gradient(*SIDES)
    pixels = np.asarray(picture)
    deep = pixels.astype(np.uint16) * 257
    exif = with_orientation(6)
    exif.get_ifd(0x8825).update({1: "N", 2: (1.0, 2.0, 3.0)})
    frames = {"save_all": True, "append_images": [picture.rotate(180), picture.convert("L")]}
    preview = encode(picture, exif=exif)
    return {
        "JPEG": encode(picture, exif=exif),
        "progressive JPEG": encode(picture, progressive=True),
        "CMYK JPEG": encode(picture.convert("CMYK")),
        "MPO": encode(picture, "MPO", **frames),
        "PNG": encode(picture, "PNG", exif=exif),
        "palette PNG": encode(picture.quantize(16), "PNG", transparency=3),
        "APNG": encode(picture, "PNG", **frames),
        "WebP": encode(picture, "WEBP", exif=exif),
        "lossless WebP": encode(picture.convert("RGBA"), "WEBP", lossless=True),
        "animated WebP": encode(picture, "WEBP", **frames),
        "BMP": encode(picture, "BMP"),
        "GIF": encode(picture.quantize(64), "GIF", **frames),
        "TIFF": encode(picture, "TIFF", exif=exif),
        "LZW TIFF": encode(picture, "TIFF", compression="tiff_lzw"),
        "JPEG TIFF": encode(picture, "TIFF", compression="jpeg"),
        "G4 TIFF": encode(picture.convert("1"), "TIFF", compression="group4"),
        "deep TIFF": tiff(deep, 2, compression=8, planes=True),
        "deep planes TIFF": tiff(deep, 2, ">", planes=True),
        "LAB TIFF": encode(Image.merge("LAB", picture.split()), "TIFF"),
        "HEIC": heif(pixels, 6),
        "AVIF": encode(picture, "AVIF", exif=exif),
        "animated AVIF": encode(picture, "AVIF", **frames),
        "DNG": dng(pixels, 6, preview),
        "DNG without preview": dng(pixels),
    }


def mutated(kind: str, number: int) -> bytes:
    """Returns a format's mutation of a number."""
    generator = random.Random(f"{kind} {number}")
    data = bytearray(originals()[kind])
    for _ in range(generator.choice((1, 1, 1, 2, 4))):
        generator.choice(_MUTATIONS)(data, generator)
        if not data:
            return b"\0"
    if "PNG" in kind and generator.random() < 0.7:
        _mend_sums(data)
    return bytes(data)


def _place(data: bytearray, generator: random.Random) -> int:
    """Returns a place, half of the time near an end, where headers and directories lie."""
    near = generator.choice((200, 600, len(data), len(data)))
    place = generator.randrange(min(len(data), near))
    return place if generator.random() < 0.7 else len(data) - 1 - place


def _flip_bits(data: bytearray, generator: random.Random) -> None:
    for _ in range(generator.choice((1, 2, 8, 64))):
        data[_place(data, generator)] ^= 1 << generator.randrange(8)


def _overwrite(data: bytearray, generator: random.Random) -> None:
    at, length = _place(data, generator), generator.choice((1, 2, 4, 16, 100))
    value = generator.choice((0, 0xFF, 0x7F, None))
    run = generator.randbytes(length) if value is None else bytes([value]) * length
    data[at : at + length] = run


def _truncate(data: bytearray, generator: random.Random) -> None:
    del data[_place(data, generator) :]


def _remove(data: bytearray, generator: random.Random) -> None:
    at = _place(data, generator)
    del data[at : at + generator.choice((1, 2, 4, 12, 64, 500))]


def _repeat(data: bytearray, generator: random.Random) -> None:
    at, length = _place(data, generator), generator.choice((1, 4, 12, 64, 500))
    data[at:at] = data[at : at + length] * generator.choice((1, 2, 20))


def _splice(data: bytearray, generator: random.Random) -> None:
    other = generator.choice(list(originals().values()))
    at, start = _place(data, generator), generator.randrange(len(other))
    part = other[start : start + generator.choice((16, 200, 2000))]
    data[at : at + generator.choice((0, len(part)))] = part


def _edit_number(data: bytearray, generator: random.Random) -> None:
    """Overwrites what may be a length, an offset or a count."""
    form = generator.choice((">H", "<H", ">I", "<I", ">Q", "<Q"))
    size = struct.calcsize(form)
    at = min(_place(data, generator), max(0, len(data) - size))
    if at + size <= len(data):
        (number,) = struct.unpack_from(form, data, at)
        top = 2 ** (8 * size) - 1
        near = [number + 1, number - 1, number * 2, number // 2, len(data), at]
        value = generator.choice([0, 1, top, top // 2, top // 2 + 1, *near])
        struct.pack_into(form, data, at, value & top)


def _edit_side(data: bytearray, generator: random.Random) -> None:
    """Overwrites what looks like a width or height."""
    side = generator.choice(SIDES)
    form = generator.choice((">H", "<H", ">I", "<I"))
    wanted = struct.pack(form, side)
    places = [at for at in range(len(data)) if data.startswith(wanted, at)]
    if places:
        value = generator.choice((0, 1, side - 1, side + 1, 1000, 30_000, 65_535, 10**9))
        value = min(value, 2 ** (8 * struct.calcsize(form)) - 1)
        struct.pack_into(form, data, generator.choice(places[:8]), value)


_MUTATIONS = (
    _flip_bits,
    _overwrite,
    _truncate,
    _remove,
    _repeat,
    _splice,
    _edit_number,
    _edit_number,
    _edit_side,
)


def _mend_sums(data: bytearray) -> None:
    """Gives PNG chunks the sums of what they hold, so that it is looked at."""
    at = 8
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        if at + 12 + length > len(data):
            return
        struct.pack_into(">I", data, at + 8 + length, zlib.crc32(data[at + 4 : at + 8 + length]))
        at += 12 + length


def outcome(data: bytes) -> str:
    """Returns what comes of a photo at every scale: ``ok`` or a reason code."""
    from facebatch.errors import MediaError
    from facebatch.media.limits import Limits
    from facebatch.media.photo.decode import JPEG_SCALES, Photo

    try:
        photo = Photo(data, Limits(max_pixels=1_000_000))
        for scale in JPEG_SCALES if photo.scale_for(1) > 1 else (1,):
            photo.decode(scale).shrunk(32)
    except MediaError as error:
        return error.reason
    return "ok"


def main() -> None:
    """``FIRST COUNT KIND...``: decodes mutations, names each before, says what came of them."""
    first, count, kinds = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:] or list(originals())
    if _is_linux():
        resource.setrlimit(resource.RLIMIT_AS, (ADDRESSES, ADDRESSES))
    found: Counter[str] = Counter()
    for kind in kinds:
        for number in range(first, first + count):
            data = mutated(kind, number)
            print("trying", kind, number, flush=True)
            faulthandler.dump_traceback_later(SLOWEST, exit=True)
            found[outcome(data)] += 1
            faulthandler.cancel_dump_traceback_later()
    print(json.dumps({"outcomes": found, "megabytes": peak_megabytes()}))


def peak_megabytes() -> float:
    """Returns the most memory that this process has had.

    On Linux the kernel's other answer, ru_maxrss, counts what the parent had when it started us.
    """
    if _is_linux():
        status = Path("/proc/self/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def _is_linux() -> bool:
    return sys.platform == "linux"


if __name__ == "__main__":
    main()
