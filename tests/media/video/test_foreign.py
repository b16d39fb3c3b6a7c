"""Files that only look like media by their names are told by their first bytes."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.videos import encode_video, numbered

from facebatch.media.kinds import VIDEO_EXTENSIONS
from facebatch.media.video.containers import FORMATS
from facebatch.media.video.foreign import HEAD, is_foreign

NOISE = random.Random(1).randbytes(HEAD)
CLAIMED = [".ts", ".mts", ".m2ts", ".raw", ".dv", ".mpg", ".mp"]
PACKET = b"\x47" + bytes(187)


@pytest.mark.parametrize("extension", sorted(VIDEO_EXTENSIONS | {".raw"}))
@pytest.mark.parametrize(
    "text",
    [
        b"export const a = 1;\n",
        "// größer\n".encode(),
        "ÄÖÜ §".encode("latin-1") + b"x" * 300,
        "<html>".encode("utf-16"),
        b"\xef\xbb\xbf#EXTM3U",
        ("é" * HEAD).encode()[: HEAD - 1],
    ],
)
def test_text_is_foreign_whatever_its_extension(extension: str, text: bytes) -> None:
    assert is_foreign(f"a/b.d{extension.upper()}", text)


@given(st.text(st.characters(codec="utf-8", min_codepoint=32), min_size=1, max_size=200))
def test_all_text_is_foreign(text: str) -> None:
    assert is_foreign("a.mp4", text.replace("\x7f", "").encode() + b"\n")


@pytest.mark.parametrize("extension", CLAIMED)
def test_data_are_foreign_where_other_programs_use_the_extension(extension: str) -> None:
    for data in (NOISE, NOISE[:300], bytes(HEAD), bytes(5)):
        assert is_foreign(f"a{extension}", data)
    assert not is_foreign("a.mp4", NOISE), "a broken video is to be heard of"


@pytest.mark.parametrize("name", ["a.jpg", "a.nef", "a.d.js", "ts"])
def test_other_names_are_never_foreign(name: str) -> None:
    assert not is_foreign(name, b"some text")


def test_an_empty_file_is_broken_and_not_foreign() -> None:
    assert not is_foreign("a.ts", b"")


@pytest.mark.parametrize("length", [188, 192, 204])
@pytest.mark.parametrize("start", [0, 4, 100, 187])
def test_a_transport_stream_may_begin_anywhere_in_a_packet(length: int, start: int) -> None:
    packets = (PACKET.ljust(length, b"\xff") * 60)[start:]
    assert not is_foreign("a.ts", packets[:HEAD])
    assert is_foreign("a.ts", packets[:HEAD].replace(b"\x47", b"\x46"))


def test_short_transport_streams_are_known_by_their_first_byte() -> None:
    assert not is_foreign("a.ts", PACKET)
    assert not is_foreign("a.mts", bytes(4) + PACKET)


@pytest.mark.parametrize("container", sorted({"avi", "flv", "matroska", "mov", "mpegts", "ogg"}))
def test_a_video_of_any_container_is_none(container: str) -> None:
    assert container in FORMATS
    codec = {"flv": "flv", "ogg": "libvpx"}.get(container, "mpeg4")
    head = encode_video([numbered(0)] * 3, [0, 40, 80], container=container, codec=codec)[:HEAD]
    for extension in [*CLAIMED, ".mp4"]:
        assert not is_foreign(f"a{extension}", head)


@pytest.mark.parametrize(
    "beginning",
    [
        b"\x1f\x07\x00\x3f",
        b"\0" * 40 + b"\x00\x00\x01\xba",
        b"\x00\x00\x01\xb3",
        b"IIU\0",
        b"II*\0",
        b"MM\0*",
        b"\xff\xd8\xff\xe0",
        b"FUJIFILMCCD-RAW",
        b"\0\0\0\x18ftypcrx ",
    ],
)
def test_what_begins_like_a_medium_is_none(beginning: bytes) -> None:
    assert not is_foreign("a.raw", beginning + bytes(np.arange(200, dtype=np.uint8)))
