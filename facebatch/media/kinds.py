"""Which files are candidates, by extension; what a file really is, its content settles."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Literal

Kind = Literal["photo", "video"]

PHOTO_EXTENSIONS = frozenset(
    {
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"),
        *(".heic", ".heif", ".hif", ".avif"),
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
        *(".dv", ".mjpg", ".mjpeg"),
    }
)


def kind_of(path: str) -> Kind | None:
    """Returns what a file is taken for by its name; None for no candidate."""
    extension = PurePosixPath(path).suffix.lower()
    if extension in PHOTO_EXTENSIONS or extension in RAW_EXTENSIONS:
        return "photo"
    return "video" if extension in VIDEO_EXTENSIONS else None
