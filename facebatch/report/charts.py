"""The plots of a collection's report, with what they are called and how to read them."""

from __future__ import annotations

from collections.abc import Iterator

from facebatch.report.html.words import count
from facebatch.report.overview import Overview, Plane
from facebatch.report.plots.data import Chart


def charts(overview: Overview) -> list[Chart]:
    """Returns the plots; none where there is nobody to draw."""
    drawable = overview.plane or (overview.sizes is not None and len(overview.sizes))
    return list(_charts(overview)) if drawable else []


def _charts(overview: Overview) -> Iterator[Chart]:
    from facebatch.report.plots import people

    plane = overview.plane
    if plane is not None:
        drawn = people.projection(
            plane.points, plane.people, plane.names, plane.pictures, plane.method
        )
        yield Chart(drawn, f"Faces on a plane ({plane.method})", _reading(plane))
    if overview.sizes is not None and len(overview.sizes):
        yield Chart(
            people.cluster_sizes(overview.sizes),
            "Sizes of people",
            "How many people have how many faces. Faces on their own are nobody, and not counted.",
        )
    if len(overview.history) > 1:
        yield Chart(
            people.history(overview.history),
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
        f"{how[plane.method]}"
    )
