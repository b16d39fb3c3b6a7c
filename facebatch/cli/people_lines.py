"""What ``facebatch people`` prints: who there is, what was decided, and what came of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from facebatch.storage.printable import count

if TYPE_CHECKING:
    from facebatch.people.deciding import People
    from facebatch.stages.judged import Suggestion


def people_table(summary: Mapping[str, Any]) -> Iterator[str]:
    """Yields the people, one a line."""
    people = summary["people"]
    yield "person        faces  photos  mean d2  name"
    for person in people:
        spread = "" if person["mean_d2"] is None else f"{person['mean_d2']:.3f}"
        media = "" if person["media"] is None else f"{person['media']:,}"
        name = (person["name"] or "") + (" (hidden)" if person["hidden"] else "")
        yield (
            f"{person['person_id'][:12]}  {person['faces']:>5,}  {media:>6}  "
            f"{spread:>7}  {name}".rstrip()
        )
    if summary["of"] > len(people):
        yield f"and {summary['of'] - len(people):,} more"
    if summary["pending"]:
        yield (
            f"{count(summary['pending'], 'decision')} waiting for `facebatch people regroup`, "
            "or for the next run"
        )


def question(people: People, one: Suggestion) -> str:
    """Returns a suggestion in words."""
    if one.kind == "faces":
        whom = f"face {one.person_id.hex()[:12]}"
    else:
        first = people.known[one.person_id]
        whom = f"{people.shown(first)} ({count(len(people.faces_of(first)), 'face')})"
    other = one.other.hex()[:12]
    if one.kind == "people":
        person = people.known[one.other]
        named = f" {person.name}" if person.name else ""
        whose = f"{other}{named} ({count(len(people.faces_of(person)), 'face')})"
    else:
        whose = f"face {other}"
    return f"{one.probability:>11.1%}  {one.d2:.3f}  {whom}: {whose}"


def suggestion_lines(questions: Sequence[str]) -> Iterator[str]:
    """Yields whom to ask about, and how to answer."""
    if not questions:
        yield "nobody is likely the same as somebody else"
        return
    yield "probability  d2     person: who is likely the same"
    yield from questions
    yield (
        "yes: `facebatch people merge`, or `assign` for a person and a face; no: "
        "`facebatch people apart`"
    )


def portrait_lines(summary: Mapping[str, Any]) -> Iterator[str]:
    """Yields a person's faces, events and decisions."""
    name = f"{summary['name']}, " if summary["name"] else ""
    hidden = ", hidden" if summary["hidden"] else ""
    faces = count(len(summary["faces"]), "face")
    yield f"{name}{summary['person_id']}: {faces}, the least typical first{hidden}"
    for face in summary["faces"]:
        yield f"  {face['face_id'][:12]}  {face['size']:>5.0f} px  {face['root']}/{face['path']}"
    for event in summary["events"]:
        who = event["person_id"][:12]
        other = f" {event['other_id'][:12]}" if event["other_id"] else ""
        yield (
            f"  {event['time']}  {who} {event['kind']}{other}, {count(event['faces'], 'face')}: "
            f"{event['reason']}"
        )
    yield from ledger_lines(summary["decisions"])
    if "sheet" in summary:
        yield f"contact sheet: {summary['sheet']}"


_SHOWN = 20
"""Decisions of a batch that are told one by one."""


def decision_lines(summary: Mapping[str, Any], url: str) -> Iterator[str]:
    """Yields what was decided and what came of it."""
    told = summary.get("decisions", [summary] if "message" in summary else [])
    for one in told[:_SHOWN]:
        recorded = f" (decision {one['decision']})" if one["decision"] else ""
        yield f"{one['message']}{recorded}"
        for note in one["notes"]:
            yield f"  {note}"
    if len(told) > _SHOWN:
        yield f"and {count(len(told) - _SHOWN, 'more decision')}; --json lists them all"
    if "followed" in summary:
        yield f"{count(summary['followed'], 'decision')} followed"
    if summary["pending"]:
        yield (
            f"{count(summary['pending'], 'decision')} recorded for later: "
            f"`facebatch people regroup {url}`, or the next run, lets the people follow"
        )
    people = summary["people"]
    if people is not None:
        yield f"{count(people['active'], 'person', 'people')} now, {people['hidden']:,} hidden"
    if summary["report_is_stale"]:
        yield f"report.html shows the people as they were: `facebatch report {url}` renews it"


def ledger_lines(decisions: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yields decisions, one a line, and which of their faces rest."""
    for one in decisions:
        names = count(len(one["names"]), "name") if one["names"] else None
        person = one["person"] or (one["person_id"] or "")[:12]
        what = " ".join(filter(None, (one["kind"], person, one["name"], names)))
        state = f" (undone by {one['cancelled_by']})" if one["cancelled_by"] else ""
        yield (
            f"  {one['time']}  decision {one['decision']}: {what}, "
            f"{count(one['faces'], 'face')}{state}"
        )
        gone = one["faces"] - one["found"] - one["resting"]
        if one["resting"]:
            faces = ", ".join(face[:12] for face in one["resting_faces"])
            yield (
                f"    at rest for {count(one['resting'], 'face')}, another face being in the "
                f"place: {faces}"
            )
        if gone:
            yield f"    {count(gone, 'face')} no longer there"
