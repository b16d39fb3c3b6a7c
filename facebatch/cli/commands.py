"""The commands. Each parses, calls one function and prints what it gave."""

from __future__ import annotations

import inspect as introspection
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from facebatch.cli import options, output
from facebatch.cli.recording import Record, recorded
from facebatch.monitor import logs

if TYPE_CHECKING:
    from facebatch.collection import Collection
    from facebatch.config import RunSettings
    from facebatch.extract.progress import Progress
    from facebatch.media.sources.roots import Root
    from facebatch.stages import IdentificationQuery


@dataclass(frozen=True)
class Command:
    """A command and the example that its help ends with."""

    function: Callable[..., None]
    example: str

    @property
    def epilog(self) -> str:
        """The example, as the help shows it."""
        return f"Example: `{self.example}`"


@dataclass(frozen=True)
class _Request:
    """What `run` and `extract` were asked for."""

    roots: list[Root]
    url: str
    flags: Mapping[str, Any]
    config: Path | None
    settings: RunSettings
    as_json: bool
    record: Record = field(default_factory=Record)

    def progress(self) -> AbstractContextManager[Callable[[Progress], None]]:
        """Gives a function that shows the progress it is called with, or logs it."""
        if logs.in_json():
            return nullcontext(logs.progress_events())
        return output.progress_bar(shown=not self.as_json)

    def collection(self) -> Collection:
        from facebatch.collection import Collection
        from facebatch.jobs.run import check_input

        check_input(self.roots, self.url, self.settings)
        return Collection.for_extraction(self.url, self.flags, self.config)


def query(
    gallery: str, method: str | None, fpir: float | None, threshold: float | None
) -> IdentificationQuery:
    """Returns what is asked of a gallery."""
    from facebatch.errors import UsageError
    from facebatch.identify import Gallery
    from facebatch.identify.classifier import DEFAULT_METHOD
    from facebatch.stages import DEFAULT_FPIR, IdentificationQuery

    if fpir is not None and threshold is not None:
        raise UsageError("--fpir and --threshold are two ways to say one thing: give one")
    rate = DEFAULT_FPIR if fpir is None else fpir
    return IdentificationQuery(Gallery.open(gallery), method or DEFAULT_METHOD, rate, threshold)


def _extracting(work: Callable[..., None]) -> Callable[..., None]:
    """Gives a command that extracts its options, which `run` and `extract` share.

    Options of its own are the parameters that ``work`` has beside the request.
    """

    def command(
        context: typer.Context,
        photos: options.Photos = None,
        root: options.Roots = None,
        *,
        output_url: options.Output,
        config: options.Config = None,
        detector: options.Detector = None,
        max_side: options.MaxSide = None,
        min_face: options.MinFace = None,
        embedder: options.Embedder = None,
        tta: options.Tta = None,
        chips: options.Chips = None,
        frames: options.Frames = None,
        fps: options.Fps = None,
        video_faces: options.VideoFaces = None,
        runner: options.Runner = None,
        engine: options.Engine = None,
        device: options.Device = None,
        workers: options.Workers = None,
        threads: options.Threads = None,
        max_failures: options.MaxFailures = None,
        retry: options.Retry = None,
        prune: options.Prune = None,
        max_prune: options.MaxPrune = None,
        allow_empty: options.AllowEmpty = None,
        guard: options.Guard = None,
        max_pixels: options.MaxPixels = None,
        max_bytes: options.MaxBytes = None,
        max_frames: options.MaxFrames = None,
        max_seconds: options.MaxSeconds = None,
        dry_run: options.DryRun = False,
        as_json: options.Json = False,
        verbose: options.Verbose = False,
        log_format: options.LogFormat = "text",
        metrics_file: options.MetricsFile = None,
        **own: Any,
    ) -> None:
        logs.configure(logs.parse_format(log_format), verbose)
        from facebatch.config import resolve_run
        from facebatch.media.sources.roots import parse_roots

        settings = resolve_run(
            {
                "runner": runner,
                "engine": engine,
                "device": device,
                "workers": workers,
                "threads": threads,
                "max_failures": max_failures,
                "retry": tuple(retry) if retry else None,
                "prune": prune,
                "max_prune": max_prune,
                "allow_empty": allow_empty,
                "guard": guard,
                "max_pixels": max_pixels,
                "max_bytes": max_bytes,
                "max_frames": max_frames,
                "max_seconds": max_seconds,
                "beam_options": context.obj or None,
            },
            config,
        )
        flags = {
            "detector": detector,
            "max_side": max_side,
            "min_face": min_face,
            "embedder": embedder,
            "tta": tta,
            "chips": chips,
            "frames": frames,
            "fps": fps,
            "video_faces": video_faces,
        }
        roots = parse_roots(photos or [], root or [])
        request = _Request(roots, output_url, flags, config, settings, as_json)
        if dry_run:
            _print_plan(request)
            return
        names = [each.name for each in roots]
        with recorded(work.__name__, names, output_url, metrics_file) as record:
            work(replace(request, record=record), **own)

    command.__signature__ = introspection.Signature(  # type: ignore[attr-defined]
        [*_parameters(command), *_parameters(work)[1:]]
    )
    command.__name__, command.__doc__ = work.__name__, work.__doc__
    return command


def _parameters(function: Callable[..., None]) -> list[introspection.Parameter]:
    """Returns a function's named parameters, with their annotations as Typer needs them."""
    kinds = get_type_hints(function, include_extras=True)
    return [
        parameter.replace(annotation=kinds[name])
        for name, parameter in introspection.signature(function).parameters.items()
        if parameter.kind is not parameter.VAR_KEYWORD
    ]


