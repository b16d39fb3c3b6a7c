"""What the commands print: summaries as text or JSON, quiet logs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import typer

from facebatch.cli.enrolment_lines import enrolment_notes
from facebatch.monitor import logs
from facebatch.storage.printable import count, duration, printable

if TYPE_CHECKING:
    from pathlib import Path


_STATES = ("to_extract", "unchanged", "given_up", "vanished", "excluded", "erased", "blocked")
"""What a photo or video may be to a plan."""

_IGNORED_KINDS = 8
"""Kinds of what wasn't looked at that are named in text."""


def quiet(verbose: bool) -> None:
    """Keeps other packages' messages off the terminal, unless they are asked for."""
    logs.configure("text", verbose)


def emit(summary: Mapping[str, Any], lines: Iterator[str], as_json: bool) -> None:
    """Prints a summary to standard output, as JSON or as lines for people."""
    if as_json:
        typer.echo(json.dumps(summary, indent=2))
        return
    for line in lines:
        typer.echo(printable(line))


def plan_lines(plan: Mapping[str, Any]) -> Iterator[str]:
    """Yields a dry run's lines."""
    yield f"to extract  {plan['to_extract']:>9,}  items, {bytes_text(plan['bytes'])}"
    for state in ("new", "changed", "retried", "reread"):
        yield f"  {state:<10}{plan[state]:>9,}"
    for state, meaning in (
        ("unchanged", "extracted already"),
        ("given_up", "failed before, and not tried again"),
        ("vanished", "extracted, and no longer there"),
        ("excluded", "extracted, and left out by a rule now"),
        ("erased", "erased, and not extracted again"),
        ("blocked", "not read, since what was erased in its place isn't known"),
        ("ignored", "not looked at"),
    ):
        yield f"{state.replace('_', ' '):<12}{plan[state]:>9,}  {meaning}"
    yield from ignored_lines(plan["ignored_kinds"])
    for folder in plan["unreadable_folders"]:
        yield f"unreadable   {folder}"
    yield (
        f"about {duration(plan['estimated_seconds'] / plan['workers'])} with {plan['workers']} "
        f"workers, and {bytes_text(plan['estimated_output_bytes'])} in the collection"
    )


def extraction_lines(done: Mapping[str, Any], roots: Sequence[str]) -> Iterator[str]:
    """Yields an extraction's lines."""
    plan = done["plan"]
    if not any(plan[state] for state in _STATES):
        yield f"no photos or videos in {', '.join(roots)}"
    elif plan["to_extract"] == 0:
        yield f"nothing to extract: {count(plan['unchanged'], 'item')} unchanged"
    else:
        yield (
            f"extracted {count(done['extracted'], 'item')}, {count(done['faces'], 'face')} in "
            f"{duration(done['seconds'])} ({done['items_per_second']:.1f} items/s)"
        )
    notes = {
        "duplicates": done["duplicates"],
        "moved": done["moved"],
        "touched": done["touched"],
        "unchanged": plan["unchanged"] if plan["to_extract"] else 0,
        "given up": plan["given_up"],
        "vanished": plan["vanished"],
        "excluded": plan["excluded"],
        "erased": plan["erased"],
        "blocked": plan["blocked"],
        "ignored": plan["ignored"],
    }
    if any(notes.values()):
        yield "  " + ", ".join(f"{count:,} {what}" for what, count in notes.items() if count)
    if plan["blocked"]:
        yield (
            "  blocked: files where something was erased whose content isn't known; under another "
            "name they are read"
        )
    yield from ignored_lines(plan["ignored_kinds"])
    if done["quarantined"]:
        reasons = ", ".join(f"{count} {reason}" for reason, count in done["reasons"].items())
        yield f"  {done['quarantined']:,} failed: {reasons}"
    yield from shot_lines(done["shots"], "  ")
    if done["noted"]:
        yield (
            f"  {count(done['noted'], 'item')} with a note, such as that a photo is cut off: see "
            "`facebatch inspect --failures`"
        )
    yield from small_lines(done["seen_small"])
    for folder in plan["unreadable_folders"]:
        yield f"  unreadable folder: {folder}"
    if "pruned" in done:
        yield f"  pruned {count(done['pruned']['items'], 'item')} that had vanished"


def small_lines(small: Mapping[str, int]) -> Iterator[str]:
    """Yields what photos showed too small, and what looks closer."""
    if small["smallest"]:
        yield (
            f"  {small['smallest']:,} of {count(small['faces'], 'face')} are at the smallest size "
            "that is found, in crowds: --tiles auto, in a new collection, looks closer"
        )
    if small["panoramas"]:
        yield (
            f"  {count(small['panoramas'], 'panorama')} seen as a whole, which shows their faces "
            "small: --tiles auto, in a new collection, looks closer"
        )


