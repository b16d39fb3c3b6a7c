"""The command that takes a collection to another embedder: convert."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from facebatch.cli import options, output, progress
from facebatch.cli.command import Command
from facebatch.cli.settings_options import Asked, takes_settings
from facebatch.errors import UsageError
from facebatch.storage.printable import count


@takes_settings("embedder", "runner", "engine", "device", "workers", "threads")
def convert(
    asked: Asked,
    collection: options.CollectionArgument,
    *,
    output_url: options.Output,
    as_json: options.Json = False,
    verbose: options.Verbose = False,
) -> None:
    """Make a collection of the same faces with another embedder, from the chips that are stored.

    No photo is opened. Faces, people, names, decisions and what was erased are taken over; `run`
    or `cluster` then groups the faces anew, and a run extracts new photos with the new embedder.
    Stopped at any moment, the same command goes on where it was. The old collection stays.
    """
    output.quiet(verbose)
    from facebatch.collection import Collection
    from facebatch.jobs.convert import planned, run_convert

    embedder = asked.flags.get("embedder")
    if embedder is None:
        raise UsageError("convert needs --embedder NAME: `facebatch models list` shows which")
    settings = asked.run()
    source = Collection.open(collection)
    target = planned(source, output_url, asked.extract().embedder, settings)
    with progress.shown(not as_json) as show:
        done = run_convert(source, target, settings, show)
    output.emit(done.as_json(), _lines(done.as_json()), as_json)


def _lines(done: Mapping[str, Any]) -> Iterator[str]:
    yield (
        f"converted {count(done['faces'], 'face')} of {count(done['items'], 'item')} "
        f"from {done['from_embedder']} to {done['embedder']} in {done['seconds']:.1f} s"
    )
    if not done["same_template"]:
        yield (
            "  the two align faces differently, and the chips don't show all that the new one "
            "looks at: docs/models.md says what that costs"
        )
    yield (
        f"people and decisions were taken over: `facebatch cluster {done['collection']}` groups "
        "the faces by the new embedder"
    )


COMMANDS = (
    Command(convert, "facebatch convert ~/faces --output ~/faces-new --embedder mobilefacenet"),
)
