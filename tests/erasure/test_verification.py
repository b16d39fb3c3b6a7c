"""Verification: whatever is left of something erased is found, wherever it lies."""

from __future__ import annotations

import io
import json
from base64 import b64encode
from collections.abc import Callable
from typing import Any

import faiss
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from support.archives import Archive, archive_of_four, copied, face_of, face_rows, photo, picture
from support.rows import content, media

from facebatch import ids, tables
from facebatch.collection import Collection, Suppression, generation_name
from facebatch.erasure import Selection, verify
from facebatch.erasure.selection import targets_of
from facebatch.erasure.verification import check
from facebatch.faces.thumbnails import thumbnail
from facebatch.identify.gallery import ENTRY_COLUMNS

VICTIM = 0


def plant_table(collection: Collection, path: str, table: str, values: dict[str, Any]) -> None:
    """Adds one row to a table's file, a copy of its last one but for some values."""
    rows = tables.read(collection.storage, path, table)
    last = {name: column[0] for name, column in rows.slice(len(rows) - 1).to_pydict().items()}
    row = pa.Table.from_pylist([{**last, **values}], schema=rows.schema)
    whole = pa.concat_tables([rows, row]).cast(tables.schema(table, 128))
    tables.write(collection.storage, path, table, whole, collection.fingerprint)


def current(collection: Collection, stage: str) -> str:
    generation = collection.current(stage)
    assert generation is not None
    return generation.folder


def plant_face(archive: Archive, **values: Any) -> str:
    shard = archive.collection.snapshot().shards[0]
    plant_table(archive.collection, f"faces/{shard}.parquet", "faces", values)
    return f"faces/{shard}.parquet"


def plant_media(archive: Archive, **values: Any) -> str:
    shard = archive.collection.snapshot().shards[0]
    plant_table(archive.collection, f"media/{shard}.parquet", "media", values)
    return f"media/{shard}.parquet"


def plant_stage(archive: Archive, stage: str, table: str, **values: Any) -> str:
    path = f"{current(archive.collection, stage)}/{table}.parquet"
    plant_table(archive.collection, path, table, values)
    return path


def plant_replaced(archive: Archive) -> str:
    collection = archive.collection
    for folder, rows in (
        ("faces", face_rows([VICTIM], archive.embeddings)),
        ("media", media(photo(VICTIM))),
    ):
        path = f"{folder}/replaced.parquet"
        tables.write(collection.storage, path, folder, rows, collection.fingerprint)
    replaces = {"replaces": json.dumps(["replaced"])}
    rows = media(photo(30))
    tables.write(collection.storage, "media/new.parquet", "media", rows, "x", extra=replaces)
    rows = face_rows([30], np.eye(128, dtype=np.float32))
    tables.write(collection.storage, "faces/new.parquet", "faces", rows, "x")
    assert "replaced" not in collection.snapshot().shards
    return "media/replaced.parquet"


def plant_orphan(archive: Archive) -> str:
    rows = face_rows([VICTIM], archive.embeddings)
    tables.write(archive.collection.storage, "faces/orphan.parquet", "faces", rows, "x")
    return "faces/orphan.parquet"


def plant_vector(archive: Archive, index: Any = None) -> str:
    path = f"{current(archive.collection, 'index')}/faces.index"
    data = archive.collection.storage.read(path)
    index = index or faiss.deserialize_index(np.frombuffer(data, np.uint8))
    index.add(archive.embeddings[VICTIM][None])
    archive.collection.storage.write(path, faiss.serialize_index(index).tobytes())
    return path


def plant_in_ivf(archive: Archive) -> str:
    others = archive.embeddings[1:]
    quantizer = faiss.IndexFlatIP(128)
    index = faiss.IndexIVFFlat(quantizer, 128, 2, faiss.METRIC_INNER_PRODUCT)
    index.train(others)
    index.add(others)
    return plant_vector(archive, index)


def plant_in_hnsw(archive: Archive) -> str:
    index = faiss.IndexHNSWFlat(128, 8)
    index.add(archive.embeddings[1:])
    return plant_vector(archive, index)


def plant_in_old_generation(archive: Archive) -> str:
    folder = f"clusters/{generation_name()}"
    rows = tables.from_rows("clusters", [{"face_id": face_of(VICTIM), "cluster": 0}])
    tables.write(archive.collection.storage, f"{folder}/clusters.parquet", "clusters", rows, "x")
    return f"{folder}/clusters.parquet"


def plant_in_page(archive: Archive, markup: str) -> str:
    page = archive.collection.storage.read("report.html").decode()
    page = page.replace("</main>", f"{markup}</main>")
    archive.collection.storage.write("report.html", page.encode())
    return "report.html"