def shot_lines(shots: int, begin: str) -> Iterator[str]:
    """Yields how many shots have several files, if there are any."""
    if shots:
        files = "such as raw and JPEG, or a photo and its live video"
        yield f"{begin}{count(shots, 'pair')} of one shot, {files}: their faces count once"


def ignored_lines(kinds: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yields what wasn't looked at, by reason, with an example of each."""
    from facebatch.media.sources.ignored import Ignored, described

    for kind in kinds[:_IGNORED_KINDS]:
        part = Ignored.from_json(kind)
        example = f", such as {part.examples[0]}" if part.examples else ""
        yield f"  ignored: {described(part)}{example}"
    if len(kinds) > _IGNORED_KINDS:
        files = sum(kind["files"] for kind in kinds[_IGNORED_KINDS:])
        yield f"  ignored: {files:,} of {len(kinds) - _IGNORED_KINDS:,} more kinds (see --json)"


def index_lines(index: Mapping[str, Any]) -> Iterator[str]:
    """Yields the lines of an index."""
    state = "unchanged" if index["unchanged"] else "built"
    kind = index["config"]["kind"]
    yield f"index {state}: {count(index['faces'], 'face')}, {index['dimension']}-d, {kind}"


def people_lines(summary: Mapping[str, Any]) -> Iterator[str]:
    """Yields the lines of clusters and people."""
    clusters, people = summary["clusters"], summary["people"]
    size = clusters["largest"]
    largest = f"; the largest person has {count(size, 'face')}" if size else ""
    yield (
        f"{count(people['active'], 'person', 'people')}, {count(clusters['faces'], 'face')}; "
        f"{count(clusters['unclustered'], 'face')} left over ({clusters['below_gate']:,} too poor)"
        f"{largest}" + (" (unchanged)" if people["unchanged"] else "")
    )
    faces = people.get("changes", {})
    if faces.get("moved") or faces.get("left"):
        yield (
            f"  of the faces that were somebody's {faces['kept']:,} still are, "
            f"{faces['moved']:,} are another person's, {faces['left']:,} nobody's"
        )
    if people.get("resting"):
        yield (
            f"  {count(people['resting'], 'decided face')} at rest: another face took the place "
            "(`facebatch people decisions`)"
        )
    yield from health_lines(people.get("health"))
    if people["merged"] or people["dissolved"]:
        yield f"  earlier people: {people['merged']:,} merged, {people['dissolved']:,} dissolved"
    if clusters["from_scratch_advised"]:
        yield (
            "  the number of faces has doubled since the longest link was chosen: "
            "`facebatch cluster --from-scratch` chooses it anew"
        )


def health_lines(health: Mapping[str, Any] | None) -> Iterator[str]:
    """Yields a clustering's warnings, with what to do."""
    from facebatch.people.health import warning_text

    for warning in health["warnings"] if health else ():
        yield f"  check: {warning_text(warning)}"


def run_lines(summary: Mapping[str, Any], roots: Sequence[str]) -> Iterator[str]:
    """Yields a whole run's lines."""
    yield from extraction_lines(summary["extract"], roots)
    if not summary["index"]["faces"] and not any(summary["extract"]["plan"][s] for s in _STATES):
        return
    yield from index_lines(summary["index"])
    if "matches" in summary:
        yield from matches_lines(summary["matches"])
    yield from people_lines(summary)
    yield f"report: {summary['report']}"


def enrolment_lines(summary: Mapping[str, Any]) -> Iterator[str]:
    """Yields an enrolment's lines."""
    yield (
        f"{count(summary['added'], 'new entry', 'new entries')}; the gallery "
        f"{summary['gallery']} holds {count(summary['people'], 'person', 'people')} by "
        f"{count(summary['entries'], 'entry', 'entries')}"
    )
    yield from enrolment_notes(summary)


def gallery_lines(summary: Mapping[str, Any]) -> Iterator[str]:
    """Yields who is in a gallery."""
    people = summary["people"]
    calibrated = "calibrated" if summary["calibrated"] else "with the shipped thresholds"
    yield (
        f"gallery {summary['gallery']}: {count(len(people), 'person', 'people')}, "
        f"{summary['embedder']} with tta {summary['tta']}, {calibrated}"
    )
    for name, entries in people.items():
        unlike = summary["unlike_the_others"].get(name)
        note = f"  ({unlike:,} unlike the others, and don't vote)" if unlike else ""
        note = "  (its entries disagree)" if name in summary["disagree"] else note
        yield f"{entries:>6,}  {name}{note}"


def matches_lines(summary: Mapping[str, Any]) -> Iterator[str]:
    """Yields what an identification found."""
    config = summary["config"]
    state = " (unchanged)" if summary["unchanged"] else ""
    wrong = summary["expected_wrong"] or 0.0
    doubt = f"; about {wrong:.0f} may be impostors" if wrong >= 0.5 else ""
    yield (
        f"recognised {summary['matched']:,} of {count(summary['faces'], 'face')} "
        f"({summary['people']:,} of {count(summary['gallery_people'], 'person', 'people')})"
        f"{doubt}{state}"
    )
    limit = "" if config["fdr"] is None else f", and at most {config['fdr']:.2g} of the names wrong"
    yield (
        f"  by {config['method']}, accepted up to {config['threshold']:.4f} "
        f"({_short(config['threshold_source'])}){limit}"
    )
    if archive := summary.get("archive"):
        yield (
            f"  by this archive's own {archive['faces']:,} good faces {archive['fpir']:.2g} of the "
            f"impostors come so near ({archive['fpir_low']:.2g} to {archive['fpir_high']:.2g})"
        )


def _short(source: str) -> str:
    """Returns what a threshold is, without what it was measured on; JSON has that too."""
    return source.partition(": ")[0]


def search_lines(summary: Mapping[str, Any]) -> Iterator[str]:
    """Yields the faces that a search found."""
    yield from summary["notes"]
    yield f"searched {count(summary['searched'], 'face')}"
    yield "    d2  probability  person                            photo"
    for face in summary["results"]:
        likely = "" if face["probability"] is None else f"{face['probability']:.1%}"
        person = (face["person"] or "")[:32]
        yield f"{face['d2']:6.3f}  {likely:>11}  {person:<32}  {face['root']}/{face['path']}"


def verification_lines(summary: Mapping[str, Any]) -> Iterator[str]:
    """Yields an answer and how sure it is."""
    yield "same person" if summary["same"] else "different people"
    likely = summary["probability"]
    yield (
        f"  d2 {summary['d2']:.4f}, accepted up to {summary['threshold']:.4f} "
        f"({_short(summary['threshold_source'])})"
    )
    if likely is not None:
        yield f"  probability of the same person, if both are as likely beforehand: {likely:.1%}"
    for note in summary["notes"]:
        yield f"  {note}"


def calibration_lines(summary: Mapping[str, Any]) -> Iterator[str]:
    """Yields measured thresholds."""
    yield f"{summary['embedder']} with tta {summary['tta']}"
    for point in summary["far"]:
        yield _point_line("FAR", "TAR", point)
    for measured in summary["fpir"]:
        people = count(measured["people"], "person", "people")
        yield f"{measured['method']} against a gallery of {people}"
        for point in measured["points"]:
            yield _point_line("FPIR", "TPIR", point)
    if "gallery" in summary:
        yield f"kept with the gallery {summary['gallery']}"
    if "space_file" in summary:
        yield f"kept for every command in {summary['space_file']}"


def _point_line(rate: str, share: str, point: Mapping[str, Any]) -> str:
    if point["threshold"] is None:
        return f"  {rate} {point['rate']:<8g} not measured: {point['source']}"
    found = "" if point["found"] is None else f"  {share} {point['found']:.3f}"
    return f"  {rate} {point['rate']:<8g} accepted up to {point['threshold']:.4f}{found}"


def annotation_lines(summary: Mapping[str, Any]) -> Iterator[str]:
    """Yields what was drawn into copies of photos and videos."""
    for photo in summary["written"]:
        names = [face["name"] for face in photo["faces"] if face["name"] is not None]
        noun = "face"
        if photo["copy"].endswith(".mp4"):
            # Copies of videos alone are MP4 files; whoever leaves one and returns has two tracks.
            noun, names = "track", list(dict.fromkeys(names))
        named = f": {', '.join(names)}" if names else ""
        yield f"{photo['copy']}  {count(len(photo['faces']), noun)}{named}"
    for photo in summary["failed"]:
        yield f"left out: {photo['message']}"


def write_json(path: Path, summary: Mapping[str, Any]) -> None:
    """Writes a summary to a file.

    Raises:
        InputError: The file can't be written.
    """
    from facebatch.errors import InputError

    try:
        path.write_text(json.dumps(summary, indent=2) + "\n", "utf-8")
    except OSError as error:
        raise InputError(f"{path} can't be written: {error}") from error


def demo_lines(summary: Mapping[str, Any]) -> Iterator[str]:
    """Yields the demo's lines."""
    yield f"album: {summary['photos']} photos in {summary['album']}"
    yield from run_lines(summary["run"], ["album"])
    scores = summary["scores"]
    yield (
        f"against the truth: {scores['found']} of {scores['faces']} faces found; people: pairwise "
        f"precision {scores['precision']:.3f}, recall {scores['recall']:.3f}, F {scores['f']:.3f}"
    )


def bytes_text(count: float) -> str:
    """Returns a size in the largest unit that fits."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
