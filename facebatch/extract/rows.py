"""From what came of items to rows of the tables ``media`` and ``faces``."""

from __future__ import annotations

import io
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image

from facebatch import ids, tables
from facebatch.config import ExtractSettings
from facebatch.embed import SCALES
from facebatch.extract.detect_and_crop import Faces
from facebatch.extract.items import Item
from facebatch.extract.pictures import template_of
from facebatch.faces import quality, tracks
from facebatch.media.photo.decode import PhotoFacts
from facebatch.media.sources.listing import shown

if TYPE_CHECKING:
    from facebatch.media.video.frames import VideoFacts

CHIP_JPEG_QUALITY = 90
CHIPS_TOGETHER = 64
"""Chips that are measured at a time, which takes many times their memory."""

VIEWS = "views"
"""Column of face rows that holds the chips' pixels, until the embedder has read them."""

_TRACK_COLUMNS = ("track", "track_faces", "track_begin_us", "track_end_us")
_ADDED_LATER = (*_TRACK_COLUMNS, "chip", "embedding")
_ID = pa.binary(ids.ID_BYTES)


@dataclass(frozen=True)
class Outcome:
    """What came of one item.

    Args:
        content: Its content id; None where it couldn't be read.
        facts: What is known of the photo or video; None where it couldn't be recognised.
        faces: Its faces; None where it was quarantined, or where faces were found elsewhere.
        frames: Number of frames looked at; None for a photo.
        failure: Reason code and message where it was quarantined.
        is_erased: Whether its content was erased, so that no row of it may be written.
        note: What a person should know of a photo that counts all the same.
        missed_sidecar: Whether a sidecar couldn't be read, and is to be looked at another time.
    """

    content: bytes | None = None
    facts: PhotoFacts | VideoFacts | None = None
    faces: Faces | None = None
    frames: int | None = None
    failure: tuple[str, str] | None = None
    is_erased: bool = False
    note: str | None = None
    missed_sidecar: bool = False


@dataclass(frozen=True)
class Found:
    """The faces of one item, at least one."""

    item: Item
    content: bytes
    faces: Faces


def media_row(item: Item, outcome: Outcome) -> dict[str, Any]:
    """Returns an item's media row; what ran the networks is filled in later."""
    file, segment = item.file, item.segment
    path = shown(file.path)
    row: dict[str, Any] = {
        "media_id": item.media_id,
        "root": file.root,
        "path": path,
        "path_bytes": None if path == file.path else os.fsencode(file.path),
        "segment": item.number,
        "segments": item.segments or None,
        "size": file.size,
        "marker": file.marker,
        "sidecar": None if outcome.missed_sidecar else file.sidecar_version,
        "attempts": item.attempt,
        "content_id": outcome.content,
        "status": "ok",
        "faces": 0 if outcome.faces is None else len(outcome.faces),
        "frames": outcome.frames,
        "message": outcome.note,
    }
    if segment is not None and outcome.facts is not None:
        row["begin_us"] = segment.begin_us
        row["end_us"] = min(segment.end_us, getattr(outcome.facts, "duration_us", 0))
    if outcome.failure is not None:
        row["status"] = "quarantined"
        row["reason"], row["message"] = outcome.failure
    return {**row, **(_facts(outcome.facts) if outcome.facts else {})}


def _facts(facts: PhotoFacts | VideoFacts) -> dict[str, Any]:
    exif = facts.exif
    return {
        "format": facts.format,
        "width": facts.width,
        "height": facts.height,
        "orientation": exif.orientation,
        "sidecar_orientation": facts.turned_by_sidecar if isinstance(facts, PhotoFacts) else None,
        "captured_at": exif.captured_at,
        "captured_utc_offset": exif.captured_utc_offset,
        "latitude": exif.latitude,
        "longitude": exif.longitude,
        "altitude": exif.altitude,
        "live_photo_id": exif.live_photo_id,
    }


def face_rows(found: Sequence[Found], settings: ExtractSettings) -> pa.Table:
    """Returns the rows of all items together, with the column `VIEWS` in place of what comes later.

    A table for each item would cost more than its faces.
    """
    schema = _schema_with_views(settings)
    if not found:
        return schema.empty_table()
    owners = [one for one in found for _ in range(len(one.faces))]
    faces = Faces.joined([one.faces for one in found])
    unscaled = faces.views[:, faces.views.shape[1] // 2]
    pose = quality.pose(faces.landmarks)
    boxes = faces.boxes
    columns = {
        "face_id": pa.array(_face_ids(found), _ID),
        "media_id": pa.array([owner.item.media_id for owner in owners], _ID),
        "content_id": pa.array([owner.content for owner in owners], _ID),
        "segment": pa.array([owner.item.number for owner in owners], pa.int32()),
        "timestamp_us": pa.array(faces.timestamps_us),
        "ordinal": pa.array(faces.ordinals),
        **{name: pa.array(boxes[:, at]) for at, name in enumerate(("x0", "y0", "x1", "y1"))},
        "landmarks": tables.vectors(faces.landmarks.reshape(-1, 10)),
        "score": pa.array(faces.scores),
        "size": pa.array(quality.size(boxes)),
        "sharpness": pa.array(_in_parts(quality.sharpness, unscaled)),
        "yaw": pa.array(pose.yaw, from_pandas=True),
        "pitch": pa.array(pose.pitch, from_pandas=True),
        "roll": pa.array(pose.roll, from_pandas=True),
        "chip_to_picture": tables.vectors(faces.chip_to_picture.reshape(-1, 6)),
        VIEWS: pa.FixedSizeBinaryArray.from_buffers(
            pa.binary(faces.views[0].nbytes), len(faces), [None, pa.py_buffer(faces.views)]
        ),
    }
    return pa.table(columns, schema=schema)


def _face_ids(found: Sequence[Found]) -> list[bytes]:
    return [
        ids.face_id(one.content, one.item.number, int(moment), int(ordinal))
        for one in found
        for moment, ordinal in zip(one.faces.timestamps_us, one.faces.ordinals, strict=True)
    ]


def _in_parts(
    measure: Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.float32]],
    chips: npt.NDArray[np.uint8],
) -> npt.NDArray[np.float32]:
    edges = range(0, len(chips), CHIPS_TOGETHER)
    return np.concatenate([measure(chips[edge : edge + CHIPS_TOGETHER]) for edge in edges])


