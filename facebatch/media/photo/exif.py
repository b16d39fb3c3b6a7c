"""EXIF facts of a photo: orientation, capture time and place; a value that lies is absent."""

from __future__ import annotations

import io
import math
import re
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from PIL import ExifTags, Image

from facebatch.media.photo import tiff
from facebatch.media.photo.maker_note import canon_orientation, live_photo_id

_PNG_TEXTS = frozenset({b"eXIf", b"tEXt", b"zTXt", b"iTXt"})
_FROM_CAMERAS = frozenset({"JPEG", "MPO"})
_MAKER_NOTE = 0x927C  # EXIF 2.32, section 4.6.5
_HIDDEN_EXIF = "Raw profile type exif"
_OF_THE_PICTURE = (ExifTags.Base.Orientation, ExifTags.Base.DateTime)
_DATES = (
    (
        ExifTags.Base.DateTimeOriginal,
        ExifTags.Base.SubsecTimeOriginal,
        ExifTags.Base.OffsetTimeOriginal,
    ),
    (
        ExifTags.Base.DateTimeDigitized,
        ExifTags.Base.SubsecTimeDigitized,
        ExifTags.Base.OffsetTimeDigitized,
    ),
    (ExifTags.Base.DateTime, ExifTags.Base.SubsecTime, ExifTags.Base.OffsetTime),
)
"""The dates of a photo by how well they say when it was taken, each with its fraction of a second
and its offset from UTC (EXIF 2.32, section 4.6.5)."""

_DATE = re.compile(
    r"(\d{4})[:/.-](\d{1,2})[:/.-](\d{1,2})[ T]+(\d{1,2}):(\d{1,2})(?::(\d{1,2}))?"
    r"(?:[.,](?P<fraction>\d+))?\s*(?P<offset>Z|[+-]\d{2}:?\d{2})?",
    re.ASCII,
)
"""EXIF's own form, and what programs write in its place: dashes, slashes, a T, an offset."""


@dataclass(frozen=True)
class ExifFacts:
    """What EXIF says of a photo, checked.

    Args:
        orientation: 1..8; 1 where there is none or an impossible one, and no note of the camera's.
        captured_at: Capture time on the camera's own clock, without a time zone.
        captured_utc_offset: That clock's offset from UTC, minutes.
        latitude: Degrees, north positive.
        longitude: Degrees, east positive.
        altitude: Metres above sea level.
        says_orientation: Whether the file itself says how it lies, so that no sidecar has a say.
        live_photo_id: Apple's content identifier, which a Live Photo's picture and video share.
    """

    orientation: int = 1
    captured_at: datetime | None = None
    captured_utc_offset: int | None = None
    latitude: float | None = None
    longitude: float | None = None
    altitude: float | None = None
    says_orientation: bool = False
    live_photo_id: str | None = None


def read_exif(image: Image.Image) -> ExifFacts:
    """Returns the EXIF facts of an opened picture; what can't be read is absent, never an error."""
    if image.format == "PNG" and "exif" not in image.info:
        _readable(lambda: _loaded(image))  # what stands behind the picture is known then
    found = _block(image)
    block = found.removeprefix(b"Exif\0\0") if isinstance(found, bytes) else b""
    if tiff.claims_too_much(block):
        return ExifFacts()
    facts = _facts(image.getexif)
    if image.format in _FROM_CAMERAS and _orientation(_readable(image.getexif)) is None:
        noted = _noted_orientation(image, block)
        return replace(facts, orientation=noted, says_orientation=noted != 1)
    return facts


