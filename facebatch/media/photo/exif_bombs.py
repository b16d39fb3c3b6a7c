"""Small files that would take memory without bound: found before a decoder follows them.

EXIF and TIFF directories name places in their own bytes. Pillow copies what each tag names, so
that a megabyte whose thousands of tags all name the same bytes takes gigabytes, some of them
while the file is merely opened.
"""

from __future__ import annotations

import re
import struct

from facebatch.errors import MediaError
from facebatch.media.photo import tiff
from facebatch.media.photo.sniff import Content

_EXIF = b"Exif\0\0"
_TIFF_BEGINS = re.compile(rb"II\*\0|MM\0\*")
_MOST_BLOCKS = 16  # that begin like EXIF in one AVIF file; chance makes one in four gigabytes

# Markers without a length, as Pillow's reader has them (ITU T.81, table B.1).
_LONE_MARKERS = frozenset({0xC8, *range(0xD0, 0xDA), *range(0xF0, 0xFE)})
_START_OF_SCAN, _APP1 = 0xDA, 0xE1


def guarded(data: bytes, content: Content) -> bytes:
    """Returns a photo's bytes, without the EXIF that would take memory without bound.

    Raises:
        MediaError: ``corrupt``; such directories are in the way of the picture itself.
    """
    if data.startswith(b"\xff\xd8"):
        return _without_bomb(data)
    is_bomb = tiff.claims_too_much(data) if tiff.is_tiff(data) else False
    if is_bomb or (content == "AVIF" and _hides_bomb(data)):
        raise MediaError("corrupt", "its tags claim more bytes than the file has")
    return data


def _without_bomb(data: bytes) -> bytes:
    """Returns a JPEG without its EXIF where that has several segments and claims too much.

    One segment, of at most 64 kB, can't claim much.
    """
    segments = _exif_segments(data)
    if len(segments) < 2:
        return data
    block = b"".join(data[start + 4 + len(_EXIF) : end] for start, end in segments)
    if not tiff.claims_too_much(block):
        return data
    starts, ends = [0, *(end for _, end in segments)], [*(start for start, _ in segments), None]
    return b"".join(data[start:end] for start, end in zip(starts, ends, strict=True))


def _exif_segments(data: bytes) -> list[tuple[int, int]]:
    """Returns start and end of a JPEG's EXIF segments; they come before its scans."""
    found = []
    place = 2
    while (place := data.find(b"\xff", place)) >= 0 and place + 4 <= len(data):
        marker = data[place + 1]
        if marker == _START_OF_SCAN:
            break
        if marker == 0xFF:
            place += 1
        elif marker == 0 or marker in _LONE_MARKERS:
            place += 2
        else:
            (length,) = struct.unpack_from(">H", data, place + 2)
            end = place + 2 + length
            if marker == _APP1 and data.startswith(_EXIF, place + 4):
                found.append((place, end))
            place = max(end, place + 4)
    return found


def _hides_bomb(data: bytes) -> bool:
    """Tells whether an AVIF file has an EXIF block that claims too much, wherever it lies."""
    places = [match.start() for match in _TIFF_BEGINS.finditer(data)]
    return len(places) > _MOST_BLOCKS or any(tiff.claims_too_much(data[place:]) for place in places)
