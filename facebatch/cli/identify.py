"""The commands that say who somebody is: identify, search, verify, unlock, calibrate, annotate."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from facebatch.cli import next_steps, options, output, progress, warned
from facebatch.cli.command import Command
from facebatch.cli.commands import query
from facebatch.cli.settings_options import Asked, takes_settings
from facebatch.errors import UsageError
from facebatch.monitor.stages import Step

if TYPE_CHECKING:
    from facebatch.config import Execution, ExtractSettings
    from facebatch.identify import Calibration, Gallery
    from facebatch.identify.choosing import Rule

PhotoArgument = Annotated[
    str, typer.Argument(help="A photo, as a path or fsspec URL.", metavar="PHOTO")
]
REFUSED_EXIT_CODE = 4
"""What `verify` and `unlock` end with when the answer is no."""


def _execution(asked: Asked, *faces: str) -> Execution:
    output.quiet(verbose=False)
    from facebatch.extract.chosen import check_choice
    from facebatch.models.engines import choose

    for face in faces:
        check_choice(face)
    settings = asked.run()
    choose(settings.engine, settings.device)
    return settings.execution()


def identify(
    collection: options.CollectionArgument,
    gallery: Annotated[str, typer.Option("--gallery", "-g", help="The gallery.", metavar="URL")],
    method: options.Method = None,
    fpir: options.Fpir = None,
    fdr: options.Fdr = None,
    threshold: options.Threshold = None,
    threshold_from: options.ThresholdFrom = None,
    as_json: options.Json = False,
) -> None:
    """Faces to names: say of every face who of a gallery it is, or nobody.

    `facebatch cluster` then groups the faces of one name into one person of that name.
    """
    from facebatch.collection import Collection
    from facebatch.stages import identify_faces

    against = query(gallery, method, fpir, threshold, fdr, threshold_from)
    opened = Collection.open(collection)
    with progress.shown(not as_json) as show:
        show(Step("matches"))
        summary = identify_faces(opened, opened.snapshot(), against).as_json()
    steps = next_steps.after_identification(summary, collection)
    output.emit(summary, chain(output.matches_lines(summary), steps), as_json)


@takes_settings("engine", "device")
def search(
    asked: Asked,
    collection: options.CollectionArgument,
    photo: PhotoArgument,
    count: Annotated[
        int,
        typer.Option("-k", help="How many faces are shown.", min=1, max=10_000, metavar="N"),
    ] = 20,
    face: options.Face = "largest",
    as_json: options.Json = False,
) -> None:
    """Find the faces of a collection that are nearest to a face of a photo.

    Where the photo shows several it is said which was taken.
    """
    execution = _execution(asked, face)
    from facebatch.collection import Collection
    from facebatch.probe.probe import Prober
    from facebatch.probe.search import search_collection

    opened = Collection.open(collection)
    probe = Prober(opened.settings, execution).probe(photo)
    summary = search_collection(opened, probe, count, face)
    output.emit(summary, output.search_lines(summary), as_json)


@takes_settings("embedder", "tta", "engine", "device")
def verify(
    asked: Asked,
    left: Annotated[str, typer.Argument(help="A photo.", metavar="A")],
    right: Annotated[str, typer.Argument(help="Another photo.", metavar="B")],
    far: options.Far = None,
    threshold: options.Threshold = None,
    gallery: options.GalleryOption = None,
    face: Annotated[
        list[str] | None,
        typer.Option(
            help="Which face of the photos is meant, as in `search`; twice, if it is another in B. "
            "Default: largest.",
            metavar="largest|central|N",
        ),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Say whether two photos show the same person, by the largest face of each.

    Ends with exit code 0 for the same person and 4 for different ones. With a gallery its settings
    and its calibration are used.
    """
    faces = (face or ["largest"]) * (2 if len(face or ()) < 2 else 1)
    if len(faces) > 2:
        raise UsageError(f"--face is given {len(faces)} times for two photos")
    execution = _execution(asked, *faces)
    from facebatch.probe.probe import Prober
    from facebatch.probe.verify import verify_faces

    settings, calibration = _compared_under(gallery, asked)
    prober = Prober(settings, execution)
    photos = prober.probe(left), prober.probe(right)
    answer = verify_faces(photos, calibration, far=far, threshold=threshold, faces=faces)
    summary = answer.as_json()
    output.emit(summary, output.verification_lines(summary), as_json)
    if not answer.same:
        raise typer.Exit(REFUSED_EXIT_CODE)


@takes_settings("engine", "device")
def unlock(
    asked: Asked,
    photo: PhotoArgument,
    enrol: Annotated[
        Path, typer.Option("--enrol", help="Folder of photos of the person.", metavar="FOLDER")
    ],
    far: options.Far = None,
    threshold: options.Threshold = None,
    face: options.Face = "largest",
    as_json: options.Json = False,
) -> None:
    """Accept or refuse one claimed person, against the centroid of the enrolled photos.

    These give the face that recurs through them, PHOTO gives its largest one.
    Ends with exit code 0 for accepted and 4 for refused. It is a comparison of faces and no
    protection against a photo held before the camera.
    """
    execution = _execution(asked, face)
    from facebatch.probe.probe import Prober
    from facebatch.probe.verify import claim

    settings, calibration = _compared_under(None, asked)
    answer = claim(Prober(settings, execution), enrol, photo, calibration, far, threshold, face)
    summary = answer.as_json()
    output.emit(summary, output.verification_lines(summary), as_json)
    if not answer.same:
        raise typer.Exit(REFUSED_EXIT_CODE)


