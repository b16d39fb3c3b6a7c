"""Extraction of one shard, as functions on bytes and tables: decode, detect, align; embed.

`detect_shard` turns files into media rows and face rows that still carry the pixels of their
chips; `embed_shard` turns those into embeddings. A file that can't be processed becomes a
quarantined row; nothing here raises for data.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from PIL import Image

from facebatch import align, ids, quality, tables, weights
from facebatch.config import DEFAULT_EXECUTION, Execution, ExtractSettings
from facebatch.detect import Detections, Detector, load_detector
from facebatch.embed import SCALES, Embedder
from facebatch.errors import MediaError
from facebatch.isolation import Crashed, run_isolated
from facebatch.media.images import JPEG_SCALES, Photo, PhotoFacts, Picture
from facebatch.media.sources import MediaFile, MediaReader, shown
from facebatch.plan import Item, Shard
from facebatch.provenance import cpu_class
from facebatch.threads import ahead, in_order

CHIP_JPEG_QUALITY = 90

DECODED_AHEAD = 1.4
"""A photo is first decoded with at least this many times the pixels a side that detection needs.

Decoding takes most of its time over the whole file, however small the picture it gives, so a
somewhat larger one costs little, and most chips can then be cut from it."""

FILES_READ_AHEAD = 4
"""Files that are read while one is worked on, which hides the delays of networks and disks."""

FACES_TOGETHER = 64
"""Faces that one thread embeds in a call, which is several of the network's own batches."""

LEAST_CHIP_DETAIL = 0.6
"""Decoded pixels that a side of a chip's pixel covers at least, where the photo has them.

Below it chips are cut from a finer picture. At 0.6 to 0.7 an embedding lies at a d2 of 0.002
(median; at most 0.005) from the full-size photo's, at 0.4 to 0.5 at 0.007; tau is 0.09. Measured on
780 faces, with one photo decoded at full, half, quarter and eighth size."""

_VIEWS = "views"
_ID = pa.binary(ids.ID_BYTES)


@dataclass(frozen=True)
class Faces:
    """The faces of one picture, in the coordinates of the upright full-size picture.

    Args:
        boxes: float32 (n, 4): x0, y0, x1, y1.
        landmarks: float32 (n, 5, 2).
        scores: float32 (n,), descending.
        chip_to_picture: float64 (n, 2, 3).
        views: uint8 (n, v, size, size, 3): the chips the embedder reads, one for each scale of
            the template.
    """

    boxes: npt.NDArray[np.float32]
    landmarks: npt.NDArray[np.float32]
    scores: npt.NDArray[np.float32]
    chip_to_picture: npt.NDArray[np.float64]
    views: npt.NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.scores)


@dataclass(frozen=True)
class Outcome:
    """What came of one item.

    Args:
        content: Its content id; None where it couldn't be read.
        facts: What is known of the photo; None where it couldn't be recognised.
        faces: Its faces; None where it was quarantined.
        failure: Reason code and message where it was quarantined.
    """

    content: bytes | None = None
    facts: PhotoFacts | None = None
    faces: Faces | None = None
    failure: tuple[str, str] | None = None


@dataclass(frozen=True)
class ShardTables:
    """One shard on its way through the chain.

    Args:
        shard: The shard.
        media: Its media rows, by the contract.
        faces: Its face rows; the column ``views`` holds the chips' pixels until the embedder has
            read them, then ``chip`` and ``embedding`` stand in its place.
    """

    shard: Shard
    media: pa.Table
    faces: pa.Table


def find_faces(photo: Photo, detector: Detector, settings: ExtractSettings) -> Faces:
    """Finds a photo's faces and cuts their chips.

    The photo is decoded at a scale that serves detection and most chips; a second time, finer,
    only where a face is so small that its chip needs more pixels than that gave.

    Raises:
        MediaError: The pixels can't be decoded.
    """
    picture = photo.decode(photo.scale_for(DECODED_AHEAD * settings.max_side))
    pixels, scale = picture.shrunk(settings.max_side)
    found = detector.detect(pixels)
    template = _template(settings)
    found = _without_degenerate(found, template)
    scale_xy = np.array(scale, np.float32)
    landmarks = found.landmarks * scale_xy
    views, matrices = _cut_views(photo, picture, landmarks, settings)
    return Faces(
        boxes=found.boxes * np.tile(scale_xy, 2),
        landmarks=landmarks,
        scores=found.scores,
        chip_to_picture=matrices,
        views=views,
    )


