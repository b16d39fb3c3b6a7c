"""``facebatch people``: who there is, and what users decide about them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facebatch.cli import options, output, people_lines
from facebatch.cli.command import Command, group

if TYPE_CHECKING:
    from facebatch.people.deciding import Outcome, People

_PERSON = "Their name, their id, or the beginning of it."
Person = Annotated[str, typer.Argument(help=_PERSON, metavar="PERSON")]
PersonOrFace = Annotated[
    str,
    typer.Argument(
        help="A person's name or id, or the id of a face that is nobody's, or the beginning of it.",
        metavar="PERSON",
    ),
]
FaceIds = Annotated[
    list[str], typer.Argument(help="Ids of faces, or beginnings of them.", metavar="FACE...")
]


def list_(
    collection: options.CollectionArgument,
    everyone: Annotated[bool, typer.Option("--all", help="Those that are hidden too.")] = False,
    as_json: options.Json = False,
) -> None:
    """List the people, those with the most faces first."""
    from facebatch.people.edit import list_people

    people = list_people(_open(collection), hidden=everyone)
    output.emit({"people": people}, people_lines.people_table(people), as_json)


def show(
    collection: options.CollectionArgument,
    person: Person,
    sheet: Annotated[
        Path | None,
        typer.Option(
            help="Write a contact sheet of the faces: a PNG or an HTML page.", metavar="FILE"
        ),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Show a person: faces with their ids and photos, and what happened to them."""
    from facebatch.people.contact_sheet import portray, write_sheet

    people = _open(collection)
    found = people.find(person)
    summary = portray(people, found)
    if sheet is not None:
        write_sheet(people, found, sheet)
        summary["sheet"] = str(sheet)
    output.emit(summary, people_lines.portrait_lines(summary), as_json)


def name(
    collection: options.CollectionArgument,
    person: PersonOrFace,
    called: Annotated[str, typer.Argument(help="The name.", metavar="NAME")],
    as_json: options.Json = False,
) -> None:
    """Give a person a name, which stays with them whatever is clustered later.

    A face that is nobody's becomes a person of one face.
    """
    from facebatch.people.edit import name_person

    people = _open(collection)
    _apply(people, name_person(people, person, called), as_json)


def merge(
    collection: options.CollectionArgument,
    person: PersonOrFace,
    others: Annotated[
        list[str],
        typer.Argument(help="Who is the same person, or faces of nobody's.", metavar="PERSON..."),
    ],
    as_json: options.Json = False,
) -> None:
    """Say that several people are one: the first."""
    from facebatch.people.edit import merge_people

    people = _open(collection)
    _apply(people, merge_people(people, person, others), as_json)


def assign(
    collection: options.CollectionArgument,
    person: Person,
    faces: FaceIds,
    as_json: options.Json = False,
) -> None:
    """Give a person faces that are nobody's or somebody else's."""
    from facebatch.people.edit import assign_faces

    people = _open(collection)
    _apply(people, assign_faces(people, person, faces), as_json)


def apart(
    collection: options.CollectionArgument,
    person: Annotated[str, typer.Argument(help="A person, or a face.", metavar="PERSON")],
    other: Annotated[str, typer.Argument(help="Another one.", metavar="PERSON")],
    as_json: options.Json = False,
) -> None:
    """Say that two people, a face and a person, or two faces aren't the same person."""
    from facebatch.people.edit import keep_apart

    people = _open(collection)
    _apply(people, keep_apart(people, person, other), as_json)


def split(
    collection: options.CollectionArgument,
    person: Person,
    faces: Annotated[
        list[str],
        typer.Option(
            help="A face of the other person, by its id. May be repeated.", metavar="FACE"
        ),
    ],
    as_json: options.Json = False,
) -> None:
    """Say that some faces of a person are another person."""
    from facebatch.people.edit import split_person

    people = _open(collection)
    _apply(people, split_person(people, person, faces), as_json)