@takes_settings("max_side", "min_face", "embedder", "tta", "engine", "device", "workers", file=True)
def calibrate(
    asked: Asked,
    folders: Annotated[
        list[str],
        typer.Argument(
            help="Folders with one folder of photos a person, two people with two photos at least.",
            metavar="FOLDER...",
        ),
    ],
    gallery: options.GalleryOption = None,
    output_file: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="A JSON file for the thresholds.", metavar="FILE"),
    ] = None,
    method: Annotated[
        list[str] | None,
        typer.Option(
            help="Measure this method against a gallery. May be repeated. Default: nearest, "
            "centroid.",
            metavar="NAME",
        ),
    ] = None,
    face: Annotated[
        str,
        typer.Option(
            help="Which face of a photo is the person: the largest, or the central one as in LFW.",
            metavar="largest|central",
        ),
    ] = "largest",
    space: Annotated[
        bool,
        typer.Option(
            "--space",
            help="Keep them in the models folder as those of the embedder, for every command.",
        ),
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Measure thresholds for stated error rates on labelled photos, and keep them.

    With `--gallery` they are measured in the gallery's space and stored with it; every later
    identification against it uses them. With `--space` they are kept as those of the embedder
    with its averaging: clustering, tracks, identification and verification go by them, which for
    an embedder of your own nothing else tells.
    """
    output.quiet(verbose=False)
    from facebatch.jobs.enrol import calibrate_photos
    from facebatch.media.sources.roots import parse_roots

    if face not in ("largest", "central"):
        raise UsageError(f"--face {face} is neither largest nor central")
    opened = _opened(gallery)
    settings, _ = _compared_under(gallery, asked)
    with progress.shown(not as_json) as show:
        calibration = calibrate_photos(
            parse_roots(folders),
            settings,
            asked.run(),
            show,
            methods=method or ("nearest", "centroid"),
            rule=cast("Rule", face),
        )
    summary = calibration.as_json()
    if opened is not None:
        opened.keep_calibration(calibration)
        summary["gallery"] = opened.storage.public_path
    if space:
        from facebatch.identify.space_measures import space_thresholds
        from facebatch.models.space_thresholds import keep

        summary["space_file"] = str(keep(space_thresholds(calibration)))
    if output_file is not None:
        output.write_json(output_file, summary)
    output.emit(summary, output.calibration_lines(summary), as_json)


@takes_settings("engine", "device")
def annotate(
    asked: Asked,
    media: Annotated[list[str], typer.Argument(help="Photos and videos.", metavar="FILE...")],
    folder: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for the copies.", metavar="FOLDER")
    ],
    gallery: options.GalleryOption = None,
    method: options.Method = None,
    fpir: options.Fpir = None,
    threshold: options.Threshold = None,
    fps: Annotated[
        float,
        typer.Option(
            help="Frames a second of a video in which faces are looked for.",
            min=0.1,
            max=240,
            metavar="N",
        ),
    ] = 10.0,
    as_json: options.Json = False,
) -> None:
    """Write copies of photos and videos with a box around every face, and a name by a gallery.

    In a video a face is followed from frame to frame and keeps its name; the copy is an MP4 file
    with the sound of the original, where MP4 can hold it.
    """
    execution = _execution(asked)
    from facebatch.probe.annotate import annotate_media
    from facebatch.probe.probe import Prober

    against = query(gallery, method, fpir, threshold, None) if gallery else None
    settings, _ = _compared_under(gallery, asked)
    with warned.of_glyphs():
        summary = annotate_media(media, folder, Prober(settings, execution), against, fps)
    output.emit(summary, output.annotation_lines(summary), as_json)


def _opened(gallery: str | None) -> Gallery | None:
    from facebatch.identify import Gallery

    return None if gallery is None else Gallery.open(gallery)


def _compared_under(gallery: str | None, asked: Asked) -> tuple[ExtractSettings, Calibration]:
    """Returns settings and calibration: a gallery's, else what was asked for and the shipped."""
    from dataclasses import asdict

    from facebatch.identify import Calibration
    from facebatch.identify.thresholds import known_for

    opened = _opened(gallery)
    settings = asked.extract(asdict(opened.settings) if opened else None)
    kept = opened.calibration() if opened else None
    of_space = kept or known_for(settings.embedder, settings.tta, settings.space())
    return settings, of_space or Calibration(settings.embedder, settings.tta)


COMMANDS = (
    Command(identify, "facebatch identify ~/faces --gallery ~/gallery"),
    Command(search, "facebatch search ~/faces portrait.jpg -k 20"),
    Command(verify, "facebatch verify a.jpg b.jpg"),
    Command(unlock, "facebatch unlock door.jpg --enrol ~/known/Ada"),
    Command(annotate, "facebatch annotate party.jpg -o annotated --gallery ~/gallery"),
    Command(calibrate, "facebatch calibrate ~/labelled --gallery ~/gallery"),
)
