"""What an enrolment left out, and what to look at, in one summary for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from facebatch.storage.printable import count

_NAMED = 5
"""Names or photos that a line gives; --json has them all."""

_WHY = {
    "no_face": "without a face",
    "poor_quality": "with too poor a face",
    "none_agrees": "unlike the person's others",
    "several_people": "whose face several people's folders gave",
    "several_faces": "of several faces",
    "no_person": "in nobody's folder",
    "bad_name": "in folders whose names aren't UTF-8",
    "video": "that are videos",
    "several_names": "of a face with several names",
    "no_face_there": "with a name where no face was found",
    "bad_xmp": "whose XMP can't be read",
}


def enrolment_notes(summary: Mapping[str, Any]) -> Iterator[str]:
    """Yields what was left out and why, whom to look at, and how faces were chosen."""
    left_out, problems = summary["left_out"], summary["problems"]
    if left_out:
        whys = ", ".join(
            f"{number:,} {_WHY.get(code, f'unreadable ({code})')}"
            for code, number in left_out.items()
        )
        yield f"  left out {count(sum(left_out.values()), 'photo')}: {whys}"
    if nobody := [each["folder"] for each in problems if each["code"] == "nobody_enrolled"]:
        yield f"  nobody enrolled for {_some(nobody)}"
    disagreeing = [each for each in problems if each["code"] == "photos_disagree"]
    for are_enrolled in (False, True):
        is_so = [e["folder"] for e in disagreeing if bool(e["enrolled"]) == are_enrolled]
        if is_so:
            what = "were enrolled as they are" if are_enrolled else "gave nobody"
            yield f"  the photos of {_some(is_so)} disagree and {what}: look at them"
    if unlike := summary["unlike_the_others"]:
        places = [f"{each['name']} ({each['source']})" for each in unlike]
        entries = f"{len(unlike):,} unlike the person's other entries"
        yield f"  {entries}, and don't vote: {_some(places)}"
    if disagree := summary["disagree"]:
        yield f"  the entries of {_some(disagree)} disagree: look at them"
    enrolled = sum(each["code"] == "several_faces" and each["enrolled"] for each in problems)
    if enrolled:
        photos, chosen = count(enrolled, "photo"), _CHOSEN[summary["face"]]
        yield f"  {photos} with several faces: {chosen} was enrolled"
    if left_out or enrolled:
        yield "  --json lists them photo by photo"


_CHOSEN = {
    "consensus": "the one that recurs through the person's photos",
    "largest": "the largest",
    "central": "the one nearest the centre",
}


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
