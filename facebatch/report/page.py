"""The page: a pure function from what a report says to one HTML document."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from facebatch.models.registry import Model
from facebatch.report.charts import charts_section, has_charts, matches_section
from facebatch.report.data import FailedItem, FailureGroup, ReportData, SettingsGroup, Totals
from facebatch.report.faces import face_image, people_section
from facebatch.report.html.document import document
from facebatch.report.html.elements import Html, tag
from facebatch.report.html.words import count, moment, size, span
from facebatch.report.sheets import CANDIDATES_PER_PERSON

_ALL_OPEN = 12
"""Failures up to which their paths are shown without a click."""


def render(data: ReportData) -> str:
    """Returns the report as one HTML document that fetches nothing.

    Args:
        data: What it says.
    """
    return document(
        f"{data.name}: people in photos",
        _header(data),
        tag(
            "main",
            _processed(data),
            _failures(data),
            people_section(data),
            matches_section(data),
            charts_section(data),
            _alone(data),
            _settings(data),
            _reading(data),
        ),
    )


def _header(data: ReportData) -> Html:
    places = {
        "processed": "Processed",
        "failures": "Failures",
        "people": "People",
        **({"matches": "Matches"} if data.matches else {}),
        **({"glance": "At a glance"} if has_charts(data) else {}),
        "alone": "On their own",
        "settings": "Settings",
        "reading": "How to read this",
    }
    return tag(
        "header",
        tag("h1", tag("bdi", data.name)),
        tag(
            "p",
            f"Faces and people in the collection at {data.url}. Made {moment(data.made_at)} UTC by "
            f"facebatch {data.version}.",
            class_="soft small",
        ),
        tag("nav", [tag("a", text, href=f"#{place}") for place, text in places.items()]),
        [tag("p", text, class_="notice") for text in _notices(data)],
        _figures(data),
    )


def _notices(data: ReportData) -> Iterator[str]:
    sheets = data.sheets
    if not data.totals.items:
        yield "Nothing was extracted yet: the collection is empty."
    elif not data.totals.faces:
        yield "No face was found in these photos."
    elif not sheets.grouped:
        yield "The faces were not grouped into people yet: facebatch cluster does that."
    if sheets.grouped and (sheets.not_clustered or sheets.vanished):
        yield (
            "The people below are those of an earlier state of the collection: "
            f"{count(sheets.not_clustered, 'face')} came since, {count(sheets.vanished, 'face')} "
            "went. facebatch cluster brings them up to date."
        )
    if not data.has_chips and data.totals.faces:
        yield "The collection was made without chips (--no-chips), so there are no pictures here."


def _figures(data: ReportData) -> Html:
    totals, sheets = data.totals, data.sheets
    figures = {
        "photos processed": totals.ok + totals.duplicate,
        "faces": totals.faces,
        "people": sheets.active if sheets.grouped else None,
        "faces on their own": sheets.alone if sheets.grouped else None,
        "duplicates": totals.duplicate,
        "failures": totals.quarantined,
    }
    boxes = [
        tag("div", tag("dt", text), tag("dd", "—" if number is None else f"{number:,}"))
        for text, number in figures.items()
    ]
    return tag("dl", boxes, class_="figures")


def _processed(data: ReportData) -> Html:
    columns = ("Root", "Processed", "Faces", "Failed", "Duplicates", "Size")
    head = tag("thead", tag("tr", [tag("th", text, scope="col") for text in columns]))
    rows = [_totals_row(tag("bdi", name), totals) for name, totals in data.roots.items()]
    table = tag(
        "table",
        head,
        tag("tbody", rows),
        tag("tfoot", _totals_row("All", data.totals)) if len(rows) > 1 else None,
    )
    return tag(
        "section",
        tag("h2", "What was processed"),
        tag("div", table, class_="scroll") if rows else None,
        tag("p", _capture_times(data) if rows else "Nothing yet."),
        id="processed",
    )


def _capture_times(data: ReportData) -> str:
    if data.captured is None:
        return "No photo has a capture time."
    first, last, known = data.captured.first, data.captured.last, data.captured.known
    have = "has" if known == 1 else "have"
    return (
        f"Capture times run {span(first, last)}; "
        f"{count(known, 'photo')} of {data.totals.items:,} {have} one."
    )


def _totals_row(name: str, totals: Totals) -> Html:
    numbers = (
        totals.ok + totals.duplicate,
        totals.faces,
        totals.quarantined,
        totals.duplicate,
    )
    cells = [tag("td", f"{number:,}") for number in numbers]
    return tag("tr", tag("th", name, scope="row"), cells, tag("td", size(totals.bytes)))


def _failures(data: ReportData) -> Html:
    opened = data.totals.quarantined <= _ALL_OPEN
    groups = [_failure_group(group, opened=opened) for group in data.failures]
    return tag(
        "section",
        tag("h2", "What failed"),
        groups or tag("p", "Nothing failed." if data.totals.items else "Nothing yet."),
        id="failures",
    )


def _failure_group(group: FailureGroup, *, opened: bool) -> Html:
    messages = {item.message for item in group.items}
    shared = messages.pop() if len(messages) == 1 and len(group.items) > 1 else None
    more = group.count - len(group.items)
    summary = tag(
        "summary",
        tag("strong", f"{group.count:,} "),
        tag("code", group.reason),
        tag("span", group.meaning, class_="soft"),
    )
    return tag(
        "details",
        summary,
        tag("p", f"The next extraction tries {group.tried_again:,} of them again.")
        if group.tried_again
        else None,
        tag("p", "Message: ", tag("bdi", shared), class_="small") if shared else None,
        tag("ul", [_failed(item, shared) for item in group.items], class_="paths small"),
        tag("p", f"and {more:,} more: facebatch inspect --failures lists them all.", class_="small")
        if more
        else None,
        open="" if opened else None,
    )


def _failed(item: FailedItem, shared: str | None) -> Html:
    own = item.message if item.message != shared else ""
    return tag(
        "li",
        tag("bdi", f"{item.root}/{item.path}"),
        tag("span", tag("bdi", own), class_="soft") if own else None,
    )


def _alone(data: ReportData) -> Html:
    sheets = data.sheets
    total = sheets.alone if sheets.grouped else sheets.not_clustered
    faces = count(total, "face")
    if sheets.grouped:
        text = (
            f"{faces} had no other near enough to be the same person, or were too small, cut off "
            "or unsure to be compared."
        )
    else:
        text = f"{faces}, not grouped yet."
    images = [face_image(face) for face in sheets.loose if face.jpeg is not None]
    if 0 < len(images) < total:
        text += f" {len(images):,} of them, picked evenly:"
    return tag(
        "section",
        tag("h2", "Faces on their own" if sheets.grouped else "Faces"),
        tag("p", text if total else "None."),
        tag("div", images, class_="chips") if images else None,
        id="alone",
    )


def _settings(data: ReportData) -> Html:
    return tag(
        "section",
        tag("h2", "Settings"),
        tag("div", [_settings_group(group) for group in data.settings], class_="groups"),
        tag("div", [_model(model) for model in data.models], class_="groups"),
        id="settings",
    )


def _settings_group(group: SettingsGroup) -> Html:
    lines = [(setting.name.replace("_", " "), setting.value) for setting in group.settings]
    return tag("div", tag("h3", group.title), _definitions(lines))


def _model(model: Model) -> Html:
    hashes = [(f"sha256 of {file.name}", file.sha256) for file in model.files]
    lines = [("licence", model.licence), ("source", model.source), *hashes]
    title = tag("h3", f"{model.kind.capitalize()} {model.name}")
    return tag("div", title, _definitions(lines), class_="model")


def _definitions(lines: Sequence[tuple[str, str]]) -> Html:
    pairs = [(tag("dt", name), tag("dd", value)) for name, value in lines]
    return tag("dl", pairs, class_="settings small")


def _wide(data: ReportData) -> str:
    if data.widest is None:
        return "A large one"
    return f"One above {data.widest:.3g}, where groups are broken up before strays join them,"


def _reading(data: ReportData) -> Html:
    paragraphs = (
        "A person is a group of faces that a program found alike, not somebody it knows. It would "
        "rather show one person twice than two people as one; both happen. Blurred, small or "
        "averted faces, and people seen once, stay on their own.",
        "A sheet begins with its cover, the face nearest the mean of the person's faces. The "
        "others run evenly from the most typical to the least, so that a face that doesn't belong "
        f"shows at the end. Where a person has more than {CANDIDATES_PER_PERSON} faces, an even "
        f"sample of {CANDIDATES_PER_PERSON} stands for them. Point at a face to see its photo and "
        "capture time.",
        "Spread is the mean squared distance between a person's faces: 0 for the same picture "
        f"again and again. {_wide(data)} asks for a second look, and so do more faces than "
        "photos: few photos show somebody twice.",
        "A duplicate is a file with exactly the bytes of another; its faces count once. Capture "
        "times are what the cameras' own clocks said.",
        "Files that failed are left as they are and stop nothing. They are tried again when they "
        "change, and after some failures of their own accord.",
        "Pictures of faces are personal data. Hand this file on as you would the photos.",
    )
    return tag(
        "section",
        tag("h2", "How to read this"),
        [tag("p", text) for text in paragraphs],
        id="reading",
    )
