"""EXIF facts of a photo: orientation, capture time and place; a value that lies is absent."""

from __future__ import annotations

import io
import math
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from PIL import ExifTags, Image

from facebatch.media.photo import tiff

_PNG_TEXTS = frozenset({b"eXIf", b"tEXt", b"zTXt", b"iTXt"})
_HIDDEN_EXIF = "Raw profile type exif"
_OF_THE_PICTURE = (ExifTags.Base.Orientation, ExifTags.Base.DateTime)


@dataclass(frozen=True)
class ExifFacts:
    """What EXIF says of a photo, checked.

    Args:
        orientation: 1..8; 1 where there is none or an impossible one.
        captured_at: Capture time on the camera's own clock, without a time zone.
        captured_utc_offset: That clock's offset from UTC, minutes.
        latitude: Degrees, north positive.
        longitude: Degrees, east positive.
        altitude: Metres above sea level.
    """

    orientation: int = 1
    captured_at: datetime | None = None
    captured_utc_offset: int | None = None
    latitude: float | None = None
    longitude: float | None = None
    altitude: float | None = None


def read_exif(image: Image.Image) -> ExifFacts:
    """Returns the EXIF facts of an opened picture; what can't be read is absent, never an error."""
    if image.format == "PNG" and "exif" not in image.info:
        _readable(lambda: _loaded(image))  # what stands behind the picture is known then
    block = _block(image)
    if isinstance(block, bytes) and tiff.claims_too_much(block.removeprefix(b"Exif\0\0")):
        return ExifFacts()
    return _facts(image.getexif)


def _loaded(image: Image.Image) -> dict[int, Any]:
    image.load()
    return {}


def _block(image: Image.Image) -> object:
    """Returns the bytes that Pillow will read EXIF from, if there are any."""
    hidden = image.info.get(_HIDDEN_EXIF)
    if "exif" in image.info or not isinstance(hidden, str):
        return image.info.get("exif")
    try:
        return bytes.fromhex("".join(hidden.split("\n")[3:]))
    except ValueError:
        return None


def has_late_facts(png: bytes) -> bool:
    """Tells whether a PNG has EXIF, or text that may hold it, elsewhere than in an early eXIf.

    Text before the picture counts where it has the name under which programs once hid EXIF.
    """
    place, is_late = 8, False
    while place + 8 <= len(png):
        length, name = struct.unpack_from(">I4s", png, place)
        is_late = is_late or name == b"IDAT"
        if name in _PNG_TEXTS and (is_late or png.startswith(_HIDDEN_EXIF.encode(), place + 8)):
            return True
        place += length + 12
    return False


def read_exif_block(data: bytes) -> ExifFacts:
    """Returns the EXIF facts of a TIFF file or EXIF block; what can't be read is absent."""
    if not tiff.is_tiff(data) or tiff.claims_too_much(data):
        return ExifFacts()
    exif = Image.Exif()

    def read() -> Image.Exif:
        exif.load_from_fp(io.BytesIO(data))
        return exif

    return _facts(read)


def _facts(read: Callable[[], Image.Exif]) -> ExifFacts:
    tags = _readable(lambda: _of_the_picture(read()))
    details = _readable(lambda: read().get_ifd(ExifTags.IFD.Exif))
    place = _readable(lambda: read().get_ifd(ExifTags.IFD.GPSInfo))
    orientation = tags.get(ExifTags.Base.Orientation)
    fallback_time = tags.get(ExifTags.Base.DateTime)
    moment = _moment(details, fallback_time)
    return ExifFacts(
        orientation=orientation if isinstance(orientation, int) and 1 <= orientation <= 8 else 1,
        captured_at=moment,
        captured_utc_offset=_offset(details) if moment else None,
        latitude=_angle(place, ExifTags.GPS.GPSLatitude, ExifTags.GPS.GPSLatitudeRef, "S", 90),
        longitude=_angle(place, ExifTags.GPS.GPSLongitude, ExifTags.GPS.GPSLongitudeRef, "W", 180),
        altitude=_altitude(place),
    )


def _of_the_picture(exif: Image.Exif) -> dict[int, Any]:
    return {tag: exif[tag] for tag in _OF_THE_PICTURE if tag in exif}


def _readable(read: Callable[[], Mapping[int, Any]]) -> dict[int, Any]:
    try:
        return dict(read())
    except Exception:
        # Pillow raises whatever its TIFF reader stumbles over, and no EXIF is worth a photo.
        return {}


def _moment(details: Mapping[int, Any], fallback: Any) -> datetime | None:
    text = details.get(ExifTags.Base.DateTimeOriginal) or fallback
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.strptime(text.strip("\0 ")[:19], "%Y:%m:%d %H:%M:%S")
    except ValueError:
        return None
    fraction = str(details.get(ExifTags.Base.SubsecTimeOriginal, "")).strip("\0 ")
    if fraction.isascii() and fraction.isdigit():
        moment = moment.replace(microsecond=int(f"{fraction:0<6}"[:6]))
    return moment


def _offset(details: Mapping[int, Any]) -> int | None:
    text = details.get(ExifTags.Base.OffsetTimeOriginal)
    if not isinstance(text, str):
        return None
    try:
        offset = datetime.strptime(text.strip("\0 "), "%z").utcoffset()
    except ValueError:
        return None
    return None if offset is None else int(offset.total_seconds() // 60)


def _angle(
    place: Mapping[int, Any], value: int, reference: int, negative: str, limit: float
) -> float | None:
    try:
        degrees, minutes, seconds = (float(part) for part in place[value])
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    angle = degrees + minutes / 60 + seconds / 3600
    if str(place.get(reference, "")).strip("\0 ").upper() == negative:
        angle = -angle
    return angle if math.isfinite(angle) and abs(angle) <= limit else None


def _altitude(place: Mapping[int, Any]) -> float | None:
    try:
        altitude = float(place[ExifTags.GPS.GPSAltitude])
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    below = place.get(ExifTags.GPS.GPSAltitudeRef) in (1, b"\x01")
    altitude = -altitude if below else altitude
    # Mount Everest and the Challenger Deep, with room for aeroplanes.
    return altitude if math.isfinite(altitude) and -12_000 <= altitude <= 50_000 else None
