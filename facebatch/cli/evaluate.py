"""The commands that score results: ``facebatch evaluate pairs`` and the like."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from facebatch.cli import options, output
from facebatch.cli.commands import Command
from facebatch.cli.evaluation_lines import evaluation_lines
from facebatch.errors import UsageError

if TYPE_CHECKING:
    from facebatch.config import RunSettings
    from facebatch.jobs.evaluate import Evaluation
    from facebatch.jobs.evaluated_photos import Source

Images = Annotated[
    str,
    typer.Option("--images", help="The folder of photos, as a path or fsspec URL."),
]
MaybeImages = Annotated[
    str | None,
    typer.Option("--images", help="The folder of photos; or name a COLLECTION that holds them."),
]
PairsFile = Annotated[
    Path,
    typer.Option(
        "--pairs",
        help="LFW's pairs.txt, or a CSV with the header left,right,same[,fold]; photos are named "
        "by their path inside the folder.",
        metavar="FILE",
    ),
]
Method = Annotated[
    str,
    typer.Option(help="How a person is recognised: nearest, centroid, both, vote, svm or knn."),
]
Seed = Annotated[int, typer.Option(help="Seed of the draw of each person's photo.", min=0)]
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
        help="Overlap (intersection over union) that makes a box the face.", min=0.01, max=1.0
    ),
]
MaybeCollection = Annotated[
    str | None,
    typer.Argument(help="A collection that holds the photos.", metavar="COLLECTION"),
]
Folder = Annotated[
    str | None,
    typer.Option(
        "--output", "-o", help="Folder for the figures (JSON), curves, plots and an HTML page."
    ),
]
Kept = Annotated[
    str | None,
    typer.Option(
        "--collection",
        help="Keep the faces in this collection: a second evaluation extracts nothing. "
        "Default: they are thrown away.",
    ),
]


@dataclass(frozen=True)
class _Extraction:
    """How photos are to be extracted."""

    collection: str | None
    flags: Mapping[str, Any]
    config: Path | None
    settings: RunSettings

    def source(self, images: str) -> Source:
        from facebatch.jobs.evaluated_photos import Source

        return Source(images, self.collection, self.flags, self.config, self.settings)


def _extraction(
    collection: Kept = None,
    config: options.Config = None,
    detector: options.Detector = None,
    max_side: options.MaxSide = None,
    min_face: options.MinFace = None,
    embedder: options.Embedder = None,
    tta: options.Tta = None,
    engine: options.Engine = None,
    device: options.Device = None,
    workers: options.Workers = None,
    threads: options.Threads = None,
    max_failures: options.MaxFailures = None,
    verbose: options.Verbose = False,
) -> _Extraction:
    output.quiet(verbose)
    from facebatch.config import resolve_run

    execution = {
        "engine": engine,
        "device": device,
        "workers": workers,
        "threads": threads,
        "max_failures": max_failures,
    }
    flags = {
        "detector": detector,
        "max_side": max_side,
        "min_face": min_face,
        "embedder": embedder,
        "tta": tta,
    }
    return _Extraction(collection, flags, config, resolve_run(execution, config))


def _extracting(work: Callable[..., None]) -> Callable[..., None]:
    """Adds the options of `_extraction` to a command's own; it is called with what they give."""
    shared = inspect.signature(_extraction, eval_str=True).parameters
    first, *own = inspect.signature(work, eval_str=True).parameters.values()

    def command(**given: Any) -> None:
        asked = {name: given.pop(name) for name in shared}
        work(**{first.name: _extraction(**asked)}, **given)

    parameters = [
        parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for parameter in (*own, *shared.values())
    ]
    command.__name__, command.__doc__ = work.__name__, work.__doc__
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {each.name: each.annotation for each in parameters}
    return command


@_extracting
def pairs(
    extraction: _Extraction,
    pairs_file: PairsFile,
    images: Images,
    output_folder: Folder = None,
    as_json: options.Json = False,
) -> None:
    """Verification: do two photos show one person? Accuracy, EER, TAR at FAR, by LFW's protocol."""
    from facebatch.jobs.evaluate import evaluate_pairs

    with output.progress_bar(shown=not as_json) as show:
        done = evaluate_pairs(pairs_file, extraction.source(images), output_folder, show)
    _finish(done, as_json, extraction)


@_extracting
def identification(
    extraction: _Extraction,
    images: Images,
    method: Method = "nearest",
    seed: Seed = 0,
    output_folder: Folder = None,
    as_json: options.Json = False,
) -> None:
    """Identification: who is it, if anybody? Rank-1, CMC, TPIR at FPIR; one folder a person."""
    from facebatch.jobs.evaluate import evaluate_identification

    source = extraction.source(images)
    with output.progress_bar(shown=not as_json) as show:
        done = evaluate_identification(source, method, seed, output_folder, show)
    _finish(done, as_json, extraction)


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


@_extracting
def detection(
    extraction: _Extraction,
    truth: Truth,
    collection_argument: MaybeCollection = None,
    images: MaybeImages = None,
    iou: Iou = 0.5,
    output_folder: Folder = None,
    as_json: options.Json = False,
) -> None:
    """Detection: are the faces found, and are they faces? Recall, precision, average precision."""
    source = extraction.source(images) if images is not None else collection_argument
    if source is None or (images is not None and collection_argument is not None):
        raise UsageError("name either a COLLECTION or --images FOLDER")
    from facebatch.jobs.evaluate import evaluate_detection

    with output.progress_bar(shown=not as_json) as show:
        done = evaluate_detection(truth, source, iou, output_folder, show)
    _finish(done, as_json, extraction)


def _finish(done: Evaluation, as_json: bool, extraction: _Extraction | None = None) -> None:
    output.emit(done.summary, evaluation_lines(done.summary), as_json)
    if extraction:
        done.check_failures(extraction.settings.max_failures)


ALL = (
    Command(pairs, "facebatch evaluate pairs --pairs lfw/pairs.txt --images lfw"),
    Command(identification, "facebatch evaluate identification --images lfw --collection ~/faces"),
    Command(clusters, "facebatch evaluate clusters ~/faces --labels by-folder"),
    Command(detection, "facebatch evaluate detection --truth faces.xml --images ~/Pictures"),
)

app = typer.Typer(
    name="evaluate",
    help="Score faces, names and people against the truth.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)
for _command in ALL:
    app.command(epilog=_command.epilog)(_command.function)