def _schema_with_views(settings: ExtractSettings) -> pa.Schema:
    stored = tables.schema("faces", 1)
    kept = [field for field in stored if field.name not in _ADDED_LATER]
    pixels = len(SCALES[settings.tta]) * template_of(settings).size ** 2 * 3
    return pa.schema([*kept, pa.field(VIEWS, pa.binary(pixels))])


def views_of(faces: pa.Table, settings: ExtractSettings) -> npt.NDArray[np.uint8]:
    """Returns the chips' pixels, uint8 (n, v, size, size, 3)."""
    size = template_of(settings).size
    shape = (-1, len(SCALES[settings.tta]), size, size, 3)
    column = faces[VIEWS].combine_chunks()
    # A fixed-size column's values lie one after the other in its only buffer.
    flat = np.frombuffer(column.buffers()[1] or b"", np.uint8)
    width = column.type.byte_width
    return flat[column.offset * width : (column.offset + len(column)) * width].reshape(shape)


def with_tracks(faces: pa.Table, media: pa.Table, settings: ExtractSettings) -> pa.Table:
    """Links the faces of videos into tracks, and keeps those of a track that the settings ask for.

    Args:
        faces: Face rows with embeddings.
        media: Their items' rows, which say what is a video.
        settings: The extraction settings.
    """
    videos = media.filter(pc.is_valid(media["segments"]))["media_id"]
    in_video = pc.is_in(faces["media_id"], videos.combine_chunks())
    is_filmed = in_video.to_numpy(zero_copy_only=False)
    columns = {name: np.zeros(len(faces), np.int64) for name in _TRACK_COLUMNS}
    keep = np.ones(len(faces), bool)
    limits = settings.track_limits()
    for media_id in pc.unique(faces["media_id"].filter(in_video)):
        rows = np.flatnonzero(pc.equal(faces["media_id"], media_id).to_numpy())
        part = faces.take(pa.array(rows))
        times = part["timestamp_us"].to_numpy()
        numbers = tracks.link(
            _boxes(part),
            times,
            tables.matrix(part["embedding"]),
            near_d2=limits.near_d2,
            overlapping_d2=limits.overlapping_d2,
        )
        told = tracks.summary(numbers, times)
        found: tuple[npt.NDArray[Any], ...] = (numbers, told.faces, told.begin_us, told.end_us)
        for name, values in zip(_TRACK_COLUMNS, found, strict=True):
            columns[name][rows] = values
        if settings.video_faces == "best":
            keep[rows] = tracks.best(numbers, times, _goodness(part))
    for name, values in columns.items():
        kind = tables.schema("faces", 1).field(name).type
        faces = faces.append_column(name, pa.array(values, mask=~is_filmed).cast(kind))
    return faces.filter(pa.array(keep))


def _goodness(faces: pa.Table) -> npt.NDArray[np.float32]:
    names = ("size", "score", "sharpness", "yaw")
    return tracks.goodness(*(faces[name].to_numpy() for name in names))


def _boxes(faces: pa.Table) -> npt.NDArray[np.float32]:
    return np.stack([faces[side].to_numpy() for side in ("x0", "y0", "x1", "y1")], axis=1)


def recounted(media: pa.Table, faces: pa.Table) -> pa.Table:
    """Returns media rows whose faces are counted anew.

    A duplicate has the faces of the item it equals where that is in the same shard; of others the
    number stays.
    """
    counted = Counter(faces["media_id"].to_pylist())
    keys = ["media_id", "content_id", "segment", "status", "faces"]
    rows = media.select(keys).to_pylist()
    own = {
        (row["content_id"], row["segment"]): counted[row["media_id"]]
        for row in rows
        if row["status"] == "ok"
    }
    anew = [
        own.get((row["content_id"], row["segment"]), row["faces"])
        if row["status"] in ("ok", "duplicate")
        else row["faces"]
        for row in rows
    ]
    field = media.schema.field("faces")
    return media.set_column(
        media.schema.get_field_index("faces"), field, pa.array(anew, field.type)
    )


def chip_jpeg(chip: npt.NDArray[np.uint8]) -> bytes:
    """Returns a chip, uint8 (size, size, 3), as it is stored."""
    buffer = io.BytesIO()
    Image.fromarray(chip).save(buffer, "JPEG", quality=CHIP_JPEG_QUALITY)
    return buffer.getvalue()
