"""XMP packets: where each picture format keeps them, read without the picture itself.

XMP specification, part 3 (2020): JPEG has a standard packet in an APP1 segment, and what doesn't
fit into its 64 kB in numbered parts that the packet names by their digest; PNG has an iTXt chunk,
WebP a chunk of its RIFF, TIFF a tag. Of HEIC and AVIF the decoder gives it.
"""

from __future__ import annotations

import re
import struct
import zlib
from typing import BinaryIO

from facebatch.errors import MediaError
from facebatch.media.photo.heif import open_avif, open_heif
from facebatch.media.photo.sniff import content_of

LARGEST = 1 << 25
"""Bytes of a packet that are read; depth maps and the like make some megabytes of it."""

_MOST_PARTS = 20_000  # segments, chunks or tags that are looked at; a photo has some dozen
_STANDARD = b"http://ns.adobe.com/xap/1.0/\0"
_EXTENSION = b"http://ns.adobe.com/xmp/extension/\0"
_EXTENSION_NAME = re.compile(
    rb"HasExtendedXMP\s*(?:=\s*[\"']|>)\s*([0-9A-Fa-f]{32})",
)
_PNG = b"\x89PNG\r\n\x1a\n"
_TIFF = {b"II*\0": "<", b"MM\0*": ">"}
_TAG, _BYTE, _UNDEFINED = 700, 1, 7


class XmpError(ValueError):
    """XMP that can't be what a program wrote: broken, too large, or made to do harm."""


def read_packets(file: BinaryIO) -> list[bytes]:
    """Returns the XMP packets of a picture, the standard one first; none where there is no XMP.

    Args:
        file: The picture, at its beginning; it can seek.

    Raises:
        XmpError: A packet is larger than `LARGEST`.
        OSError: The file can't be read.
    """
    start = file.read(12)
    if start.startswith(b"\xff\xd8"):
        return _of_jpeg(file)
    if start.startswith(_PNG):
        return _of_png(file)
    if start.startswith(b"RIFF") and start[8:] == b"WEBP":
        return _of_webp(file)
    if start[:4] in _TIFF:
        return _of_tiff(file, _TIFF[start[:4]])
    if start[4:8] == b"ftyp":
        return _of_heif(file)
    return []


def _of_jpeg(file: BinaryIO) -> list[bytes]:
    file.seek(2)
    standard: list[bytes] = []
    extensions: dict[bytes, dict[int, bytes]] = {}
    taken = 0
    for _ in range(_MOST_PARTS):
        head = file.read(4)
        if len(head) < 4 or head[0] != 0xFF or head[1] in (0xD9, 0xDA):
            break
        if head[1] == 0xFF:  # a filling byte
            file.seek(-3, 1)
            continue
        length = max(int.from_bytes(head[2:], "big") - 2, 0)
        if head[1] != 0xE1:
            file.seek(length, 1)
            continue
        body = file.read(length)
        taken += len(body)
        if taken > LARGEST:
            raise XmpError(f"more than {LARGEST:,} bytes")
        if body.startswith(_STANDARD):
            standard.append(body.removeprefix(_STANDARD))
        elif body.startswith(_EXTENSION):
            name, at = body[len(_EXTENSION) :][:32], len(_EXTENSION) + 32
            place = int.from_bytes(body[at + 4 : at + 8], "big")
            extensions.setdefault(name.upper(), {})[place] = body[at + 8 :]
    named = _EXTENSION_NAME.search(standard[0]) if standard else None
    parts = extensions.get(named[1].upper(), {}) if named else {}
    extended = b"".join(parts[place] for place in sorted(parts))
    return [*standard[:1], *([extended] if extended else [])]


def _of_png(file: BinaryIO) -> list[bytes]:
    file.seek(len(_PNG))
    for _ in range(_MOST_PARTS):
        head = file.read(8)
        if len(head) < 8:
            break
        length, kind = struct.unpack(">I4s", head)
        if kind == b"iTXt" and length <= LARGEST:
            body = file.read(length)
            file.seek(4, 1)
            if body.startswith(b"XML:com.adobe.xmp\0"):
                return [_international_text(body)]
        else:
            file.seek(length + 4, 1)
    return []


def _international_text(body: bytes) -> bytes:
    """Returns the text of an iTXt chunk (PNG, 11.3.4.5)."""
    _, _, rest = body.partition(b"\0")
    is_packed, text = rest[:1] == b"\1", rest[2:].split(b"\0", 2)[-1]
    if not is_packed:
        return text
    unpacker = zlib.decompressobj()
    try:
        plain = unpacker.decompress(text, LARGEST + 1)
    except zlib.error as error:
        raise XmpError(f"broken compression: {error}") from error
    if len(plain) > LARGEST:
        raise XmpError(f"more than {LARGEST:,} bytes")
    return plain


def _of_webp(file: BinaryIO) -> list[bytes]:
    for _ in range(_MOST_PARTS):
        head = file.read(8)
        if len(head) < 8:
            break
        kind, length = struct.unpack("<4sI", head)
        if kind == b"XMP ":
            return [_bounded(file, length)]
        file.seek(length + length % 2, 1)
    return []


def _of_tiff(file: BinaryIO, order: str) -> list[bytes]:
    """Looks through the first directory (TIFF 6.0, section 2)."""
    file.seek(4)
    try:
        file.seek(*struct.unpack(f"{order}I", file.read(4)))
        (count,) = struct.unpack(f"{order}H", file.read(2))
        for _ in range(count):
            tag, kind, length, place = struct.unpack(f"{order}HHII", file.read(12))
            if tag == _TAG and kind in (_BYTE, _UNDEFINED) and length > 4:
                file.seek(place)
                return [_bounded(file, length)]
    except struct.error:
        pass
    return []


def _of_heif(file: BinaryIO) -> list[bytes]:
    file.seek(0)
    data = file.read()
    try:
        image = open_avif(data) if content_of(data) == "AVIF" else open_heif(data)
    except (MediaError, SyntaxError, OSError, ValueError, RuntimeError):
        # A photo that can't be opened has no faces to name either.
        return []
    found = image.info.get("xmp")
    return [found] if isinstance(found, bytes) and 0 < len(found) <= LARGEST else []


def _bounded(file: BinaryIO, length: int) -> bytes:
    if length > LARGEST:
        raise XmpError(f"{length:,} bytes, more than {LARGEST:,}")
    return file.read(length)
