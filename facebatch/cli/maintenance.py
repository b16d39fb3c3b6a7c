"""The commands that keep a collection in shape: compact, check."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer

from facebatch.cli import options, output
from facebatch.cli.command import Command
from facebatch.storage.printable import count

DAMAGED_EXIT_CODE = 4
"""What `check` ends with when something is damaged."""

_PATHS_SHOWN = 20


def compact(
    collection: options.CollectionArgument,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be merged.")
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Merge small shards into large ones, and leave out rows that no longer count.

    Files of decisions become one. Faces, people and ids stay as they are. The old files are removed
    by a run a day later, for the sake of those who still read them.
    """
    from facebatch.collection import Collection
    from facebatch.collection.maintenance import compact as compact_collection
    from facebatch.people import recording

    opened = Collection.open(collection)
    done = compact_collection(opened, dry_run=dry_run)
    merged = 0 if dry_run else recording.merge(opened)
    summary = {**done.as_json(), "decision_files_merged": merged}
    output.emit(summary, _compacted(summary), as_json)


def check(
    collection: options.CollectionArgument,
    repair: Annotated[
        bool,
        typer.Option(
            "--repair",
            help="Remove what is damaged, so that the next run makes it anew, and what is of no "
            "use to anybody.",
        ),
    ] = False,
    deep: Annotated[bool, typer.Option("--deep", help="Decode every chip, not a few.")] = False,
    as_json: options.Json = False,
) -> None:
    """Verify a collection: every file, every id, every link; and say what would be repaired.

    Ends with exit code 0 when nothing is damaged and with 4 when something is, or was before it was
    repaired. Files that only wait to be swept are told and are no damage.
    """
    from facebatch.collection import integrity

    found = (integrity.repair if repair else integrity.check)(collection, deep=deep)
    summary = found.as_json()
    output.emit(summary, _checked(summary), as_json)
    if not found.is_sound:
        raise typer.Exit(DAMAGED_EXIT_CODE)


def _compacted(done: Mapping[str, Any]) -> Iterator[str]:
    would = "would become" if done["dry_run"] else "became"
    before, after = done["shards_before"], done["shards_after"]
    if before == after and not done["media_dropped"] and not done["faces_dropped"]:
        yield f"nothing to merge: {count(before, 'shard')}"
        return
    yield f"{count(before, 'shard')} {would} {after:,}"
    if done["bytes_after"] is not None:
        yield f"  {done['bytes_before']:,} bytes became {done['bytes_after']:,}"
    yield (
        f"  {count(done['media_dropped'], 'media row')} and "
        f"{count(done['faces_dropped'], 'face row')} that don't count left out"
    )


def _checked(summary: Mapping[str, Any]) -> Iterator[str]:
    yield (
        f"{count(summary['shards'], 'sound shard')}, "
        f"{count(summary['items'], 'item')}, {count(summary['faces'], 'face')}"
    )
    for problem in summary["problems"]:
        yield f"{problem['code']:<22}{problem['path']}: {problem['message']}"
        if problem["repair"]:
            yield f"{'':<22}{problem['repair']}"
    codes = Counter(problem["code"] for problem in summary["problems"])
    yield ", ".join(f"{number:,} {code}" for code, number in sorted(codes.items())) or "sound"
    for path in summary["repaired"][:_PATHS_SHOWN]:
        yield f"repaired: {path}"
    if len(summary["repaired"]) > _PATHS_SHOWN:
        yield f"repaired: {len(summary['repaired']) - _PATHS_SHOWN:,} more"


COMMANDS = (
    Command(compact, "facebatch compact ~/faces --dry-run"),
    Command(check, "facebatch check ~/faces --repair"),
)
