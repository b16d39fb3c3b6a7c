"""What `facebatch inspect` prints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from facebatch.cli.output import bytes_text, health_lines, ignored_lines, shot_lines
from facebatch.storage.printable import count


def inspection_lines(summary: Mapping[str, Any]) -> Iterator[str]:
    """Yields what a collection holds."""
    yield f"collection {summary['name']} at {summary['url']}, {bytes_text(summary['bytes'])}"
    media = summary["media"]
    yield (
        f"media    {count(sum(media.values()), 'item')}: {media['ok']:,} ok, "
        f"{count(media['duplicate'], 'duplicate')}, {media['quarantined']:,} failed, "
        f"{media['vanished']:,} vanished"
    )
    yield from shot_lines(summary["shots"], "shots    ")
    yield f"faces    {summary['faces']:,} in {count(summary['shards'], 'shard')}"
    if summary["converted_from"]:
        yield f"chips    of a collection with the embedder {summary['converted_from']['embedder']}"
    for stage, generation in summary["generations"].items():
        yield f"{stage:<9}{generation or 'not made yet'}"
    if summary["people"] is not None:
        yield f"people   {summary['people']:,}, and {_alone(summary['unclustered'])}"
    yield from health_lines(summary["health"])
    for reason, number in summary["reasons"].items():
        yield f"failed   {number:,} {reason}"
    for failure in summary.get("failures", ()):
        yield f"  {failure['reason']:<14}{failure['root']}/{failure['path']}: {failure['message']}"
    sources = summary["sources"]
    for name, url in sources["roots"].items():
        yield f"root     {name} at {url}"
    if sources["exclude"]:
        yield f"exclude  {', '.join(sources['exclude'])}"
    if sources["follow_links"]:
        yield "links    to folders are followed"
    yield from ignored_lines(sources["ignored"] or ())
    if summary["incomplete"]:
        yield f"noted    {count(summary['incomplete'], 'photo')} cut off, decoded as far as they go"
    for noted in summary.get("notes", ()):
        yield f"  {noted['root']}/{noted['path']}: {noted['message']}"
    yield f"settings {', '.join(f'{name} {value}' for name, value in summary['settings'].items())}"


def _alone(faces: int) -> str:
    return f"{count(faces, 'face')} on {'its' if faces == 1 else 'their'} own"
