"""One person for a user to look at: faces with their ids and photos, events, a contact sheet."""

from __future__ import annotations

import base64
import html
import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image, ImageDraw

from facebatch import ids
from facebatch.errors import InputError, UsageError
from facebatch.faces.fonts import isolated, lettered
from facebatch.people.deciding import People
from facebatch.people.identity import Person
from facebatch.people.ledger import list_decisions
from facebatch.people.records import read_events
from facebatch.storage.printable import count
from facebatch.tables import matrix

FACES_ON_SHEET = 200
"""Faces on a contact sheet, from the least typical to the most, evenly."""

_COLUMNS, _SIDE, _MARGIN, _TEXT, _LETTERS = 10, 112, 8, 20, 12  # of a PNG: faces a row, pixels

_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{title}</title>
<style>body{{font:14px system-ui,sans-serif;margin:24px}}
main{{display:flex;flex-wrap:wrap;gap:12px}}
figure{{margin:0;width:144px}}img{{width:144px;height:144px;display:block}}
figcaption{{font-size:11px;overflow-wrap:anywhere}}code{{user-select:all}}</style>
<h1>{title}</h1><p>{line}</p><main>{figures}</main></html>
"""


def portray(people: People, person: Person) -> dict[str, Any]:
    """Returns a person as plain data: faces, least typical first, events and decisions.

    The least typical come first because those are the ones to look at.
    """
    faces = _faces(people, person, ["face_id", "media_id", "embedding", "size", "score"])
    media = people.snapshot.items.select(["media_id", "root", "path"])
    holders = media.take(pc.index_in(faces["media_id"], media["media_id"].combine_chunks()))
    shown = zip(faces.drop_columns(["embedding"]).to_pylist(), holders.to_pylist(), strict=True)
    events = read_events(people.collection)
    mine = events.filter(
        pc.or_kleene(
            pc.equal(events["person_id"], pa.scalar(person.person_id, pa.binary(ids.ID_BYTES))),
            pc.equal(events["other_id"], pa.scalar(person.person_id, pa.binary(ids.ID_BYTES))),
        )
    )
    return {
        "person_id": person.person_id.hex(),
        "name": person.name,
        "hidden": person.hidden,
        "founded": person.founded,
        "faces": [
            {
                "face_id": face["face_id"].hex(),
                "root": item["root"],
                "path": item["path"],
                "size": face["size"],
                "score": face["score"],
            }
            for face, item in shown
        ],
        "events": [
            {
                "time": row["time"].isoformat(timespec="seconds"),
                "kind": row["kind"],
                "person_id": row["person_id"].hex(),
                "other_id": row["other_id"].hex() if row["other_id"] else None,
                "faces": row["faces"],
                "reason": row["reason"],
            }
            for row in mine.to_pylist()
        ],
        "decisions": list_decisions(people, person),
    }


def _faces(people: People, person: Person, columns: list[str]) -> pa.Table:
    """Returns a person's faces, the least typical first."""
    wanted = pa.array(people.faces_of(person), pa.binary(ids.ID_BYTES))
    listed = people.snapshot.listed
    listed = listed.filter(pc.is_in(listed["face_id"], wanted))
    faces = people.snapshot.faces(columns, among=listed)
    if not len(faces):
        return faces
    embeddings = matrix(faces["embedding"])
    typical = embeddings @ embeddings.mean(axis=0, dtype=np.float64)
    return faces.take(pa.array(np.argsort(typical, kind="stable")))


def write_sheet(people: People, person: Person, target: Path) -> None:
    """Writes a contact sheet: a PNG, or an HTML page from which ids can be copied.

    Raises:
        UsageError: The file is to be of another kind, or the collection has no chips.
        InputError: It can't be written.

    Warns:
        MissingGlyph: No font here has a character of the name.
    """
    kind = target.suffix.lower()
    if kind not in (".png", ".html"):
        raise UsageError(f"{target} can't be a contact sheet: it must end with .png or .html")
    if not people.collection.settings.chips:
        raise UsageError(
            f"{people.collection.storage.public} has no chips to show: it was made with --no-chips"
        )
    faces = _faces(people, person, ["face_id", "chip", "embedding"]).drop_columns(["embedding"])
    if len(faces) > FACES_ON_SHEET:
        places = np.linspace(0, len(faces) - 1, FACES_ON_SHEET).round().astype(np.int64)
        faces = faces.take(pa.array(places))
    rows = [(row["face_id"].hex(), row["chip"]) for row in faces.to_pylist()]
    title = people.shown(person)
    data = _page(title, rows) if kind == ".html" else _picture(title, rows)
    try:
        target.write_bytes(data)
    except OSError as error:
        raise InputError(f"{target} can't be written: {error}") from error


def _page(title: str, rows: list[tuple[str, bytes]]) -> bytes:
    figures = "".join(
        f'<figure><img src="data:image/jpeg;base64,{base64.b64encode(chip).decode()}" alt="">'
        f"<figcaption><code>{face[:12]}</code></figcaption></figure>"
        for face, chip in rows
    )
    line = f"{len(rows)} faces, the least typical first"
    return _PAGE.format(title=html.escape(title), line=line, figures=figures).encode()


def _picture(title: str, rows: list[tuple[str, bytes]]) -> bytes:
    across = min(_COLUMNS, max(1, len(rows)))
    down = -(-len(rows) // _COLUMNS)
    step, height = _SIDE + _MARGIN, _SIDE + _TEXT + _MARGIN
    heading = lettered(f"{isolated(title)}: {count(len(rows), 'face')}", _LETTERS)
    width = max(across * step, heading.width + _MARGIN) + _MARGIN
    sheet = Image.new("RGB", (width, 2 * _TEXT + down * height + _MARGIN), "white")
    pen = ImageDraw.Draw(sheet)
    pen.bitmap((_MARGIN, _MARGIN), heading, "black")
    for number, (face, chip) in enumerate(rows):
        place = (
            _MARGIN + number % _COLUMNS * step,
            2 * _TEXT + _MARGIN + number // _COLUMNS * height,
        )
        with Image.open(io.BytesIO(chip)) as picture:
            sheet.paste(picture.convert("RGB").resize((_SIDE, _SIDE)), place)
        pen.bitmap((place[0], place[1] + _SIDE), lettered(face[:12], _LETTERS), "black")
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG")
    return buffer.getvalue()
