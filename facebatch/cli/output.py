"""What the commands print: progress on a terminal, summaries as text or JSON, quiet logs."""

from __future__ import annotations

import json
import logging
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Callable

    from facebatch.progress import Progress


def quiet(verbose: bool) -> None:
    """Keeps other packages' messages off the terminal, unless they are asked for."""
    logging.basicConfig(level=logging.INFO if verbose else logging.CRITICAL, stream=sys.stderr)
    if not verbose:
        warnings.simplefilter("ignore")


def emit(summary: Mapping[str, Any], lines: Iterator[str], as_json: bool) -> None:
    """Prints a summary to standard output, as JSON or as lines for people."""
    if as_json:
        typer.echo(json.dumps(summary, indent=2))
        return
    for line in lines:
        typer.echo(line)


@contextmanager
def progress_bar(shown: bool) -> Iterator[Callable[[Progress], None]]:
    """Gives a function that shows the progress it is called with, on a terminal's stderr."""
    if not (shown and sys.stderr.isatty()):
        yield lambda progress: None  # noqa: ARG005
        return
    from rich import progress as bars
    from rich.console import Console

    columns = (
        bars.TextColumn("{task.description}"),
        bars.BarColumn(),
        bars.MofNCompleteColumn(),
        bars.TextColumn("{task.fields[faces]} faces  {task.fields[failed]} failed"),
        bars.TextColumn("{task.fields[rate]}"),
        bars.TimeRemainingColumn(),
    )
    with bars.Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("listing", total=None, faces=0, failed=0, rate="")

        def show(progress: Progress) -> None:
            elapsed = bar.tasks[task].elapsed or 0.0
            bar.update(
                task,
                description="photos" if progress.plan else "listing",
                total=progress.plan.to_extract if progress.plan else None,
                completed=progress.items,
                faces=progress.faces,
                failed=progress.quarantined,
                rate=f"{progress.items / elapsed:.1f}/s" if progress.items and elapsed else "",
            )

        yield show


def plan_lines(plan: Mapping[str, Any]) -> Iterator[str]:
    """Yields a dry run's lines."""
    yield f"to extract  {plan['to_extract']:>9,}  photos, {_bytes(plan['bytes'])}"
    for state in ("new", "changed", "retried"):
        yield f"  {state:<10}{plan[state]:>9,}"
    for state, meaning in (
        ("unchanged", "extracted already"),
        ("given_up", "failed before, and not tried again"),
        ("vanished", "extracted, and no longer there"),
        ("ignored", "no photos"),
    ):
        yield f"{state.replace('_', ' '):<12}{plan[state]:>9,}  {meaning}"
    for folder in plan["unreadable_folders"]:
        yield f"unreadable   {folder}"
    yield (
        f"about {_duration(plan['estimated_seconds'] / plan['workers'])} with {plan['workers']} "
        f"workers, and {_bytes(plan['estimated_output_bytes'])} in the collection"
    )


def extraction_lines(done: Mapping[str, Any]) -> Iterator[str]:
    """Yields an extraction's lines."""
    plan = done["plan"]
    if plan["to_extract"] == 0:
        yield f"nothing to extract: {_count(plan['unchanged'], 'photo')} unchanged"
    else:
        yield (
            f"extracted {_count(done['extracted'], 'photo')}, {_count(done['faces'], 'face')} in "
            f"{_duration(done['seconds'])} ({done['items_per_second']:.1f} photos/s)"
        )
    notes = {
        "duplicates": done["duplicates"],
        "unchanged": plan["unchanged"] if plan["to_extract"] else 0,
        "given up": plan["given_up"],
        "vanished": plan["vanished"],
        "ignored": plan["ignored"],
    }
    if any(notes.values()):
        yield "  " + ", ".join(f"{count:,} {what}" for what, count in notes.items() if count)
    if done["quarantined"]:
        reasons = ", ".join(f"{count} {reason}" for reason, count in done["reasons"].items())
        yield f"  {done['quarantined']:,} failed: {reasons}"
    for folder in plan["unreadable_folders"]:
        yield f"  unreadable folder: {folder}"


def index_lines(index: Mapping[str, Any]) -> Iterator[str]:
    """Yields the lines of an index."""
    state = "unchanged" if index["unchanged"] else "built"
    kind = index["config"]["kind"]
    yield f"index {state}: {_count(index['faces'], 'face')}, {index['dimension']}-d, {kind}"


def people_lines(summary: Mapping[str, Any]) -> Iterator[str]:
    """Yields the lines of clusters and people."""
    clusters, people = summary["clusters"], summary["people"]
    yield (
        f"{_count(people['active'], 'person', 'people')} of two faces or more among "
        f"{_count(clusters['faces'], 'face')}; {_count(clusters['alone'], 'face')} not grouped, "
        f"{clusters['below_gate']:,} of them too small, cut off or unsure for it; largest person "
        f"{_count(clusters['largest'], 'face')}" + (" (unchanged)" if people["unchanged"] else "")
    )
    if people["merged"] or people["dissolved"]:
        yield f"  earlier people: {people['merged']:,} merged, {people['dissolved']:,} dissolved"
    if clusters["from_scratch_advised"]:
        yield (
            "  the number of faces has doubled since the longest link was chosen: "
            "`facebatch cluster --from-scratch` chooses it anew"
        )


def run_lines(summary: Mapping[str, Any]) -> Iterator[str]:
    """Yields a whole run's lines."""
    yield from extraction_lines(summary["extract"])
    yield from index_lines(summary["index"])
    yield from people_lines(summary)
    yield f"report: {summary['report']}"


def inspection_lines(summary: Mapping[str, Any]) -> Iterator[str]:
    """Yields what a collection holds."""
    yield f"collection {summary['name']} at {summary['url']}, {_bytes(summary['bytes'])}"
    media = summary["media"]
    yield (
        f"media    {sum(media.values()):,} items: {media['ok']:,} ok, "
        f"{media['duplicate']:,} duplicates, {media['quarantined']:,} failed"
    )
    yield f"faces    {summary['faces']:,} in {_count(summary['shards'], 'shard')}"
    for stage, generation in summary["generations"].items():
        yield f"{stage:<9}{generation or 'not made yet'}"
    if summary["people"] is not None:
        yield f"people   {summary['people']:,}, and {summary['alone']:,} faces on their own"
    for reason, count in summary["reasons"].items():
        yield f"failed   {count:,} {reason}"
    for failure in summary.get("failures", ()):
        yield f"  {failure['reason']:<14}{failure['root']}/{failure['path']}: {failure['message']}"
    yield f"settings {', '.join(f'{name} {value}' for name, value in summary['settings'].items())}"


def demo_lines(summary: Mapping[str, Any]) -> Iterator[str]:
    """Yields the demo's lines."""
    yield f"album: {summary['photos']} photos in {summary['album']}"
    yield from run_lines(summary["run"])
    scores = summary["scores"]
    yield (
        f"against the truth: {scores['found']} of {scores['faces']} faces found; people: pairwise "
        f"precision {scores['precision']:.3f}, recall {scores['recall']:.3f}, F {scores['f']:.3f}"
    )


def _count(number: int, noun: str, plural: str | None = None) -> str:
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def _bytes(count: float) -> str:
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.1f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
