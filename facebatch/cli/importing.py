"""``facebatch import``: what other programs know of the faces, taken over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer

from facebatch.cli import options, output, people_lines
from facebatch.cli.command import Command, group
from facebatch.storage.printable import count

_SHOWN = 5


def xmp(
    collection: options.CollectionArgument,
    photos: options.Photos = None,
    roots: options.Roots = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what is found, and decide nothing.")
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Take over names that photos have already, from digiKam, Lightroom, Picasa, Windows.

    Reads the XMP of the collection's photos, and of the sidecars beside them, photo.jpg.xmp and
    photo.xmp. The names become one decision, which `facebatch people undo` cancels. Faces of which
    several names are said get none, and are listed. What `facebatch export` wrote is left out.
    """
    from facebatch.collection import Collection
    from facebatch.errors import UsageError
    from facebatch.export.named_in_photos import find_names
    from facebatch.media.sources.roots import parse_roots
    from facebatch.people.deciding import People
    from facebatch.people.exchange import NamedRow, import_names
    from facebatch.report import REPORT
    from facebatch.stages import cluster_people

    places = parse_roots(photos or [], roots or [])
    if not places:
        raise UsageError("say where the photos are: PHOTOS..., or --root NAME=URL")
    opened = Collection.open(collection)
    people = None if dry_run else People.of(opened)
    found = find_names(opened.snapshot(), places)
    summary: dict[str, Any] = {"xmp": found.as_json()}
    if people is not None and found.names:
        rows = [
            NamedRow(line, name, face=face.hex())
            for line, (face, name) in enumerate(found.names.items(), 1)
        ]
        outcome = import_names(people, rows)
        _, made = cluster_people(opened, opened.snapshot())
        stale = not made.unchanged and opened.storage.exists(REPORT)
        followed = {"people": made.as_json(), "pending": 0, "report_is_stale": stale}
        summary |= {**outcome.as_json(), **followed}
    output.emit(summary, _lines(summary, opened.storage.public), as_json)


def _lines(summary: Mapping[str, Any], url: str) -> Iterator[str]:
    """Yields what was found, what was left out, and what was decided."""
    from facebatch.storage.printable import printable

    found = summary["xmp"]
    yield (
        f"{count(found['photos'], 'photo')} read, {found['with_regions']:,} with named "
        f"faces; {count(found['regions'], 'region')}, {found['matched']:,} matched with "
        f"faces; {count(found['names'], 'face')} named"
    )
    for what, words in (
        ("conflicts", "several names are said of one face"),
        ("without_face", "no face was found there"),
        ("unreadable", "its XMP can't be read"),
    ):
        for one in found[what][:_SHOWN]:
            said = one.get("name") or one.get("message") or ", ".join(one["names"])
            yield f"  {printable(one['path'])}: {words}: {printable(said)}"
        if len(found[what]) > _SHOWN:
            yield f"  and {len(found[what]) - _SHOWN:,} more; --json lists them all"
    if "message" in summary:
        yield from people_lines.decision_lines(summary, url)


app = group(
    "import",
    "Take over what other programs know of the faces.",
    (Command(xmp, "facebatch import xmp ~/faces ~/Pictures"),),
)


@app.callback()
def _of_several() -> None:
    """Take over what other programs know of the faces."""
