"""The photos that faces were found in, small enough for a page.

A photo is only ever found by its media row: no path comes from a browser. It is decoded in a
process of its own, within limits, and what is sent is made anew from its pixels.
"""

from __future__ import annotations

import io
import os
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from threading import Lock
from typing import Any

from facebatch import ids
from facebatch.collection import Collection
from facebatch.collection.sources import Sources
from facebatch.errors import InputError, MediaError
from facebatch.extract.frames import said_for
from facebatch.extract.guarded_decoder import DecoderPool
from facebatch.media.limits import Limits
from facebatch.media.sources.listing import MediaFile
from facebatch.media.sources.reader import MediaReader

LONGEST_SIDE = 1600
"""Pixels that the longer side of a picture has at most."""

_LIMITS = Limits(max_bytes=500_000_000, max_seconds=20.0)
_QUALITY = 82
_KEPT = 24

_FACE_SIDE = 112
_AROUND = 1.3
"""What is shown of a face, in sides of its box, where the collection keeps no chips."""


class Originals:
    """Shows the photos and frames of a collection.

    Args:
        collection: The collection.
    """

    def __init__(self, collection: Collection) -> None:
        self._collection = collection
        settings = replace(collection.settings, max_side=LONGEST_SIDE)
        self._decoders = DecoderPool(settings, _LIMITS)
        self._reader = MediaReader()
        self._kept: OrderedDict[tuple[bytes, int], bytes] = OrderedDict()
        self._lock = Lock()

    def close(self) -> None:
        """Ends the decoding processes."""
        self._decoders.close()

    def picture(self, item: Mapping[str, Any], timestamp_us: int) -> bytes:
        """Returns a photo, or a video's frame, as a JPEG.

        Args:
            item: Its media row.
            timestamp_us: Time of the frame; 0 for a photo.

        Raises:
            MediaError: It is gone, has changed since its faces were found, or can't be decoded.
        """
        key = (item["media_id"], timestamp_us)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        made = self._made(self._file(item), item, timestamp_us)
        with self._lock:
            self._kept[key] = made
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return made

    def face(self, item: Mapping[str, Any], timestamp_us: int, box: Sequence[float]) -> bytes:
        """Returns what a photo, or a frame, shows of a face, as a small JPEG.

        Args:
            item: The photo's media row.
            timestamp_us: Time of the frame; 0 for a photo.
            box: x0, y0, x1, y1 in pixels of the upright full-size picture.

        Raises:
            MediaError: As for `picture`.
        """
        from PIL import Image

        x0, y0, x1, y1 = box
        half = _AROUND * max(x1 - x0, y1 - y0) / 2
        x, y = (x0 + x1) / 2, (y0 + y1) / 2
        with Image.open(io.BytesIO(self.picture(item, timestamp_us))) as photo:
            scale = photo.width / (item["width"] or photo.width)
            left, top, side = scale * (x - half), scale * (y - half), 2 * scale * half
            shown = photo.crop((left, top, left + side, top + side))
            return _jpeg(shown.resize((_FACE_SIDE, _FACE_SIDE)))

    def _file(self, item: Mapping[str, Any]) -> MediaFile:
        url = Sources.read(self._collection.storage).roots.get(item["root"])
        if url is None:
            raise MediaError("vanished", f"it isn't known where the root {item['root']} lies")
        raw = item["path_bytes"]
        path = item["path"] if raw is None else os.fsdecode(raw)
        return MediaFile(item["root"], url, path, item["size"] or 0, item["marker"] or "")

    def _made(self, file: MediaFile, item: Mapping[str, Any], timestamp_us: int) -> bytes:
        try:
            if file.is_video:
                pixels = self._frame(file, timestamp_us)
            else:
                data = self._reader.read(file, _LIMITS.max_bytes)
                turned = item["sidecar_orientation"]
                if ids.framed(ids.content_id(data), turned) != item["content_id"]:
                    raise MediaError("vanished", "the file has changed since its faces were found")
                with self._decoders.acquire() as decoder:
                    said = said_for(decoder, data, turned)
                    pixels = decoder.photo(data, said)[1].for_detection()[0].copy()
        except InputError as error:
            raise MediaError("io_error", str(error)) from error
        return _jpeg(pixels)

    def _frame(self, file: MediaFile, timestamp_us: int) -> Any:
        from facebatch.media.video.frames import Segment

        with self._decoders.acquire() as decoder:
            for moment, picture in decoder.frames(file, Segment(0, timestamp_us, timestamp_us + 1)):
                if moment == timestamp_us:
                    return picture.for_detection()[0].copy()
        raise MediaError("vanished", "the video has no such frame any more")


def _jpeg(pixels: Any) -> bytes:
    """Returns pixels (height, width, 3), or a picture, as a JPEG."""
    from PIL import Image

    sink = io.BytesIO()
    picture = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    picture.save(sink, "JPEG", quality=_QUALITY)
    return sink.getvalue()
