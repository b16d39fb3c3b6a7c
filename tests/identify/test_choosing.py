"""Which face of each photo a person is known by, and what a folder leaves out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from support.synthetic import at_angles

from facebatch.errors import UsageError
from facebatch.identify.choosing import PhotoFaces, Rule, choose_enrolled

SMALL_IN_THE_MIDDLE = (90.0, 40.0, 110.0, 60.0)
LARGE_ASIDE = (120.0, 10.0, 190.0, 90.0)
WIDTH, HEIGHT = 200, 100

ANN, BOB, CHILD, WALL = 0.0, 60.0, 120.0, 200.0
"""Where people lie on a circle, in degrees: far from each other."""


def near(pairs: int) -> float:
    """Within 15 degrees, whatever the number of pairs."""
    assert pairs >= 1
    return 0.07


def photo(
    *faces: tuple[float, tuple[float, float, float, float]], good: Sequence[bool] = ()
) -> PhotoFaces:
    """A photo of faces, each an angle and a box."""
    photo.made += 1  # type: ignore[attr-defined]
    boxes = np.array([box for _, box in faces], np.float32).reshape(-1, 4)
    return PhotoFaces(
        f"{photo.made}.jpg",  # type: ignore[attr-defined]
        boxes,
        np.linspace(1, 0.99, len(faces), dtype=np.float32),
        WIDTH,
        HEIGHT,
        np.array(good or [True] * len(faces), np.bool_),
        at_angles(*(angle for angle, _ in faces)),
    )


photo.made = 0  # type: ignore[attr-defined]


def chosen(photos: Sequence[PhotoFaces], rule: Rule = "consensus", **how: bool) -> list[float]:
    """Returns who was enrolled of each photo, in degrees."""
    choices, _ = choose_enrolled("Ann", photos, rule, limit=near, **how)
    vectors = [photos[choice.photo].embeddings[choice.face] for choice in choices]
    return [round(float(np.degrees(np.arctan2(y, x)) % 360)) for x, y in vectors]


def codes(photos: Sequence[PhotoFaces], rule: Rule = "consensus", **how: bool) -> list[str]:
    return [each.code for each in choose_enrolled("Ann", photos, rule, limit=near, **how)[1]]


def test_whoever_recurs_is_enrolled_though_others_are_nearer_the_centre_or_larger() -> None:
    photos = [
        photo((BOB, SMALL_IN_THE_MIDDLE), (ANN, LARGE_ASIDE)),
        photo((ANN + 3, SMALL_IN_THE_MIDDLE), (CHILD, LARGE_ASIDE)),
        photo((ANN + 5, LARGE_ASIDE)),
        photo((WALL, SMALL_IN_THE_MIDDLE), (ANN + 1, LARGE_ASIDE)),
    ]
    assert chosen(photos) == [ANN, ANN + 3, ANN + 5, ANN + 1]
    assert codes(photos) == ["several_faces"] * 3


def test_a_photo_without_whoever_recurs_gives_nothing() -> None:
    photos = [photo((ANN, LARGE_ASIDE)), photo((CHILD, LARGE_ASIDE)), photo((ANN, LARGE_ASIDE))]
    assert chosen(photos) == [ANN, ANN]
    assert codes(photos) == ["none_agrees"]


def test_of_a_single_photo_the_largest_good_face_is_enrolled() -> None:
    faces = [(BOB, SMALL_IN_THE_MIDDLE), (ANN, LARGE_ASIDE)]
    assert chosen([photo(*faces)]) == [ANN]
    assert chosen([photo(*faces, good=[True, False])]) == [BOB]
    assert chosen([photo(*faces)], "central") == [BOB]


def test_faces_too_poor_to_tell_are_neither_enrolled_nor_asked() -> None:
    poor = photo((BOB, LARGE_ASIDE), good=[False])
    photos = [photo((ANN, LARGE_ASIDE)), poor, poor, photo()]
    assert chosen(photos) == [ANN]
    assert codes(photos) == ["poor_quality", "poor_quality", "no_face"]


def test_three_photos_that_disagree_give_nobody_and_one_problem_says_so() -> None:
    photos = [photo((who, LARGE_ASIDE)) for who in (ANN, BOB, CHILD)]
    assert chosen(photos) == []
    assert codes(photos) == ["none_agrees"] * 3 + ["photos_disagree"]


def test_two_photos_that_disagree_give_the_only_face_of_each() -> None:
    photos = [photo((ANN, LARGE_ASIDE)), photo((BOB, LARGE_ASIDE), (CHILD, SMALL_IN_THE_MIDDLE))]
    assert chosen([*photos[:1], photo((BOB, LARGE_ASIDE))]) == [ANN, BOB]
    assert chosen(photos) == [ANN]
    assert codes(photos) == ["none_agrees", "photos_disagree"]


def test_of_two_who_recur_the_one_who_is_larger_more_often_is_meant() -> None:
    both = [photo((BOB, SMALL_IN_THE_MIDDLE), (ANN, LARGE_ASIDE)) for _ in range(2)]
    turned = photo((BOB, LARGE_ASIDE), (ANN, SMALL_IN_THE_MIDDLE))
    assert chosen([*both, turned]) == [ANN] * 3
    assert codes([both[0], turned])[-1] == "photos_disagree"


def test_strict_takes_nothing_of_photos_with_several_faces() -> None:
    photos = [photo((ANN, LARGE_ASIDE)), photo((ANN, LARGE_ASIDE), (BOB, SMALL_IN_THE_MIDDLE))]
    assert chosen(photos, strict=True) == [ANN]
    assert codes(photos, strict=True) == ["several_faces"]


@pytest.mark.parametrize("photos", [[], [photo()]])
def test_a_folder_that_gives_nobody_is_a_problem(photos: list[PhotoFaces]) -> None:
    choices, problems = choose_enrolled("Ann", photos, "largest")
    assert choices == []
    assert (problems[-1].code, problems[-1].folder) == ("nobody_enrolled", "Ann")


def test_consensus_needs_to_know_how_near_is_near() -> None:
    with pytest.raises(UsageError, match="consensus"):
        choose_enrolled("Ann", [photo((ANN, LARGE_ASIDE))])
