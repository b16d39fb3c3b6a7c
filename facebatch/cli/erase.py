"""The command that erases people and photos from a collection, and verifies that they are gone."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from facebatch.cli import options, output
from facebatch.cli.command import Command
from facebatch.storage.printable import count

if TYPE_CHECKING:
    from facebatch.collection import Collection
    from facebatch.erasure import Selection
    from facebatch.identify import Gallery

INCOMPLETE_EXIT_CODE = 4
"""What `erase` ends with when something erased is still there."""

_SHOWN = 20

Faces = Annotated[
    list[str] | None,
    typer.Option("--face", help="A face, by its id. May be repeated.", metavar="ID"),
]
Media = Annotated[
    list[str] | None,
    typer.Option(
        "--media",
        help="A photo or video with all copies of it, by media id or root/path. May be repeated.",
        metavar="ID|ROOT/PATH",
    ),
]
People = Annotated[
    list[str] | None,
    typer.Option(
        "--person",
        help="All faces of a person, by name or person id; the photos stay. May be repeated.",
        metavar="ID|NAME",
    ),
]
Prefixes = Annotated[
    list[str] | None,
    typer.Option(
        "--path-prefix",
        help="All photos and videos whose root/path begins like this. May be repeated.",
        metavar="ROOT/PREFIX",
    ),
]
EntriesOf = Annotated[
    str | None,
    typer.Option(
        "--gallery", "-g", help="A gallery whose entries of the erased faces go too.", metavar="URL"
    ),
]


def erase(
    collection: options.CollectionArgument,
    face: Faces = None,
    media: Media = None,
    person: People = None,
    path_prefix: Prefixes = None,
    gallery: EntriesOf = None,
    verify: Annotated[
        bool,
        typer.Option("--verify", help="Erase nothing: search every file for what was erased."),
    ] = False,
    dry_run: options.DryRun = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")] = False,
    as_json: options.Json = False,
) -> None:
    """Erase people, faces or photos for good: rows, chips, embeddings, index entries, names.

    What was erased isn't extracted again by later runs, whatever its files are called; another
    photo under an erased path is. Your photos aren't touched. Afterwards every file is searched
    for what was erased; exit code 4 says that something is left, and where. The same command
    completes an erasure that was cut off.
    """
    output.quiet(verbose=False)
    from facebatch.collection import Collection
    from facebatch.erasure import Request, select
    from facebatch.errors import UsageError
    from facebatch.identify import Gallery

    request = Request(*(tuple(given or ()) for given in (face, media, person, path_prefix)))
    opened = Collection.open(collection)
    entries = Gallery.open(gallery) if gallery else None
    if verify:
        if request or dry_run or yes:
            raise UsageError("--verify erases nothing: give it with a collection alone")
        _verify(opened, entries, as_json)
        return
    if not request:
        raise UsageError("nothing to erase: give --face, --media, --person or --path-prefix")
    chosen = select(opened, opened.snapshot(), request)
    if dry_run:
        output.emit(chosen.as_json(), selection_lines(chosen.as_json()), as_json)
    elif not chosen or yes or _confirmed(chosen):
        _erase(opened, chosen, entries, as_json)


def _confirmed(chosen: Selection) -> bool:
    """Shows what would go, and asks."""
    from facebatch.errors import UsageError
    from facebatch.storage.printable import printable

    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError(
            "erasing can't be undone: give --yes where nobody can be asked. --dry-run shows what "
            "would go."
        )
    for line in selection_lines(chosen.as_json()):
        typer.echo(printable(line), err=True)
    if typer.confirm("Erase this for good?", err=True):
        return True
    typer.echo("nothing was erased", err=True)
    return False


def _erase(
    collection: Collection, chosen: Selection, gallery: Gallery | None, as_json: bool
) -> None:
    from facebatch.erasure import erase as remove

    summary = remove(collection, chosen, gallery).as_json()
    summary["gallery"] = gallery.storage.public_path if gallery else None
    output.emit(summary, erased_lines(summary), as_json)
    if summary["findings"]:
        raise typer.Exit(INCOMPLETE_EXIT_CODE)


def _verify(collection: Collection, gallery: Gallery | None, as_json: bool) -> None:
    from facebatch.collection import Suppression
    from facebatch.erasure import verify

    found = [finding.as_json() for finding in verify(collection, gallery)]
    listed = bool(Suppression.load(collection.storage))
    summary = {"erased_ever": listed, "findings": found}
    output.emit(summary, verification_lines(summary), as_json)
    if found:
        raise typer.Exit(INCOMPLETE_EXIT_CODE)


def selection_lines(summary: Mapping[str, Any]) -> Iterator[str]:
    """Yields what would go."""
    yield f"would erase {_what(summary)}"
    yield from _details(summary)


def erased_lines(summary: Mapping[str, Any]) -> Iterator[str]:
    """Yields what went."""
    before = summary["erased_before"]
    if not (summary["media"] or summary["faces"] or summary["people"] or summary["names"]):
        yield f"already erased: {', '.join(before)}"
    else:
        yield f"erased {_what(summary)}"
        yield from _details(summary)
    if summary["gallery"]:
        entries = count(summary["gallery_entries"], "entry", "entries")
        yield f"  {entries} removed from the gallery {summary['gallery']}"
    else:
        yield (
            "  a gallery may hold entries of these faces: --gallery removes those, "
            "`facebatch gallery remove` a whole person"
        )
    yield from _finding_lines(summary["findings"])


def verification_lines(summary: Mapping[str, Any]) -> Iterator[str]:
    """Yields what is left of what was ever erased."""
    if not summary["erased_ever"]:
        yield "nothing was ever erased here"
    else:
        yield from _finding_lines(summary["findings"])


def _finding_lines(findings: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if not findings:
        yield "verified: nothing of it is left in any file"
        return
    yield f"NOT complete: {count(len(findings), 'place')} left"
    for finding in findings:
        said = finding["message"] or count(finding["count"], "value")
        yield f"  {finding['path']}: {finding['what']} in {finding['where']}, {said}"


def _what(summary: Mapping[str, Any]) -> str:
    return (
        f"{count(summary['media'], 'item')}, {count(summary['faces'], 'face')}, "
        f"{count(summary['people'], 'person', 'people')}"
    )


def _details(summary: Mapping[str, Any]) -> Iterator[str]:
    for item in summary["items"][:_SHOWN]:
        yield f"  {item}"
    if len(summary["items"]) > _SHOWN:
        yield f"  and {len(summary['items']) - _SHOWN:,} more: --json lists them all"
    for name in summary["names"]:
        yield f"  the name {name}"
    if summary["copies"]:
        copies = count(summary["copies"], "item")
        yield f"  {copies} among them by having the same content, or being of the same shot"
    if summary["equal_faces"]:
        faces = count(summary["equal_faces"], "face")
        yield f"  {faces} among them by being of the same pixels or shot in another file"
    for text in summary["erased_before"]:
        yield f"  erased before: {text}"


COMMANDS = (Command(erase, 'facebatch erase ~/faces --person "Ada Lovelace"'),)
