"""Photos without an EXIF orientation are turned as Canon's own note says."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from support.pictures import TiffWriter, as_stored, encode, gradient

from facebatch.media.photo.decode import Photo
from facebatch.media.photo.maker_note import canon_orientation

MAKE, ORIENTATION, DETAILS, NOTE = 0x010F, 0x0112, 0x8769, 0x927C
UPRIGHT = {1: 6, 2: 3, 3: 8}


def canon_block(
    turn: int,
    order: str = "<",
    make: bytes = b"Canon\0",
    orientation: int | None = None,
    said_length: int = 68,
) -> bytes:
    """Returns an EXIF block with Canon's note, whose ShotInfo has 34 numbers."""
    writer = TiffWriter(order)
    numbers = [0] * 34
    numbers[0], numbers[27] = said_length, turn
    place = writer.add(struct.pack(f"{order}34h", *numbers))
    owner = writer.add(b"somebody")
    note = struct.pack(f"{order}H", 2)
    note += struct.pack(f"{order}HHII", 4, 3, 34, place)
    note += struct.pack(f"{order}HHII", 9, 2, 8, owner) + bytes(4)
    details = writer.directory({NOTE: (7, note)})
    tags: dict[int, Any] = {MAKE: (2, make), DETAILS: (4, [details])}
    if orientation is not None:
        tags[ORIENTATION] = (3, [orientation])
    return writer.file(writer.directory(tags))


def orientation_of(block: bytes, size: tuple[int, int] = (80, 60)) -> int:
    data = encode(gradient(*size), exif=b"Exif\0\0" + block)
    return Photo(data).facts.exif.orientation


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("turn", "expected"), [*UPRIGHT.items(), (0, 1), (-1, 1), (7, 1)])
def test_the_cameras_note_turns_a_photo_without_an_orientation(
    turn: int, expected: int, order: str
) -> None:
    assert orientation_of(canon_block(turn, order)) == expected


def test_a_turned_photo_is_the_picture_that_was_seen() -> None:
    seen = np.array(gradient(60, 80))
    for turn, orientation in UPRIGHT.items():
        upright = seen if turn != 2 else np.array(gradient())
        stored = as_stored(upright, orientation)
        exif = b"Exif\0\0" + canon_block(turn)
        photo = Photo(encode(Image.fromarray(stored), quality=100, subsampling=0, exif=exif))
        difference = np.abs(np.array(photo.decode().pixels, int) - upright)
        assert (photo.facts.width, photo.facts.height) == upright.shape[1::-1]
        assert difference.mean() < 3


@pytest.mark.parametrize("said", [1, 3, 8])
def test_exif_outranks_the_note(said: int) -> None:
    assert orientation_of(canon_block(1, orientation=said)) == said


def test_an_impossible_orientation_leaves_it_to_the_note() -> None:
    assert orientation_of(canon_block(1, orientation=0)) == 6


def test_a_photo_that_was_turned_already_stays() -> None:
    assert orientation_of(canon_block(1), (60, 80)) == 1


def test_other_makers_notes_and_notes_that_were_moved_say_nothing() -> None:
    assert orientation_of(canon_block(1, make=b"Nikon\0")) == 1
    assert orientation_of(canon_block(1, said_length=66)) == 1


@given(st.binary(max_size=200), st.binary(max_size=200), st.sampled_from([b"II*\0", b"MM\0*", b""]))
def test_whatever_a_note_holds_it_says_an_orientation(block: bytes, note: bytes, mark) -> None:
    assert canon_orientation(mark + block, note, (4, 3)) in {1, 3, 6, 8}
