"""The commands that score results: ``facebatch evaluate pairs`` and the like."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facebatch.cli import options, output, progress, warned
from facebatch.cli.command import COLLECTION_VARIABLE, Command, group
from facebatch.cli.evaluation_lines import evaluation_lines
from facebatch.cli.settings_options import Asked, takes_settings
from facebatch.errors import UsageError

if TYPE_CHECKING:
    from facebatch.config import RunSettings
    from facebatch.jobs.evaluate import Evaluation
    from facebatch.jobs.evaluated_photos import Source

Images = Annotated[
    str,
    typer.Option("--images", help="The folder of photos, as a path or fsspec URL.", metavar="URL"),
]
MaybeImages = Annotated[
    str | None,
    typer.Option(
        "--images",
        help="The folder of photos; or name a COLLECTION that holds them.",
        metavar="URL",
    ),
]
PairsFile = Annotated[
    Path,
    typer.Option(
        "--pairs",
        help="LFW's pairs.txt, or a CSV with the header left,right,same[,fold] or deepface's "
        "file_x,file_y,Decision; photos are named by their path inside the folder.",
        metavar="FILE",
    ),
]
Method = Annotated[
    str,
    typer.Option(
        help="How a person is recognised: nearest, centroid, both, vote, svm or knn.",
        metavar="NAME",
    ),
]
Seed = Annotated[
    int, typer.Option(help="Seed of the draw of each person's photo.", min=0, metavar="N")
]
Labels = Annotated[
    str,
    typer.Option(
        "--labels",
        help="Who is in the photos: by-folder, the first folder of a photo's path being the "
        "person, or a CSV with the header file,label.",
        metavar="by-folder|FILE",
    ),
]
Truth = Annotated[
    list[Path],
    typer.Option(
        "--truth",
        help="Where the faces are: XML of dlib or Pascal VOC (also a folder of it), a WIDER FACE "
        "list, a CSV with the header file,x0,y0,x1,y1[,ignore] or file,x,y, or CompreFace's JSON. "
        "May be repeated.",
        metavar="FILE",
    ),
]
Iou = Annotated[
    float,
    typer.Option(
        help="Overlap (intersection over union) that makes a box the face.",
        min=0.01,
        max=1.0,
        metavar="RATE",
    ),
]
MaybeCollection = Annotated[
    str | None,
    typer.Argument(help="A collection that holds the photos.", metavar="COLLECTION"),
]
Folder = Annotated[
    str | None,
    typer.Option(
        "--output",
        "-o",
        help="Folder for the figures (JSON), curves, plots and an HTML page.",
        metavar="FOLDER",
    ),
]
Kept = Annotated[
    str | None,
    typer.Option(
        "--collection",
        help="Keep the faces in this collection: a second evaluation extracts nothing. "
        "Default: they are thrown away.",
        metavar="URL",
    ),
]


_takes_extraction = takes_settings(
    *("detector", "max_side", "min_face", "embedder", "tta"),
    *("engine", "device", "workers", "threads", "max_failures"),
    file=True,
)


def _source(asked: Asked, images: str, kept: str | None, settings: RunSettings) -> Source:
    from facebatch.jobs.evaluated_photos import Source

    return Source(images, kept, asked.flags, asked.config, settings)


def _one_source(
    collection: str | None, images: str | None, how: tuple[Asked, str | None, RunSettings]
) -> Source | str:
    """Returns the photos that are to be extracted, or the collection that holds them.

    Args:
        collection: The collection that is named, if any.
        images: The folder that is named, if any.
        how: The settings asked for, the collection that keeps the folder's faces, and how to run.

    Raises:
        UsageError: Both are named, or neither.
    """
    if images is not None and collection is None:
        asked, kept, settings = how
        return _source(asked, images, kept, settings)
    named = collection or os.environ.get(COLLECTION_VARIABLE)
    if not named or images is not None:
        raise UsageError("name either a COLLECTION or --images FOLDER")
    return named


@_takes_extraction
def pairs(
    asked: Asked,
    pairs_file: PairsFile,
    images: Images,
    output_folder: Folder = None,
    collection: Kept = None,
    as_json: options.Json = False,
    verbose: options.Verbose = False,
) -> None:
    """Verification: do two photos show one person? Accuracy, EER, TAR at FAR, by LFW's protocol."""
    output.quiet(verbose)
    from facebatch.jobs.evaluate import evaluate_pairs

    settings = asked.run()
    source = _source(asked, images, collection, settings)
    with progress.shown(not as_json) as show:
        done = evaluate_pairs(pairs_file, source, output_folder, show)
    _finish(done, as_json, settings)


@_takes_extraction
def identification(
    asked: Asked,
    collection_argument: MaybeCollection = None,
    images: MaybeImages = None,
    labels: Labels = "by-folder",
    method: Method = "nearest",
    seed: Seed = 0,
    output_folder: Folder = None,
    collection: Kept = None,
    as_json: options.Json = False,
    verbose: options.Verbose = False,
) -> None:
    """Identification: who is it, if anybody? Rank-1, CMC, TPIR at FPIR."""
    output.quiet(verbose)
    settings = asked.run()
    source = _one_source(collection_argument, images, (asked, collection, settings))
    from facebatch.jobs.evaluate import evaluate_identification

    with progress.shown(not as_json) as show, warned.of_glyphs():
        done = evaluate_identification(source, method, seed, output_folder, show, labels=labels)
    _finish(done, as_json, settings)


def clusters(
    collection: options.CollectionArgument,
    labels: Labels,
    output_folder: Folder = None,
    as_json: options.Json = False,
) -> None:
    """Clustering: is each group one person, each person one group? Pairwise, BCubed, V, purity."""
    output.quiet(verbose=False)
    from facebatch.jobs.evaluate import evaluate_clusters

    _finish(evaluate_clusters(collection, labels, output_folder), as_json)


@_takes_extraction
def detection(
    asked: Asked,
    truth: Truth,
    collection_argument: MaybeCollection = None,
    images: MaybeImages = None,
    iou: Iou = 0.5,
    output_folder: Folder = None,
    collection: Kept = None,
    as_json: options.Json = False,
    verbose: options.Verbose = False,
) -> None:
    """Detection: are the faces found, and are they faces? Recall, precision, average precision."""
    output.quiet(verbose)
    settings = asked.run()
    source = _one_source(collection_argument, images, (asked, collection, settings))
    from facebatch.jobs.evaluate import evaluate_detection

    with progress.shown(not as_json) as show:
        done = evaluate_detection(truth, source, iou, output_folder, show)
    _finish(done, as_json, settings)


def _finish(done: Evaluation, as_json: bool, settings: RunSettings | None = None) -> None:
    output.emit(done.summary, evaluation_lines(done.summary), as_json)
    if settings:
        done.check_failures(settings.max_failures)


COMMANDS = (
    Command(pairs, "facebatch evaluate pairs --pairs lfw/pairs.txt --images lfw"),
    Command(identification, "facebatch evaluate identification --images lfw --collection ~/faces"),
    Command(clusters, "facebatch evaluate clusters ~/faces --labels by-folder"),
    Command(detection, "facebatch evaluate detection --truth faces.xml --images ~/Pictures"),
)

app = group("evaluate", "Score faces, names and people against the truth.", COMMANDS)
