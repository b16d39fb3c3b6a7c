from __future__ import annotations

import struct
import zlib
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ExifTags, Image
from support.examples import examples
from support.pictures import encode, gradient, png_chunk

from facebatch.media.photo import tiff
from facebatch.media.photo.decode import Photo
from facebatch.media.photo.exif import ExifFacts, read_exif_block

DATE, DATE_ORIGINAL = ExifTags.Base.DateTime, ExifTags.Base.DateTimeOriginal
SUBSECONDS, OFFSET = ExifTags.Base.SubsecTimeOriginal, ExifTags.Base.OffsetTimeOriginal


def facts(
    tags: dict[int, Any] | None = None,
    details: dict[int, Any] | None = None,
    place: dict[int, Any] | None = None,
    kind: str = "JPEG",
) -> ExifFacts:
    """Returns what is read of a photo that carries these tags."""
    exif = Image.Exif()
    exif.update(tags or {})
    exif.get_ifd(ExifTags.IFD.Exif).update(details or {})
    exif.get_ifd(ExifTags.IFD.GPSInfo).update(place or {})
    return Photo(encode(gradient(8, 8), kind, exif=exif)).facts.exif


def test_a_photo_without_exif_has_no_facts() -> None:
    assert Photo(encode(gradient())).facts.exif == ExifFacts()
    assert Photo(encode(gradient(), "BMP")).facts.exif == ExifFacts()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_facts_are_read_from_every_format_that_has_exif(kind: str) -> None:
    read = facts({0x0112: 6, DATE: "2021:03:04 05:06:07"}, kind=kind)
    assert (read.orientation, read.captured_at) == (6, datetime(2021, 3, 4, 5, 6, 7))


def test_the_time_of_capture_is_on_the_cameras_clock() -> None:
    read = facts({DATE: "2022:01:01 00:00:00"}, {DATE_ORIGINAL: "2021:03:04 05:06:07"})
    assert read.captured_at == datetime(2021, 3, 4, 5, 6, 7)
    assert read.captured_utc_offset is None


@pytest.mark.parametrize(
    ("fraction", "microseconds"),
    [("5", 500_000), ("123", 123_000), ("1234567", 123_456), ("99999999", 999_999), ("x", 0)],
)
def test_fractions_of_the_second_are_read(fraction: str, microseconds: int) -> None:
    read = facts(details={DATE_ORIGINAL: "9999:12:31 23:59:59", SUBSECONDS: fraction})
    assert read.captured_at == datetime(9999, 12, 31, 23, 59, 59, microseconds)


@pytest.mark.parametrize(
    ("text", "minutes"),
    [("+02:00", 120), ("-03:30", -210), ("+00:00", 0), ("Z", 0), ("2 hours", None), ("", None)],
)
def test_the_clocks_offset_is_read_in_minutes(text: str, minutes: int | None) -> None:
    read = facts(details={DATE_ORIGINAL: "2021:03:04 05:06:07", OFFSET: text})
    assert read.captured_utc_offset == minutes


def test_an_offset_without_a_time_says_nothing() -> None:
    assert facts(details={OFFSET: "+02:00"}).captured_utc_offset is None


@pytest.mark.parametrize(
    "text",
    ["0000:00:00 00:00:00", "    :  :     :  :  ", "2021:02:30 00:00:00", "yesterday", "", "2021"],
)
def test_a_time_that_lies_is_absent(text: str) -> None:
    assert facts({DATE: text}).captured_at is None


@pytest.mark.parametrize(
    ("text", "moment", "minutes"),
    [
        ("2013-09-20 14:55:39", datetime(2013, 9, 20, 14, 55, 39), None),
        ("2013/09/20T14:55:39", datetime(2013, 9, 20, 14, 55, 39), None),
        ("2015:08:22 24:08:19", datetime(2015, 8, 22, 0, 8, 19), None),
        ("2025:01:14 18:31:30+02:00", datetime(2025, 1, 14, 18, 31, 30), 120),
        ("2025:01:14 18:31:30.25Z", datetime(2025, 1, 14, 18, 31, 30, 250_000), 0),
    ],
)
def test_forms_that_other_programs_write_are_read(
    text: str, moment: datetime, minutes: int | None
) -> None:
    read = facts(details={DATE_ORIGINAL: text})
    assert (read.captured_at, read.captured_utc_offset) == (moment, minutes)


ZEROED = "0000:00:00 00:00:00"
TAKEN, SCANNED, EDITED = (f"{year}:05:06 07:08:09" for year in (2003, 2013, 2023))


