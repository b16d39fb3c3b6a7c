"""Health: figures of a clustering, and warnings that say what to change."""

from __future__ import annotations

from typing import Any

import pytest

from facebatch.collection import ClustersManifest
from facebatch.people.health import (
    BOUNDS,
    FEW_FACES,
    FEW_GROUPS,
    WIDEST_SHOWN,
    examine,
    warning_text,
)


def clusters(**figures: Any) -> ClustersManifest:
    sound = {"faces": 1000, "clusters": 100, "unclustered": 300, "largest": 40}
    config = {"guard_factor": 1.5, "tau": 0.1}
    return ClustersManifest(**{**sound, "broke_photo_constraint": 0, "config": config, **figures})


def person(number: int, spread: float | None = 0.1, status: str = "active") -> dict[str, Any]:
    return {
        "person_id": bytes([number]) * 16,
        "name": None,
        "status": status,
        "faces": 9,
        "spread": spread,
    }


def warned(people: list[dict[str, Any]], **figures: Any) -> list[str]:
    return [one["figure"] for one in examine(people, clusters(**figures))["warnings"]]


def test_a_sound_clustering_has_figures_and_no_warning() -> None:
    health = examine([person(1), person(2), person(3, status="merged")], clusters())
    assert (health["people"], health["largest_share"]) == (2, 0.04)
    assert health["unclustered_share"] == health["alone_share"] == 0.3
    assert health["warnings"] == []


@pytest.mark.parametrize(
    ("figures", "figure"),
    [
        ({"unclustered": 900}, "unclustered_share"),
        ({"largest": 600}, "largest_share"),
        ({"broke_photo_constraint": 3}, "broke_photo_constraint_share"),
    ],
)
def test_what_is_out_of_bounds_is_said(figures: dict[str, int], figure: str) -> None:
    assert warned([person(1)], **figures) == [figure]


def test_people_wider_than_the_guard_allows_are_said_and_the_widest_listed() -> None:
    people = [person(number, 0.01 * number) for number in range(1, 21)]
    health = examine(people, clusters())
    assert [one["figure"] for one in health["warnings"]] == ["wide_share"]
    assert health["wide_share"] == pytest.approx(5 / 20)
    widest = [one["mean_d2"] for one in health["widest"]]
    assert widest == sorted(widest, reverse=True)
    assert len(widest) == WIDEST_SHOWN


def test_a_handful_of_faces_is_no_reason_to_warn() -> None:
    few = {"faces": FEW_FACES - 1, "unclustered": FEW_FACES - 1, "largest": 0, "clusters": 0}
    assert warned([], **few) == []


def test_one_or_two_of_a_few_people_are_no_reason_to_warn() -> None:
    few = {"faces": FEW_FACES, "clusters": 30, "unclustered": 10, "largest": 9}
    for count, expected in ((FEW_GROUPS - 1, []), (FEW_GROUPS, ["wide_share"])):
        people = [person(number, 0.5 if number < count else 0.01) for number in range(30)]
        assert warned(people, **few) == expected
    assert warned([], **few, broke_photo_constraint=FEW_GROUPS - 1) == []
    assert warned([], **few, broke_photo_constraint=FEW_GROUPS) == ["broke_photo_constraint_share"]


def test_the_width_of_people_whom_a_user_decided_on_is_no_news() -> None:
    people = [person(number, 0.5) for number in range(5)]
    decided = [one["person_id"] for one in people[:4]]
    health = examine(people, clusters(), decided)
    assert health["warnings"] == []
    assert [one["person_id"] for one in health["widest"]] == [people[4]["person_id"].hex()]


def test_every_warning_says_what_to_change() -> None:
    for figure, bound in BOUNDS.items():
        warning = {"figure": figure, "value": 0.5, "most": bound.most, "advice": bound.advice}
        text = warning_text(warning)
        assert "--" in text
        assert "50.0%" in text