def plant_thumbnail(archive: Archive, side: int) -> str:
    small = thumbnail(picture(VICTIM), side)
    assert small is not None
    return plant_in_page(archive, f'<img src="data:image/jpeg;base64,{b64encode(small).decode()}">')


def plant_png(archive: Archive) -> str:
    buffer = io.BytesIO()
    Image.open(io.BytesIO(picture(VICTIM))).resize((70, 70)).save(buffer, "PNG")
    archive.collection.storage.write("evaluation/pairs-errors.png", buffer.getvalue())
    return "evaluation/pairs-errors.png"


def plant_manifest(archive: Archive) -> str:
    path = f"{current(archive.collection, 'people')}/manifest.json"
    manifest = json.loads(archive.collection.storage.read(path))
    manifest["note"] = [{"face": face_of(VICTIM).hex()}]
    archive.collection.storage.write(path, json.dumps(manifest).encode())
    return path


def plant_mark(archive: Archive) -> str:
    item = f"{ids.media_id('photos', f'{VICTIM}.jpg').hex()}:1:1"
    archive.collection.storage.write("attempts/s.json", json.dumps({"items": [item]}).encode())
    return "attempts/s.json"


def plant_parquet(archive: Archive, path: str, rows: dict[str, Any]) -> str:
    sink = io.BytesIO()
    pq.write_table(pa.table(rows), sink)
    return plant_bytes(archive, path, sink.getvalue())


def plant_gallery(archive: Archive) -> str:
    rows = face_rows([VICTIM], archive.embeddings)
    rows = rows.append_column("name", pa.array(["Somebody"]))
    rows = rows.append_column("source", pa.array(["known/1.jpg"]))
    archive.gallery.add(rows.select(list(ENTRY_COLUMNS)))
    return "entries.parquet"


def plant_bytes(archive: Archive, path: str, data: bytes) -> str:
    archive.collection.storage.write(path, data)
    return path


VICTIM_MEDIA = ids.media_id("photos", f"{VICTIM}.jpg")
NAME = f"photos/{VICTIM}.jpg"

LATER: dict[str, Callable[[Archive], str]] = {
    "face id in faces": lambda archive: plant_face(archive, face_id=face_of(VICTIM)),
    "media id in faces": lambda archive: plant_face(archive, media_id=VICTIM_MEDIA),
    "content id in faces": lambda archive: plant_face(archive, content_id=content(VICTIM)),
    "media id in media": lambda archive: plant_media(archive, media_id=VICTIM_MEDIA),
    "path in media": lambda archive: plant_media(archive, path=f"{VICTIM}.jpg"),
    "path bytes in media": lambda archive: plant_media(archive, path_bytes=b"0.jpg"),
    "content id in media": lambda archive: plant_media(archive, content_id=content(VICTIM)),
    "message in media": lambda archive: plant_media(archive, message=f"{NAME}: cut off"),
    "replaced shard": plant_replaced,
    "orphan": plant_orphan,
    "ids": lambda archive: plant_stage(archive, "index", "ids", face_id=face_of(VICTIM)),
    "places": lambda archive: plant_stage(
        archive, "index", "places", root="photos", path=photo(VICTIM)["path"]
    ),
    "matches": lambda archive: plant_stage(archive, "matches", "matches", face_id=face_of(VICTIM)),
    "clusters": lambda archive: plant_stage(
        archive, "clusters", "clusters", face_id=face_of(VICTIM)
    ),
    "people": lambda archive: plant_stage(
        archive, "people", "people", cover_face_id=face_of(VICTIM)
    ),
    "unfinished generation": plant_in_old_generation,
    "manifest": plant_manifest,
    "attempt": plant_mark,
    "text of the report": lambda archive: plant_in_page(archive, f"<p>{NAME}</p>"),
    "sentence in the report": lambda archive: plant_in_page(archive, f"<p>See {NAME}, good.</p>"),
    "attribute in the report": lambda archive: plant_in_page(
        archive, f'<b title="{NAME}, 2003-05-01 14:03"></b>'
    ),
    "id in the report": lambda archive: plant_in_page(
        archive, f'<b id="face-{face_of(VICTIM).hex()}"></b>'
    ),
    "comment in the report": lambda archive: plant_in_page(archive, f"<!-- {NAME} -->"),
    "half written table": lambda archive: plant_parquet(
        archive, "faces/.writing-00000000-x.parquet", {"face_id": [face_of(VICTIM)]}
    ),
    "half written file": lambda archive: plant_bytes(
        archive, "faces/.writing-0-x.parquet", b"PAR1"
    ),
    "events": lambda archive: plant_parquet(
        archive, "events/1.parquet", {"who": [{"faces": [face_of(VICTIM)]}], "n": [1]}
    ),
    "decision": lambda archive: plant_bytes(
        archive, "decisions/1.json", json.dumps({"item": VICTIM_MEDIA.hex()}).encode()
    ),
    "unknown binary file": lambda archive: plant_bytes(
        archive, "cache/x.bin", b"\xff\x00\xfe" + face_of(VICTIM) + b"\xff"
    ),
    "log": lambda archive: plant_bytes(archive, "run.log", f"read {NAME} in 3 ms".encode()),
}
"""What the suppression list alone gives away."""

