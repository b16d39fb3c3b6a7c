"""The faces that are exported, each with its picture and with whom it shows, joined column-wise."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from facebatch import tables
from facebatch.collection import Collection, Snapshot, read_matches
from facebatch.errors import UsageError
from facebatch.people import PeopleView

_FACE_COLUMNS = (
    *("face_id", "media_id", "content_id", "timestamp_us", "ordinal"),
    *("x0", "y0", "x1", "y1", "score"),
)
_MEDIA_COLUMNS = ("root", "path", "path_bytes", "status", "width", "height")


def named_faces(
    collection: Collection,
    snapshot: Snapshot,
    *,
    root: str | None = None,
    only_named: bool = False,
) -> pa.Table:
    """Returns one row a face, ordered by root, path, time and ordinal.

    Args:
        collection: The collection.
        snapshot: Its faces.
        root: Name of the only root whose faces are wanted.
        only_named: Whether faces without a name are left out.

    Returns:
        Of the face row the ids, time, box and score; of the media row root, path, path_bytes,
        status, width and height; person_id and person, which is the person's name; match,
        match_score and match_probability of the current identification; and name, which is the
        person's, else the match's. All of the last six may be null.

    Raises:
        UsageError: The collection has no such root.
    """
    media = snapshot.media
    if root is not None:
        check_root(media, root)
    faces = snapshot.faces(_FACE_COLUMNS)
    item = pc.index_in(faces["media_id"], media["media_id"].combine_chunks())
    columns = {name: faces[name] for name in _FACE_COLUMNS}
    columns |= {name: media[name].take(item) for name in _MEDIA_COLUMNS}
    face_ids = faces["face_id"].combine_chunks()
    people = PeopleView.of(collection).people_of(face_ids)
    columns |= {"person_id": people["person_id"], "person": people["name"]}
    columns |= _matches(collection, face_ids)
    columns["name"] = pc.coalesce(columns["person"], columns["match"])
    rows = pa.table(columns)
    if root is not None:
        rows = rows.filter(pc.equal(rows["root"], root))
    if only_named:
        rows = rows.filter(pc.is_valid(rows["name"]))
    order = ("root", "path", "timestamp_us", "ordinal", "face_id")
    return rows.take(pc.sort_indices(rows, [(name, "ascending") for name in order]))


def check_root(media: pa.Table, root: str) -> None:
    """Refuses a root that a collection doesn't have.

    Args:
        media: All of its media rows.
        root: The root's name.

    Raises:
        UsageError: None of the rows is of that root.
    """
    known = sorted(pc.unique(media["root"]).to_pylist())
    if root not in known:
        has = f"it has {', '.join(known)}" if known else "it is empty"
        raise UsageError(f"the collection has no root called {root!r}; {has}")


def _matches(collection: Collection, face_ids: pa.Array) -> dict[str, pa.Array]:
    """Returns whom each face was identified as, null where it is nobody or not identified yet."""
    current = collection.current("matches")
    names = {"match": "person", "match_score": "score", "match_probability": "probability"}
    if current is None:
        return {
            name: pa.nulls(len(face_ids), tables.schema("matches").field(column).type)
            for name, column in names.items()
        }
    matches = read_matches(collection, current, ["face_id", *names.values()])
    matches = matches.filter(pc.is_valid(matches["person"]))
    place = pc.index_in(face_ids, matches["face_id"].combine_chunks())
    return {name: matches[column].take(place) for name, column in names.items()}
