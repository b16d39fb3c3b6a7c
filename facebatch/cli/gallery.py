"""``facebatch gallery``: the people that faces are identified against."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from facebatch.cli import options, output

app = typer.Typer(
    help="Enrol people into a gallery, and look after it.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)

Folders = Annotated[
    list[str],
    typer.Argument(
        help="Folders with one folder of photos a person; a person is called as its folder is.",
        metavar="FOLDER...",
    ),
]
GalleryOutput = Annotated[
    str, typer.Option("--output", "-o", help="The gallery: a folder or fsspec URL.")
]
Strict = Annotated[
    bool,
    typer.Option(
        "--strict", help="Enrol nothing from a photo of several faces, not even the central one."
    ),
]


def _enrol(
    folders: list[str],
    url: str,
    flags: dict[str, Any],
    run: dict[str, Any],
    strict: bool,
    config: Path | None,
    as_json: bool,
) -> None:
    output.quiet(verbose=False)
    from facebatch.config import resolve_run
    from facebatch.jobs.enrol import build_gallery
    from facebatch.media.sources.roots import parse_roots

    with output.progress_bar(shown=not as_json) as show:
        done = build_gallery(
            parse_roots(folders),
            url,
            flags,
            resolve_run(run, config),
            show,
            rule="strict" if strict else "central",
            config_file=config,
        )
    summary = done.as_json()
    output.emit(summary, output.enrolment_lines(summary), as_json)


@app.command(epilog="Example: `facebatch gallery build ~/known -o ~/gallery`")
def build(
    folders: Folders,
    output_url: GalleryOutput,
    strict: Strict = False,
    config: options.Config = None,
    max_side: options.MaxSide = None,
    min_face: options.MinFace = None,
    embedder: options.Embedder = None,
    tta: options.Tta = None,
    engine: options.Engine = None,
    device: options.Device = None,
    workers: options.Workers = None,
    as_json: options.Json = False,
) -> None:
    """Enrol people from folders of their photos, one folder each; one photo is enough.

    A photo of several faces gives the one nearest the centre, weighted by size, and is reported.
    """
    flags = {"max_side": max_side, "min_face": min_face, "embedder": embedder, "tta": tta}
    run = {"engine": engine, "device": device, "workers": workers}
    _enrol(folders, output_url, flags, run, strict, config, as_json)


@app.command(epilog="Example: `facebatch gallery add ~/gallery ~/more-people`")
def add(
    gallery: options.GalleryArgument,
    folders: Folders,
    strict: Strict = False,
    workers: options.Workers = None,
    as_json: options.Json = False,
) -> None:
    """Enrol more people, or more photos of the same, into a gallery that is there."""
    from facebatch.identify import Gallery

    Gallery.open(gallery)
    _enrol(folders, gallery, {}, {"workers": workers}, strict, None, as_json)


@app.command(epilog='Example: `facebatch gallery remove ~/gallery "Ada Lovelace"`')
def remove(
    gallery: options.GalleryArgument,
    name: Annotated[str, typer.Argument(help="The person's name.", metavar="NAME")],
) -> None:
    """Remove a person with all entries."""
    from facebatch.identify import Gallery

    removed = Gallery.open(gallery).remove(name)
    typer.echo(f"{name}: {output.count(removed, 'entry', 'entries')} removed")


@app.command("list", epilog="Example: `facebatch gallery list ~/gallery`")
def list_people(gallery: options.GalleryArgument, as_json: options.Json = False) -> None:
    """List the people of a gallery, with their number of entries."""
    from facebatch.identify import Gallery

    opened = Gallery.open(gallery)
    summary = {
        "gallery": opened.storage.public_path,
        "embedder": opened.settings.embedder,
        "tta": opened.settings.tta,
        "space": opened.space,
        "calibrated": opened.calibration() is not None,
        "people": dict(opened.people()),
    }
    output.emit(summary, output.gallery_lines(summary), as_json)


@app.command("from-people", epilog="Example: `facebatch gallery from-people ~/faces -o ~/gallery`")
def from_people(
    collection: options.CollectionArgument,
    output_url: GalleryOutput,
    as_json: options.Json = False,
) -> None:
    """Enrol the named people of a collection, with all of their faces."""
    from facebatch.collection import Collection
    from facebatch.jobs.enrol import enrol_people

    summary = enrol_people(Collection.open(collection), output_url).as_json()
    output.emit(summary, output.enrolment_lines(summary), as_json)
