"""XMP packets in every format that has them, and files that lie about theirs."""

from __future__ import annotations

import hashlib
import io
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin
from support.examples import examples

from facebatch.media.photo.xmp import LARGEST, XmpError, read_packets

PACKET = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><a/></x:xmpmeta>'
STANDARD = b"http://ns.adobe.com/xap/1.0/\0"
EXTENSION = b"http://ns.adobe.com/xmp/extension/\0"


def saved(form: str, **how: object) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (16, 8)).save(file, form, **how)
    return file.getvalue()


def packets(data: bytes) -> list[bytes]:
    return read_packets(io.BytesIO(data))


def png(packed: bool) -> bytes:
    info = PngImagePlugin.PngInfo()
    info.add_itxt("Comment", "a photo")
    info.add_itxt("XML:com.adobe.xmp", PACKET.decode(), zip=packed)
    return saved("PNG", pnginfo=info)


def segment(body: bytes) -> bytes:
    return b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body


def jpeg(*bodies: bytes) -> bytes:
    plain = saved("JPEG")
    return plain[:2] + b"".join(segment(body) for body in bodies) + plain[2:]


FILES = {
    "jpeg": lambda: saved("JPEG", xmp=PACKET),
    "png": lambda: png(packed=False),
    "packed png": lambda: png(packed=True),
    "webp": lambda: saved("WEBP", xmp=PACKET),
    "tiff": lambda: saved("TIFF", tiffinfo={700: PACKET}),
    "avif": lambda: saved("AVIF", xmp=PACKET),
}


@pytest.mark.parametrize("name", FILES)
def test_the_packet_is_found(name: str) -> None:
    assert packets(FILES[name]()) == [PACKET]


def test_the_packet_of_a_heic_is_found() -> None:
    pytest.importorskip("pillow_heif").register_heif_opener()
    assert packets(saved("HEIF", xmp=PACKET)) == [PACKET]


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF"])
def test_a_photo_without_xmp_has_none(form: str) -> None:
    assert packets(saved(form)) == []


def test_what_does_not_fit_into_one_segment_is_put_together() -> None:
    extended = PACKET * 3
    name = hashlib.md5(extended, usedforsecurity=False).hexdigest().upper().encode()
    standard = b'<x xmpNote:HasExtendedXMP="' + name + b'"/>'

    def part(place: int, text: bytes, of: bytes = name) -> bytes:
        return EXTENSION + of + len(extended).to_bytes(4, "big") + place.to_bytes(4, "big") + text

    others = part(0, b"of another photo", b"0" * 32)
    data = jpeg(
        STANDARD + standard, part(60, extended[60:]), others, b"Exif\0\0", part(0, extended[:60])
    )
    assert packets(data) == [standard, extended]


def test_text_that_unpacks_without_end_is_refused() -> None:
    bomb = zlib.compress(bytes(LARGEST + 10))
    body = b"XML:com.adobe.xmp\0\1\0\0\0" + bomb
    chunk = len(body).to_bytes(4, "big") + b"iTXt" + body + b"crc!"
    with pytest.raises(XmpError, match="more than"):
        packets(saved("PNG")[:8] + chunk)


def test_a_length_beyond_bounds_is_refused() -> None:
    with pytest.raises(XmpError, match="more than"):
        packets(b"RIFF\0\0\0\0WEBPXMP \xff\xff\xff\x7f" + PACKET)


@examples(40, 400)
@given(name=st.sampled_from(sorted(FILES)), data=st.data())
def test_whatever_the_bytes_the_outcome_is_packets_or_the_named_error(
    name: str, data: st.DataObject
) -> None:
    whole = bytearray(CORPUS[name])
    for _ in range(3):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = packets(bytes(whole[: data.draw(st.integers(0, len(whole)))]))
    except XmpError:
        return
    assert all(isinstance(packet, bytes) for packet in found)


CORPUS = {name: make() for name, make in FILES.items()}
