"""Photos are found by the names that people give them, with the face that stands for each."""

from __future__ import annotations

import unicodedata
from typing import Literal

import numpy as np
import pytest
from support.rows import content, faces, media, media_row, memory_collection, put_shard

from facebatch import ids
from facebatch.collection import Snapshot
from facebatch.evaluate.photos import Photos

Form = Literal["NFC", "NFD"]


def elsewhere(path: str, of: int) -> dict[str, object]:
    """A row of a second root, ``scans``."""
    other = {"root": "scans", "media_id": ids.media_id("scans", path)}
    return {**media_row(path, of=of), **other, "width": 100, "height": 100}


@pytest.fixture
def snapshot() -> Snapshot:
    collection = memory_collection()
    sides = {"width": 100, "height": 100}
    rows = media(
        media_row("a/both.jpg", of=1, **sides),
        media_row("a/one.jpg", of=2, **sides),
        media_row("a/copy.jpg", "duplicate", of=2, **sides),
        media_row("b/nobody.jpg", of=3, **sides),
        media_row("b/broken.jpg", "quarantined", None),
        elsewhere("a/one.jpg", 4),
    )
    found = faces([("a/both.jpg", 1, 0), ("a/both.jpg", 1, 1), ("a/one.jpg", 2, 0)])
    middle = [0, 40, 0]
    for side, values in (("x0", middle), ("y0", middle), ("x1", [10, 60, 9]), ("y1", [10, 60, 9])):
        at = found.schema.get_field_index(side)
        found = found.set_column(at, found.schema.field(at), [np.array(values, np.float32)])
    put_shard(collection.storage, "s", rows, found)
    return collection.snapshot()


def test_a_path_in_two_roots_is_named_with_its_root(snapshot: Snapshot) -> None:
    photos = Photos.of(snapshot)
    assert photos.names == [
        "a/both.jpg",
        "a/copy.jpg",
        "b/broken.jpg",
        "b/nobody.jpg",
        "photos/a/one.jpg",
        "scans/a/one.jpg",
    ]
    assert not photos.has("a/one.jpg")
    assert all(photos.has(name) for name in ("./a/both.jpg", "photos/a/both.jpg"))
    assert photos.without(["./b/nobody.jpg", "photos/a/copy.jpg", "c.jpg"]) == [
        "a/both.jpg",
        "b/broken.jpg",
        "photos/a/one.jpg",
        "scans/a/one.jpg",
    ]


def test_the_face_nearest_the_centre_stands_for_a_photo(snapshot: Snapshot) -> None:
    photos = Photos.of(snapshot)
    assert photos.central("a/both.jpg") == ids.face_id(content(1), 0, 0, 1)
    assert photos.central("a/copy.jpg") == photos.central("photos/a/one.jpg") is not None
    assert photos.central("b/nobody.jpg") is photos.central("b/broken.jpg") is None
    boxes, scores = photos.boxes("a/both.jpg")
    assert boxes.tolist() == [[0, 0, 10, 10], [40, 40, 60, 60]]
    assert len(scores) == 2


def test_photos_without_a_face_have_no_embedding(snapshot: Snapshot) -> None:
    names = ["b/nobody.jpg", "a/both.jpg", "nowhere.jpg", "a/copy.jpg", "photos/a/one.jpg"]
    embeddings = Photos.of(snapshot).embeddings(names)
    assert np.isnan(embeddings).any(axis=1).tolist() == [True, False, True, False, False]
    assert np.isnan(Photos.of(snapshot).embeddings(["nowhere.jpg"])).all()


def test_every_outcome_is_counted_and_named(snapshot: Snapshot) -> None:
    names = ["b/nobody.jpg", "b/broken.jpg", "nowhere.jpg", "a/copy.jpg", "photos/a/one.jpg"]
    assert Photos.of(snapshot).outcomes(names) == {
        "named": 5,
        "there": 4,
        "with_face": 2,
        "copies": 1,
        "not_there": ["nowhere.jpg"],
        "failed": {"truncated": ["b/broken.jpg"]},
        "no_face": ["b/nobody.jpg"],
    }


def test_only_the_photos_wanted_are_there(snapshot: Snapshot) -> None:
    photos = Photos.of(snapshot, {"photos": frozenset({"a/one.jpg"})})
    assert photos.names == ["a/one.jpg"]
    assert photos.faces == 1
    assert Photos.of(snapshot).faces == 3


@pytest.mark.parametrize("forms", [("NFC", "NFD"), ("NFD", "NFC")])
def test_a_path_is_found_in_either_form_of_its_accents(forms: tuple[Form, Form]) -> None:
    stored, asked = (unicodedata.normalize(form, "Zo\u00eb/a.jpg") for form in forms)
    collection = memory_collection()
    rows = media(media_row(stored, of=1, width=100, height=100))
    put_shard(collection.storage, "s", rows, faces([(stored, 1, 0)]))
    photos = Photos.of(collection.snapshot())
    assert photos.has(asked)
    assert photos.central(asked) == photos.central(stored)
    assert photos.without([asked]) == []
