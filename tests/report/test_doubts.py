from __future__ import annotations

import re
import shlex
from dataclasses import replace

import pytest
from support.synthetic import at_angles

from facebatch.collection.sources import Sources
from facebatch.collection.summary import inspect_collection
from facebatch.report import REPORT, collect, doubts, write_report
from facebatch.report import faces as room
from facebatch.report.photos import link_of, retry_command
from facebatch.stages import likely_pairs

ORDER = ("people", "look", "failures", "matches", "glance", "unclustered", "processed", "settings")


def album(archive, folder=None):
    """Two people who may be one, one far away, one face on its own, and a failure."""
    places = {"near": 0, "next": 14, "far": 90}
    people = [
        [archive.photo(f"{who}/{n}.jpg", angle + n)[0] for n in range(4)]
        for who, angle in places.items()
    ]
    archive.photo("alone.jpg", 200)
    archive.failure("broken.jpg", "truncated", width=None)
    archive.commit().group(people, {0: {"name": "Ada"}})
    if folder is not None:
        Sources(roots={"photos": str(folder)}).write(archive.collection.storage)
    return archive, people


def collected(archive):
    return collect(archive.collection, archive.collection.snapshot(), likely_pairs)


def test_people_come_first_then_doubts_then_failures_and_settings_are_folded(archive):
    _, people = album(archive)
    doubtful = {"person": "Ada", "score": 0.1, "runner_up": 0.11}
    archive.identify({people[0][0]: doubtful})
    page = archive.page()
    sections = [one["id"] for one in page.all("section")]
    assert sections == [*ORDER, "reading"]
    assert [link["href"] for link in page.all("a") if link["href"][1:] in sections] == [
        f"#{name}" for name in sections
    ]
    folded = page.source.split('<section id="settings">')[1]
    assert folded.lstrip().startswith("<details>")


def test_figures_are_those_of_inspect(archive):
    _, groups = album(archive)
    archive.group(groups, {1: {"hidden": True}})
    people = archive.collection.current("people")
    counted = replace(people, manifest=replace(people.manifest, active=len(groups)))
    archive.collection.finish(counted)
    page, summary = archive.page(), inspect_collection(archive.collection)
    assert page.figure("people") == str(summary["people"]) == "3"
    assert page.figure("faces") == str(summary["faces"])
    assert page.figure("faces on their own") == str(summary["unclustered"])
    media = summary["media"]
    assert page.figure("photos processed") == str(media["ok"] + media["duplicate"])
    assert page.figure("failures") == str(media["quarantined"])
    assert "1 hidden person not shown" in page.text


def test_two_who_may_be_one_are_shown_with_their_faces(archive):
    album(archive)
    pairs = collected(archive).doubts.pairs
    assert pairs
    first = pairs[0]
    assert {first.first.shown[0].path[:4], first.second.shown[0].path[:4]} == {"near", "next"}
    assert len(first.first.shown) == doubts.FACES_OF_A_PAIR
    likely = [pair.probability for pair in pairs]
    assert likely[0] == max(likely)
    page = archive.page()
    assert "Two who may be one" in page.text
    assert "one person with probability" in page.text


def test_pairs_that_hardly_are_one_are_not_shown(archive, monkeypatch):
    album(archive)
    likely = [pair.probability for pair in collected(archive).doubts.pairs]
    assert min(likely) >= doubts.LEAST_LIKELY
    monkeypatch.setattr(doubts, "LEAST_LIKELY", 1.1)
    assert collected(archive).doubts.pairs == ()
    assert "Two who may be one" not in archive.page().text


def test_pairs_are_not_looked_for_where_there_are_too_many_faces(archive, monkeypatch):
    album(archive)
    before = collected(archive)
    monkeypatch.setattr(room, "READ_AT_ONCE", 3)
    after = collected(archive)
    assert after.doubts.pairs is None
    assert [one.others for one in after.sheets.people] == [
        one.others for one in before.sheets.people
    ]


def test_people_wider_than_one_are_shown_the_least_typical_first(archive):
    faces = [archive.photo(f"{angle}.jpg", angle)[0] for angle in (0, 1, 2, 40)]
    archive.commit().group([faces], {0: {"spread": 0.3}})
    people = archive.collection.current("people")
    wide = {
        "person_id": collected(archive).sheets.people[0].person_id,
        "name": None,
        "faces": 4,
        "mean_d2": 0.3,
    }
    health = {"widest": [wide], "warnings": []}
    archive.collection.finish(replace(people, manifest=replace(people.manifest, health=health)))
    (one,) = collected(archive).doubts.wide
    assert one.shown[0].path == "40.jpg"
    assert "People who may be two" in archive.page().text


