"""``facebatch people``: who there is, and what users decide about them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from facebatch.cli import options, output, people_lines, warned
from facebatch.cli.command import Command, group
from facebatch.storage.printable import count

if TYPE_CHECKING:
    from facebatch.collection import Collection
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
Later = Annotated[
    bool,
    typer.Option(
        "--later", help="Record it only; `people regroup` or the next run lets the people follow."
    ),
]
FaceIds = Annotated[
    list[str], typer.Argument(help="Ids of faces, or beginnings of them.", metavar="FACE...")
]


def list_(
    collection: options.CollectionArgument,
    everyone: Annotated[bool, typer.Option("--all", help="Those that are hidden too.")] = False,
    unnamed: Annotated[bool, typer.Option("--unnamed", help="Only those without a name.")] = False,
    search: Annotated[
        str, typer.Option(help="Only those with this in their name.", metavar="TEXT")
    ] = "",
    limit: Annotated[int | None, typer.Option(min=1, help="So many at most.", metavar="N")] = None,
    as_json: options.Json = False,
) -> None:
    """List the people, those with the most faces first."""
    from facebatch.people.edit import list_people

    people = _open(collection)
    found = list_people(people, hidden=everyone, unnamed=unnamed, search=search)
    summary = {
        "people": found[:limit],
        "of": len(found),
        "pending": len(people.pending),
    }
    output.emit(summary, people_lines.people_table(summary), as_json)


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
        warned.of_glyphs()(write_sheet)(people, found, sheet)
        summary["sheet"] = str(sheet)
    output.emit(summary, people_lines.portrait_lines(summary), as_json)


def name(
    collection: options.CollectionArgument,
    person: PersonOrFace,
    called: Annotated[str, typer.Argument(help="The name.", metavar="NAME")],
    later: Later = False,
    as_json: options.Json = False,
) -> None:
    """Give a person a name, which stays with them whatever is clustered later.

    A face that is nobody's becomes a person of one face.
    """
    from facebatch.people.edit import name_person

    people = _open(collection)
    _decided(people, name_person(people, person, called), later, as_json)


def merge(
    collection: options.CollectionArgument,
    person: PersonOrFace,
    others: Annotated[
        list[str],
        typer.Argument(help="Who is the same person, or faces of nobody's.", metavar="PERSON..."),
    ],
    later: Later = False,
    as_json: options.Json = False,
) -> None:
    """Say that several people are one: the first."""
    from facebatch.people.edit import merge_people

    people = _open(collection)
    _decided(people, merge_people(people, person, others), later, as_json)


def assign(
    collection: options.CollectionArgument,
    person: Person,
    faces: FaceIds,
    later: Later = False,
    as_json: options.Json = False,
) -> None:
    """Give a person faces that are nobody's or somebody else's."""
    from facebatch.people.edit import assign_faces

    people = _open(collection)
    _decided(people, assign_faces(people, person, faces), later, as_json)


def apart(
    collection: options.CollectionArgument,
    person: Annotated[str, typer.Argument(help="A person, or a face.", metavar="PERSON")],
    other: Annotated[str, typer.Argument(help="Another one.", metavar="PERSON")],
    later: Later = False,
    as_json: options.Json = False,
) -> None:
    """Say that two people, a face and a person, or two faces aren't the same person."""
    from facebatch.people.edit import keep_apart

    people = _open(collection)
    _decided(people, keep_apart(people, person, other), later, as_json)


def split(
    collection: options.CollectionArgument,
    person: Person,
    faces: Annotated[
        list[str],
        typer.Option(
            help="A face of the other person, by its id. May be repeated.", metavar="FACE"
        ),
    ],
    later: Later = False,
    as_json: options.Json = False,
) -> None:
    """Say that some faces of a person are another person."""
    from facebatch.people.edit import split_person

    people = _open(collection)
    _decided(people, split_person(people, person, faces), later, as_json)


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
    later: Later = False,
    as_json: options.Json = False,
) -> None:
    """Say that faces aren't this person's; the next clusterings won't put them there again."""
    from facebatch.people.edit import reject_faces

    people = _open(collection)
    _decided(people, reject_faces(people, person, faces or [], no_face=not_a_face), later, as_json)


def hide(
    collection: options.CollectionArgument,
    person: PersonOrFace,
    later: Later = False,
    as_json: options.Json = False,
) -> None:
    """Leave a person, or a face that is nobody's, out of lists and reports."""
    from facebatch.people.edit import hide_person

    people = _open(collection)
    _decided(people, hide_person(people, person), later, as_json)


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
    later: Later = False,
    as_json: options.Json = False,
) -> None:
    """Cancel a decision: the newest, or the one that is named."""
    from facebatch.people import edit

    people = _open(collection)
    _decided(people, edit.undo(people, decision), later, as_json)


def import_(
    collection: options.CollectionArgument,
    file: Annotated[
        str,
        typer.Argument(
            help="CSV with a header: name, and person_id, face_id or id. - for stdin.",
            metavar="FILE",
        ),
    ],
    later: Later = False,
    as_json: options.Json = False,
) -> None:
    """Give many people their names, as one decision: from a CSV file, such as `export` writes."""
    from facebatch.export.names import read_names
    from facebatch.people.exchange import import_names

    rows = read_names(file)
    people = _open(collection)
    _decided(people, import_names(people, rows), later, as_json)


