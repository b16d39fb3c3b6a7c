"""Small videos, in every format and state that an archive has them."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import av
import numpy as np
import numpy.typing as npt

from facebatch.demo.scene import Sitter, render_scene
from facebatch.demo.surface import View

Picture = npt.NDArray[np.uint8]

MILLISECONDS = Fraction(1, 1000)

_BLOCK = 16
_ROWS, _COLUMNS = 3, 4

_MATRICES = {
    1: (1, 0, 0, 1),
    2: (-1, 0, 0, 1),
    3: (-1, 0, 0, -1),
    4: (1, 0, 0, -1),
    5: (0, 1, 1, 0),
    6: (0, 1, -1, 0),
    7: (0, -1, -1, 0),
    8: (0, -1, 1, 0),
}
"""a, b, c, d of an MP4's display matrix (ISO 14496-12, 6.2.2) that turns what a camera stored by an
EXIF orientation upright: x' = a x + c y, y' = b x + d y."""


def encode_video(
    pictures: Iterable[Picture],
    times: Sequence[int],
    *,
    container: str = "mp4",
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    time_base: Fraction = MILLISECONDS,
    options: Mapping[str, str] | None = None,
    metadata: Mapping[str, str] | None = None,
    sound: bool = False,
    encoded_as: int | None = None,
    **settings: Any,
) -> bytes:
    """Returns a video's bytes.

    Args:
        pictures: RGB pictures, uint8 (height, width, 3), with even sides.
        times: When each is shown, in the time base.
        container: FFmpeg's name of the container.
        codec: FFmpeg's name of the encoder.
        pixel_format: How the pictures are stored.
        time_base: The unit of the times.
        options: The encoder's options.
        metadata: The file's tags.
        sound: Whether it has a second of silence too.
        encoded_as: The colour space the pictures are stored in; by default the one that
            ``settings`` make the file say, else BT.601.
        settings: Attributes of the encoder.
    """
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container, options={"movflags": "use_metadata_tags"}) as out:
        out.metadata.update(metadata or {})
        stream = out.add_stream(codec, rate=25, options=dict(options or {}))
        stream.codec_context.time_base = time_base
        voice = out.add_stream("aac", rate=8000) if sound else None
        for picture, time in zip(pictures, times, strict=True):
            if not stream.codec_context.is_open:
                stream.height, stream.width = picture.shape[:2]
                stream.pix_fmt = pixel_format
                for name, value in settings.items():
                    setattr(stream.codec_context, name, value)
            frame = av.VideoFrame.from_ndarray(picture, "rgb24")
            frame = frame.reformat(
                format=pixel_format,
                dst_colorspace=encoded_as or settings.get("colorspace", 5),
                dst_color_range=settings.get("color_range", 1),
            )
            frame.pts, frame.time_base = time, time_base
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
        if voice is not None:
            out.mux([*voice.encode(_silence()), *voice.encode()])
    return buffer.getvalue()


def _silence() -> av.AudioFrame:
    frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.float32), "fltp", "mono")
    frame.sample_rate = 8000
    return frame


def sound_only() -> bytes:
    """Returns an MP4 file without pictures."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as out:
        voice = out.add_stream("aac", rate=8000)
        out.mux([*voice.encode(_silence()), *voice.encode()])
    return buffer.getvalue()


def with_orientation(mp4: bytes, orientation: int) -> bytes:
    """Returns an MP4 file whose pictures are to be turned as EXIF's orientation says."""
    place = mp4.index(b"tkhd") + 4 + 40  # version 0: the matrix follows 40 bytes of other fields
    a, b, c, d = (value << 16 for value in _MATRICES[orientation])
    matrix = (a, b, 0, c, d, 0, 0, 0, 1 << 30)
    packed = b"".join(value.to_bytes(4, "big", signed=True) for value in matrix)
    return mp4[:place] + packed + mp4[place + len(packed) :]


def numbered(number: int) -> Picture:
    """Returns a picture that says a number below 4096, however it is compressed."""
    bits = np.array([number >> place & 1 for place in range(_ROWS * _COLUMNS)], np.uint8)
    blocks = np.kron(bits.reshape(_ROWS, _COLUMNS), np.ones((_BLOCK, _BLOCK), np.uint8))
    return np.repeat((40 + 160 * blocks)[:, :, None], 3, axis=2).astype(np.uint8)


def number_of(picture: npt.ArrayLike) -> int:
    """Returns the number that a picture says."""
    grey = np.asarray(picture, np.float64).mean(axis=2)
    blocks = grey.reshape(_ROWS, _BLOCK, _COLUMNS, _BLOCK).mean(axis=(1, 3)) > 120
    return int((blocks.reshape(-1) << np.arange(_ROWS * _COLUMNS)).sum())


def numbered_video(times: Sequence[int], **how: Any) -> bytes:
    """Returns a video whose frames say 0, 1, 2... and are shown at the times."""
    return encode_video((numbered(number) for number in range(len(times))), times, **how)


def walk(
    people: Sequence[int], frames: int, *, size: tuple[int, int] = (480, 320), step: float = 4.0
) -> list[Picture]:
    """Returns pictures of people side by side who sway to the right by so many pixels a frame."""
    width, height = size
    unit = height / 5
    return [
        render_scene(
            [
                Sitter(
                    person,
                    (
                        width * (place + 0.5) / len(people) + step * frame - step * frames / 2,
                        height * 0.45,
                    ),
                    unit,
                    View(yaw=0.02 * frame),
                )
                for place, person in enumerate(people)
            ],
            size=size,
            noise_seed=3,
        ).picture
        for frame in range(frames)
    ]
