"""The commands. Each parses, calls one function and prints what it gave."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facebatch.cli import next_steps, options, output, progress, warned
from facebatch.cli.command import Command
from facebatch.cli.inspection_lines import inspection_lines
from facebatch.cli.settings_options import Asked, takes_settings
from facebatch.config import ExtractSettings, GroupingSettings, RunSettings
from facebatch.monitor import logs
from facebatch.monitor.stages import Step, telling

if TYPE_CHECKING:
    from facebatch.cli.recording import Record
    from facebatch.collection import Collection
    from facebatch.media.sources.roots import Root
    from facebatch.monitor.stages import Report
    from facebatch.stages import IdentificationQuery


@dataclass(frozen=True)
class _Request:
    """What `run` and `extract` were asked for."""

    roots: list[Root]
    url: str
    asked: Asked
    settings: RunSettings
    as_json: bool
    quiet: bool

    @classmethod
    def of(
        cls,
        asked: Asked,
        context: typer.Context,
        places: tuple[Sequence[str] | None, Sequence[str] | None, str],
        as_json: bool,
        quiet: bool,
    ) -> _Request:
        """Returns the request; ``places`` are photos, named roots and the collection."""
        from facebatch.media.sources.roots import parse_roots
        from facebatch.workers.machine import check_addresses

        check_addresses()
        photos, named, url = places
        settings = asked.run(beam_options=context.obj or None)
        return cls(parse_roots(photos or [], named or []), url, asked, settings, as_json, quiet)

    def progress(self) -> AbstractContextManager[Report]:
        """Gives a function that shows the progress it is called with, or logs it."""
        return progress.shown(not (self.as_json or self.quiet))

    @property
    def places(self) -> list[str]:
        """The names of the roots."""
        return [root.name for root in self.roots]

    def recorded(self, command: str, metrics_file: Path | None) -> AbstractContextManager[Record]:
        """Says that a command began and how it ended."""
        from facebatch.cli.recording import recorded

        return recorded(command, self.places, self.url, metrics_file)

    def collection(self) -> Collection:
        """Opens or makes the collection, if everything that was asked for can be done."""
        from facebatch.collection import Collection
        from facebatch.collection.collection import settings_for
        from facebatch.jobs.plan import check_input, check_models

        check_input(self.roots, self.url, self.settings)
        extraction = settings_for(self.url, self.asked.flags, self.asked.config)
        check_models(extraction, self.settings)
        return Collection.create(self.url, extraction)

    def print_plan(self) -> None:
        """Says what would be done."""
        from facebatch.jobs.plan import make_plan

        flags, config = self.asked.flags, self.asked.config
        with self.progress() as show:
            plan = make_plan(self.roots, self.url, flags, config, self.settings, show)
        output.emit(plan, output.plan_lines(plan), self.as_json)


def query(
    gallery: str,
    method: str | None,
    fpir: float | None,
    threshold: float | None,
    fdr: float | None,
    threshold_from: str | None = None,
) -> IdentificationQuery:
    """Returns what is asked of a gallery."""
    from facebatch.errors import UsageError
    from facebatch.identify import Gallery
    from facebatch.identify.classifier import DEFAULT_METHOD
    from facebatch.stages import DEFAULT_FDR, DEFAULT_FPIR, IdentificationQuery

    if threshold is not None and not (fpir is None and fdr is None):
        raise UsageError(
            "--threshold says what is near enough, and so do --fpir and --fdr: give it or them"
        )
    return IdentificationQuery(
        Gallery.open(gallery),
        method or DEFAULT_METHOD,
        DEFAULT_FPIR if fpir is None else fpir,
        threshold,
        DEFAULT_FDR if fdr is None else fdr,
        threshold_from,
    )


def _refuse_without_gallery(asking: Mapping[str, object]) -> None:
    """Refuses what is said of a gallery where there is none.

    Raises:
        UsageError: Something is.
    """
    from facebatch.errors import UsageError

    for name, value in asking.items():
        if value is not None:
            raise UsageError(
                f"--{name} says who of a gallery is recognised: give --gallery too; "
                "`facebatch cluster --threshold` says how near one person's faces are"
            )


@takes_settings(ExtractSettings, RunSettings, GroupingSettings, file=True)
def run(
    asked: Asked,
    context: typer.Context,
    photos: options.Photos = None,
    root: options.Roots = None,
    *,
    output_url: options.Output,
    gallery: options.GalleryOption = None,
    method: options.Method = None,
    fpir: options.Fpir = None,
    fdr: options.Fdr = None,
    match_threshold: options.MatchThreshold = None,
    threshold: options.FormerMatchThreshold = None,
    threshold_from: options.ThresholdFrom = None,
    dry_run: options.DryRun = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
    log_format: options.LogFormat = "text",
    metrics_file: options.MetricsFile = None,
) -> None:
    """Photos to people: extract what is new, index, cluster, write the report.

    With a gallery, faces of its people are named and grouped by their names. A second run over an
    unchanged folder extracts nothing. Stopped at any moment, the same command goes on where it was.
    Options of Beam itself follow after a `--`.
    """
    logs.configure(logs.parse_format(log_format), verbose)
    request = _Request.of(asked, context, (photos, root, output_url), as_json, quiet)
    if dry_run:
        request.print_plan()
        return
    with request.recorded("run", metrics_file) as record:
        from facebatch.jobs.run import run_all

        if threshold is not None:
            warned.say("--threshold is called --match-threshold now")
            match_threshold = threshold if match_threshold is None else match_threshold
        asking = {
            "method": method,
            "fpir": fpir,
            "fdr": fdr,
            "match-threshold": match_threshold,
            "threshold-from": threshold_from,
        }
        if gallery is None:
            _refuse_without_gallery(asking)
        asked_of = (method, fpir, match_threshold, fdr, threshold_from)
        against = query(gallery, *asked_of) if gallery else None
        grouping = asked.grouping()
        collection = request.collection()
        with request.progress() as show:
            done = run_all(request.roots, collection, request.settings, show, against, grouping)
        summary = done.as_json()
        record.put(summary, collection)
        said = output.run_lines(summary, request.places)
        steps = next_steps.after_run(summary, output_url, gallery)
        output.emit(summary, chain(said, steps), as_json)
        done.extraction.check_failures(request.settings.max_failures)


@takes_settings(ExtractSettings, RunSettings, file=True)
def extract(
    asked: Asked,
    context: typer.Context,
    photos: options.Photos = None,
    root: options.Roots = None,
    *,
    output_url: options.Output,
    dry_run: options.DryRun = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
    log_format: options.LogFormat = "text",
    metrics_file: options.MetricsFile = None,
) -> None:
    """Photos to faces: list, decode, detect, align, embed and commit what is new."""
    logs.configure(logs.parse_format(log_format), verbose)
    request = _Request.of(asked, context, (photos, root, output_url), as_json, quiet)
    if dry_run:
        request.print_plan()
        return
    with request.recorded("extract", metrics_file) as record:
        from facebatch.jobs.run import run_extract

        collection = request.collection()
        with request.progress() as show:
            done = run_extract(request.roots, collection, request.settings, show)
        summary = done.as_json()
        record.put(summary, collection)
        said = output.extraction_lines(summary, request.places)
        output.emit(summary, chain(said, next_steps.after_extract(summary, output_url)), as_json)
        done.check_failures(request.settings.max_failures)


def index(
    collection: options.CollectionArgument,
    kind: Annotated[
        str | None,
        typer.Option(
            help="How faces are indexed. Default: by faces, memory and recall.",
            metavar="flat|ivf|hnsw|ivfpq",
        ),
    ] = None,
    recall: Annotated[
        float | None,
        typer.Option(
            help="Share of the ten nearest faces that a search finds. Default: 0.95.",
            metavar="RATE",
        ),
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
    with progress.shown(not as_json) as show:
        show(Step("index"))
        summary = build_index(opened, opened.snapshot(), asked=asked or None).as_json()
    output.emit(summary, output.index_lines(summary), as_json)


@takes_settings(GroupingSettings, file=True)
def cluster(
    asked: Asked,
    collection: options.CollectionArgument,
    tau: options.Tau = None,
    from_scratch: options.FromScratch = False,
    as_json: options.Json = False,
) -> None:
    """Faces to people: new faces join whom they resemble, or found somebody; nobody else changes.

    The first time, with another threshold or algorithm and from scratch all faces are clustered
    (HDBSCAN on the nearest-neighbour graph, or the package hdbscan on all distances), and people
    keep their ids by the faces they share. Gates, photos, names and decisions hold with either.
    """
    from facebatch.collection import Collection
    from facebatch.stages import cluster_people
    from facebatch.stages.trees import find_here

    grouping = asked.grouping()
    opened = Collection.open(collection)
    with progress.shown(not as_json) as show:
        show(Step("clusters"))
        results = cluster_people(
            opened,
            opened.snapshot(),
            tau=tau,
            from_scratch=from_scratch,
            asked=grouping,
            find=telling(show, find_here),
            begin_people=lambda: show(Step("people")),
        )
    summary = {result.generation.stage: result.as_json() for result in results}
    steps = next_steps.after_clustering(summary, collection)
    output.emit(summary, chain(output.people_lines(summary), steps), as_json)


def report(collection: options.CollectionArgument) -> None:
    """Write report.html anew: people, what is doubtful, what failed and why, settings."""
    from facebatch.collection import Collection
    from facebatch.report import write_report
    from facebatch.stages import likely_pairs

    opened = Collection.open(collection)
    path = write_report(opened, opened.snapshot(), likely_pairs, anew=True)
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
    output.emit(summary, inspection_lines(summary), as_json)


@takes_settings("workers")
def demo(
    asked: Asked,
    folder: Annotated[
        Path, typer.Argument(help="Where the album and its collection go.", metavar="FOLDER")
    ] = Path("facebatch-demo"),
    as_json: options.Json = False,
) -> None:
    """Render an album of invented people, run everything on it, and score it against the truth."""
    output.quiet(verbose=False)
    from facebatch.jobs.demo import run_demo

    settings = asked.run()
    with progress.shown(not as_json) as show:
        summary = run_demo(folder, settings, show)
    output.emit(summary, output.demo_lines(summary), as_json)


COMMANDS = (
    Command(run, "facebatch run ~/Pictures --output ~/faces"),
    Command(extract, "facebatch extract ~/Pictures --output ~/faces --workers 2"),
    Command(index, "facebatch index ~/faces"),
    Command(cluster, "facebatch cluster ~/faces --threshold 0.08"),
    Command(report, "facebatch report ~/faces"),
    Command(demo, "facebatch demo"),
    Command(inspect, "facebatch inspect ~/faces --failures"),
)
