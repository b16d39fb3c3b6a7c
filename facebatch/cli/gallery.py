"""``facebatch gallery``: the people that faces are identified against."""

from __future__ import annotations

from typing import Annotated

import typer

from facebatch.cli import options, output
from facebatch.cli.command import Command, group
from facebatch.cli.settings_options import Asked, takes_settings

Strict = Annotated[
    bool,
    typer.Option(
        "--strict", help="Enrol nothing from a photo of several faces, not even the central one."
    ),
]


def _enrol(
    folders: list[str],
    url: str,
    asked: Asked,
    strict: bool,
    as_json: bool,
) -> None:
    output.quiet(verbose=False)
    from facebatch.jobs.enrol import build_gallery
    from facebatch.media.sources.roots import parse_roots

    with output.progress_bar(shown=not as_json) as show:
        done = build_gallery(
            parse_roots(folders),
            url,
            asked.flags,
            asked.run(),
            show,
            rule="strict" if strict else "central",
            config_file=asked.config,
        )
    summary = done.as_json()
    output.emit(summary, output.enrolment_lines(summary), as_json)


@takes_settings(
    *("max_side", "min_face", "embedder", "tta", "engine", "device", "workers"), file=True
)
def build(
    asked: Asked,
    folders: options.PeopleFolders,
    output_url: options.GalleryOutput,
    strict: Strict = False,
    as_json: options.Json = False,
) -> None:
    """Enrol people from folders of their photos, one folder each; one photo is enough.

    A photo of several faces gives the one nearest the centre, weighted by size, and is reported.
    """
    _enrol(folders, output_url, asked, strict, as_json)


@takes_settings("workers")
def add(
    asked: Asked,
    gallery: options.GalleryArgument,
    folders: options.PeopleFolders,
    strict: Strict = False,
    as_json: options.Json = False,
) -> None:
    """Enrol more people, or more photos of the same, into a gallery that is there."""
    from facebatch.identify import Gallery

    Gallery.open(gallery)
    _enrol(folders, gallery, asked, strict, as_json)


def remove(
    gallery: options.GalleryArgument,
    name: Annotated[str, typer.Argument(help="The person's name.", metavar="NAME")],
) -> None:
    """Remove a person with all entries."""
    from facebatch.identify import Gallery

    removed = Gallery.open(gallery).remove(name)
    typer.echo(f"{name}: {output.count(removed, 'entry', 'entries')} removed")


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


def from_people(
    collection: options.CollectionArgument,
    output_url: options.GalleryOutput,
    as_json: options.Json = False,
) -> None:
    """Enrol the named people of a collection, with all of their faces."""
    from facebatch.collection import Collection
    from facebatch.jobs.enrol import enrol_people

    summary = enrol_people(Collection.open(collection), output_url).as_json()
    output.emit(summary, output.enrolment_lines(summary), as_json)


app = group(
    "gallery",
    "Enrol people into a gallery, and look after it.",
    (
        Command(build, "facebatch gallery build ~/known -o ~/gallery"),
        Command(add, "facebatch gallery add ~/gallery ~/more-people"),
        Command(remove, 'facebatch gallery remove ~/gallery "Ada Lovelace"'),
        Command(list_people, "facebatch gallery list ~/gallery", name="list"),
        Command(
            from_people, "facebatch gallery from-people ~/faces -o ~/gallery", name="from-people"
        ),
    ),
)
