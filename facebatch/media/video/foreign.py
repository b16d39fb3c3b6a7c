"""What only looks like media by its name: text and other data under an extension of videos.

TypeScript is called ``.ts`` as transport streams are, and ``.raw``, ``.dv``, ``.mpg`` and ``.mp``
are anything. The first bytes tell, without any decoder.
"""

from __future__ import annotations

from facebatch.media.kinds import VIDEO_EXTENSIONS, extension_of
from facebatch.media.photo import tiff
from facebatch.media.photo.sniff import content_of

HEAD = 8_192
"""Bytes by which a file is judged."""

_TRANSPORT = frozenset({".ts", ".mts", ".m2ts"})
_CLAIMED = frozenset({*_TRANSPORT, ".raw", ".dv", ".mpg", ".mp"})
"""Extensions that other programs give to data of their own."""

_PACKETS = (188, 192, 204)
"""Bytes of a transport stream's packet (ISO/IEC 13818-1); with AVCHD's time stamp; with the parity
of broadcasts."""

_SYNC = 0x47
_PACKETS_SEEN = 5

BOXES = frozenset({b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"moof", b"styp"})
"""What the first box of an MP4 or QuickTime file is called."""

MPEG = (b"\x00\x00\x01\xba", b"\x00\x00\x01\xb3")
"""How MPEG program and video streams begin (ISO/IEC 13818-1 and -2); they may be joined late."""

MAGIC = (
    *(b"\x1aE\xdf\xa3", b"FLV\x01", b"OggS", b"0&\xb2u\x8ef\xcf\x11"),
    *(b"\x06\x0e+4\x02\x05\x01\x01", *MPEG),
)
"""How Matroska, FLV, Ogg, ASF, MXF and MPEG begin."""

_OTHER_MEDIA = (b"RIFF", b"\xff\xd8\xff", b"\x89PNG")
_DV = b"\x1f\x07\x00"
"""The header block of a DIF sequence (IEC 61834-2), as far as all of them have it."""

_NO_TEXT = bytes({*range(32)} - set(b"\t\n\f\r\x1b")) + b"\x7f"
_SURE = 256
"""Bytes from which on text may be in any encoding of one byte: of as many random bytes none is a
control character with a probability of 1e-12."""


def may_be_foreign(path: str) -> bool:
    """Tells whether a candidate has to be looked into, by its extension."""
    extension = extension_of(path)
    return extension in VIDEO_EXTENSIONS or extension in _CLAIMED


def is_foreign(path: str, head: bytes) -> bool:
    """Tells whether a file whose name may be that of a medium is text or other data.

    Args:
        path: Its name.
        head: Its first `HEAD` bytes, or all.
    """
    if not head or not may_be_foreign(path):
        return False
    return _is_text(head) or (extension_of(path) in _CLAIMED and not _is_media(head))


def _is_text(head: bytes) -> bool:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        try:
            text = head[: len(head) // 2 * 2].decode("utf-16")
        except UnicodeDecodeError:
            return False
        return not any(ord(character) < 32 and character not in "\t\n\f\r" for character in text)
    if head.translate(None, _NO_TEXT) != head:
        return False
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        return len(head) >= _SURE or len(head) - error.start < 4
    return True


def _is_media(head: bytes) -> bool:
    return (
        head.startswith((*MAGIC, *_OTHER_MEDIA))
        or head[4:8] in BOXES
        or any(mark in head for mark in MPEG)
        or _DV in head
        or tiff.is_tiff(head)
        or content_of(head) != "other"
        or _is_transport(head)
    )


def _is_transport(head: bytes) -> bool:
    """Tells whether packets follow each other, wherever in one of them the file begins."""
    if len(head) < _PACKETS_SEEN * max(_PACKETS):
        return _SYNC in (head[0], *head[4:5])
    every = bytes([_SYNC] * _PACKETS_SEEN)
    return any(
        head[start::length].startswith(every) for length in _PACKETS for start in range(length)
    )