@pytest.mark.parametrize(
    ("original", "digitised", "changed", "year"),
    [
        (TAKEN, SCANNED, EDITED, 2003),
        (None, SCANNED, EDITED, 2013),
        (ZEROED, SCANNED, EDITED, 2013),
        (ZEROED, "2013:02:30 07:08:09", EDITED, 2023),
        (None, SCANNED, None, 2013),
        (ZEROED, None, "    :  :     :  :  ", None),
    ],
)
def test_where_a_date_is_missing_or_lies_the_next_one_counts(
    original: str | None, digitised: str | None, changed: str | None, year: int | None
) -> None:
    given = {DATE_ORIGINAL: original, ExifTags.Base.DateTimeDigitized: digitised}
    details = {tag: text for tag, text in given.items() if text}
    read = facts({DATE: changed} if changed else {}, details)
    assert (read.captured_at.year if read.captured_at else None) == year


def test_a_date_keeps_its_own_fraction_and_offset() -> None:
    digitised = {
        ExifTags.Base.DateTimeDigitized: SCANNED,
        ExifTags.Base.SubsecTimeDigitized: "5",
        ExifTags.Base.OffsetTimeDigitized: "+01:00",
    }
    read = facts(details={DATE_ORIGINAL: ZEROED, SUBSECONDS: "9", OFFSET: "+09:00", **digitised})
    assert read.captured_at == datetime(2013, 5, 6, 7, 8, 9, 500_000)
    assert read.captured_utc_offset == 60


@pytest.mark.parametrize("value", [0, 9, 255, 65_535])
def test_an_orientation_that_lies_is_none(value: int) -> None:
    assert facts({0x0112: value}).orientation == 1


def test_an_orientation_of_a_wrong_type_is_none() -> None:
    for entry in ((0x0112, FLOAT, 1, struct.pack("<f", 6.0)), (0x0112, ASCII, 2, b"6\0\0\0")):
        photo = Photo(encode(gradient(40, 20), exif=raw_exif(entry)))
        assert photo.facts.exif.orientation == 1
        assert (photo.facts.width, photo.facts.height) == (40, 20)


def test_places_are_read_in_degrees_and_metres() -> None:
    read = facts(place={1: "S", 2: (33.0, 51.0, 36.0), 3: "W", 4: (151.0, 12.0, 30.0), 6: 58.5})
    assert read.latitude == pytest.approx(-(33 + 51 / 60 + 36 / 3600))
    assert read.longitude == pytest.approx(-(151 + 12 / 60 + 30 / 3600))
    assert read.altitude == pytest.approx(58.5)


def test_a_reference_is_told_by_its_first_letter() -> None:
    read = facts(place={1: "South", 2: (48.0, 0.0, 0.0), 3: "west", 4: (2.0, 0.0, 0.0)})
    assert (read.latitude, read.longitude) == (-48.0, -2.0)


def test_north_and_east_are_positive_and_below_the_sea_is_negative() -> None:
    place = {1: "N", 2: (1.0, 0.0, 0.0), 3: "E", 4: (2.0, 0.0, 0.0), 5: b"\x01", 6: 10.0}
    read = facts(place=place)
    assert (read.latitude, read.longitude, read.altitude) == (1.0, 2.0, -10.0)


@pytest.mark.parametrize(
    "place",
    [
        {1: "N", 2: (91.0, 0.0, 0.0)},
        {3: "E", 4: (180.0, 0.0, 1.0)},
        {1: "N", 2: (1.0, 2.0), 3: "E", 4: (2.0, 0.0, 0.0)},
        {1: "N", 2: 5.0, 3: "E", 4: (2.0, 0.0, 0.0)},
        {1: "N", 2: (91.0, 0.0, 0.0), 3: "E", 4: (2.0, 0.0, 0.0)},
        {1: "N", 2: (1.0, 0.0, 0.0)},
        {1: "N", 2: (0.0, 0.0, 0.0), 3: "E", 4: (0.0, 0.0, 0.0)},
        {6: 1e9},
    ],
)
def test_a_place_that_lies_is_absent(place: dict[int, Any]) -> None:
    read = facts(place=place)
    assert (read.latitude, read.longitude, read.altitude) == (None, None, None)


def raw_exif(*entries: tuple[int, int, int, bytes], tail: bytes = b"") -> bytes:
    """Returns an EXIF block of (tag, type, count, four bytes of value), as TIFF 6.0 lays it out."""
    body = b"".join(struct.pack("<HHI", *entry[:3]) + entry[3] for entry in entries)
    header = b"Exif\0\0II*\0" + struct.pack("<IH", 8, len(entries))
    return header + body + struct.pack("<I", 0) + tail


