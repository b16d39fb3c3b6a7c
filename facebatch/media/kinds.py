"""Which files are candidates, by extension; what a file really is, its content settles."""

from __future__ import annotations

import importlib.util
import posixpath
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

Kind = Literal["photo", "video"]
FrameChoice = Literal["fps", "keyframes", "all"]
"""Which frames of a video are looked at."""

PHOTO_EXTENSIONS = frozenset(
    {
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"),
        *(".pjpeg", ".pjp", ".jpg_large", ".mpo", ".insp"),
        *(".heic", ".heif", ".hif", ".avif", ".jxl"),
        *(".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx"),
    }
)
RAW_EXTENSIONS = frozenset(
    {
        *(".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dng", ".erf", ".iiq", ".kdc", ".mef", ".mrw"),
        *(".nef", ".nrw", ".orf", ".pef", ".raf", ".raw", ".rw2", ".rwl", ".sr2", ".srf", ".srw"),
    }
)
"""Cameras' raw files, of which the embedded preview is read."""

VIDEO_EXTENSIONS = frozenset(
    {
        *(".mp4", ".m4v", ".mov", ".qt", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".m2v", ".mts"),
        *(".m2ts", ".ts", ".vob", ".wmv", ".asf", ".flv", ".f4v", ".3gp", ".3g2", ".ogv", ".mxf"),
        *(".dv", ".mjpg", ".mjpeg", ".mp"),
    }
)


_COPY_MARK = re.compile(r"~\d+$")
"""What some phones and programs append to the name of a second version: ``IMG_1.jpg~2``."""


def extension_of(path: str) -> str:
    """Returns a file's extension in lower case with its dot; empty where there is none."""
    return _COPY_MARK.sub("", posixpath.splitext(path)[1].lower())


def kind_of(path: str) -> Kind | None:
    """Returns what a file is taken for by its name; None for no candidate."""
    extension = extension_of(path)
    if extension in PHOTO_EXTENSIONS or extension in RAW_EXTENSIONS:
        return "photo"
    return "video" if extension in VIDEO_EXTENSIONS else None


def is_sidecar(path: str) -> bool:
    """Tells whether a file is taken for an XMP sidecar by its name."""
    return path[-4:].lower() == ".xmp"


DECODER_PACKAGES: Mapping[str, str] = MappingProxyType(
    {"heif": "pillow_heif", "jxl": "pillow_jxl", "raw": "rawpy"}
)
"""Extras of this package that bring decoders, and the modules they bring."""


def install_hint(extra: str) -> str:
    """Returns what to do about a decoder that isn't there; `decoder_has_come` reads it."""
    return f"pip install 'facebatch[{extra}]'"


def decoder_has_come(message: str) -> bool:
    """Tells whether a decoder is there today that a message missed."""
    return any(
        install_hint(extra) in message and importlib.util.find_spec(module) is not None
        for extra, module in DECODER_PACKAGES.items()
    )