def _noted_orientation(image: Image.Image, block: bytes) -> int:
    """Returns the orientation that the camera's own note says; 1 where there is none."""
    tags = _readable(image.getexif)
    note = _readable(lambda: image.getexif().get_ifd(ExifTags.IFD.Exif)).get(_MAKER_NOTE)
    if not str(tags.get(ExifTags.Base.Make)).startswith("Canon") or not isinstance(note, bytes):
        return 1
    return canon_orientation(block, note, image.size)


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
    moment, offset = _moment({**details, **tags})
    latitude, longitude = _place(place)
    said, note = _orientation(tags), details.get(_MAKER_NOTE)
    return ExifFacts(
        orientation=said or 1,
        captured_at=moment,
        captured_utc_offset=offset,
        latitude=latitude,
        longitude=longitude,
        altitude=_altitude(place),
        says_orientation=said is not None,
        live_photo_id=live_photo_id(note) if isinstance(note, bytes) else None,
    )


def _orientation(tags: Mapping[int, Any]) -> int | None:
    """Returns the orientation that is said; None where there is none or an impossible one."""
    said = tags.get(ExifTags.Base.Orientation)
    return said if isinstance(said, int) and 1 <= said <= 8 else None


def _of_the_picture(exif: Image.Exif) -> dict[int, Any]:
    return {tag: exif[tag] for tag in _OF_THE_PICTURE if tag in exif}


def _readable(read: Callable[[], Mapping[int, Any]]) -> dict[int, Any]:
    try:
        return dict(read())
    except Exception:
        # Pillow raises whatever its TIFF reader stumbles over, and no EXIF is worth a photo.
        return {}


def _moment(tags: Mapping[int, Any]) -> tuple[datetime | None, int | None]:
    """Returns capture time and offset by the first date that can be true.

    When the picture was taken comes first; then when it was digitised, which a scanner knows; last
    when the file was changed.
    """
    for date, subseconds, offset in _DATES:
        moment, own_offset = _parsed(tags.get(date))
        if moment is None:
            continue
        fraction = str(tags.get(subseconds, "")).strip("\0 ")
        if fraction.isascii() and fraction.isdigit():
            moment = moment.replace(microsecond=int(f"{fraction:0<6}"[:6]))
        return moment, _offset(tags.get(offset)) if own_offset is None else own_offset
    return None, None


def _parsed(text: Any) -> tuple[datetime | None, int | None]:
    """Returns the time that a date's text says, and the offset if the text has one."""
    found = _DATE.match(text.strip("\0 ")) if isinstance(text, str) else None
    if found is None:
        return None, None
    year, month, day, hour, minute, second = (int(part or 0) for part in found.groups()[:6])
    # Some phones count hours from 1 to 24 (Java's "kk"), so that a day begins with the 24th.
    hour = 0 if hour == 24 else hour
    try:
        moment = datetime(year, month, day, hour, minute, second)
    except ValueError:
        return None, None
    if fraction := found["fraction"]:
        moment = moment.replace(microsecond=int(f"{fraction:0<6}"[:6]))
    return moment, _offset(found["offset"])


def _offset(text: Any) -> int | None:
    if not isinstance(text, str):
        return None
    try:
        offset = datetime.strptime(text.strip("\0 "), "%z").utcoffset()
    except ValueError:
        return None
    return None if offset is None else int(offset.total_seconds() // 60)


def _place(gps: Mapping[int, Any]) -> tuple[float | None, float | None]:
    """Returns latitude and longitude: both, or neither where one is missing or can't be true."""
    latitude = _angle(gps, ExifTags.GPS.GPSLatitude, ExifTags.GPS.GPSLatitudeRef, "S", 90)
    longitude = _angle(gps, ExifTags.GPS.GPSLongitude, ExifTags.GPS.GPSLongitudeRef, "W", 180)
    # A receiver without a fix writes zeros; there is no land where both angles are zero.
    if latitude is None or longitude is None or latitude == longitude == 0:
        return None, None
    return latitude, longitude


def _angle(
    gps: Mapping[int, Any], value: int, reference: int, negative: str, limit: float
) -> float | None:
    try:
        degrees, minutes, seconds = (float(part) for part in gps[value])
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    angle = degrees + minutes / 60 + seconds / 3600
    if str(gps.get(reference, "")).strip("\0 ").upper().startswith(negative):
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