NOW: dict[str, Callable[[Archive], str]] = {
    "embedding in faces": lambda archive: plant_face(
        archive, embedding=archive.embeddings[VICTIM].tolist()
    ),
    "chip in faces": lambda archive: plant_face(archive, chip=picture(VICTIM)),
    "index vector": plant_vector,
    "vector in an inverted index": plant_in_ivf,
    "vector in a graph index": plant_in_hnsw,
    "small thumbnail": lambda archive: plant_thumbnail(archive, 64),
    "large thumbnail": lambda archive: plant_thumbnail(archive, 120),
    "picture file": plant_png,
    "name in people": lambda archive: plant_stage(archive, "people", "people", name="Ada Lovelace"),
    "name in the report": lambda archive: plant_in_page(archive, "<h3>Ada Lovelace</h3>"),
    "vector in JSON": lambda archive: plant_bytes(
        archive, "x.json", json.dumps([archive.embeddings[VICTIM].tolist()]).encode()
    ),
}
"""What has to be known to be recognised."""


@pytest.fixture
def archive() -> Archive:
    return copied(archive_of_four())


@pytest.fixture(scope="module")
def erased_once() -> tuple[Archive, Selection]:
    """The archive after photo 0 and everything of Ada were erased."""
    archive = copied(archive_of_four())
    chosen, left = archive.erase(media=(NAME,), people=("Ada Lovelace",))
    assert left == []
    assert verify(archive.collection) == []
    return archive, chosen


@pytest.fixture
def erased(erased_once: tuple[Archive, Selection]) -> tuple[Archive, Selection]:
    return copied(erased_once[0]), erased_once[1]


@pytest.mark.parametrize("plant", LATER)
def test_a_planted_id_or_path_is_found_with_the_list_alone(
    erased: tuple[Archive, Selection], plant: str
) -> None:
    archive, _ = erased
    path = LATER[plant](archive)
    assert path in {finding.path for finding in verify(archive.collection)}


@pytest.mark.parametrize("plant", NOW)
def test_a_planted_look_or_name_is_found_while_it_is_known(
    erased: tuple[Archive, Selection], plant: str
) -> None:
    archive, chosen = erased
    collection = archive.collection
    suppression = Suppression.load(collection.storage)
    targets = targets_of(suppression, chosen, chosen.names, collection.snapshot())
    assert check(collection.storage, targets) == []
    path = NOW[plant](archive)
    assert path in {finding.path for finding in check(collection.storage, targets)}


def test_an_erasure_takes_everything_but_what_lies_in_files_it_does_not_know(
    archive: Archive,
) -> None:
    paths = {name: plant(archive) for name, plant in LATER.items()}
    _, left = archive.erase(media=(NAME,))
    unknown = {paths[name] for name in ("decision", "unknown binary file", "log")}
    assert {finding.path for finding in left} == unknown


def test_a_planted_gallery_entry_is_found(erased: tuple[Archive, Selection]) -> None:
    archive, _ = erased
    plant_gallery(archive)
    found = verify(archive.collection, archive.gallery)
    assert [finding.path.rpartition("/")[2] for finding in found] == ["entries.parquet"]


def test_a_path_that_holds_an_erased_one_is_not_taken_for_it(archive: Archive) -> None:
    collection = archive.collection
    rows = media(photo(50, "mine/my photos/0.jpg"), photo(51, "x, photos/0.jpg"))
    extra = np.zeros((52, 128), np.float32)
    extra[50, 0] = extra[51, 1] = 1
    names = ["mine/my photos/0.jpg", "x, photos/0.jpg"]
    collection.commit_shard("odd", rows, face_rows([50, 51], extra, names))
    plant_in_page(archive, "".join(f"<p>photos/{name}</p>" for name in names))
    _, left = archive.erase(media=(NAME,))
    assert left == []
    plant_in_page(archive, "".join(f"<p>photos/{name}, 2003</p>" for name in names))
    assert verify(collection) == []
