"""The parts of the page that show matches against a gallery, and plots of the collection."""

from __future__ import annotations

from collections.abc import Iterator

from facebatch.report.data import ReportData
from facebatch.report.faces import face_image
from facebatch.report.html.document import plot_figure
from facebatch.report.html.elements import Html, tag
from facebatch.report.html.words import count
from facebatch.report.matches import DoubtfulMatch, MatchedPerson, Matches
from facebatch.report.overview import Overview, Plane


def has_charts(data: ReportData) -> bool:
    """Tells whether there is anything to draw."""
    overview = data.overview
    return bool(overview.planes or (overview.sizes is not None and len(overview.sizes)))


def charts_section(data: ReportData) -> Html | None:
    """Returns the section with the plots; None where there is nothing to draw."""
    if not has_charts(data):
        return None
    return tag(
        "section",
        tag("h2", "At a glance"),
        tag("ul", [tag("li", warning) for warning in data.overview.warnings])
        if data.overview.warnings
        else None,
        tag("div", list(_figures(data.overview)), class_="plots"),
        id="glance",
    )


def _figures(overview: Overview) -> Iterator[Html]:
    from facebatch.report.plots import people

    for plane in overview.planes:
        drawn = people.projection(
            plane.points, plane.people, plane.names, plane.pictures, plane.method
        )
        yield plot_figure(drawn.svg(), f"Faces on a plane ({plane.method})", _reading(plane))
    if overview.sizes is not None and len(overview.sizes):
        yield plot_figure(
            people.cluster_sizes(overview.sizes, overview.alone).svg(),
            "Sizes of people",
            "How many people have how many faces; one face is a face on its own.",
        )
    if len(overview.history) > 1:
        yield plot_figure(
            people.history(overview.history).svg(),
            "The groupings that are kept",
            "Faces, people, share of faces on their own and tau, the longest link, at each.",
        )


def _reading(plane: Plane) -> str:
    how = {
        "PCA": "The two directions in which the faces differ most; most differences aren't in "
        "them, so people who overlap here may still be far apart.",
        "t-SNE": "Keeps near faces near one another; how far apart groups lie, and how large they "
        "are, means nothing.",
    }
    return (
        f"{count(len(plane.points), 'face')}: the largest people in colour, others grey. "
        f"{how.get(plane.method, '')}"
    )


def matches_section(data: ReportData) -> Html | None:
    """Returns the section on matches; None where nobody was looked for."""
    matches = data.matches
    if matches is None:
        return None
    hidden = matches.found - len(matches.people)
    return tag(
        "section",
        tag("h2", "Matches"),
        tag("p", *_summary(matches)),
        tag("p", *_how(matches), class_="soft small"),
        tag("div", [_person(one) for one in matches.people], class_="people")
        if matches.people
        else None,
        tag("p", f"and {count(hidden, 'more person', 'more people')} with fewer faces.")
        if hidden
        else None,
        list(_doubtful(matches)),
        id="matches",
    )


def _summary(matches: Matches) -> Iterator[str]:
    people = count(matches.found, "person", "people")
    yield f"{count(matches.matched, 'face')} of {people} in the gallery; "
    yield f"{matches.unknown:,} of nobody in it."
    if matches.not_looked_at:
        yield f" {count(matches.not_looked_at, 'face')} came since and weren't looked at."


def _how(matches: Matches) -> Iterator[str]:
    if matches.gallery is not None:
        yield "Gallery "
        yield tag("bdi", matches.gallery)
        yield ". "
    if matches.method is not None:
        yield f"Compared by {matches.method}. "
    if matches.threshold is not None:
        yield f"A face is somebody's when the score is at most {matches.threshold:.4g}; 0 is equal."


def _person(person: MatchedPerson) -> Html:
    images = [face_image(face) for face in person.shown if face.jpeg is not None]
    first = person.shown[0]
    return tag(
        "article",
        tag("h3", tag("bdi", person.name)),
        tag("p", _facts(person, len(images)), class_="soft small"),
        tag("div", images, class_="chips")
        if images
        else tag("p", "for example ", tag("bdi", f"{first.root}/{first.path}"), class_="small"),
        class_="person",
    )


def _facts(person: MatchedPerson, shown: int) -> Iterator[Html]:
    facts = [count(person.faces, "face"), f"farthest {person.farthest:.3f}"]
    if 0 < shown < person.faces:
        facts.insert(1, f"{shown} shown")
    for fact in facts:
        yield tag("span", fact, class_="fact")


def _doubtful(matches: Matches) -> Iterator[Html]:
    if matches.doubtful:
        yield tag("h3", "Most doubtful", class_="apart")
        yield tag(
            "p",
            "Faces whose second nearest person is hardly farther than the one they are taken for. "
            "Look here for mistakes first. A probability takes both answers as equally likely "
            "beforehand and knows nothing of the second person.",
        )
        yield tag("div", [_doubt(match) for match in matches.doubtful], class_="doubts")


def _certainty(probability: float) -> str:
    # Nearly certain isn't certain.
    return "above 0.99" if probability > 0.99 else f"{probability:.2f}"


def _doubt(match: DoubtfulMatch) -> Html:
    sure = "" if match.probability is None else f", probability {_certainty(match.probability)}"
    return tag(
        "article",
        face_image(match.face),
        tag(
            "div",
            tag("p", tag("bdi", match.name)),
            tag(
                "p",
                f"{match.score:.3f}, the next {match.runner_up:.3f}{sure}",
                class_="soft small",
            ),
            tag("p", tag("bdi", f"{match.face.root}/{match.face.path}"), class_="soft small"),
        ),
        class_="doubt",
    )