def reject(
    collection: options.CollectionArgument,
    person: Annotated[
        str,
        typer.Argument(help=f"{_PERSON} With --not-a-face also a face's id.", metavar="PERSON"),
    ],
    faces: Annotated[
        list[str] | None,
        typer.Argument(help="Ids of faces, or beginnings of them.", metavar="FACE..."),
    ] = None,
    not_a_face: Annotated[
        bool, typer.Option("--not-a-face", help="They are nobody's: no faces at all.")
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Say that faces aren't this person's; the next clusterings won't put them there again."""
    from facebatch.people.edit import reject_faces

    people = _open(collection)
    _apply(people, reject_faces(people, person, faces or [], no_face=not_a_face), as_json)


def hide(
    collection: options.CollectionArgument, person: PersonOrFace, as_json: options.Json = False
) -> None:
    """Leave a person, or a face that is nobody's, out of lists and reports."""
    from facebatch.people.edit import hide_person

    people = _open(collection)
    _apply(people, hide_person(people, person), as_json)


def decisions(
    collection: options.CollectionArgument,
    person: Annotated[
        str | None,
        typer.Argument(help=f"Whom they are about. {_PERSON}", metavar="PERSON"),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """List what was decided, and which decisions rest because another face took the place."""
    from facebatch.people.ledger import list_decisions

    people = _open(collection)
    found = list_decisions(people, people.find(person) if person else None)
    lines = people_lines.ledger_lines(found) if found else iter(["nothing was decided"])
    output.emit({"decisions": found}, lines, as_json)


def undo(
    collection: options.CollectionArgument,
    decision: Annotated[
        str | None,
        typer.Argument(
            help="The decision, or the beginning of its name; the newest by default.",
            metavar="DECISION",
        ),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Cancel a decision: the newest, or the one that is named."""
    from facebatch.people import edit

    people = _open(collection)
    _apply(people, edit.undo(people, decision), as_json)


def import_(
    collection: options.CollectionArgument,
    file: Annotated[
        str,
        typer.Argument(
            help="CSV with a header: name, and person_id, face_id or id. - for stdin.",
            metavar="FILE",
        ),
    ],
    as_json: options.Json = False,
) -> None:
    """Give many people their names, as one decision: from a CSV file, such as `export` writes."""
    from facebatch.export.names import read_names
    from facebatch.people.exchange import import_names

    rows = read_names(file)
    people = _open(collection)
    _apply(people, import_names(people, rows), as_json)


def export(
    collection: options.CollectionArgument,
    file: Annotated[str, typer.Argument(help="CSV file to write; - for stdout.", metavar="FILE")],
    faces: Annotated[
        bool,
        typer.Option(
            "--faces",
            help="A row for each face of those who have names: for another collection of the "
            "photos.",
        ),
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Write who there is as a CSV file, to fill in the names and `import` them."""
    from facebatch.errors import UsageError
    from facebatch.export import STDOUT
    from facebatch.export.names import write_names
    from facebatch.people.exchange import exported_faces, exported_people

    if file == STDOUT and as_json:
        raise UsageError("FILE - and --json both want standard output: give one")
    people = _open(collection)
    rows = exported_faces(people) if faces else exported_people(people)
    columns = ["face_id", "person_id", "name"] if faces else ["person_id", "name", "faces"]
    write_names(rows, columns, file)
    if file != STDOUT:
        what = (
            output.count(len(rows), "face")
            if faces
            else output.count(len(rows), "person", "people")
        )
        output.emit({"file": file, "rows": len(rows)}, iter([f"{file}: {what}"]), as_json)


def _open(url: str) -> People:
    from facebatch.collection import Collection
    from facebatch.people.deciding import People

    return People.of(Collection.open(url))


def _apply(people: People, outcome: Outcome, as_json: bool) -> None:
    """Lets the people follow a decision that was recorded, and prints both."""
    from facebatch.stages import cluster_people

    _, made = cluster_people(people.collection, people.collection.snapshot())
    summary = {**outcome.as_json(), "people": made.as_json()}
    output.emit(summary, people_lines.decision_lines(summary), as_json)


app = group(
    "people",
    "Look at people, name them, and put right whom the clustering took for whom.",
    (
        Command(list_, "facebatch people list ~/faces", name="list"),
        Command(show, "facebatch people show ~/faces Ada --sheet ada.png"),
        Command(name, "facebatch people name ~/faces 3f9a21c0 Ada"),
        Command(assign, "facebatch people assign ~/faces Ada 5d20a1"),
        Command(merge, "facebatch people merge ~/faces Ada 77b0c3d2"),
        Command(split, "facebatch people split ~/faces Ada --faces 5d20a1 --faces 91cc4e"),
        Command(apart, "facebatch people apart ~/faces Ada 77b0c3d2"),
        Command(reject, "facebatch people reject ~/faces Ada 5d20a1"),
        Command(hide, "facebatch people hide ~/faces 77b0c3d2"),
        Command(decisions, "facebatch people decisions ~/faces"),
        Command(import_, "facebatch people import ~/faces names.csv", name="import"),
        Command(export, "facebatch people export ~/faces names.csv"),
        Command(undo, "facebatch people undo ~/faces"),
    ),
)