def _print_plan(request: _Request) -> None:
    from facebatch.jobs.run import make_plan

    plan = make_plan(request.roots, request.url, request.flags, request.config, request.settings)
    output.emit(plan, output.plan_lines(plan), request.as_json)


@_extracting
def run(
    request: _Request,
    *,
    gallery: options.GalleryOption = None,
    method: options.Method = None,
    fpir: options.Fpir = None,
    threshold: options.Threshold = None,
    photo_constraint: options.PhotoConstraint = None,
) -> None:
    """Photos to people: extract what is new, index, cluster, write the report.

    With a gallery, faces of its people are named and grouped by their names. A second run over an
    unchanged folder extracts nothing. Stopped at any moment, the same command goes on where it was.
    Options of Beam itself follow after a `--`.
    """
    from facebatch.config import resolve_grouping
    from facebatch.jobs.run import run_all

    asked = query(gallery, method, fpir, threshold) if gallery else None
    grouping = resolve_grouping({"photo_constraint": photo_constraint}, request.config)
    collection = request.collection()
    with request.progress() as show:
        done = run_all(request.roots, collection, request.settings, show, asked, grouping)
    summary = done.as_json()
    request.record.put(summary, collection)
    output.emit(summary, output.run_lines(summary), request.as_json)
    done.extraction.check_failures(request.settings.max_failures)


@_extracting
def extract(request: _Request) -> None:
    """Photos to faces: list, decode, detect, align, embed and commit what is new."""
    from facebatch.jobs.run import run_extract

    collection = request.collection()
    with request.progress() as show:
        done = run_extract(request.roots, collection, request.settings, show)
    summary = done.as_json()
    request.record.put(summary, collection)
    output.emit(summary, output.extraction_lines(summary), request.as_json)
    done.check_failures(request.settings.max_failures)


def index(
    collection: options.CollectionArgument,
    kind: Annotated[
        str | None,
        typer.Option(help="flat, ivf, hnsw or ivfpq. Default: by faces, memory and recall."),
    ] = None,
    recall: Annotated[
        float | None,
        typer.Option(help="Share of the ten nearest faces that a search finds. Default 0.95."),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Faces to a search index (FAISS).

    What is asked for holds for later runs of the collection too.
    """
    from facebatch.collection import Collection
    from facebatch.stages import build_index

    given = {"kind": kind, "recall": recall}
    asked = {name: value for name, value in given.items() if value is not None}
    opened = Collection.open(collection)
    summary = build_index(opened, opened.snapshot(), asked=asked or None).as_json()
    output.emit(summary, output.index_lines(summary), as_json)


def cluster(
    collection: options.CollectionArgument,
    tau: options.Tau = None,
    from_scratch: options.FromScratch = False,
    photo_constraint: options.PhotoConstraint = None,
    config: options.Config = None,
    as_json: options.Json = False,
) -> None:
    """Faces to people: new faces join whom they resemble, or found somebody; nobody else changes.

    The first time, with another threshold and from scratch all faces are clustered (HDBSCAN on the
    nearest-neighbour graph), and people keep their ids by the faces they share.
    """
    from facebatch.collection import Collection
    from facebatch.config import resolve_grouping
    from facebatch.stages import cluster_people

    asked = resolve_grouping({"photo_constraint": photo_constraint}, config)
    opened = Collection.open(collection)
    results = cluster_people(
        opened, opened.snapshot(), tau=tau, from_scratch=from_scratch, asked=asked
    )
    summary = {result.generation.stage: result.as_json() for result in results}
    output.emit(summary, output.people_lines(summary), as_json)


def report(collection: options.CollectionArgument) -> None:
    """Write report.html anew: what was processed, what failed and why, people, settings."""
    from facebatch.collection import Collection
    from facebatch.report import write_report

    opened = Collection.open(collection)
    path = write_report(opened, opened.snapshot())
    typer.echo(opened.storage.full_path(path))


def inspect(
    collection: options.CollectionArgument,
    failures: Annotated[
        bool, typer.Option("--failures", help="List every item that failed, and why.")
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Say what a collection holds: items, faces, people, failures, settings, size."""
    from facebatch.collection import Collection
    from facebatch.collection.summary import inspect_collection

    summary = inspect_collection(Collection.open(collection), with_failures=failures)
    output.emit(summary, output.inspection_lines(summary), as_json)


def demo(
    folder: Annotated[
        Path, typer.Argument(help="Where the album and its collection go.", metavar="FOLDER")
    ] = Path("facebatch-demo"),
    workers: options.Workers = None,
    as_json: options.Json = False,
) -> None:
    """Render an album of invented people, run everything on it, and score it against the truth."""
    output.quiet(verbose=False)
    from facebatch.config import resolve_run
    from facebatch.jobs.demo import run_demo

    settings = resolve_run({"workers": workers})
    with output.progress_bar(shown=not as_json) as show:
        summary = run_demo(folder, settings, show)
    output.emit(summary, output.demo_lines(summary), as_json)


ALL = (
    Command(run, "facebatch run ~/Pictures --output ~/faces"),
    Command(extract, "facebatch extract ~/Pictures --output ~/faces --workers 2"),
    Command(index, "facebatch index ~/faces"),
    Command(cluster, "facebatch cluster ~/faces --threshold 0.08"),
    Command(inspect, "facebatch inspect ~/faces --failures"),
    Command(report, "facebatch report ~/faces"),
    Command(demo, "facebatch demo"),
)
