"""What the page of a clustering's scores says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from facebatch.evaluate.clusters import ClusterScores
from facebatch.report.evaluation import wording
from facebatch.report.evaluation.model import (
    ERRORS_SHOWN,
    Content,
    Details,
    Error,
    Face,
    Gallery,
    Line,
    Table,
)
from facebatch.report.html.words import count, size_range
from facebatch.report.plots import people as plots
from facebatch.report.plots.data import Chart

PICTURED, FACES_PICTURED = 12, 6
"""Errors of a kind whose faces are shown, and faces of each."""


def explain_clusters(scores: ClusterScores, details: Details) -> Content:
    """Returns what the page says; its details are those of `write_evaluation`."""
    tables, galleries = _errors(details)
    return Content(
        title="Clusters: are people kept together and apart?",
        summary=(
            f"{count(scores.faces, 'face')} of {count(scores.people, 'person', 'people')} were "
            f"grouped into {count(scores.clusters, 'cluster')}; {scores.unclustered:,} stayed on "
            "their own. Precision asks whether a cluster holds one person only, recall whether a "
            "person is in one cluster only.",
        ),
        headline={
            "precision of pairs": wording.percent(scores.pairwise.precision),
            "recall of pairs": wording.percent(scores.pairwise.recall),
            "clusters": f"{scores.clusters:,}",
            "faces on their own": f"{scores.unclustered:,}",
        },
        lines=_cluster_lines(scores),
        charts=tuple(_cluster_charts(details)),
        tables=(_size_table(scores), *tables),
        galleries=tuple(galleries),
    )


def _cluster_lines(scores: ClusterScores) -> tuple[Line, ...]:
    pairs, faces = scores.pairwise, scores.bcubed
    return (
        Line(
            "Pairwise precision",
            wording.percent(pairs.precision),
            "Of all pairs of faces in one cluster, the share that is of one person. Less means "
            "that people were merged.",
        ),
        Line(
            "Pairwise recall",
            wording.percent(pairs.recall),
            "Of all pairs of one person's faces, the share that is in one cluster. Less means that "
            "people were split. People with many faces weigh most.",
        ),
        Line("Pairwise F", f"{pairs.f:.3f}", "The harmonic mean of the two: low if either is low."),
        Line(
            "BCubed precision",
            wording.percent(faces.precision),
            "For the average face: the share of its cluster that is of its person.",
        ),
        Line(
            "BCubed recall",
            wording.percent(faces.recall),
            "For the average face: the share of its person that is in its cluster. Every face "
            "weighs the same here.",
        ),
        Line("BCubed F", f"{faces.f:.3f}", "The harmonic mean of the two."),
        Line(
            "V-measure",
            f"{scores.v_measure.v:.3f}",
            "How much clusters tell of people (homogeneity "
            f"{scores.v_measure.homogeneity:.3f}) and people of clusters (completeness "
            f"{scores.v_measure.completeness:.3f}); 1 is all. Many single faces look homogeneous.",
        ),
        Line(
            "Purity",
            wording.percent(scores.purity.purity),
            "Share of faces that are of the commonest person of their cluster.",
        ),
        Line(
            "Inverse purity",
            wording.percent(scores.purity.inverse_purity),
            "Share of faces that are in the cluster that holds most of their person.",
        ),
        Line(
            "Faces on their own",
            wording.percent(scores.unclustered_share),
            "Share of faces that joined no cluster: too far from all others, or too poor.",
        ),
    )


def _cluster_charts(details: Details) -> Iterator[Chart]:
    labels = details.get("labels")
    if labels is None or not len(labels):
        return
    labels = np.asarray(labels)
    sizes = np.unique(labels[labels >= 0], return_counts=True)[1]
    yield Chart(
        plots.cluster_sizes(sizes, "clusters"),
        "Sizes of clusters",
        "How many clusters have how many faces of known people. Faces on their own are in none, "
        "and not counted.",
    )
    if "truth" in details:
        true_sizes = np.unique(np.asarray(details["truth"]), return_counts=True)[1]
        yield Chart(
            plots.cluster_sizes(true_sizes, name="true-sizes"),
            "Sizes of people",
            "How many people truly have how many faces: what the plot beside it should look like.",
        )


def _size_table(scores: ClusterScores) -> Table:
    rows = tuple(
        (
            size_range(entry.smallest, entry.largest),
            f"{entry.clusters:,}",
            f"{entry.faces:,}",
            wording.percent(entry.purity),
        )
        for entry in scores.by_size
    )
    return Table(
        "By size of the cluster",
        "Purity is the share of faces that are of the commonest person of their cluster.",
        ("Faces", "Clusters", "Faces in them", "Purity"),
        rows,
    )


def _errors(details: Details) -> tuple[list[Table], list[Gallery]]:
    """Returns tables of the worst errors of both kinds, and their faces where photos are known."""
    if not {"labels", "truth"} <= details.keys():
        return [], []
    labels, truth = np.asarray(details["labels"]), np.asarray(details["truth"])
    rows = np.flatnonzero(labels >= 0)
    names: Sequence[str] = details.get("names", ())

    def person(number: int) -> str:
        return str(names[number]) if len(names) else str(number)

    mixed = _spread_over(labels[rows], truth[rows])
    split = _spread_over(truth[rows], labels[rows])
    tables = []
    if mixed:
        tables.append(
            Table(
                "Clusters that mix people",
                f"{wording.shown_of(len(mixed), 'cluster')} The worst have the most faces that "
                "aren't of their commonest person.",
                ("Cluster", "Faces", "People", "Not of the commonest"),
                tuple((str(one.name), *one.counts) for one in mixed[:ERRORS_SHOWN]),
            )
        )
    if split:
        tables.append(
            Table(
                "People who are split",
                f"{wording.shown_of(len(split), 'person', 'people')} The worst have the most faces "
                "outside the cluster that holds most of them; faces on their own aren't counted.",
                ("Person", "Faces", "Clusters", "Not in the largest"),
                tuple((person(one.name), *one.counts) for one in split[:ERRORS_SHOWN]),
            )
        )
    if "photos" not in details:
        return tables, []
    cards = {
        "Faces of clusters that mix people": [
            (f"Cluster {one.name}", [(row, person(truth[row])) for row in rows[one.examples]])
            for one in mixed[:PICTURED]
        ],
        "Faces of people who are split": [
            (person(one.name), [(row, f"cluster {labels[row]}") for row in rows[one.examples]])
            for one in split[:PICTURED]
        ],
    }
    photos: Sequence[str] = details["photos"]
    wanted = {photos[row] for kind in cards.values() for _, faces in kind for row, _ in faces}
    chips = details["chips_of"](sorted(wanted)) if "chips_of" in details else {}
    text = "A face of each of the parts, the largest first."
    galleries = [
        Gallery(title, text, tuple(_error(name, faces, photos, chips) for name, faces in kind))
        for title, kind in cards.items()
        if kind
    ]
    return tables, galleries


def _error(
    name: str,
    faces: Sequence[tuple[int, str]],
    photos: Sequence[str],
    chips: Mapping[str, bytes],
) -> Error:
    shown = (Face(role, photos[row], chips.get(photos[row])) for row, role in faces)
    return Error(name, tuple(shown))


@dataclass(frozen=True)
class _Spread:
    """A group whose members are in several parts.

    Args:
        name: The group's number.
        counts: Members, parts and members outside the largest part, as shown.
        examples: A member of each of the largest parts, the largest first.
    """

    name: int
    counts: tuple[str, str, str]
    examples: npt.NDArray[np.intp]


def _spread_over(groups: npt.NDArray[Any], parts: npt.NDArray[Any]) -> list[_Spread]:
    """Returns the groups that have several parts, those with most outside the largest first."""
    names, group = np.unique(groups, return_inverse=True)
    _, part = np.unique(parts, return_inverse=True)
    cell, first, sizes = np.unique(
        np.stack([group, part]), axis=1, return_index=True, return_counts=True
    )
    members = np.bincount(group, minlength=len(names))
    n_parts = np.bincount(cell[0], minlength=len(names))
    largest = np.zeros(len(names), np.int64)
    np.maximum.at(largest, cell[0], sizes)
    outside = members - largest
    order = np.argsort(-outside, kind="stable")
    bounds = np.searchsorted(cell[0], np.arange(len(names) + 1))
    found = []
    for row in order[outside[order] > 0].tolist():
        mine = np.arange(bounds[row], bounds[row + 1])
        by_size = mine[np.argsort(-sizes[mine], kind="stable")][:FACES_PICTURED]
        counts = (f"{members[row]:,}", f"{n_parts[row]:,}", f"{outside[row]:,}")
        found.append(_Spread(int(names[row]), counts, first[by_size]))
    return found