def apply(
    collection: options.CollectionArgument,
    file: Annotated[
        str,
        typer.Argument(
            help="Decisions, one a line, as this group's commands take them without COLLECTION: "
            "name 3f9a21c0 'Ada Lovelace'. - for stdin.",
            metavar="FILE",
        ),
    ],
    later: Later = False,
    as_json: options.Json = False,
) -> None:
    """Take many decisions at once, for the price of one regrouping.

    Each sees what those before it say. Where a line can't be decided nothing is recorded.
    """
    from facebatch.export.tabular import read_text
    from facebatch.people.batch import apply_commands

    lines = read_text(file).splitlines()
    people = _open(collection)
    told = [outcome.as_json() for outcome in apply_commands(people, lines)]
    waiting = len(people.pending) + len(told)
    _follow(people.collection, {"decisions": told}, waiting if later else 0, as_json)


def regroup(collection: options.CollectionArgument, as_json: options.Json = False) -> None:
    """Let the people follow the decisions that were recorded for later."""
    people = _open(collection)
    _follow(people.collection, {"followed": len(people.pending)}, 0, as_json)


def suggest(
    collection: options.CollectionArgument,
    limit: Annotated[int, typer.Option(min=1, help="So many at most.", metavar="N")] = 20,
    loose: Annotated[
        bool, typer.Option("--loose", help="Also whose the faces are that are nobody's.")
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Say who is likely the same person, what is worth the most to answer first.

    `people merge` or `people assign` is a yes, `people apart` a no; either makes the probabilities
    of later suggestions better.
    """
    from facebatch.stages.suggestions import Suggester

    people = _open(collection)
    found = Suggester.of(people).best(limit, loose=loose)
    summary = {"suggestions": [one.as_json() for one in found]}
    shown = [people_lines.question(people, one) for one in found]
    output.emit(summary, people_lines.suggestion_lines(shown), as_json)


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
        what = count(len(rows), "face") if faces else count(len(rows), "person", "people")
        output.emit({"file": file, "rows": len(rows)}, iter([f"{file}: {what}"]), as_json)


def _open(url: str) -> People:
    from facebatch.collection import Collection
    from facebatch.people.deciding import People

    return People.of(Collection.open(url))


def _decided(people: People, outcome: Outcome, later: bool, as_json: bool) -> None:
    """Lets the people follow what was recorded, unless that is for later, and prints both."""
    waiting = len(people.pending) + bool(outcome.decision.decision)
    _follow(people.collection, outcome.as_json(), waiting if later else 0, as_json)


def _follow(collection: Collection, summary: dict[str, Any], waiting: int, as_json: bool) -> None:
    """Lets the people follow all decisions, unless some are to wait, and prints a summary."""
    from facebatch.report import REPORT
    from facebatch.stages import cluster_people

    made = None if waiting else cluster_people(collection, collection.snapshot())[1]
    summary |= {
        "people": made.as_json() if made else None,
        "pending": waiting,
        "report_is_stale": bool(made and not made.unchanged and collection.storage.exists(REPORT)),
    }
    url = collection.storage.public
    output.emit(summary, people_lines.decision_lines(summary, url), as_json)


_LOOK = "Look"
_DECIDE = "Decide"
_MANY = "Many at once"

app = group(
    "people",
    "Look at people, name them, and put right whom the clustering took for whom.",
    (
        Command(list_, "facebatch people list ~/faces", "list", _LOOK),
        Command(show, "facebatch people show ~/faces Ada --sheet ada.png", panel=_LOOK),
        Command(suggest, "facebatch people suggest ~/faces --limit 10", panel=_LOOK),
        Command(decisions, "facebatch people decisions ~/faces", panel=_LOOK),
        Command(name, "facebatch people name ~/faces 3f9a21c0 Ada", panel=_DECIDE),
        Command(assign, "facebatch people assign ~/faces Ada 5d20a1", panel=_DECIDE),
        Command(merge, "facebatch people merge ~/faces Ada 77b0c3d2", panel=_DECIDE),
        Command(
            split,
            "facebatch people split ~/faces Ada --faces 5d20a1 --faces 91cc4e",
            panel=_DECIDE,
        ),
        Command(apart, "facebatch people apart ~/faces Ada 77b0c3d2", panel=_DECIDE),
        Command(reject, "facebatch people reject ~/faces Ada 5d20a1", panel=_DECIDE),
        Command(hide, "facebatch people hide ~/faces 77b0c3d2", panel=_DECIDE),
        Command(undo, "facebatch people undo ~/faces", panel=_DECIDE),
        Command(apply, "facebatch people apply ~/faces decisions.txt", panel=_MANY),
        Command(import_, "facebatch people import ~/faces names.csv", "import", _MANY),
        Command(export, "facebatch people export ~/faces names.csv", panel=_MANY),
        Command(regroup, "facebatch people regroup ~/faces", panel=_MANY),
    ),
)
