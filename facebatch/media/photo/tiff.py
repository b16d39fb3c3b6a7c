"""The directories of TIFF files and EXIF blocks: which tags they have, and how much those claim.

Readers copy whatever a directory points at, once a tag, so that a small file can ask for memory
without end; and cameras' raw files are TIFF files whose first picture is a thumbnail. Both are
told here from the directories alone, without reading what they point at.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum

_ORDERS = {
    **dict.fromkeys((b"II*\0", b"II\0*"), ("<", False)),
    **dict.fromkeys((b"MM\0*", b"MM*\0"), (">", False)),
    b"II+\0": ("<", True),
    b"MM\0+": (">", True),
}
"""Byte order, and whether it is a BigTIFF, by a file's first bytes; with the two misspellings that
Pillow reads as well."""

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8}
"""Bytes of a value by type (TIFF 6.0, chapter 2, and BigTIFF)."""

_WHOLE_NUMBERS = {1: "B", 3: "H", 4: "I", 13: "I"}
_MOST_DIRECTORIES = 64  # a raw file has about ten; a chain that is longer, or a ring, ends here

# Some writers let two tags share their values, and programs leave small overlaps behind.
_MOST_SHARED = 65_536
_MOST_DETAILS = (
    2**24
)  # bytes; the largest part of a photo's details, a maker's note, takes a few MB


class Tag(IntEnum):
    """Tags that are looked at (TIFF 6.0, TIFF/EP, DNG 1.7, EXIF 2.32)."""

    BITS = 258
    COMPRESSION = 259
    PHOTOMETRIC = 262
    PLANES = 284
    SUB_DIRECTORIES = 330
    EXIF = 34_665
    GPS = 34_853
    INTEROPERABILITY = 40_965
    DNG_VERSION = 50_706


_DETAILS = (Tag.EXIF, Tag.GPS, Tag.INTEROPERABILITY)


@dataclass(frozen=True)
class Directory:
    """One directory.

    Args:
        numbers: Its tags' values, of those that hold whole numbers, at most eight of each.
        claimed: Bytes that all its values together claim to take.
        is_detail: Whether it describes the photo (EXIF, GPS) and not a picture.
    """

    numbers: Mapping[int, tuple[int, ...]]
    claimed: int
    is_detail: bool = False


def is_tiff(data: bytes) -> bool:
    """Tells whether bytes begin as a TIFF file or an EXIF block does."""
    return data[:4] in _ORDERS


def directories(data: bytes) -> Iterator[Directory]:
    """Yields the directories of a TIFF file or EXIF block: pictures, their parts and details.

    Each is read once, however they point at each other; what is broken ends there.
    """
    order, is_big = _ORDERS.get(data[:4], ("", False))
    if not order:
        return
    try:
        (first,) = struct.unpack_from(order + ("Q" if is_big else "I"), data, 8 if is_big else 4)
    except struct.error:
        return
    pending, seen = [(first, False)], {0}
    while pending and len(seen) <= _MOST_DIRECTORIES:
        place, is_detail = pending.pop(0)
        if place in seen or place > len(data):  # BigTIFF's places needn't fit the machine's
            continue
        seen.add(place)
        numbers, claimed, following = _read(data, place, order, is_big)
        yield Directory(numbers, claimed, is_detail)
        pending += [(part, False) for part in numbers.get(Tag.SUB_DIRECTORIES, ())]
        pending += [(numbers[tag][0], True) for tag in _DETAILS if tag in numbers]
        pending += [] if is_detail else [(following, False)]


def claims_too_much(data: bytes) -> bool:
    """Tells whether a directory claims more than the bytes have, or details are without bound."""
    return any(
        directory.claimed > len(data) + _MOST_SHARED
        or (directory.is_detail and directory.claimed > _MOST_DETAILS)
        for directory in directories(data)
    )


def _read(
    data: bytes, place: int, order: str, is_big: bool
) -> tuple[dict[int, tuple[int, ...]], int, int]:
    """Returns a directory's numbers, the bytes that it claims, and where the next one lies."""
    many, entry, inline = ("Q", "HHQ8s", 8) if is_big else ("H", "HHI4s", 4)
    numbers: dict[int, tuple[int, ...]] = {}
    claimed = 0
    try:
        (count,) = struct.unpack_from(order + many, data, place)
        place += struct.calcsize(order + many)
        for _ in range(count):
            tag, kind, values, held = struct.unpack_from(order + entry, data, place)
            place += struct.calcsize(order + entry)
            size = values * _SIZES.get(kind, 0)
            if size > inline:
                (start,) = struct.unpack(order + ("Q" if is_big else "I"), held)
                # What reaches past the end isn't read by anyone.
                claimed += size if start + size <= len(data) else 0
                held = data[start : start + 32]
            if kind in _WHOLE_NUMBERS:
                numbers[tag] = _numbers(held, order + _WHOLE_NUMBERS[kind], values)
        (following,) = struct.unpack_from(order + ("Q" if is_big else "I"), data, place)
    except struct.error:
        following = 0
    return {tag: values for tag, values in numbers.items() if values}, claimed, following


def _numbers(held: bytes, form: str, count: int) -> tuple[int, ...]:
    size = struct.calcsize(form)
    held = held[: size * min(count, 8)]
    return tuple(number for (number,) in struct.iter_unpack(form, held[: len(held) // size * size]))
