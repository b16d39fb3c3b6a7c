"""A collection for reading: its tables with the people of today, as Arrow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa
import pyarrow.compute as pc

from facebatch import ids, tables
from facebatch.collection import Collection as StoredCollection
from facebatch.collection import Snapshot
from facebatch.config import ExtractSettings
from facebatch.errors import UsageError
from facebatch.extract.photo import EmbeddedFaces, Faces, PhotoLike, embed_faces
from facebatch.people import PeopleView

PERSON_COLUMNS = ("person_id", "person")
"""Columns of `Collection.faces` beside the table's own."""

_PEOPLE_COLUMNS = (
    *("person_id", "name", "named_by", "hidden", "faces", "media", "cover_face_id", "spread"),
)
_ID = pa.binary(ids.ID_BYTES)


@dataclass(frozen=True, eq=False)
class Collection:
    """What a run found in an archive, as it is when it is first looked at.

    Open it again to see what later runs added. docs/tables.md says what each column means.

    Args:
        stored: The collection as the library's rooms have it.
    """

    stored: StoredCollection

    @classmethod
    def open(cls, url: str) -> Collection:
        """Opens a collection that exists.

        Args:
            url: Its folder, or an fsspec URL.

        Raises:
            CollectionError: There is none at the URL, or it is of another format version.
        """
        return cls(StoredCollection.open(url))

    @property
    def name(self) -> str:
        """Its name."""
        return self.stored.name

    @property
    def settings(self) -> ExtractSettings:
        """The settings that its faces were found under."""
        return self.stored.settings

    def faces(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Returns the faces that count, ordered by face id.

        Args:
            columns: Columns wanted, of the table ``faces`` and of two more: ``person_id`` (binary
                of 16 bytes) and ``person`` (its name), null for nobody's faces and where there are
                no people yet. All by default. ``chip`` is by far the largest.

        Raises:
            UsageError: There is no such column.
            CollectionError: A file can't be read.
        """
        own = [column.name for column in tables.contract("faces").columns]
        wanted = _wanted(columns, [*own, *PERSON_COLUMNS])
        read = [name for name in wanted if name not in PERSON_COLUMNS]
        rows = self._snapshot.faces(list(dict.fromkeys(["face_id", *read])))
        if len(read) < len(wanted):
            people = self._people.people_of(rows["face_id"]).rename_columns(list(PERSON_COLUMNS))
            for name in PERSON_COLUMNS:
                rows = rows.append_column(name, people[name])
        return rows.select(wanted)

    def media(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Returns one row a photo or a video's segment, ordered by media id.

        Args:
            columns: Columns wanted, of the table ``media``; all by default.

        Raises:
            UsageError: There is no such column.
            CollectionError: A file can't be read.
        """
        own = [column.name for column in tables.contract("media").columns]
        return self._snapshot.media.select(_wanted(columns, own))

    def people(self) -> pa.Table:
        """Returns one row for everyone who has faces, those with the most first.

        Columns: ``person_id``, ``name``, ``named_by``, ``hidden``, ``faces``, ``media``,
        ``cover_face_id``, ``spread``. Without people yet there are no rows.

        Raises:
            CollectionError: A file can't be read.
        """
        rows = self._people.table
        rows = rows.filter(pc.equal(rows["status"], "active"))
        order = [("faces", "descending"), ("person_id", "ascending")]
        rows = rows.take(pc.sort_indices(rows, sort_keys=order))
        hidden = rows["hidden"].fill_null(fill_value=False)
        rows = rows.set_column(rows.schema.get_field_index("hidden"), "hidden", hidden)
        return rows.select(list(_PEOPLE_COLUMNS))

    def search(
        self, photo: PhotoLike | Faces, k: int = 10, *, face: str | int = "largest"
    ) -> pa.Table:
        """Returns the faces that are most like one of a photo's, nearest first.

        The search index is built first, and kept in the collection, where there is none of today's
        faces.

        Args:
            photo: As for `facebatch.embed_faces`, or what that gave under this collection's
                settings.
            k: Most faces wanted.
            face: Which of the photo's faces is meant; as for `EmbeddedFaces.chosen`.

        Returns:
            Columns: ``face_id`` (binary of 16 bytes), ``root``, ``path``, ``x0``, ``y0``, ``x1``,
            ``y1``, ``d2``, ``probability`` that the two are one person (null where it wasn't
            measured for the embedder), ``person`` (name, or hexadecimal id; null for nobody).

        Raises:
            UsageError: The photo shows no face or no such face, or k isn't positive.
            InputError, MediaError: The photo can't be read or decoded.
        """
        from facebatch.probe.search import search_embedding

        if k < 1:
            raise UsageError(f"k = {k} isn't positive: it is the number of faces wanted")
        faces = photo
        if not isinstance(faces, EmbeddedFaces):
            faces = embed_faces(faces, self.settings)
        _, found = search_embedding(self.stored, faces.embeddings[faces.chosen(face)], k)
        edges = ("x0", "y0", "x1", "y1")
        rows = [
            {
                **{name: one[name] for name in ("root", "path", "d2", "probability", "person")},
                **dict(zip(edges, one["box"], strict=True)),
                "face_id": bytes.fromhex(one["face_id"]),
            }
            for one in found
        ]
        return pa.Table.from_pylist(rows, schema=_FOUND)

    @cached_property
    def _snapshot(self) -> Snapshot:
        return self.stored.snapshot()

    @cached_property
    def _people(self) -> PeopleView:
        return PeopleView.of(self.stored)


_FOUND = pa.schema(
    [
        pa.field("face_id", _ID),
        *(pa.field(name, pa.string()) for name in ("root", "path")),
        *(pa.field(name, pa.float32()) for name in ("x0", "y0", "x1", "y1", "d2", "probability")),
        pa.field("person", pa.string()),
    ]
)


def _wanted(columns: Sequence[str] | None, known: list[str]) -> list[str]:
    if columns is None:
        return known
    if unknown := [name for name in columns if name not in known]:
        raise UsageError(f"no column named {unknown[0]!r}; there are {', '.join(known)}")
    return list(columns)
