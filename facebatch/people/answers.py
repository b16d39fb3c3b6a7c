"""Decisions as answers to the question whether two groups of faces are one person."""

from __future__ import annotations

import numpy as np

from facebatch.people.deciding import People
from facebatch.people.decisions import Decision
from facebatch.people.suggestions import Rows

_ANSWERING = frozenset({"merge", "assign", "apart"})


def answered(people: People, decision: Decision) -> list[tuple[Rows, Rows, bool]]:
    """Returns the pairs of groups that a decision says something of, and whether they are one.

    A group is the rows of its faces. A merger says that each of the others is the person, an
    assignment that each of the faces is; two who are kept apart aren't.

    Args:
        people: The people; whose a face was is what the decision says.
        decision: The decision.
    """
    if decision.kind not in _ANSWERING:
        return []
    rows = people.places.rows([one.face_id for one in decision.concerns])
    parts: dict[bytes, list[int]] = {}
    for one in decision.concerns:
        if one.face_id not in rows:
            continue
        whose = one.after if decision.kind == "apart" else one.before
        if decision.kind == "assign":
            if one.after != decision.person_id:
                continue  # of who lost the face, and keeps others
            whose = one.before if one.before == one.after else None
        parts.setdefault(whose or one.face_id, []).append(rows[one.face_id])
    groups = {who: np.array(found, np.int64) for who, found in parts.items()}
    first = decision.person_id if decision.person_id in groups else next(iter(groups), b"")
    mine = groups.pop(first, None)
    same = decision.kind != "apart"
    return [] if mine is None else [(mine, other, same) for other in groups.values()]
