from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from facebatch.report import collect, render
from facebatch.report import matches as desk
from facebatch.report import overview as view


def crowd(archive, people=4, each=6, alone=5):
    groups = [
        [archive.photo(f"{who}/{n}.jpg", 40 * who + n)[0] for n in range(each)]
        for who in range(people)
    ]
    for n in range(alone):
        archive.photo(f"alone{n}.jpg", 200 + 20 * n)
    return archive.commit().group(groups), groups


def assert_svgs_are_safe(page):
    for name, attributes in page.elements:
        if name in ("image", "use"):
            start = "data:image/" if name == "image" else "#"
            assert attributes["href"].startswith(start)
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_plots_show_the_plane_and_the_sizes(archive):
    page = crowd(archive)[0].page()
    assert "#glance" in {link["href"] for link in page.all("a")}
    assert "Faces on a plane (" in page.text
    assert "Sizes of people" in page.text
    assert "29 faces: the largest people in colour" in page.text
    assert page.all("image")
    assert_svgs_are_safe(page)


def test_nothing_is_drawn_before_the_first_grouping(archive):
    archive.photo("a.jpg", 0)
    page = archive.commit().page()
    assert not page.all("svg")
    assert "#glance" not in {link["href"] for link in page.all("a")}


def test_nobody_grouped_is_no_plot(archive):
    archive.photo("a.jpg", 0)
    page = archive.commit().group([]).page()
    assert not page.all("svg")


def test_one_person_with_one_face_is_drawn(archive):
    face = archive.photo("a.jpg", 0)
    page = archive.commit().group([face]).page()
    assert "Faces on a plane (PCA)" in page.text


def test_people_without_chips_are_drawn_without_pictures(archive_without_chips):
    page = crowd(archive_without_chips)[0].page()
    assert "Faces on a plane (" in page.text
    assert not page.all("img")
    assert not [one for one in page.all("image") if "jpeg" in one["href"]]


def test_the_same_collection_has_the_same_plots(archive):
    crowd(archive)
    snapshot = archive.collection.snapshot()
    first, second = (
        re.findall(r"<svg.*?</svg>", render(collect(archive.collection, snapshot)))
        for _ in range(2)
    )
    assert first
    assert first == second


def test_samples_are_bounded(archive, monkeypatch):
    monkeypatch.setattr(view, "FACES_ON_PLANE", 16)
    monkeypatch.setattr(view, "FACES_PER_PERSON", 2)
    crowd(archive)
    data = collect(archive.collection, archive.collection.snapshot())
    plane = data.overview.plane
    assert len(plane.points) == 16
    assert set(plane.pictures) <= set(range(16))
    # A picture lies on a face of the person that it shows.
    assert sorted(plane.people[list(plane.pictures)]) == [0, 1, 2, 3]


def test_sizes_of_people_do_not_count_faces_on_their_own(archive):
    crowd(archive, people=3, each=2, alone=7)
    data = collect(archive.collection, archive.collection.snapshot())
    assert data.overview.sizes.tolist() == [2, 2, 2]


def test_history_is_drawn_from_the_second_grouping_on(archive):
    _, groups = crowd(archive)
    assert "The groupings that are kept" not in archive.page().text
    archive.group(groups[:2])
    page = archive.page()
    assert "The groupings that are kept" in page.text
    history = collect(archive.collection, archive.collection.snapshot()).overview.history
    assert [point.faces for point in history] == [29, 29]
    assert history[0].unclustered == pytest.approx(5 / 29)
    assert history[1].unclustered == pytest.approx(17 / 29)
    assert history[0].tau == 0.0925


def test_no_matches_no_section(archive):
    page = crowd(archive)[0].page()
    assert "#matches" not in {link["href"] for link in page.all("a")}
    assert "Matches" not in page.words


def test_matches_are_grouped_by_person_with_the_most_faces_first(archive):
    _, groups = crowd(archive)
    known = {
        **{face: {"person": "Ada", "score": 0.1} for face in groups[0][:2]},
        **{
            face: {"person": "Émile <b>", "score": 0.05 + n / 100}
            for n, face in enumerate(groups[1])
        },
        **{face: {} for face in groups[2]},
    }
    archive.identify(
        known, {"gallery": "s3://me:secret@host/g", "method": "both", "threshold": 0.2}
    )
    page = archive.page()
    assert "8 faces of 2 people in the gallery; 6 of nobody in it." in page.text
    assert "15 faces came since and weren't looked at." in page.text
    assert "secret" not in page.source
    assert "s3://host/g" in page.words
    assert "score is at most 0.2;" in page.text
    assert page.words.index("Émile <b>") < page.words.index("Ada")
    assert "Émile <b> 6 0.100 Ada 2 0.100" in page.text


