"""Names by the hundred: out of a collection as CSV, and into it as one decision."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.commits import commit_at, face_of, follow, partition
from support.rows import memory_collection
from support.synthetic import d2_of_angle

from facebatch.collection import Collection
from facebatch.erasure import Request, erase, select, verify
from facebatch.errors import InputError, UsageError
from facebatch.export.names import read_names, write_names
from facebatch.people import recording
from facebatch.people.edit import People, name_person, undo
from facebatch.people.exchange import NamedRow, exported_faces, exported_people, import_names

ANGLES = (0, 2, 4, 5, 40, 42, 44, 90, 120)
"""Degrees of nine faces: four of one person, three of another, and two of nobody's."""


def clustered(tau_degrees: float = 6) -> Collection:
    collection = memory_collection()
    commit_at(collection, "one", 0, *ANGLES)
    follow(collection, tau=d2_of_angle(tau_degrees))
    return collection


@pytest.fixture
def collection() -> Collection:
    return clustered()


def rows(*said: tuple[int, str]) -> list[NamedRow]:
    """Rows of faces, by number, and their names."""
    return [NamedRow(line, name, face=face_of(n).hex()) for line, (n, name) in enumerate(said, 2)]


def names(people: People) -> dict[str, set[int]]:
    """Everyone's numbers of faces, by name; without one by id."""
    number = {face_of(n): n for n in range(len(ANGLES))}
    return {
        people.known[bytes.fromhex(who)].name or who: {number[one] for one in faces}
        for who, faces in partition(people).items()
    }


ALL = {"Ada, Countess": {0, 1, 2, 3}, "=Bo": {4, 5, 6}, "Cém": {7}}


@pytest.fixture
def named(collection: Collection) -> Collection:
    """Everyone has a name, one of them a person of one face."""
    for name, numbers in ALL.items():
        people = People.of(collection)
        who = people.owner.get(face_of(min(numbers)), face_of(min(numbers)))
        name_person(people, who.hex(), name)
        follow(collection)
    return collection


@pytest.mark.parametrize("kind", ["people", "faces"])
def test_what_was_exported_is_imported_and_changes_nothing(
    named: Collection, kind: str, tmp_path: Path
) -> None:
    people, file = People.of(named), str(tmp_path / "names.csv")
    if kind == "faces":
        write_names(exported_faces(people), ["face_id", "person_id", "name"], file)
    else:
        write_names(exported_people(people), ["person_id", "name", "faces"], file)
    before = recording.read(named)
    assert "already" in import_names(people, read_names(file)).message
    assert recording.read(named) == before
    for _ in before:
        undo(People.of(named))
    follow(named)
    nobody = people.find("Cém").person_id.hex()
    outcome = import_names(People.of(named), read_names(file))
    imported = names(follow(named))
    if kind == "faces":
        assert imported == ALL
        assert outcome.notes == ()
    else:  # the person of one face is gone with the decision that founded it
        assert imported == {name: found for name, found in ALL.items() if name != "Cém"}
        assert nobody not in imported


@pytest.mark.parametrize("tau", [6, 1.5, 60])
def test_names_of_faces_hold_in_another_collection_however_it_is_grouped(
    named: Collection, tau: float, tmp_path: Path
) -> None:
    people, file = People.of(named), str(tmp_path / "names.csv")
    write_names(exported_faces(people), ["face_id", "person_id", "name"], file)
    other = clustered(tau)
    import_names(People.of(other), read_names(file))
    for how in ({}, {"from_scratch": True}):
        made = follow(other, **how)
        assert {name: faces - {8} for name, faces in names(made).items()} == ALL
        assert made.find("Cém").person_id == people.find("Cém").person_id
    assert len(recording.read(other)) == 1


def test_many_names_are_one_decision_and_one_undo(collection: Collection) -> None:
    before = partition(People.of(collection))
    import_names(People.of(collection), rows((0, "Ada"), (4, "Bo"), (7, "Cem")))
    assert names(follow(collection)) == {"Ada": {0, 1, 2, 3}, "Bo": {4, 5, 6}, "Cem": {7}}
    assert [one.kind for one in recording.read(collection)] == ["import"]
    undo(People.of(collection))
    people = follow(collection)
    assert partition(people) == before
    assert not any(one.name for one in people.known.values() if one.status == "active")


