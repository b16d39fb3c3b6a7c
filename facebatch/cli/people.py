"""``facebatch people``: who there is, and what users decide about them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facebatch.cli import options, output
from facebatch.cli.command import Command, group

if TYPE_CHECKING:
    from facebatch.people.edit import Outcome, People

_PERSON = "Their name, their id, or the beginning of it."
Person = Annotated[str, typer.Argument(help=_PERSON, metavar="PERSON")]
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
    output.emit({"people": people}, output.people_table(people), as_json)


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
    output.emit(summary, output.portrait_lines(summary), as_json)


def name(
    collection: options.CollectionArgument,
    person: Person,
    called: Annotated[str, typer.Argument(help="The name.", metavar="NAME")],
    as_json: options.Json = False,
) -> None:
    """Give a person a name, which stays with them whatever is clustered later."""
    from facebatch.people.edit import name_person

    people = _open(collection)
    _apply(people, name_person(people, person, called), as_json)


def merge(
    collection: options.CollectionArgument,
    person: Person,
    others: Annotated[
        list[str], typer.Argument(help="Who is the same person.", metavar="PERSON...")
    ],
    as_json: options.Json = False,
) -> None:
    """Say that several people are one: the first."""
    from facebatch.people.edit import merge_people

    people = _open(collection)
    _apply(people, merge_people(people, person, others), as_json)


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
    person: Person,
    faces: FaceIds,
    not_a_face: Annotated[
        bool, typer.Option("--not-a-face", help="They are nobody's: no faces at all.")
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Say that faces aren't this person's; the next clusterings won't put them there again."""
    from facebatch.people.edit import reject_faces

    people = _open(collection)
    _apply(people, reject_faces(people, person, faces, no_face=not_a_face), as_json)


def hide(
    collection: options.CollectionArgument, person: Person, as_json: options.Json = False
) -> None:
    """Leave a person out of lists and reports."""
    from facebatch.people.edit import hide_person

    people = _open(collection)
    _apply(people, hide_person(people, person), as_json)


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


def _open(url: str) -> People:
    from facebatch.collection import Collection
    from facebatch.people.edit import People

    return People.of(Collection.open(url))


def _apply(people: People, outcome: Outcome, as_json: bool) -> None:
    """Lets the people follow a decision that was recorded, and prints both."""
    from facebatch.stages import cluster_people

    _, made = cluster_people(people.collection, people.collection.snapshot())
    summary = {**outcome.as_json(), "people": made.as_json()}
    output.emit(summary, output.decision_lines(summary), as_json)


app = group(
    "people",
    "Look at people, name them, and put right whom the clustering took for whom.",
    (
        Command(list_, "facebatch people list ~/faces", name="list"),
        Command(show, "facebatch people show ~/faces Ada --sheet ada.png"),
        Command(name, "facebatch people name ~/faces 3f9a21c0 Ada"),
        Command(merge, "facebatch people merge ~/faces Ada 77b0c3d2"),
        Command(split, "facebatch people split ~/faces Ada --faces 5d20a1 --faces 91cc4e"),
        Command(reject, "facebatch people reject ~/faces Ada 5d20a1"),
        Command(hide, "facebatch people hide ~/faces 77b0c3d2"),
        Command(undo, "facebatch people undo ~/faces"),
    ),
)
