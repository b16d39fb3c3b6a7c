"""Extraction of one shard, as functions on bytes and tables: decode, detect, align; embed.

`detect_shard` turns files into media rows and face rows that still carry the pixels of their
chips; `embed_shard` turns those into embeddings. A file that can't be processed becomes a
quarantined row; nothing here raises for data.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from facebatch import ids, tables
from facebatch.collection.suppression import moment_id, version_id
from facebatch.config import DEFAULT_EXECUTION, Execution, ExtractSettings
from facebatch.detect import Detector, load_detector
from facebatch.embed import Embedder
from facebatch.errors import MediaError
from facebatch.extract.decoder import Decoder, LocalDecoder
from facebatch.extract.detect_and_crop import Faces, faces_of, no_faces
from facebatch.extract.frames import erased_frames, orientation_beside, said_for
from facebatch.extract.guarded_decoder import DecoderPool
from facebatch.extract.items import Item, Shard
from facebatch.extract.pictures import FacePicture
from facebatch.extract.rows import (
    VIEWS,
    Found,
    Outcome,
    chip_jpeg,
    face_rows,
    media_row,
    recounted,
    views_of,
    with_tracks,
)
from facebatch.media.sources.reader import MediaReader
from facebatch.models import registry
from facebatch.models.provenance import cpu_class
from facebatch.workers.isolation import Crashed, run_isolated
from facebatch.workers.threads import ahead, in_order

if TYPE_CHECKING:
    from facebatch.collection import Suppression

FILES_READ_AHEAD = 4
"""Files that are read while one is worked on, which hides the delays of networks and disks."""

FACES_TOGETHER = 64
"""Faces that one thread embeds in a call, which is several of the network's own batches."""

Lend = Callable[[], AbstractContextManager[Decoder]]
"""Lends a decoder to one thread."""


@dataclass(frozen=True)
class Tools:
    """What a shard's items are worked on with.

    Args:
        reader: Reads files.
        detector: Gives the detector; not called when no item needs it.
        settings: The extraction settings.
        execution: Threads and limits, and what runs the networks where items are extracted in a
            process of their own.
        lend: Lends decoders; by default they decode in this process.
        erased: What was erased, and isn't to come back.
    """

    reader: MediaReader
    detector: Callable[[], Detector]
    settings: ExtractSettings
    execution: Execution = DEFAULT_EXECUTION
    lend: Lend | None = None
    erased: Suppression | None = None

    def decoder(self) -> AbstractContextManager[Decoder]:
        """Lends a decoder."""
        if self.lend is not None:
            return self.lend()
        return nullcontext(LocalDecoder(self.settings, self.execution.limits))


@dataclass(frozen=True)
class ShardTables:
    """One shard on its way through the chain.

    Args:
        shard: The shard.
        media: Its media rows, by the contract.
        faces: Its face rows; the column ``views`` holds the chips' pixels until the embedder has
            read them, then what comes later stands in its place.
        erased: What `suppress` is to add to the list, by kind, since items turned out to be erased
            ones under another path or in another version; they have no row.
    """

    shard: Shard
    media: pa.Table
    faces: pa.Table
    erased: Mapping[str, frozenset[bytes]] = field(default_factory=dict)


