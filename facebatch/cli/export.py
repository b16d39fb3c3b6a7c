"""The command that writes names and boxes for other programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from facebatch.cli import options, output
from facebatch.cli.command import Command
from facebatch.storage.printable import count

if TYPE_CHECKING:
    from facebatch.export import Target

_SKIPPED_SHOWN = 10


def export(
    collection: options.CollectionArgument,
    xmp: Annotated[
        Path | None,
        typer.Option(
            "--xmp", help="Folder for XMP sidecars, with a folder for each root.", metavar="FOLDER"
        ),
    ] = None,
    beside: Annotated[
        list[str] | None,
        typer.Option(
            "--beside",
            help="Put sidecars beside the photos of a root that lies in a local folder; those of "
            "other programs are left alone. May be repeated.",
            metavar="NAME=FOLDER",
        ),
    ] = None,
    csv: Annotated[
        str | None,
        typer.Option("--csv", help="CSV file, one row a face; - for stdout.", metavar="FILE"),
    ] = None,
    root: Annotated[
        str | None, typer.Option("--root", help="Only this root's faces.", metavar="NAME")
    ] = None,
    only_named: Annotated[
        bool, typer.Option("--only-named", help="Leave out faces without a name.")
    ] = False,
    sidecar_names: Annotated[
        str,
        typer.Option(
            help="append: photo.jpg.xmp, as digiKam and darktable have it; replace: photo.xmp, as "
            "Lightroom has it.",
            metavar="append|replace",
        ),
    ] = "append",
    as_json: options.Json = False,
) -> None:
    """Write names and boxes for other programs: XMP sidecars with face regions, and CSV.

    A face has the name of its person, else the name that identification gave it. What is written
    are copies: an erasure in the collection doesn't reach them.
    """
    from facebatch.collection import Collection
    from facebatch.errors import UsageError
    from facebatch.export import STDOUT, check_root, named_faces, write_csv, write_sidecars

    targets = _targets(xmp, beside or [], sidecar_names)
    if not targets and csv is None:
        raise UsageError("nothing to write: give --xmp FOLDER, --beside NAME=FOLDER or --csv FILE")
    if csv == STDOUT and as_json:
        raise UsageError("--csv - and --json both want standard output: give one")
    opened = Collection.open(collection)
    snapshot = opened.snapshot()
    faces = named_faces(opened, snapshot, root=root, only_named=only_named)
    media = snapshot.media
    for target in targets:
        if target.root is not None:
            check_root(media, target.root)
    if root is not None:
        import pyarrow.compute as pc

        media = media.filter(pc.equal(media["root"], root))
    sidecars = {
        str(target.folder): write_sidecars(faces, media, snapshot.shots, target).as_json()
        for target in targets
    }
    summary: dict[str, Any] = {"faces": len(faces), "sidecars": sidecars, "csv": csv}
    if csv is not None:
        write_csv(faces, csv)
    if csv != STDOUT:
        output.emit(summary, _lines(summary), as_json)


def _targets(xmp: Path | None, beside: Sequence[str], naming: str) -> list[Target]:
    """Returns where sidecars go.

    Raises:
        UsageError: A place isn't local, or the naming is none.
    """
    from facebatch.errors import UsageError
    from facebatch.export import NAMINGS, Target
    from facebatch.storage.urls import public_url

    known = next((each for each in NAMINGS if each == naming), None)
    if known is None:
        raise UsageError(f"--sidecar-names {naming!r}: it is one of {', '.join(NAMINGS)}")
    places: list[tuple[str, str | None]] = [(str(xmp), None)] if xmp else []
    for text in beside:
        name, separator, folder = text.partition("=")
        if not (name and separator and folder):
            raise UsageError(f"--beside {text!r}: it must be NAME=FOLDER")
        places.append((folder, name))
    for folder, _ in places:
        if "://" in folder or ":/" in folder:
            raise UsageError(f"{public_url(folder)}: sidecars go to local folders alone")
    return [Target(Path(folder).expanduser().absolute(), name, known) for folder, name in places]


def _lines(summary: Mapping[str, Any]) -> Iterator[str]:
    """Yields what was written."""
    from facebatch.storage.printable import printable

    for folder, done in summary["sidecars"].items():
        yield (
            f"{folder}: {count(done['written'], 'sidecar')} written, "
            f"{done['unchanged']:,} unchanged, {done['removed']:,} removed; "
            f"{count(done['regions'], 'face region')}"
        )
        for skipped in done["skipped"][:_SKIPPED_SHOWN]:
            place = printable(f"{skipped['root']}/{skipped['path']}")
            yield f"  left alone: {skipped['reason']:<15}{place}"
        more = len(done["skipped"]) - _SKIPPED_SHOWN
        if more > 0:
            yield f"  and {more:,} more; --json lists them all"
    if summary["csv"] is not None:
        yield f"{summary['csv']}: {count(summary['faces'], 'face')}"


COMMANDS = (Command(export, "facebatch export ~/faces --xmp ~/sidecars --csv faces.csv"),)
