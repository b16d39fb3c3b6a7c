"""A small collection to review: invented faces with chips, in photos that lie on the disk."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image
from support.rows import media, media_row
from support.synthetic import people as simulated

from facebatch import ids, tables
from facebatch.collection import Collection
from facebatch.collection.sources import Sources
from facebatch.config import ExtractSettings
from facebatch.stages import cluster_people

_WIDTH, _HEIGHT, _BOX = 200, 150, (60.0, 30.0, 140.0, 120.0)


def make_reviewable(place: Path, sizes: Sequence[int], seed: int = 3) -> Collection:
    """Makes a collection of people with so many photos each, one face a photo, and clusters it.

    Every second photo has a time and a place; one file failed.
    """
    folder = place / "photos"
    folder.mkdir(parents=True)
    embeddings, truth = simulated(list(sizes), seed)
    collection = Collection.create(str(place / "collection"), ExtractSettings())
    photos, faces = [], []
    for number, person in enumerate(truth.tolist()):
        picture = _picture(person, number)
        path = f"{number:03}.jpg"
        (folder / path).write_bytes(picture)
        stat = (folder / path).stat()
        content = ids.content_id(picture)
        photos.append(
            {
                **media_row(path, of=None, faces=1, width=_WIDTH, height=_HEIGHT),
                "content_id": content,
                "size": stat.st_size,
                "marker": str(int(stat.st_mtime)),
                **(_time_and_place(number) if number % 2 else {}),
            }
        )
        faces.append(_face(photos[-1], content, person, embeddings[number]))
    failed = media_row("broken.jpg", "quarantined", None, message="cut off")
    schema = tables.schema("faces", embeddings.shape[1])
    columns = [pa.array([face.get(field.name) for face in faces], field.type) for field in schema]
    table = pa.Table.from_arrays(columns, schema=schema)
    collection.commit_shard("one", media(*photos, failed), table)
    Sources({"photos": str(folder)}).write(collection.storage)
    cluster_people(collection, collection.snapshot())
    return collection


def _picture(person: int, number: int) -> bytes:
    generator = np.random.default_rng(number)
    pixels = generator.integers(0, 60, (_HEIGHT, _WIDTH, 3), np.uint8)
    x0, y0, x1, y1 = map(int, _BOX)
    pixels[y0:y1, x0:x1] = _colour(person)
    return _jpeg(pixels)


def _colour(person: int) -> list[int]:
    return [80 + person * 53 % 170, 80 + person * 97 % 170, 80 + person * 151 % 170]


def _jpeg(pixels: Any) -> bytes:
    sink = io.BytesIO()
    Image.fromarray(pixels).save(sink, "JPEG")
    return sink.getvalue()


def _time_and_place(number: int) -> dict[str, Any]:
    moment = datetime(2004, 5, 1) + timedelta(days=37 * number)
    return {"captured_at": moment, "latitude": 47.0 + number % 3, "longitude": 8.5}


def _face(photo: dict[str, Any], content: bytes, person: int, embedding: Any) -> dict[str, Any]:
    sides = dict(zip(("x0", "y0", "x1", "y1"), _BOX, strict=True))
    chip = np.full((112, 112, 3), _colour(person), np.uint8)
    return {
        "face_id": ids.face_id(content, 0, 0, 0),
        "media_id": photo["media_id"],
        "content_id": content,
        **dict.fromkeys(("segment", "timestamp_us", "ordinal"), 0),
        **sides,
        "landmarks": [0.0] * 10,
        "score": 1.0,
        "size": 80.0,
        "sharpness": 1.0,
        "chip_to_picture": [1.0, 0.0, 0.0, 0.0, 1.0, 0.0],
        "chip": _jpeg(chip),
        "embedding": embedding.tolist(),
    }


class Form(dict[str, list[str]]):
    """The fields of one form of a page, as a browser would send them; its target, its buttons."""

    def __init__(self, action: str) -> None:
        super().__init__()
        self.action = action
        self.buttons: list[tuple[str, str]] = []

    def with_button(self, value: str) -> Form:
        """Returns what is sent when a button of this value is pressed."""
        [name] = [name for name, each in self.buttons if each == value]
        return self.changed(**{name: value})

    def changed(self, **fields: str | list[str]) -> Form:
        """Returns the form with other values in some fields."""
        made = Form(self.action)
        made.update(self)
        for name, value in fields.items():
            made[name] = [value] if isinstance(value, str) else value
        return made


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[Form] = []
        self._open = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form" and given.get("method") == "post":
            self.found.append(Form(given["action"]))
            self._open = True
        elif self._open and tag == "button" and "name" in given:
            self.found[-1].buttons.append((given["name"], given["value"]))
        elif self._open and tag == "input" and _is_sent(given):
            self.found[-1].setdefault(given["name"], []).append(given.get("value", ""))

    def handle_endtag(self, tag: str) -> None:
        self._open = self._open and tag != "form"


def _is_sent(given: dict[str, str]) -> bool:
    return "name" in given and (given.get("type") != "checkbox" or "checked" in given)


def forms(page: str) -> list[Form]:
    """Returns the forms of a page that decide something."""
    reader = _Forms()
    reader.feed(page)
    return reader.found


def ids_of(review: Any) -> tuple[str, str, str]:
    """Returns the ids of a person, of a face of theirs, and of the photo that it is in."""
    state = review.site.desk.state
    number = int(state.roster.queue[0])
    row = int(state.roster.rows(state.roster.person(number))[0])
    item = state.store.media["media_id"][int(state.store.media_rows[row])].as_py()
    return state.roster.ids[number].tobytes().hex(), state.store.id_of(row).hex(), item.hex()


def pages_of(review: Any) -> list[str]:
    """Returns an address of every kind that is asked for by reading."""
    person, face, item = ids_of(review)
    return [
        *("/who", f"/who?person={person}", "/same", f"/fit/{person}", f"/odd/{person}"),
        *("/people", "/people?q=a", "/people?only=unnamed", f"/person/{person}"),
        *(f"/compare?a={person}", f"/compare?a={person}&b={review.unnamed()[1]}"),
        *(f"/media/{item}", f"/media/{item}?face={face}", "/search", "/when", "/when?in=2004"),
        *("/when?in=2004-06", "/where", "/where?at=48.0,8.5", "/failures", "/evaluation"),
        *("/decisions", "/names?q=a", f"/chip/{face}", f"/photo/{item}"),
    ]
