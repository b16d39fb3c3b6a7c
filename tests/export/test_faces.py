"""Faces with their pictures and names: the joins."""

from __future__ import annotations

import pytest
from support.exportable import Archive

from facebatch.errors import UsageError
from facebatch.export import named_faces

BOX = (10.0, 10.0, 30.0, 40.0)


def exported(archive: Archive, **wanted: object) -> list[dict[str, object]]:
    faces = named_faces(archive.collection, archive.collection.snapshot(), **wanted)  # type: ignore[arg-type]
    return faces.to_pylist()


def test_faces_are_ordered_by_root_path_and_ordinal(archive: Archive) -> None:
    archive.put("b.jpg", [BOX, BOX], root="two")
    archive.put("b.jpg", [BOX])
    archive.put("a.jpg", [BOX])
    archive.put("nobody.jpg")
    rows = exported(archive)
    places = [(row["root"], row["path"], row["ordinal"]) for row in rows]
    assert places == [
        ("photos", "a.jpg", 0),
        ("photos", "b.jpg", 0),
        ("two", "b.jpg", 0),
        ("two", "b.jpg", 1),
    ]
    assert {row["name"] for row in rows} == {None}


def test_a_face_is_called_as_its_person_else_as_its_match(archive: Archive) -> None:
    (ada, both, matched, nobody, unnamed) = archive.put("a.jpg", [BOX] * 5)
    archive.match({ada: None, both: "Match", matched: "Match", nobody: None, unnamed: None})
    archive.name({"Ada": [ada], "Bo": [both], None: [unnamed]})
    later = archive.put("later.jpg", [BOX])
    rows = {row["face_id"]: row for row in exported(archive)}
    names = {face: (row["person"], row["match"], row["name"]) for face, row in rows.items()}
    assert names == {
        ada: ("Ada", None, "Ada"),
        both: ("Bo", "Match", "Bo"),
        matched: (None, "Match", "Match"),
        nobody: (None, None, None),
        unnamed: (None, None, None),
        later[0]: (None, None, None),
    }
    assert rows[unnamed]["person_id"] is not None
    assert rows[nobody]["person_id"] is None
    assert (rows[matched]["match_score"], rows[nobody]["match_score"]) == (0.25, None)
    assert {row["name"] for row in exported(archive, only_named=True)} == {"Ada", "Bo", "Match"}


def test_one_root_can_be_chosen_and_another_is_refused_by_name(archive: Archive) -> None:
    archive.put("a.jpg", [BOX], root="one")
    archive.put("a.jpg", [BOX], root="two")
    assert [row["root"] for row in exported(archive, root="two")] == ["two"]
    with pytest.raises(UsageError, match="no root called 'three'; it has one, two"):
        exported(archive, root="three")


def test_an_empty_collection_has_nothing_to_export(archive: Archive) -> None:
    assert exported(archive) == []
