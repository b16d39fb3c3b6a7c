"""What undoing a decision says of its faces, where others were taken since."""

from __future__ import annotations

from collections.abc import Mapping

from facebatch.people.decisions import Concern, Decision
from facebatch.people.effective import EffectiveDecisions
from facebatch.people.identity import Person


def going_back(
    effective: EffectiveDecisions, target: Decision, known: Mapping[bytes, Person]
) -> tuple[tuple[Concern, ...], int]:
    """Returns what an undo of a decision says of its faces.

    Faces go back to whose they were before, but for those that a later decision moved: it was
    taken knowing of the first, and nobody undoes it. Those of somebody who was merged since go to
    whom that person leads to.

    Args:
        effective: What stands of all decisions.
        target: The decision that is to be undone.
        known: Everyone ever known, by person id.

    Returns:
        The faces, and how many that the decision moved stay because of later ones. Where any goes
        back, those that the decision left are among the faces, so that they aren't taken along.
    """
    later = [
        (each.kind, one)
        for each in _later(effective, target)
        for one in each.concerns
        if one.before != one.after
    ]
    rows = effective.located.rows
    held = {rows[one.face_id] for _, one in later if one.face_id in rows}
    merged = {one.before for kind, one in later if kind == "merge" and one.before is not None}
    heirs = {who: known[who].merged_into or who for who in merged if who in known}
    back = tuple(
        Concern(one.face_id, one.after, heirs.get(one.before or b"", one.before))
        for one in target.concerns
        if rows.get(one.face_id, -1) not in held
    )
    moved, going = (
        sum(one.before != one.after for one in concerns) for concerns in (target.concerns, back)
    )
    return back if going else (), moved - going


def _later(effective: EffectiveDecisions, target: Decision) -> list[Decision]:
    """Returns the decisions that stand and came after another.

    What undid one of those isn't among them: the two together say nothing.
    """
    # By undo, the decision that a chain of them goes back to; they come in the order of time.
    first: dict[str, str] = {}
    for one in effective.decisions:
        first[one.decision] = first.get(one.cancels, one.cancels) if one.cancels else one.decision
    begun = first[target.decision]
    return [
        one
        for one in effective.decisions
        if one.decision > target.decision
        and one.decision not in effective.cancelled
        and (one.kind != "undo" or first[one.decision] < begun)
    ]