# TIFF 6.0's numbers of types.
ASCII, SHORT, LONG, RATIONAL, SIGNED_LONG, FLOAT = 2, 3, 4, 5, 9, 11
ORIENTED = (0x0112, SHORT, 1, struct.pack("<HH", 6, 0))


@pytest.mark.parametrize(
    "pointer",
    [
        (0x8825, LONG, 1, struct.pack("<I", 10**9)),
        (0x8769, LONG, 1, struct.pack("<I", 2**32 - 1)),
        (0x8825, LONG, 1, struct.pack("<I", 8)),
        (0x8825, SIGNED_LONG, 1, struct.pack("<i", -5)),
        (0x8769, SIGNED_LONG, 1, struct.pack("<i", -5)),
        (0x8825, FLOAT, 1, struct.pack("<f", -1.5)),
        (0x8825, LONG, 2, struct.pack("<I", 40)),
        (0x8825, ASCII, 4, b"abc\0"),
    ],
)
def test_a_broken_part_of_exif_doesnt_cost_the_orientation(
    pointer: tuple[int, int, int, bytes],
) -> None:
    data = encode(gradient(40, 20), exif=raw_exif(ORIENTED, pointer))
    photo = Photo(data)
    assert photo.facts.exif.orientation == 6
    assert (photo.facts.width, photo.facts.height) == (20, 40)
    assert photo.decode().pixels.size == (20, 40)


def test_a_rational_with_a_zero_denominator_is_absent() -> None:
    # GPS folder at 8 + 2 + 12 + 4; its latitude's three rationals lie behind it.
    gps = struct.pack("<HHHII", 1, 2, RATIONAL, 3, 44) + struct.pack("<I", 0)
    tail = gps + struct.pack("<6I", 1, 0, 2, 0, 3, 0)
    data = encode(
        gradient(8, 8), exif=raw_exif((0x8825, LONG, 1, struct.pack("<I", 26)), tail=tail)
    )
    assert Photo(data).facts.exif.latitude is None


@examples(25, 200)
@given(st.binary(max_size=200), st.booleans())
def test_no_exif_whatever_it_holds_costs_the_photo(noise: bytes, oriented: bool) -> None:
    exif = raw_exif(ORIENTED, tail=noise) if oriented else b"Exif\0\0II*\0" + noise
    photo = Photo(encode(gradient(40, 20), exif=exif))
    assert sorted(photo.decode().pixels.size) == [20, 40]
    if oriented:
        assert photo.facts.exif.orientation == 6


def png_parts(exif: Image.Exif | None = None) -> tuple[bytes, bytes, bytes]:
    """Returns a PNG's start, picture and end; eXIf would stand in the start."""
    data = encode(gradient(40, 20), "PNG", exif=exif or b"")
    picture, end = data.index(b"IDAT") - 4, data.index(b"IEND") - 4
    return data[:picture], data[picture:end], data[end:]


@pytest.mark.parametrize("is_late", [False, True])
@pytest.mark.parametrize("form", ["eXIf", "zTXt", "XMP"])
def test_a_pngs_orientation_is_read_before_and_behind_its_picture(form: str, is_late: bool) -> None:
    exif = raw_exif(ORIENTED)
    xmp = b"XML:com.adobe.xmp" + bytes(5) + b'<x:xmpmeta tiff:Orientation="6"/>'
    hidden = zlib.compress(b"\nexif\n%d\n" % len(exif) + exif.hex().encode())
    chunk = {
        "eXIf": png_chunk(b"eXIf", exif.removeprefix(b"Exif\0\0")),
        "zTXt": png_chunk(b"zTXt", b"Raw profile type exif\0\0" + hidden),
        "XMP": png_chunk(b"iTXt", xmp),
    }[form]
    start, picture, end = png_parts()
    data = start + (picture + chunk if is_late else chunk + picture) + end
    photo = Photo(data)
    assert photo.facts.exif.orientation == 6
    assert (photo.facts.width, photo.facts.height) == (20, 40)
    assert photo.decode().pixels.size == (20, 40)


def test_a_block_that_is_no_exif_has_no_facts() -> None:
    for block in (b"", b"II", b"II*\0", b"no EXIF at all", b"MM\0*" + bytes(4)):
        assert read_exif_block(block) == ExifFacts()
    assert read_exif_block(raw_exif(ORIENTED).removeprefix(b"Exif\0\0")).orientation == 6


@examples(25, 300)
@given(st.sampled_from([b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"]), st.binary(max_size=300))
def test_directories_of_any_bytes_are_read_to_their_end(start: bytes, rest: bytes) -> None:
    for directory in tiff.directories(start + rest):
        assert directory.claimed <= len(rest) * len(rest)
    assert read_exif_block(start + rest).orientation in range(1, 9)