@pytest.mark.parametrize("together", [True, False])
def test_names_are_back_once_the_undo_of_their_import_is_undone(
    collection: Collection, together: bool
) -> None:
    who = next(iter(partition(People.of(collection))))
    import_names(People.of(collection), [NamedRow(2, "Ada", person=who)])
    for _ in range(2):
        if not together:
            follow(collection)
        undo(People.of(collection), recording.read(collection)[-1].decision)
    assert People.of(collection).known[bytes.fromhex(who)].name == "Ada"


def test_of_a_person_who_is_several_each_face_goes_where_it_belongs(
    collection: Collection,
) -> None:
    import_names(People.of(collection), rows((0, "Ada"), (1, "Ada"), (2, "Eva"), (8, "Eva")))
    assert names(follow(collection))["Ada"] == {0, 1, 3}
    assert names(follow(collection, from_scratch=True))["Eva"] == {2, 8}


def test_a_person_of_another_name_loses_only_the_faces_that_are_listed(
    collection: Collection,
) -> None:
    name_person(People.of(collection), People.of(collection).owner[face_of(0)].hex(), "Ada")
    import_names(follow(collection), rows((3, "Eva"), (7, "ada")))
    found = names(follow(collection))
    assert (found["Ada"], found["Eva"]) == ({0, 1, 2, 7}, {3})


def test_a_person_is_meant_by_id_name_or_face(collection: Collection) -> None:
    people = People.of(collection)
    name_person(people, people.owner[face_of(0)].hex(), "Ada")
    people = follow(collection)
    said = [
        NamedRow(2, "Ada Lovelace", person="Ada"),
        NamedRow(3, "Bo", person=people.owner[face_of(4)].hex()[:8]),
        NamedRow(4, "Cem", person=face_of(7).hex()[:10]),
        NamedRow(5, "", person=face_of(8).hex()),
    ]
    import_names(people, said)
    assert set(names(follow(collection))) == {"Ada Lovelace", "Bo", "Cem"}


@pytest.mark.parametrize(
    ("said", "says"),
    [
        (rows((0, "Ada"), (0, "Bo")), "line 3: face .* two people"),
        ([NamedRow(9, "Ada", person="Nobody")], "line 9: there is nobody called 'Nobody'"),
        ([NamedRow(9, "Ada", face="zz")], "line 9: .*no face"),
    ],
)
def test_nothing_is_recorded_where_a_row_is_wrong(
    collection: Collection, said: list[NamedRow], says: str
) -> None:
    with pytest.raises(UsageError, match=says):
        import_names(People.of(collection), said)
    assert recording.read(collection) == []


def test_rows_of_photos_that_are_not_here_are_counted(collection: Collection) -> None:
    outcome = import_names(People.of(collection), rows((0, "Ada"), (99, "Ada"), (98, "Bo")))
    assert outcome.notes == ("2 rows are about faces or people that aren't here",)
    assert outcome.decision.names == {People.of(collection).owner[face_of(0)]: "Ada"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("who,name\n1,Ada\n", "none of person_id, face_id, id"),
        ("id\n1\n", "no column name"),
        ("id,name\n1,Ada,2\n", "line 2: 3 values"),
        ("id,name\n,Ada\n", "line 2: a name without an id"),
    ],
)
def test_what_is_no_list_of_names_is_refused(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "names.csv"
    file.write_text(text)
    with pytest.raises(InputError, match=says):
        read_names(str(file))


def test_an_erased_person_is_taken_out_of_an_import(collection: Collection) -> None:
    import_names(People.of(collection), rows((0, "Ada"), (4, "Bo"), (7, "Cem")))
    follow(collection)
    chosen = tuple(face_of(n).hex() for n in (4, 5, 6))
    erase(collection, select(collection, collection.snapshot(), Request(people=("Ada",))))
    erase(collection, select(collection, collection.snapshot(), Request(faces=chosen)))
    people = follow(collection)
    assert verify(collection) == []
    assert set(names(people)) == {"Cem"}
    (left,) = recording.read(collection)
    assert set(left.names.values()) == {"Cem"}
