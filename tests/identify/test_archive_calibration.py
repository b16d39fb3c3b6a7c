"""An archive's own faces tell how near impostors come, whoever of them are mated."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from facebatch.errors import UsageError
from facebatch.identify.archive_calibration import (
    LEAST_FACES,
    LEAST_PEOPLE,
    archive_tail,
    check_people,
)
from facebatch.identify.classifier import Model, fit
from facebatch.identify.thresholds import threshold_for

DIMENSION = 128
Faces = npt.NDArray[np.float32]


def anybody(random: np.random.Generator, count: int) -> Faces:
    faces = random.normal(size=(count, DIMENSION))
    return (faces / np.linalg.norm(faces, axis=1, keepdims=True)).astype(np.float32)


def gallery(random: np.random.Generator, people: int) -> Model:
    return fit("centroid", anybody(random, people), [f"{n:03}" for n in range(people)])


def archive(random: np.random.Generator, model: Model, count: int, mated: float) -> Faces:
    """Faces of which a share are the gallery's people, at a d2 of about 0.5 to their entry."""
    faces = anybody(random, count)
    known = int(mated * count)
    faces[:known] = (
        faces[:known] * 0.7 + model.entries[random.integers(0, len(model.people), known)]
    )
    return (faces / np.linalg.norm(faces, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("mated", [0.0, 0.5, 0.7])
@pytest.mark.parametrize("people", [10, 100])
def test_the_stated_rate_is_kept_by_impostors_who_were_not_in_the_archive(
    people: int, mated: float
) -> None:
    random = np.random.default_rng(people)
    model = gallery(random, people)
    faces = archive(random, model, 1_000, mated)
    tail = archive_tail(model.best(faces, 2).scores, np.arange(1_000), "centroid", people)
    assert tail is not None
    calibration = tail.calibration("centroid", "mine", "mirror", "a space")
    impostors = model.best(anybody(random, 20_000), 1).scores[:, 0]
    for rate in (0.1, 0.01):
        threshold, source = threshold_for(calibration, "centroid", people, fpir=rate)
        seen = float((impostors <= threshold).mean())
        assert rate / 10 < seen < 1.5 * rate
        assert "this archive's own impostors" in source
    told = tail.at(threshold)
    assert told["fpir_low"] <= told["fpir"] <= told["fpir_high"]
    assert abs(told["faces"] - (1 - mated) * 1_000) < 30


def test_a_small_archive_is_stricter_since_its_interval_is_wider() -> None:
    random = np.random.default_rng(4)
    model = gallery(random, 20)
    scores = model.best(anybody(random, 3_000), 2).scores
    tails = [archive_tail(scores[:n], np.arange(n), "centroid", 20) for n in (120, 3_000)]
    few, many = (tail.thresholds(0.01) for tail in tails if tail)
    assert np.ptp(np.quantile(few, [0.1, 0.9])) > 2 * np.ptp(np.quantile(many, [0.1, 0.9]))


def test_one_person_under_two_names_makes_it_stricter_and_never_laxer() -> None:
    random = np.random.default_rng(5)
    entries = anybody(random, 30)
    once = fit("centroid", entries, [f"{n:03}" for n in range(30)])
    again = fit("centroid", np.concatenate([entries, entries[:1]]), [f"{n:03}" for n in range(31)])
    faces = archive(random, once, 600, 0.5)
    found = []
    for model in (once, again):
        people = len(model.people)
        tail = archive_tail(model.best(faces, 2).scores, np.arange(600), "centroid", people)
        assert tail is not None
        found.append(float(tail.thresholds(0.01)[0]))
    assert found[1] < found[0] + 0.01


def test_too_little_tells_nothing() -> None:
    scores = np.ones((LEAST_FACES, 2), np.float32)
    photos = np.arange(LEAST_FACES)
    assert archive_tail(scores[1:], photos[1:], "centroid", 20) is None
    assert archive_tail(scores, photos, "knn", 20) is None
    assert archive_tail(scores, photos, "centroid", LEAST_PEOPLE - 1) is None
    scores[:, 0] = 0.1  # everybody is somebody
    assert archive_tail(scores, photos, "centroid", 20) is None
    with pytest.raises(UsageError, match="are needed"):
        check_people(LEAST_PEOPLE - 1)