def process(
    item: Item, read: Callable[[], bytes], tools: Tools, known: Container[tuple[bytes, int]] = ()
) -> Outcome:
    """Finds one item's faces.

    Args:
        item: The item.
        read: Gives a photo's bytes or raises ``MediaError``; not called for a video.
        tools: What it is worked on with.
        known: Contents and segments whose faces are found already; they aren't looked for again.
    """
    if item.failure is not None:
        return Outcome(failure=item.failure)
    so_far = Outcome()
    try:
        is_video = item.file.is_video
        data = b"" if is_video else read()
        content = tools.reader.content_id(item.file) if is_video else ids.content_id(data)
        so_far = Outcome(content)
        if tools.erased and tools.erased.hides_content(content):
            return replace(so_far, is_erased=True)
        with tools.decoder() as decoder:
            said = None
            if not is_video:
                beside = orientation_beside(tools.reader, item.file)
                so_far = replace(so_far, note=beside.problem, missed_sidecar=beside.missed)
                said = _in_its_frame(beside.orientation, data, content, decoder, tools)
            if said is not None:
                facts = decoder.facts(data, said)
                content = ids.framed(content, facts.turned_by_sidecar)
                so_far = replace(so_far, content=content, facts=facts)
                if tools.erased and tools.erased.hides_content(content):
                    return replace(so_far, is_erased=True)
            is_known = (content, item.number) in known or content in dict(item.contents)
            if item.segment is not None:
                so_far = replace(so_far, facts=decoder.video_facts(item.file))
                pictures = decoder.frames(item.file, item.segment)
                return so_far if is_known else _filmed(so_far, pictures, tools)
            if is_known:
                return replace(so_far, facts=so_far.facts or decoder.facts(data))
            facts, picture = decoder.photo(data, said)
            so_far = replace(so_far, facts=facts)
            faces = faces_of(picture, tools.detector(), tools.settings)
            notes = [note for note in (picture.note, so_far.note) if note]
            return replace(so_far, faces=faces, note="; ".join(notes) or None)
    except MediaError as error:
        return replace(so_far, failure=(error.reason, error.message))
    except MemoryError:
        return replace(so_far, failure=("too_large", "not enough memory to decode it"))


def _in_its_frame(
    said: int | None, data: bytes, content: bytes, decoder: Decoder, tools: Tools
) -> int | None:
    """Returns the orientation that a photo is decoded with beside its own."""
    kept = [*erased_frames(tools.erased, content)] if tools.erased else []
    if kept and decoder.facts(data, said).turned_by_sidecar not in kept:
        return said_for(decoder, data, kept[0])
    return said


def _filmed(so_far: Outcome, pictures: Iterable[tuple[int, FacePicture]], tools: Tools) -> Outcome:
    """Finds the faces of a video's segment, frame by frame."""
    parts = [
        faces_of(picture, tools.detector(), tools.settings).at(moment)
        for moment, picture in pictures
    ]
    found = [part for part in parts if len(part)]
    faces = Faces.joined(found) if found else no_faces(tools.settings)
    return replace(so_far, faces=faces, frames=len(parts))


def _told_from_erased(item: Item, outcome: Outcome, tools: Tools) -> Outcome:
    """Tells another photo or video under an erased one's path from that one, edited or not.

    What can't be read may be either: it has no row, and is tried again.
    """
    erased = tools.erased
    if not erased or outcome.is_erased or not erased.hides_media(item.file.media_id):
        return outcome
    try:
        content = outcome.content or tools.reader.content_id(item.file)
    except MediaError:
        return replace(outcome, is_erased=True)
    moment = outcome.facts.exif.captured_at if outcome.facts else None
    edited = moment is not None and erased.hides_version(moment_id(item.file.media_id, moment))
    return replace(outcome, content=content, is_erased=edited or erased.hides_content(content))


def detect_shard(shard: Shard, tools: Tools) -> ShardTables:
    """Extracts a shard's items up to their chips."""
    first: dict[tuple[bytes, int], dict[str, Any]] = {}
    media: list[dict[str, Any]] = []
    found: list[Found] = []
    erased: list[Item] = []
    for item, extracted in zip(shard.items, _outcomes(shard, tools, first), strict=True):
        outcome = _told_from_erased(item, extracted, tools)
        if outcome.is_erased:
            if outcome.content is not None:
                erased.append(item)
            continue
        row = media_row(item, outcome)
        if outcome.content is not None and outcome.failure is None:
            key = (outcome.content, item.number)
            if outcome.faces is None or key in first:
                faces_known = dict(item.contents).get(outcome.content, 0)
                row["faces"] = first[key]["faces"] if key in first else faces_known
                row["status"] = "duplicate"
            else:
                first[key] = row
                if len(outcome.faces):
                    found.append(Found(item, outcome.content, outcome.faces))
        media.append(row)
    faces = face_rows(found, tools.settings)
    rows = tables.from_rows("media", media)
    if tools.erased and len(faces):
        remain = [not tools.erased.hides_face(face) for face in faces["face_id"].to_pylist()]
        faces = faces.filter(pa.array(remain))
        rows = recounted(rows, faces)
    return ShardTables(shard, rows, faces, _to_suppress(erased))


