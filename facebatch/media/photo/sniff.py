"""What bytes are, by what they hold: which of the decoders that stand apart must read them.

A decoder that isn't installed can't recognise its own files, and cameras' raw files pass for TIFF
pictures as small as a thumbnail: both are recognised here, first.
"""

from __future__ import annotations

import struct
from typing import Literal

from facebatch.media.photo import jxl, tiff

Content = Literal["HEIF", "AVIF", "JXL", "RAW", "other"]

_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_HEIC_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"})
_OTHER_HEIF_BRANDS = frozenset({b"mif1", b"mif2", b"msf1"})
"""Brands of ISO/IEC 23008-12 and of AVIF; those of no coding say the least."""

_RAW_BEGINNINGS = (
    b"FUJIFILMCCD-RAW",  # RAF
    b"IIRO",  # ORF, as are the next two
    b"IIRS",
    b"MMOR",
    b"IIU\0",  # RW2, RWL, and RAW of Panasonic
    b"\0MRM",  # MRW
    b"II\x1a\0\0\0HEAPCCDR",  # CRW
)
_RAW_TIFF_MARKS = (b"CR\x02\0", b"IIII", b"MMMM")  # behind the header: CR2 and IIQ

_RAW_PHOTOMETRIC = frozenset({32_803, 34_892})  # colour filter array, linear raw (TIFF/EP, DNG)
_RAW_COMPRESSION = frozenset({32_767, 32_769, 32_770, 32_772, 34_713, 65_000, 65_535})
"""Compressions that only cameras write: Sony's, Epson's, Samsung's two, Nikon's, Kodak's, Pentax's
(as LibRaw and ExifTool name them)."""


def content_of(data: bytes) -> Content:
    """Returns which decoder bytes are for; ``other`` for what Pillow tells apart itself."""
    if data[4:8] == b"ftyp":
        return _by_brands(data)
    if data.startswith((jxl.CODESTREAM, jxl.CONTAINER)):
        return "JXL"
    if data.startswith(_RAW_BEGINNINGS) or (tiff.is_tiff(data) and _is_raw(data)):
        return "RAW"
    return "other"


def _by_brands(data: bytes) -> Content:
    (size,) = struct.unpack_from(">I", data)
    main = data[8:12]
    # The four bytes behind the main brand are its version.
    brands = {main, *(data[at : at + 4] for at in range(16, min(size, len(data), 256), 4))}
    if main == b"crx ":
        return "RAW"
    if main not in _HEIC_BRANDS and brands & _AVIF_BRANDS:
        return "AVIF"
    return "HEIF" if brands & (_HEIC_BRANDS | _OTHER_HEIF_BRANDS) else "other"


def _is_raw(data: bytes) -> bool:
    if data[8:12] in _RAW_TIFF_MARKS:
        return True
    return any(
        tiff.Tag.DNG_VERSION in directory.numbers
        or not _RAW_PHOTOMETRIC.isdisjoint(directory.numbers.get(tiff.Tag.PHOTOMETRIC, ()))
        or not _RAW_COMPRESSION.isdisjoint(directory.numbers.get(tiff.Tag.COMPRESSION, ()))
        for directory in tiff.directories(data)
    )


def ends_early(data: bytes) -> bool:
    """Tells whether a HEIF or AVIF file's last box (ISO/IEC 14496-12, 4.2) isn't whole."""
    if data[4:8] != b"ftyp":
        return False
    place = 0
    while place + 8 <= len(data):
        (size,) = struct.unpack_from(">I", data, place)
        if size == 1 and place + 16 <= len(data):
            (size,) = struct.unpack_from(">Q", data, place + 8)
        if size < 8:  # 0 means: to the end of the file
            return False
        place += size
    return place != len(data)