def _template(settings: ExtractSettings) -> align.Template:
    return align.TEMPLATES[weights.model(settings.embedder).template]


def _without_degenerate(found: Detections, template: align.Template) -> Detections:
    usable = ~align.is_degenerate(found.landmarks, template)
    return Detections(found.boxes[usable], found.scores[usable], found.landmarks[usable])


def _cut_views(
    photo: Photo,
    picture: Picture,
    landmarks: npt.NDArray[np.float32],
    settings: ExtractSettings,
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float64]]:
    """Cuts every face's chips from the scale that serves them.

    Returns:
        The views, uint8 (n, v, size, size, 3), and the matrices of the unscaled template from
        chip to full-size picture, float64 (n, 2, 3).
    """
    template = _template(settings)
    scales = SCALES[settings.tta]
    matrices = {scale: align.chip_matrices(landmarks, template, scale) for scale in {1.0, *scales}}
    views = np.zeros((len(landmarks), len(scales), template.size, template.size, 3), np.uint8)
    wanted = [_serving_scale(matrix) for matrix in matrices[1.0]]
    finer = [scale for scale in wanted if scale < picture.scale]
    detailed = photo.decode(min(finer)) if finer else picture
    for face, scale_wanted in enumerate(wanted):
        source = detailed if scale_wanted < picture.scale else picture
        for view, scale in enumerate(scales):
            matrix = matrices[scale][face].copy()
            matrix[:, 2] -= source.offset
            views[face, view] = align.cut_chip(source.pixels, matrix / source.scale, template.size)
    return views, matrices[1.0]


def _serving_scale(matrix: npt.NDArray[np.float64]) -> int:
    """Returns the coarsest decoding scale that gives a chip enough detail."""
    covered = align.picture_pixels_per_chip_pixel(matrix)
    return next((scale for scale in JPEG_SCALES if covered / scale >= LEAST_CHIP_DETAIL), 1)


def process(
    read: Callable[[], bytes],
    detector: Callable[[], Detector],
    settings: ExtractSettings,
    known: Callable[[bytes], bool],
) -> Outcome:
    """Takes one file's bytes and finds its faces.

    Args:
        read: Gives the bytes or raises ``MediaError``.
        detector: Gives the detector; not called for a file that is no photo.
        settings: The extraction settings.
        known: Tells whether a content's faces were found already; they aren't looked for again.
    """
    content = facts = None
    try:
        data = read()
        content = ids.content_id(data)
        if known(content):
            return Outcome(content)
        photo = Photo(data)
        facts = photo.facts
        return Outcome(content, facts, find_faces(photo, detector(), settings))
    except MediaError as error:
        return Outcome(content, facts, failure=(error.reason, error.message))
    except MemoryError:
        return Outcome(content, facts, failure=("too_large", "not enough memory to decode it"))


def detect_shard(
    shard: Shard,
    reader: MediaReader,
    detector: Callable[[], Detector],
    settings: ExtractSettings,
    execution: Execution = DEFAULT_EXECUTION,
) -> ShardTables:
    """Extracts a shard's items up to their chips.

    Args:
        shard: The shard.
        reader: What reads files.
        detector: Gives the detector; not called when no item needs it.
        settings: The extraction settings.
        execution: Threads that items are worked on in, and what runs the networks where items are
            extracted in a process of their own.
    """
    first: dict[bytes, tuple[Item, Outcome]] = {}
    media: list[dict[str, Any]] = []
    found: list[_Found] = []
    outcomes = _outcomes(shard, reader, detector, settings, execution, first.__contains__)
    for item, outcome in zip(shard.items, outcomes, strict=True):
        row = {**_identity(item), **_fate(outcome)}
        if outcome.content is not None and outcome.content in first:
            row.update(_fate(first[outcome.content][1]), status="duplicate")
        elif outcome.faces is not None and outcome.content is not None:
            first[outcome.content] = (item, outcome)
            if len(outcome.faces):
                found.append(_Found(item.file.media_id, outcome.content, outcome.faces))
        media.append(row)
    faces = _face_rows(found, _schema_with_views(settings))
    return ShardTables(shard, tables.from_rows("media", media), faces)


