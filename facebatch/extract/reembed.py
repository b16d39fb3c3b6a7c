"""Embedding the faces of a shard again by another embedder, from the chips that it holds.

Photos aren't opened. Faces keep their ids, boxes, landmarks and tracks; embeddings, and where the
two embedders align faces differently the chips too, become the new embedder's.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from PIL import Image

from facebatch import tables
from facebatch.config import DEFAULT_EXECUTION, Execution, ExtractSettings
from facebatch.embed import SCALES, Embedder
from facebatch.errors import CollectionError
from facebatch.extract.pictures import template_of
from facebatch.extract.rows import chip_jpeg, recounted
from facebatch.extract.shard import FACES_TOGETHER, with_provenance
from facebatch.faces import align, quality
from facebatch.models import registry
from facebatch.models.provenance import cpu_class
from facebatch.workers.threads import in_order


def reembed_shard(
    media: pa.Table,
    faces: pa.Table,
    embedder: Callable[[], Embedder],
    before: ExtractSettings,
    settings: ExtractSettings,
    execution: Execution = DEFAULT_EXECUTION,
) -> tuple[pa.Table, pa.Table]:
    """Returns a shard's media rows and face rows, with the embeddings of another embedder.

    A face whose landmarks the new template can't be laid on is left out, as an extraction does.

    Args:
        media: Its media rows.
        faces: Its face rows, with chips.
        embedder: Gives the new embedder; not called for a shard without faces.
        before: The settings that the chips were cut by.
        settings: The same, but for the embedder.
        execution: Threads that faces are embedded in.

    Raises:
        CollectionError: A face has no chip, or one that can't be decoded.
    """
    usable = ~align.is_degenerate(_landmarks(faces), template_of(settings))
    if not usable.all():
        faces = faces.filter(pa.array(usable))
        media = recounted(media, faces)
    if not len(faces):
        nothing = np.zeros((0, registry.card(settings.embedder).dimension), np.float32)
        return media, _with(faces, {"embedding": tables.vectors(nothing)})
    model = embedder()
    work = partial(_reembedded, model=model, before=before, settings=settings)
    starts = range(0, len(faces), FACES_TOGETHER)
    parts = (faces.slice(start, FACES_TOGETHER) for start in starts)
    done = pa.concat_tables(in_order(work, parts, execution.threads))
    return with_provenance(media, {**asdict(model.provenance), "cpu": cpu_class()}), done


def _reembedded(
    faces: pa.Table, model: Embedder, before: ExtractSettings, settings: ExtractSettings
) -> pa.Table:
    template, scales = template_of(settings), SCALES[settings.tta]
    landmarks = _landmarks(faces)
    cut_by = {scale: align.chip_matrices(landmarks, template, scale) for scale in {1.0, *scales}}
    stored = tables.matrix(faces["chip_to_picture"]).reshape(-1, 2, 3)
    chips = [_pixels(chip) for chip in faces["chip"].to_pylist()]
    cut = {
        scale: np.stack(
            [*map(partial(align.recut_chip, size=template.size), chips, stored, wanted)]
        )
        for scale, wanted in cut_by.items()
    }
    columns: dict[str, pa.Array] = {
        "embedding": tables.vectors(model.embed(np.stack([cut[scale] for scale in scales], axis=1)))
    }
    if not template_of(before).is_same(template):
        columns |= {
            "chip_to_picture": tables.vectors(cut_by[1.0].reshape(-1, 6)),
            "sharpness": pa.array(quality.sharpness(cut[1.0])),
            "chip": pa.array([*map(chip_jpeg, cut[1.0])], pa.binary()),
        }
    return _with(faces, columns)


def _landmarks(faces: pa.Table) -> npt.NDArray[np.float32]:
    return tables.matrix(faces["landmarks"]).reshape(-1, 5, 2)


def _pixels(chip: bytes | None) -> npt.NDArray[np.uint8]:
    try:
        with Image.open(io.BytesIO(chip or b""), formats=["JPEG"]) as opened:
            return np.asarray(opened.convert("RGB"))
    except (OSError, ValueError, SyntaxError) as error:
        raise CollectionError(f"a chip can't be decoded: {error}") from error


def _with(faces: pa.Table, columns: dict[str, Any]) -> pa.Table:
    for name, values in columns.items():
        faces = faces.set_column(faces.schema.get_field_index(name), name, values)
    return faces
