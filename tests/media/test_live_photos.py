"""Apple's content identifier, by which the two files of a Live Photo know each other."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.pictures import TiffWriter, encode, gradient
from support.videos import encode_video

from facebatch.media.photo.decode import Photo
from facebatch.media.photo.maker_note import live_photo_id
from facebatch.media.video.frames import probe

DETAILS, NOTE = 0x8769, 0x927C
IDENTIFIER = "C09DCB26-D321-4254-9F68-2E2E7FA16155"


def apple_note(identifier: bytes, order: str = ">", tag: int = 0x11, kind: int = 2) -> bytes:
    """Returns a note as iOS writes it: a directory of two tags, places counted from the note."""
    head = b"Apple iOS\0\0\1" + (b"MM" if order == ">" else b"II")
    place = len(head) + 2 + 2 * 12 + 4
    first = struct.pack(f"{order}HHIi", 1, 9, 1, 14)
    second = struct.pack(f"{order}HHII", tag, kind, len(identifier), place)
    return head + struct.pack(f"{order}H", 2) + first + second + bytes(4) + identifier


def photo_with(note: bytes) -> Photo:
    writer = TiffWriter()
    details = writer.directory({NOTE: (7, note)})
    block = writer.file(writer.directory({DETAILS: (4, [details])}))
    return Photo(encode(gradient(), exif=b"Exif\0\0" + block))


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_photo_gives_the_identifier_of_its_makers_note(order: str) -> None:
    note = apple_note(IDENTIFIER.lower().encode() + b"\0", order)
    assert photo_with(note).facts.exif.live_photo_id == IDENTIFIER
    assert Photo(encode(gradient())).facts.exif.live_photo_id is None


@pytest.mark.parametrize(
    "note",
    [
        apple_note(IDENTIFIER.encode(), tag=0x12),
        apple_note(IDENTIFIER.encode(), kind=4),
        apple_note(b"\0" * 37),
        apple_note(b"\xff" * 37),
        apple_note(b"A\nB"),
        apple_note(b"A" * 101),
        apple_note(IDENTIFIER.encode())[:30],
        apple_note(IDENTIFIER.encode()).replace(b"Apple", b"Apfel"),
        b"Apple iOS\0",
        b"",
    ],
)
def test_a_note_that_says_nothing_gives_none(note: bytes) -> None:
    assert live_photo_id(note) is None


@given(st.binary(max_size=200))
def test_no_note_does_harm(rest: bytes) -> None:
    for order in (b"MM", b"II"):
        live_photo_id(b"Apple iOS\0\0\1" + order + rest)


@pytest.mark.parametrize("said", [{"com.apple.quicktime.content.identifier": IDENTIFIER}, {}])
def test_a_video_gives_that_of_its_container(said: dict[str, str]) -> None:
    pictures = [np.zeros((32, 32, 3), np.uint8)] * 3
    made = encode_video(
        pictures,
        [0, 40, 80],
        container="mov",
        options={"movflags": "use_metadata_tags"},
        metadata=said,
    )
    assert probe(io.BytesIO(made)).exif.live_photo_id == (IDENTIFIER if said else None)