@dataclass(frozen=True)
class _Found:
    """The faces of one item, at least one."""

    media_id: bytes
    content_id: bytes
    faces: Faces


def _outcomes(
    shard: Shard,
    reader: MediaReader,
    detector: Callable[[], Detector],
    settings: ExtractSettings,
    execution: Execution,
    known: Callable[[bytes], bool],
) -> Iterator[Outcome]:
    """Yields every item's outcome in the shard's order."""
    files = [item.file for item in shard.items]
    if not shard.isolated:
        reads = ahead(reader.read, files, FILES_READ_AHEAD)
        yield from in_order(
            lambda data: process(data.result, detector, settings, known), reads, execution.threads
        )
        return
    results: Iterable[Any] = run_isolated(_prepare_isolated, (settings, execution), files)
    for result in results:
        if isinstance(result, Crashed):
            yield Outcome(failure=("crashed", result.message))
        else:
            yield result


def _prepare_isolated(
    settings: ExtractSettings, execution: Execution
) -> Callable[[MediaFile], Outcome]:
    reader = MediaReader()
    detector = load_detector(
        settings.detector,
        min_face=settings.min_face,
        engine=execution.engine,
        device=execution.device,
    )
    return lambda file: process(
        partial(reader.read, file), lambda: detector, settings, set().__contains__
    )


def _identity(item: Item) -> dict[str, Any]:
    file = item.file
    path = shown(file.path)
    return {
        "media_id": file.media_id,
        "root": file.root,
        "path": path,
        "path_bytes": None if path == file.path else os.fsencode(file.path),
        "segment": 0,
        "size": file.size,
        "marker": file.marker,
        "attempts": item.attempt,
    }


def _fate(outcome: Outcome) -> dict[str, Any]:
    row: dict[str, Any] = {"content_id": outcome.content, "status": "ok", "faces": 0}
    if outcome.failure is not None:
        row["status"] = "quarantined"
        row["reason"], row["message"] = outcome.failure
    if outcome.faces is not None:
        row["faces"] = len(outcome.faces)
    if outcome.facts is not None:
        facts, exif = outcome.facts, outcome.facts.exif
        row.update(
            format=facts.format,
            width=facts.width,
            height=facts.height,
            orientation=exif.orientation,
            captured_at=exif.captured_at,
            captured_utc_offset=exif.captured_utc_offset,
            latitude=exif.latitude,
            longitude=exif.longitude,
            altitude=exif.altitude,
        )
    return row