def test_a_recognised_face_that_was_not_grouped_since_is_not_on_its_own(archive):
    _, groups = crowd(archive, people=2, each=3, alone=0)
    lone = archive.photo("lone.jpg", 300) + archive.photo("other.jpg", 200)
    archive.commit().group(groups)
    known = {lone[0]: {"person": "Ada", "score": 0.1}}
    archive.identify({**known, **{face: {} for face in (*groups[0], *groups[1], lone[1])}})
    page = archive.page()
    assert page.figure("faces recognised") == "1"
    assert page.figure("faces on their own") == "1"
    assert "1 face was recognised after the grouping" in page.text
    data = collect(archive.collection, archive.collection.snapshot())
    assert [face.path for face in data.sheets.loose] == ["other.jpg"]
    assert [(one.name, one.faces) for one in data.matches.people] == [("Ada", 1)]
    assert data.matches.alone == 1


def test_a_recognised_person_is_said_to_be_and_linked_from_the_matches(archive):
    _, groups = crowd(archive, people=2, each=3, alone=0)
    archive.group(groups, {0: {"name": "Ada", "named_by": "gallery"}})
    archive.identify({face: {"person": "Ada", "score": 0.1} for face in groups[0]})
    page = archive.page()
    assert "recognised" in page.words
    (sheet,) = (one["id"] for one in page.all("article", "person")[:1])
    assert f"#{sheet}" in {link["href"] for link in page.all("a")}


def test_a_match_leads_to_the_largest_person_of_its_name(archive):
    _, groups = crowd(archive, people=2, each=3, alone=2)
    called = {"name": "Ada", "named_by": "decision"}
    archive.group([groups[0], groups[1][:2]], {0: called, 1: called})
    archive.identify({face: {"person": "Ada", "score": 0.1} for face in groups[0]})
    page = archive.page()
    largest, smaller = (one["id"] for one in page.all("article", "person"))
    links = {link["href"] for link in page.all("a")}
    assert f"#{largest}" in links
    assert f"#{smaller}" not in links


def test_doubtful_matches_are_those_with_the_nearest_runner_up(archive, monkeypatch):
    monkeypatch.setattr(desk, "DOUBTFUL_SHOWN", 2)
    _, groups = crowd(archive)
    near = {
        face: {"person": "Ada", "score": 0.1, "runner_up": 0.1 + gap, "probability": 0.9}
        for face, gap in zip(groups[0][:4], (0.3, 0.01, 0.2, 0.1), strict=True)
    }
    only = {groups[1][0]: {"person": "Ada", "score": 0.1}}
    sure = {groups[1][1]: {"person": "Bo", "score": 0.1, "runner_up": 0.1, "probability": 0.999}}
    archive.identify({**near, **only, **sure})
    data = collect(archive.collection, archive.collection.snapshot())
    assert [one.face.path for one in data.matches.doubtful] == ["0/1.jpg", "0/3.jpg"]
    assert "0.100, the next 0.110, probability 0.90" in archive.page().text


def test_nobody_matched_and_vanished_faces_are_no_fault(archive):
    _, groups = crowd(archive)
    archive.identify({groups[0][0]: {}, b"\xff" * 16: {"person": "Ada"}})
    assert "0 faces of 0 people in the gallery; 1 of nobody in it." in archive.page().text
    archive.identify({})
    assert "0 faces of 0 people" in archive.page().text


def test_people_of_matches_are_bounded(archive, monkeypatch):
    monkeypatch.setattr(desk, "PEOPLE_SHOWN", 3)
    _, groups = crowd(archive)
    faces = np.concatenate([np.array(group, dtype=object) for group in groups]).tolist()
    archive.identify({face: {"person": f"Name {n}"} for n, face in enumerate(faces)})
    page = archive.page()
    assert "and 21 more people with fewer faces." in page.text
    assert "recognised after the grouping" not in page.text
    archive.group([faces[:3]])
    assert "21 faces were recognised after the grouping" in archive.page().text
    assert "Name 3" not in page.words


def test_warnings_of_the_clustering_are_shown_with_what_to_change(archive):
    archive, _ = crowd(archive)
    assert "--threshold" not in archive.page().text
    people = archive.collection.current("people")
    warning = {"figure": "wide_share", "value": 0.25, "most": 0.005, "advice": "try --threshold"}
    archive.collection.finish(
        replace(people, manifest=replace(people.manifest, health={"warnings": [warning]}))
    )
    assert "wide share is 25.0%, above 0.5%: try --threshold" in archive.page().text