def _to_suppress(erased: Sequence[Item]) -> dict[str, frozenset[bytes]]:
    """Returns what the suppression list is to know of items, for the next night's sake."""
    versions = (version_id(one.media_id, one.file.size, one.file.marker) for one in erased)
    return {"media": frozenset(one.media_id for one in erased), "versions": frozenset(versions)}


def _outcomes(shard: Shard, tools: Tools, known: Container[tuple[bytes, int]]) -> Iterator[Outcome]:
    """Yields every item's outcome in the shard's order."""
    if not shard.isolated:
        reads = ahead(partial(_read, tools=tools), shard.items, FILES_READ_AHEAD)
        work = zip(shard.items, reads, strict=True)
        yield from in_order(
            lambda pair: process(pair[0], pair[1].result, tools, known),
            work,
            tools.execution.threads,
        )
        return
    arguments = (tools.settings, tools.execution, tools.erased)
    results: Iterable[Any] = run_isolated(_prepare_isolated, arguments, shard.items)
    for result in results:
        if isinstance(result, Crashed):
            yield Outcome(failure=("crashed", result.message))
        else:
            yield result


def _read(item: Item, tools: Tools) -> bytes:
    if item.file.is_video:
        return b""
    return tools.reader.read(item.file, tools.execution.limits.max_bytes)


def _prepare_isolated(
    settings: ExtractSettings, execution: Execution, erased: Suppression | None
) -> Callable[[Item], Outcome]:
    detector = load_detector(
        settings.detector,
        min_face=settings.min_face,
        engine=execution.engine,
        device=execution.device,
    )
    lend = DecoderPool(settings, execution.limits).acquire if execution.guard else None
    tools = Tools(MediaReader(), lambda: detector, settings, execution, lend, erased)
    return lambda item: process(item, partial(_read, item, tools), tools)


def embed_shard(
    shard: ShardTables,
    embedder: Callable[[], Embedder],
    settings: ExtractSettings,
    execution: Execution = DEFAULT_EXECUTION,
) -> ShardTables:
    """Puts embeddings, tracks and stored chips in the place of a shard's chip pixels.

    Args:
        shard: What `detect_shard` gave.
        embedder: Gives the embedder, which embeds all faces of the shard together; not called
            for a shard without faces.
        settings: The extraction settings. They say which faces of a video's track are kept.
        execution: Threads that faces are embedded in.

    Returns:
        The shard by the contract. Its media rows say what ran the networks, where any did.
    """
    media = shard.media
    views = views_of(shard.faces, settings)
    if len(views):
        model = embedder()
        edges = range(0, len(views), FACES_TOGETHER)
        parts = [views[edge : edge + FACES_TOGETHER] for edge in edges]
        embeddings = np.concatenate([*in_order(model.embed, parts, execution.threads)])
        media = with_provenance(media, {**asdict(model.provenance), "cpu": cpu_class()})
    else:
        embeddings = np.zeros((0, registry.card(settings.embedder).dimension), np.float32)
    faces = shard.faces.append_column("embedding", tables.vectors(embeddings))
    faces = with_tracks(faces, media, settings)
    if len(faces) < len(views):
        media = recounted(media, faces)
    kept = views_of(faces, settings)
    unscaled = kept[:, kept.shape[1] // 2]
    chips = [chip_jpeg(chip) if settings.chips else None for chip in unscaled]
    faces = faces.drop_columns([VIEWS]).append_column("chip", pa.array(chips, pa.binary()))
    return replace(shard, media=media, faces=faces)


def with_provenance(media: pa.Table, ran: dict[str, str]) -> pa.Table:
    """Returns media rows that say what ran the networks, by the names of their columns."""
    for name, value in ran.items():
        at = media.schema.get_field_index(name)
        media = media.set_column(at, media.field(at), pa.array([value] * len(media), pa.string()))
    return media
