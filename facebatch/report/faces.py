"""The part of the page that shows faces: people's contact sheets."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator

from facebatch.report.data import ReportData
from facebatch.report.html.elements import Html, tag
from facebatch.report.html.words import SHORT_ID, count, moment, person_name, span
from facebatch.report.sheets import PersonSheet, Sheets, ShownFace

_LARGE = 13
"""Faces beside the cover from which on a sheet takes the page's full width."""


_FEW = 3
"""Faces up to which they stand beside the cover."""


def people_section(data: ReportData) -> Html:
    """Returns the section with everybody's contact sheet."""
    sheets = data.sheets
    hidden = sheets.active - len(sheets.people)
    former = [
        count(number, "earlier person", "earlier people") + f" {became}"
        for number, became in (
            (sheets.merged, "merged into others"),
            (sheets.dissolved, "dissolved"),
        )
        if number
    ]
    return tag(
        "section",
        tag("h2", "People"),
        tag("p", _summary(sheets)),
        tag("p", f"{', '.join(former)}.", class_="soft") if former else None,
        tag("div", [_person(sheet, data) for sheet in sheets.people], class_="people")
        if sheets.people
        else None,
        tag("p", f"and {count(hidden, 'more person', 'more people')} with fewer faces.")
        if hidden
        else None,
        id="people",
    )


def _summary(sheets: Sheets) -> str:
    if not sheets.grouped:
        return "Not grouped yet."
    if not sheets.active:
        return "No two faces were alike enough to be one person."
    named = sum(sheet.name is not None for sheet in sheets.people)
    everyone = count(sheets.active, "person", "people")
    names = f", {named:,} of those shown with a name" if named else ""
    return f"{everyone}{names}; those with the most faces come first."


def _person(sheet: PersonSheet, data: ReportData) -> Html:
    cover = sheet.cover
    images = [face_image(face) for face in sheet.others]
    chips = tag("div", images, class_="chips") if images else None
    beside_cover = len(images) <= _FEW
    texts = tag(
        "div",
        tag("h3", tag("bdi", person_name(sheet.name, sheet.person_id))),
        tag("p", _facts(sheet, data), class_="soft small"),
        tag("p", "for example ", tag("bdi", f"{cover.root}/{cover.path}"), class_="small")
        if cover.jpeg is None
        else None,
        chips if beside_cover else None,
    )
    return tag(
        "article",
        tag("header", face_image(cover, class_="cover"), texts),
        None if beside_cover else chips,
        class_="person large" if len(images) >= _LARGE else "person",
        id=f"person-{sheet.person_id}",
    )


def _facts(sheet: PersonSheet, data: ReportData) -> Iterator[Html]:
    """Yields what is known of a person, each fact in an element that isn't broken over lines."""
    facts = [f"{count(sheet.faces, 'face')} in {count(sheet.media, 'photo')}"]
    if sheet.captured:
        facts.append(span(*sheet.captured))
    shown = 1 + len(sheet.others)
    if data.has_chips and shown < sheet.faces:
        facts.append(f"{shown} shown")
    if sheet.name:
        facts.append(sheet.person_id[:SHORT_ID])
    for fact in facts:
        yield tag("span", fact, class_="fact")
    if sheet.spread is not None:
        wide = data.widest is not None and sheet.spread > data.widest
        yield tag("span", f"spread {sheet.spread:.3f}", class_="fact wide" if wide else "fact")


def face_image(face: ShownFace, class_: str | None = None) -> Html | None:
    """Returns a face's picture, titled with where it is from; None where there is none."""
    if face.jpeg is None:
        return None
    origin = f"{face.root}/{face.path}"
    taken = f", {moment(face.captured_at)}" if face.captured_at else ""
    return tag(
        "img",
        src=f"data:image/jpeg;base64,{b64encode(face.jpeg).decode()}",
        alt=f"Face in {origin}",
        title=origin + taken,
        class_=class_,
        decoding="async",
    )
