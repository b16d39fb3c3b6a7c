"""Rendered portraits, and a collection and a gallery of them, in the folder that a test runs in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from support.commits import commit

import facebatch
from facebatch.collection import Collection
from facebatch.config import ExtractSettings
from facebatch.demo.render import render_face
from facebatch.identify import Gallery
from facebatch.identify.gallery import ENTRY_COLUMNS
from facebatch.people.edit import People, name_person
from facebatch.stages import cluster_people

POSES = [{"yaw": 0.0}, {"yaw": 0.15}, {"smile": 0.5}, {"pitch": 0.1}]
ADA, GRACE, NOBODY = 1, 2, 3


@pytest.fixture(scope="session")
def portraits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder: four photos of one person, three of another, one of a third."""
    folder = tmp_path_factory.mktemp("portraits")
    for person, count in ((ADA, 4), (GRACE, 3), (NOBODY, 1)):
        for number, pose in enumerate(POSES[:count]):
            picture = render_face(person, noise_seed=10 * person + number, **pose)
            Image.fromarray(picture).save(folder / f"{person}-{number}.jpg", quality=95)
    return folder


@pytest.fixture(scope="session")
def world(portraits: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the portraits that docs/api.md names, a collection and a gallery."""
    folder = tmp_path_factory.mktemp("world")
    names = {"portrait": "1-0", "same-person": "1-1", "other-person": "2-0"}
    for name, of in names.items():
        (folder / f"{name}.jpg").write_bytes((portraits / f"{of}.jpg").read_bytes())
    paths = sorted(portraits.iterdir())
    embeddings = np.concatenate([facebatch.embed_faces(path).embeddings for path in paths])
    collection = Collection.create(str(folder / "faces"), ExtractSettings())
    commit(collection, "one", embeddings)
    cluster_people(collection, collection.snapshot())
    people = People.of(collection)
    largest = facebatch.Collection.open(str(folder / "faces")).people()["person_id"][0].as_py()
    name_person(people, largest.hex(), "Ada Lovelace")
    cluster_people(collection, collection.snapshot())
    _enrol(folder / "gallery", embeddings)
    return folder


def _enrol(folder: Path, embeddings: np.ndarray) -> None:
    gallery = Gallery.create(str(folder), ExtractSettings())
    rows = [
        {
            "name": name,
            "face_id": bytes([row]) * 16,
            "source": f"{row}.jpg",
            "embedding": embeddings[row].tolist(),
            "score": 1.0,
            "size": 100.0,
            "sharpness": 1.0,
            "chip": None,
        }
        for name, row in (
            ("Ada Lovelace", 1),
            ("Ada Lovelace", 2),
            ("Grace Hopper", 4),
            ("Grace Hopper", 5),
        )
    ]
    table = pa.table({name: [row[name] for row in rows] for name in ENTRY_COLUMNS})
    kind = pa.list_(pa.float32(), embeddings.shape[1])
    at = table.schema.get_field_index("embedding")
    gallery.add(table.set_column(at, "embedding", table["embedding"].cast(kind)))