def _face_rows(found: Sequence[_Found], schema: pa.Schema) -> pa.Table:
    """Returns the rows of all items together: a table for each would cost more than its faces."""
    if not found:
        return schema.empty_table()
    owners = [(one, place) for one in found for place in range(len(one.faces))]
    boxes = np.concatenate([one.faces.boxes for one in found])
    landmarks = np.concatenate([one.faces.landmarks for one in found])
    matrices = np.concatenate([one.faces.chip_to_picture for one in found])
    views = np.concatenate([one.faces.views for one in found])
    unscaled = views[:, views.shape[1] // 2]
    pose = quality.pose(landmarks)
    columns = {
        "face_id": pa.array([ids.face_id(one.content_id, 0, 0, at) for one, at in owners], _ID),
        "media_id": pa.array([one.media_id for one, _ in owners], _ID),
        "content_id": pa.array([one.content_id for one, _ in owners], _ID),
        "segment": pa.array(np.zeros(len(owners), np.int32)),
        "timestamp_us": pa.array(np.zeros(len(owners), np.int64)),
        "ordinal": pa.array([at for _, at in owners], pa.int32()),
        **{name: pa.array(boxes[:, at]) for at, name in enumerate(("x0", "y0", "x1", "y1"))},
        "landmarks": tables.vectors(landmarks.reshape(-1, 10)),
        "score": pa.array(np.concatenate([one.faces.scores for one in found])),
        "size": pa.array(quality.size(boxes)),
        "sharpness": pa.array(_in_parts(quality.sharpness, unscaled)),
        "yaw": pa.array(pose.yaw, from_pandas=True),
        "pitch": pa.array(pose.pitch, from_pandas=True),
        "roll": pa.array(pose.roll, from_pandas=True),
        "chip_to_picture": tables.vectors(matrices.reshape(-1, 6)),
        _VIEWS: pa.FixedSizeBinaryArray.from_buffers(
            pa.binary(views[0].nbytes), len(views), [None, pa.py_buffer(views)]
        ),
    }
    return pa.table(columns, schema=schema)


def _in_parts(
    measure: Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.float32]],
    chips: npt.NDArray[np.uint8],
) -> npt.NDArray[np.float32]:
    """Returns a measure of each chip, of a few at a time: it needs many times their memory."""
    edges = range(0, len(chips), FACES_TOGETHER)
    return np.concatenate([measure(chips[edge : edge + FACES_TOGETHER]) for edge in edges])


def _schema_with_views(settings: ExtractSettings) -> pa.Schema:
    stored = tables.schema("faces", 1)
    kept = [field for field in stored if field.name not in ("chip", "embedding")]
    template = _template(settings)
    pixels = len(SCALES[settings.tta]) * template.size**2 * 3
    return pa.schema([*kept, pa.field(_VIEWS, pa.binary(pixels))])


def embed_shard(
    shard: ShardTables,
    embedder: Callable[[], Embedder],
    settings: ExtractSettings,
    execution: Execution = DEFAULT_EXECUTION,
) -> ShardTables:
    """Puts embeddings and stored chips in the place of a shard's chip pixels.

    Args:
        shard: What `detect_shard` gave.
        embedder: Gives the embedder, which embeds all faces of the shard together; not called
            for a shard without faces.
        settings: The extraction settings.
        execution: Threads that faces are embedded in.

    Returns:
        The shard by the contract. Its media rows say what ran the networks, where any did.
    """
    media = shard.media
    views = _views(shard.faces, settings)
    if len(views):
        model = embedder()
        edges = range(0, len(views), FACES_TOGETHER)
        parts = [views[edge : edge + FACES_TOGETHER] for edge in edges]
        embeddings = np.concatenate([*in_order(model.embed, parts, execution.threads)])
        ran = {**asdict(model.provenance), "cpu": cpu_class()}
        for name, value in ran.items():
            at = media.schema.get_field_index(name)
            column = pa.array([value] * len(media), pa.string())
            media = media.set_column(at, media.field(at), column)
    else:
        embeddings = np.zeros((0, weights.model(settings.embedder).dimension), np.float32)
    unscaled = views[:, views.shape[1] // 2]
    chips = [_jpeg(chip) if settings.chips else None for chip in unscaled]
    faces = shard.faces.drop_columns([_VIEWS])
    faces = faces.append_column("chip", pa.array(chips, pa.binary()))
    faces = faces.append_column("embedding", tables.vectors(embeddings))
    return replace(shard, media=media, faces=faces)


def _views(faces: pa.Table, settings: ExtractSettings) -> npt.NDArray[np.uint8]:
    """Returns the chips' pixels, uint8 (n, v, size, size, 3)."""
    size = _template(settings).size
    shape = (-1, len(SCALES[settings.tta]), size, size, 3)
    column = faces[_VIEWS].combine_chunks()
    # A fixed-size column's values lie one after the other in its only buffer.
    flat = np.frombuffer(column.buffers()[1] or b"", np.uint8)
    width = column.type.byte_width
    return flat[column.offset * width : (column.offset + len(column)) * width].reshape(shape)


def _jpeg(chip: npt.NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(chip).save(buffer, "JPEG", quality=CHIP_JPEG_QUALITY)
    return buffer.getvalue()
