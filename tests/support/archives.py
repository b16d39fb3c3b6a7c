"""A small archive that ran every stage, for tests of what is taken from it."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image
from support.rows import content, media, media_row, memory_collection
from support.synthetic import people

from facebatch import ids, tables
from facebatch.collection import Collection
from facebatch.config import ExtractSettings
from facebatch.erasure import Request, Selection, erase, select
from facebatch.erasure.verification import Finding
from facebatch.identify import Gallery
from facebatch.identify.gallery import ENTRY_COLUMNS
from facebatch.people import PeopleView
from facebatch.report import write_report
from facebatch.stages import IdentificationQuery, build_index, cluster_people, identify_faces
from facebatch.storage.store import filesystem

CHIP = 150
SIZES = [7, 6, 5, 4]
NAMES = {0: "Ada Lovelace", 1: "Bo Li"}


@dataclass
class Archive:
    """A collection that ran every stage: one face a photo, ``<n>.jpg`` with content n."""

    collection: Collection
    gallery: Gallery
    embeddings: np.ndarray[Any, Any]
    truth: np.ndarray[Any, Any]

    def run_stages(self) -> None:
        snapshot = self.collection.snapshot()
        build_index(self.collection, snapshot)
        identify_faces(self.collection, snapshot, IdentificationQuery(self.gallery, threshold=0.12))
        cluster_people(self.collection, snapshot)
        write_report(self.collection, snapshot)

    def photos_of(self, person: int) -> list[int]:
        return np.flatnonzero(self.truth == person).tolist()

    def erase(self, **asked: tuple[str, ...]) -> tuple[Selection, list[Finding]]:
        chosen = select(self.collection, self.collection.snapshot(), Request(**asked))
        done = erase(self.collection, chosen)
        return chosen, list(done.findings)

    def people(self) -> dict[bytes, set[bytes]]:
        return {one: set(faces) for one, faces in PeopleView.of(self.collection).faces.items()}


def face_of(number: int) -> bytes:
    return ids.face_id(content(number), 0, 0, 0)


def picture(number: int) -> bytes:
    """Returns a JPEG of patches whose colours the number decides."""
    colours = np.random.default_rng(number).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    large = Image.fromarray(colours).resize((CHIP, CHIP), Image.Resampling.BICUBIC)
    large.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def face_rows(numbers: list[int], embeddings: Any, paths: list[str] | None = None) -> pa.Table:
    schema = tables.schema("faces", 128)
    names = paths or [f"{number}.jpg" for number in numbers]
    given: dict[str, Any] = {
        "face_id": [face_of(number) for number in numbers],
        "media_id": [ids.media_id("photos", name) for name in names],
        "content_id": [content(number) for number in numbers],
        "landmarks": [[0.0] * 10] * len(numbers),
        "chip_to_picture": [[1.0, 0.0, 0.0, 0.0, 1.0, 0.0]] * len(numbers),
        "x1": [float(CHIP)] * len(numbers),
        "y1": [float(CHIP)] * len(numbers),
        "size": [100.0] * len(numbers),
        "score": [1.0] * len(numbers),
        "chip": [picture(number) for number in numbers],
        "embedding": [embeddings[number].tolist() for number in numbers],
    }
    columns = [pa.array(given.get(field.name, [0] * len(numbers)), field.type) for field in schema]
    return pa.Table.from_arrays(columns, schema=schema)


def photo(number: int, path: str | None = None, **values: Any) -> dict[str, Any]:
    return media_row(
        path or f"{number}.jpg", of=number, **{"faces": 1, "width": CHIP, "height": CHIP, **values}
    )


@cache
def archive_of_four() -> Archive:
    """Returns an archive that is made once and copied: four people, two of them in a gallery.

    22 photos in two shards, of which photo 0 is there twice.
    """
    collection = memory_collection()
    embeddings, truth = people(SIZES, seed=1)
    half = len(truth) // 2
    first, second = list(range(half)), list(range(half, len(truth)))
    copy = media_row("copies/first.jpg", "duplicate", of=0, width=CHIP, height=CHIP)
    rows = media(*(photo(number) for number in first), copy)
    collection.commit_shard("one", rows, face_rows(first, embeddings))
    rows = media(*(photo(number) for number in second))
    collection.commit_shard("two", rows, face_rows(second, embeddings))
    gallery = Gallery.create(f"{collection.storage.url}-gallery", ExtractSettings())
    named = [number for number in range(len(truth)) if truth[number] in NAMES]
    entries = face_rows(named, embeddings)
    entries = entries.append_column("name", pa.array([NAMES[truth[one]] for one in named]))
    entries = entries.append_column("source", pa.array([f"known/{one}.jpg" for one in named]))
    gallery.add(entries.select(list(ENTRY_COLUMNS)))
    made = Archive(collection, gallery, embeddings, truth)
    made.run_stages()
    return made


def copied(original: Archive) -> Archive:
    """Returns an archive of its own that holds the same."""
    store, place = filesystem(original.collection.storage.url)
    copy = filesystem(memory_collection().storage.url)[1]
    for ending in ("", "-gallery"):
        for path in store.find(place + ending):
            store.pipe_file(copy + path.removeprefix(place), store.cat_file(path))
    return Archive(
        Collection.open(f"memory:/{copy}"),
        Gallery.open(f"memory:/{copy}-gallery"),
        original.embeddings,
        original.truth,
    )