def test_nothing_doubtful_is_no_section(archive):
    archive.photo("a.jpg", 0)
    page = archive.commit().group([]).page()
    assert "look" not in {one["id"] for one in page.all("section")}


def test_photos_that_lie_here_are_linked_and_others_are_not(archive, tmp_path):
    folder = tmp_path / "the photos"
    (folder / "near").mkdir(parents=True)
    (folder / "near" / "0.jpg").write_bytes(b"")
    album(archive, folder)
    page = archive.page()
    links = {one["href"] for one in page.all("a") if not one["href"].startswith("#")}
    assert links == {(folder / "near" / "0.jpg").as_uri()}
    assert "A face opens its photo, where that lies on this computer" in page.text


@pytest.mark.parametrize("name", ["""a'"><script>.jpg""", "a b#c?d%.jpg", "\udce9.jpg", "é/\n.jpg"])
def test_links_of_hostile_names_lead_to_the_file_and_nowhere_else(name, tmp_path):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"")
    raw = None if name.isprintable() else str(name).encode("utf-8", "surrogateescape")
    item = {"root": "r", "path": name, "path_bytes": raw}
    link = link_of(item, {"r": str(tmp_path)})
    assert link == path.as_uri()
    assert not set(link) & set("\"'<> \n")


@pytest.mark.parametrize(
    ("root", "path"), [("gone", "a.jpg"), ("s3", "a.jpg"), ("here", "no.jpg"), ("here", "a\0.jpg")]
)
def test_photos_elsewhere_have_no_link(root, path, tmp_path):
    places = {"s3": "s3://bucket/photos", "here": str(tmp_path)}
    assert link_of({"root": root, "path": path, "path_bytes": None}, places) is None


def test_failures_come_with_the_command_that_tries_them_again(archive, tmp_path):
    album(archive, tmp_path / "my photos")
    page = archive.page()
    (command,) = (text for text in page.words if text.startswith("facebatch run"))
    words = shlex.split(command)
    assert words[:2] == ["facebatch", "run"]
    assert words[-2:] == ["--retry", "truncated"]
    assert f"photos={tmp_path / 'my photos'}" in words


def test_a_root_of_its_folders_name_is_given_as_its_place():
    words = shlex.split(retry_command("empty", ["a", "b", "c"], {"a": "/x/a", "b": "/y"}, "/out"))
    assert words == [
        *("facebatch", "run", "/x/a", "--root", "b=/y", "--output", "/out", "--retry", "empty")
    ]
    unknown = retry_command("empty", ["c"], {"a": "/x/a"}, "/out")
    assert unknown == "facebatch run PHOTOS --output /out --retry empty"


def test_the_command_that_reviews_can_be_pasted_whatever_the_collections_name(archive_at, tmp_path):
    place = tmp_path / "my faces; ls"
    archive, _ = album(archive_at(str(place)))
    commands = [text for text in archive.page().words if text.startswith("facebatch review")]
    assert commands
    assert {tuple(shlex.split(each)) for each in commands} == {("facebatch", "review", str(place))}


def test_a_report_of_the_same_is_left_as_it_is_and_another_is_written(archive):
    album(archive)
    storage = archive.collection.storage

    def written(**options):
        write_report(archive.collection, archive.collection.snapshot(), **options)
        return storage.read(REPORT)

    first = written()
    assert re.search(rb'name="facebatch-inputs" content="[0-9a-f]{32}"', first)
    storage.write(REPORT, first + b"<!-- kept -->")
    assert written().endswith(b"<!-- kept -->")
    assert not written(anew=True).endswith(b"<!-- kept -->")
    storage.write(REPORT, first + b"<!-- kept -->")
    archive.photo("more.jpg", 0)
    archive.commit()
    assert not written().endswith(b"<!-- kept -->"), "photos came"
    storage.write(REPORT, b"cut off")
    assert b"</html>" in written()


def test_the_synthetic_faces_are_as_far_apart_as_the_tests_say():
    near, nxt, far = at_angles(0, 14, 90)
    assert ((near - nxt) ** 2).sum() < 0.1 < ((near - far) ** 2).sum()
