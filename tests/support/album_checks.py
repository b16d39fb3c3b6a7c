"""The end-to-end assertions on a collection made from a rendered album.

Each says one thing that a user relies on; tests/pipelines/test_sabotage.py shows that each of them
fails when that thing is broken.
"""

from __future__ import annotations

from pathlib import Path

import dlib
import numpy as np
from PIL import Image, ImageOps
from support.albums import Album

from facebatch import ids, tables
from facebatch.collection import Collection
from facebatch.demo.truth import match_truth
from facebatch.faces import align
from facebatch.jobs.demo import score
from facebatch.models import registry

UNSCALED_SIDE = 1024
"""Photos up to this side are decoded in full and not shrunk, so their chips can be cut anew."""

EMBEDDED_ANEW = 12
"""Faces that dlib embeds, in the order of their ids, which are hashes: it is slow."""


def check_album(collection: Collection, album: Album) -> None:
    """Asserts all that should be true of a whole run over an album."""
    check_every_file_has_its_outcome(collection, album)
    check_nothing_was_extracted_twice(collection)
    check_faces_lie_where_they_were_painted(collection, album)
    check_embeddings_are_dlibs(collection, album)
    check_people(collection, album)


def check_every_file_has_its_outcome(collection: Collection, album: Album) -> None:
    rows = {row["path"]: row for row in collection.snapshot().media.to_pylist()}
    expected = {file.path: file for file in album.truth.files if file.outcome != "ignored"}
    assert set(rows) == set(expected)
    for path, file in expected.items():
        row = rows[path]
        if file.outcome == "quarantined":
            assert (row["status"], row["reason"]) == ("quarantined", file.reason), path
        else:
            assert row["status"] in ("ok", "duplicate"), (path, row["reason"], row["message"])
            assert (row["width"], row["height"]) == (file.width, file.height), path
    copies = [path for path, file in expected.items() if file.same_as]
    for path in copies:
        pair = rows[path], rows[expected[path].same_as]
        assert sorted(row["status"] for row in pair) == ["duplicate", "ok"]
        assert pair[0]["content_id"] == pair[1]["content_id"]


def check_nothing_was_extracted_twice(collection: Collection) -> None:
    stored = [
        media_id
        for shard in collection.snapshot().shards
        for media_id in tables.read(
            collection.storage, f"media/{shard}.parquet", "media", ["media_id"]
        )["media_id"].to_pylist()
    ]
    assert len(stored) == len(set(stored))


def check_faces_lie_where_they_were_painted(collection: Collection, album: Album) -> None:
    snapshot = collection.snapshot()
    columns = ["media_id", "x0", "y0", "x1", "y1", "landmarks", "score"]
    by_media: dict[bytes, list[dict[str, object]]] = {}
    for face in snapshot.faces(columns).to_pylist():
        by_media.setdefault(face["media_id"], []).append(face)
    shown = found = invented = 0
    for file in album.truth.files:
        media_id = ids.media_id(album.folder.name, file.path)
        faces = by_media.get(media_id, [])
        boxes = [[face[edge] for edge in ("x0", "y0", "x1", "y1")] for face in faces]
        who = match_truth(file.faces, boxes)
        invented += sum(name is None for name in who)
        if media_id in by_media:
            shown += len(file.faces)
        found += sum(name is not None for name in who)
        for face, name in zip(faces, who, strict=True):
            if name is None:
                continue
            true = next(truth for truth in file.faces if truth.identity == name)
            width = true.box[2] - true.box[0]
            gaps = np.array(face["landmarks"]).reshape(5, 2) - np.array(true.landmarks)
            assert np.abs(gaps).max() < 0.25 * width, (file.path, gaps)
    with_faces = sum(len(file.faces) for file in album.truth.files if file.outcome == "ok")
    assert found >= 0.95 * with_faces
    assert invented <= 0.05 * with_faces


def check_embeddings_are_dlibs(collection: Collection, album: Album) -> None:
    """Cuts chips anew from the photos, by the stored matrices, and has dlib itself embed them."""
    network = dlib.face_recognition_model_v1(str(registry.path(registry.DLIB_RESNET)))
    size = align.TEMPLATES["dlib-150"].size
    paths = {row["media_id"]: row["path"] for row in collection.snapshot().media.to_pylist()}
    faces = collection.snapshot().faces(["media_id", "chip_to_picture", "embedding"]).to_pylist()
    compared = 0
    for face in faces:
        picture = _upright(album.folder / paths[face["media_id"]])
        if max(picture.size) > UNSCALED_SIDE:
            continue
        matrix = tuple(face["chip_to_picture"])
        if np.hypot(matrix[0], matrix[3]) >= 2:
            continue  # those are averaged before they are cut
        cut = picture.transform(
            (size, size), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR
        )
        chip = np.array(cut)
        both = [
            network.compute_face_descriptor(np.ascontiguousarray(c)) for c in (chip, chip[:, ::-1])
        ]
        mean = np.mean([np.array(vector) for vector in both], axis=0)
        cosine = mean / np.linalg.norm(mean) @ np.array(face["embedding"])
        assert cosine > 0.9999, (paths[face["media_id"]], cosine)
        compared += 1
        if compared == EMBEDDED_ANEW:
            return
    raise AssertionError(f"only {compared} faces could be embedded anew")


def check_people(collection: Collection, album: Album) -> None:
    scores = score(collection, album.truth)
    assert scores["precision"] >= 0.99, scores
    assert scores["recall"] >= 0.8, scores


def _upright(path: Path) -> Image.Image:
    with Image.open(path) as stored:
        picture = ImageOps.exif_transpose(stored)
    assert picture is not None
    return picture.convert("RGB")
