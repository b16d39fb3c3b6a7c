"""``facebatch gallery``: the people that faces are identified against."""

from __future__ import annotations

from collections import Counter
from itertools import chain
from typing import Annotated

import typer

from facebatch.cli import next_steps, options, output, progress
from facebatch.cli.command import Command, group
from facebatch.cli.settings_options import Asked, takes_settings
from facebatch.storage.printable import count

Strict = Annotated[
    bool,
    typer.Option(
        "--strict", help="Enrol nothing from a photo of several faces, whichever is meant."
    ),
]
Face = Annotated[
    str,
    typer.Option(
        "--face",
        help="Which face of a photo is the person: consensus, the one that recurs through the "
        "person's photos (of a single photo the largest); largest; or central, the one nearest "
        "the centre, for photos cut out around it as LFW's are.",
        metavar="consensus|largest|central",
    ),
]


def _enrol(
    folders: list[str],
    url: str,
    asked: Asked,
    which: tuple[str, bool],
    as_json: bool,
) -> None:
    output.quiet(verbose=False)
    from facebatch.errors import UsageError
    from facebatch.identify.choosing import RULES
    from facebatch.jobs.enrol import build_gallery
    from facebatch.media.sources.roots import parse_roots

    face, strict = which
    if face not in RULES:
        raise UsageError(f"--face {face} is none of {', '.join(RULES)}")
    with progress.shown(not as_json) as show:
        done = build_gallery(
            parse_roots(folders),
            url,
            asked.flags,
            asked.run(),
            show,
            rule=face,
            strict=strict,
            config_file=asked.config,
        )
    summary = done.as_json()
    steps = next_steps.after_enrolment(summary)
    output.emit(summary, chain(output.enrolment_lines(summary), steps), as_json)


@takes_settings(
    *("max_side", "min_face", "embedder", "tta", "engine", "device", "workers"),
    *("exclude", "follow_links"),
    file=True,
)
def build(
    asked: Asked,
    folders: options.PeopleFolders,
    output_url: options.GalleryOutput,
    face: Face = "consensus",
    strict: Strict = False,
    as_json: options.Json = False,
) -> None:
    """Enrol people from folders of their photos, one folder each; one photo is enough.

    Of the faces of a photo the one that recurs through the person's photos is enrolled. What was
    left out, and why, is said at the end, and photo by photo with `--json`.
    """
    _enrol(folders, output_url, asked, (face, strict), as_json)


@takes_settings("workers", "exclude", "follow_links")
def add(
    asked: Asked,
    gallery: options.GalleryArgument,
    folders: options.PeopleFolders,
    face: Face = "consensus",
    strict: Strict = False,
    as_json: options.Json = False,
) -> None:
    """Enrol more people, or more photos of the same, into a gallery that is there."""
    from facebatch.identify import Gallery

    Gallery.open(gallery)
    _enrol(folders, gallery, asked, (face, strict), as_json)


def remove(
    gallery: options.GalleryArgument,
    name: Annotated[str, typer.Argument(help="The person's name.", metavar="NAME")],
) -> None:
    """Remove a person with all entries."""
    from facebatch.identify import Gallery

    removed = Gallery.open(gallery).remove(name)
    typer.echo(f"{name}: {count(removed, 'entry', 'entries')} removed")


def list_people(gallery: options.GalleryArgument, as_json: options.Json = False) -> None:
    """List the people of a gallery, with their number of entries, and which don't agree."""
    from facebatch.identify import Gallery
    from facebatch.identify.marking import UNLIKE

    opened = Gallery.open(gallery)
    doubts = opened.doubts()
    summary = {
        "gallery": opened.storage.public_path,
        "embedder": opened.settings.embedder,
        "tta": opened.settings.tta,
        "space": opened.space,
        "calibrated": opened.calibration() is not None,
        "people": dict(opened.people()),
        "unlike_the_others": dict(
            sorted(Counter(doubts.rows.filter(doubts.rows[UNLIKE])["name"].to_pylist()).items())
        ),
        "disagree": list(doubts.disagree),
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
    steps = next_steps.after_enrolment(summary)
    output.emit(summary, chain(output.enrolment_lines(summary), steps), as_json)


@takes_settings(
    *("max_side", "min_face", "embedder", "tta", "engine", "device", "workers"),
    *("exclude", "follow_links"),
    file=True,
)
def from_xmp(
    asked: Asked,
    photos: options.Photos = None,
    *,
    output_url: options.GalleryOutput,
    as_json: options.Json = False,
) -> None:
    """Enrol the people whom photos name by face regions, as digiKam, Lightroom, Picasa write them.

    Reads the photos' own XMP and the sidecars beside them, photo.jpg.xmp and photo.xmp. A face that
    is unlike the person's others is left out, and so is one of which several names are said. Of a
    collection whose names were imported `from-people` makes a gallery without reading photos again.
    """
    output.quiet(verbose=False)
    from facebatch.errors import UsageError
    from facebatch.jobs.enrol import enrol_regions
    from facebatch.media.sources.roots import parse_roots

    places = parse_roots(photos or [])
    if not places:
        raise UsageError("say where the photos are: PHOTOS...")
    with progress.shown(not as_json) as show:
        done = enrol_regions(
            places, output_url, asked.flags, asked.run(), show, config_file=asked.config
        )
    summary = done.as_json()
    steps = next_steps.after_enrolment(summary)
    output.emit(summary, chain(output.enrolment_lines(summary), steps), as_json)


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
        Command(from_xmp, "facebatch gallery from-xmp ~/Pictures -o ~/gallery", name="from-xmp"),
    ),
)
