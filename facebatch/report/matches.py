"""Who of a gallery the faces are: the current matches, as a report shows them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from facebatch import tables
from facebatch.report.faces import FaceList, Rows, ShownFace
from facebatch.storage.urls import public_url

PEOPLE_SHOWN = 60
"""People of the gallery who are listed, those with the most faces first."""

DOUBTFUL_SHOWN = 24
"""Faces shown of those that might as well be somebody else."""

SURE = 0.99
"""Probability of a name from which on it isn't doubtful, whoever is second."""


@dataclass(frozen=True)
class MatchedPerson:
    """Somebody of the gallery who was found.

    Args:
        name: Their name.
        faces: Number of faces that are taken for them.
        farthest: The largest score among these.
    """

    name: str
    faces: int
    farthest: float


@dataclass(frozen=True)
class DoubtfulMatch:
    """A face whose second nearest person is hardly farther than the nearest.

    Args:
        face: The face.
        name: The person it is taken for.
        score: That person's score, lower being nearer.
        runner_up: The second nearest person's score.
        probability: Probability that the face is that person; None where it isn't known.
    """

    face: ShownFace
    name: str
    score: float
    runner_up: float
    probability: float | None


@dataclass(frozen=True)
class Matches:
    """The current matches.

    Args:
        gallery: Where the gallery lies, without any name and password; None where not stated.
        method: How faces were compared with it; None where not stated.
        threshold: Largest score at which a face is somebody; None where not stated.
        people: Those found, with the most faces first; at most `PEOPLE_SHOWN`.
        found: Number of people found.
        matched: Number of faces that are somebody.
        alone: How many of these belong to nobody yet, having been recognised since the grouping.
        unknown: Number of faces that are nobody.
        not_looked_at: Number of faces that came since.
        doubtful: The most doubtful of the faces that are somebody.
    """

    gallery: str | None
    method: str | None
    threshold: float | None
    people: tuple[MatchedPerson, ...]
    found: int
    matched: int
    alone: int
    unknown: int
    not_looked_at: int
    doubtful: tuple[DoubtfulMatch, ...]


@dataclass(frozen=True)
class MatchPlan:
    """Which faces the matches show, before any thumbnail is made.

    Args:
        recognised: (n,) whether each face is somebody of the gallery.
    """

    config: Mapping[str, Any]
    recognised: npt.NDArray[np.bool_]
    people: tuple[MatchedPerson, ...]
    found: int
    matched: int
    alone: int
    unknown: int
    not_looked_at: int
    doubtful: tuple[tuple[np.intp, dict[str, Any]], ...]

    @property
    def wanted(self) -> Rows:
        """Rows of all faces shown."""
        return np.array([row for row, _ in self.doubtful], np.intp)


def plan_matches(faces: FaceList, owned: npt.NDArray[np.bool_]) -> MatchPlan | None:
    """Chooses the faces that are shown; None where nobody was looked for.

    Args:
        faces: The snapshot's faces.
        owned: (n,) whether each face is some person's.

    Raises:
        CollectionError: The table can't be read.
    """
    collection = faces.collection
    current = collection.current("matches")
    if current is None:
        return None
    matches = tables.read(collection.storage, f"{current.folder}/matches.parquet", "matches")
    places = pc.index_in(faces.ids["face_id"], value_set=matches["face_id"].combine_chunks())
    rows = np.flatnonzero(places.is_valid().to_numpy())
    matches = matches.take(places.drop_null())
    known = matches["person"].is_valid().to_numpy()
    people = _people(matches.filter(pa.array(known)))
    recognised = np.zeros(len(faces), np.bool_)
    recognised[rows[known]] = True
    return MatchPlan(
        config=current.manifest.config,
        recognised=recognised,
        people=tuple(people[:PEOPLE_SHOWN]),
        found=len(people),
        matched=int(known.sum()),
        alone=int((~owned[rows[known]]).sum()),
        unknown=int((~known).sum()),
        not_looked_at=len(faces) - len(rows),
        doubtful=_doubtful(matches.filter(pa.array(known)), rows[known]),
    )


def make_matches(plan: MatchPlan, shown: Mapping[np.intp, ShownFace]) -> Matches:
    """Returns the matches that were planned, with the faces in the rows that the plan wants."""
    gallery, threshold = plan.config.get("gallery"), plan.config.get("threshold")
    return Matches(
        gallery=public_url(str(gallery)) if gallery is not None else None,
        method=plan.config.get("method"),
        threshold=float(threshold) if threshold is not None else None,
        people=plan.people,
        found=plan.found,
        matched=plan.matched,
        alone=plan.alone,
        unknown=plan.unknown,
        not_looked_at=plan.not_looked_at,
        doubtful=tuple(DoubtfulMatch(shown[row], **values) for row, values in plan.doubtful),
    )


def _people(known: pa.Table) -> list[MatchedPerson]:
    """Returns the people of some matches, those with the most faces first."""
    found = known.group_by("person").aggregate([("score", "count"), ("score", "max")])
    people = [
        MatchedPerson(row["person"], row["score_count"], row["score_max"])
        for row in found.to_pylist()
    ]
    return sorted(people, key=lambda person: (-person.faces, person.name))


def _doubtful(
    known: pa.Table, rows: npt.NDArray[np.intp]
) -> tuple[tuple[np.intp, dict[str, Any]], ...]:
    """Returns rows and figures of the unsure faces, those with the nearest two people first."""
    gaps = pc.subtract(known["runner_up"], known["score"]).fill_null(np.inf).to_numpy()
    gaps = np.where(known["probability"].fill_null(0).to_numpy() < SURE, gaps, np.inf)
    order = np.argsort(gaps, kind="stable")[:DOUBTFUL_SHOWN]
    order = order[np.isfinite(gaps[order])]
    chosen = known.select(["person", "score", "runner_up", "probability"]).take(order)
    named = chosen.rename_columns(["name", "score", "runner_up", "probability"]).to_pylist()
    return tuple(zip(rows[order], named, strict=True))
