"""What makers' own notes say: how a Canon was held, and which video belongs to an iPhone's photo.

How it was held counts for photos whose EXIF orientation is gone. Canon's note is a directory of
TIFF entries, whose places count from where the EXIF block begins. Its tag ShotInfo, an array of
16-bit numbers that begins with its own length in bytes, says at index 27, AutoRotate, how the
picture is to be turned (ExifTool's tag tables, Canon ShotInfo).

Apple's note begins with its name, a version and a byte order; in its directory places count from
the note's own beginning. Its tag ContentIdentifier is a text that the photo and the video of a Live
Photo have in common (ExifTool's tag tables, Apple).
"""

from __future__ import annotations

import struct

_SHOT_INFO, _SHORT, _AUTO_ROTATE = 4, 3, 27
_ORIENTATIONS = {1: 6, 2: 3, 3: 8}
"""Of AutoRotate: 1 is a quarter turn clockwise, 2 half a turn, 3 a quarter turn counterclockwise;
0 is none, -1 unknown. As EXIF numbers them."""

_APPLE, _APPLE_HEAD = b"Apple iOS\0", 14
_CONTENT_IDENTIFIER, _TEXT = 0x11, 2
_LONGEST_IDENTIFIER = 100

_MOST_TAGS = 200


def canon_orientation(block: bytes, note: bytes, size: tuple[int, int]) -> int:
    """Returns the EXIF orientation that Canon's note says.

    Args:
        block: The EXIF block, from its byte order on.
        note: The maker note in it.
        size: Width and height of the picture as it is stored. One that is upright already was
            turned by a program that left the note as it was.

    Returns:
        1, 3, 6 or 8; 1 where the note says nothing, or is none of Canon's.
    """
    order = {b"II": "<", b"MM": ">"}.get(block[:2])
    if order is None:
        return 1
    try:
        orientation = _ORIENTATIONS.get(_auto_rotate(block, note, order), 1)
    except struct.error:
        return 1
    return orientation if size[0] > size[1] else 1


def _auto_rotate(block: bytes, note: bytes, order: str) -> int:
    (tags,) = struct.unpack_from(f"{order}H", note)
    for number in range(min(tags, _MOST_TAGS)):
        tag, kind, count, place = struct.unpack_from(f"{order}HHII", note, 2 + 12 * number)
        if (tag, kind) == (_SHOT_INFO, _SHORT) and count > _AUTO_ROTATE:
            (length,) = struct.unpack_from(f"{order}H", block, place)
            (turn,) = struct.unpack_from(f"{order}h", block, place + 2 * _AUTO_ROTATE)
            # Programs that move the note leave the places in it as they were.
            return int(turn) if length == 2 * count else 0
    return 0


def live_photo_id(note: bytes) -> str | None:
    """Returns the identifier that Apple's note gives a Live Photo; None where there is none.

    Args:
        note: The maker note.
    """
    order = {b"II": "<", b"MM": ">"}.get(note[_APPLE_HEAD - 2 : _APPLE_HEAD])
    if order is None or not note.startswith(_APPLE):
        return None
    try:
        (tags,) = struct.unpack_from(f"{order}H", note, _APPLE_HEAD)
        for number in range(min(tags, _MOST_TAGS)):
            at = _APPLE_HEAD + 2 + 12 * number
            tag, kind, count, place = struct.unpack_from(f"{order}HHII", note, at)
            if (tag, kind) == (_CONTENT_IDENTIFIER, _TEXT):
                return as_identifier(note[place : place + count])
    except struct.error:
        pass
    return None


def as_identifier(text: bytes) -> str | None:
    """Returns a Live Photo's identifier in capitals; None for what can't be one."""
    plain = text.rstrip(b"\0").strip()
    if not plain.isascii() or not 0 < len(plain) <= _LONGEST_IDENTIFIER:
        return None
    found = plain.decode().upper()
    return found if found.isprintable() else None
