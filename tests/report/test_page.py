from __future__ import annotations

import re
from datetime import datetime

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from facebatch.report import REPORT, write_report
from facebatch.report.failures import PATHS_PER_REASON

NASTY = """<script>alert("x")</script>'&.jpg"""


def assert_fetches_and_runs_nothing(page):
    for name, attributes in page.elements:
        assert name not in {"script", "link", "iframe", "object", "base", "form"}
        for attribute, value in attributes.items():
            assert not attribute.startswith("on")
            assert attribute != "style"
            if attribute == "src":
                assert value.startswith("data:image/jpeg;base64,")
            if attribute == "href":
                assert value.startswith("data:image/" if name == "image" else "#")
    style = re.search(r"<style>(.*?)</style>", page.source, re.DOTALL)[1]
    assert "url(" not in style
    assert "@import" not in style


def empty(archive):
    return archive


def without_faces(archive):
    archive.photo("a.jpg")
    return archive.commit()


def not_grouped(archive):
    archive.photo("a.jpg", 0, 40)
    return archive.commit()


def grouped(archive):
    one, other = archive.photo("a.jpg", 0, 90), archive.photo("b.jpg", 1)
    archive.failure("c.jpg", "truncated")
    return archive.commit().group([[one[0], *other]])


@pytest.mark.parametrize("state", [empty, without_faces, not_grouped, grouped])
def test_page_of_every_state_is_balanced_and_fetches_nothing(archive, state):
    page = state(archive).page()
    assert page.source.startswith("<!DOCTYPE html>")
    assert_fetches_and_runs_nothing(page)


@pytest.mark.parametrize("state", [empty, without_faces, not_grouped, grouped])
def test_every_link_leads_somewhere(archive, state):
    page = state(archive).page()
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {link["href"].removeprefix("#") for link in page.all("a")} <= set(ids)


def test_browsers_are_told_to_fetch_nothing(archive):
    (policy,) = (meta for meta in archive.page().all("meta") if "http-equiv" in meta)
    assert policy["http-equiv"] == "Content-Security-Policy"
    assert policy["content"].startswith("default-src 'none'; img-src data:;")


def test_names_paths_and_messages_never_become_markup(archive_at, tmp_path):
    archive = archive_at(str(tmp_path / "<b>&'\""))
    found = [*archive.photo(NASTY, 0, root="<i>'\""), *archive.photo("b.jpg", 1)]
    archive.failure(f"broken {NASTY}", "corrupt", "</li></ul><img src=x onerror=alert(1)>")
    archive.commit().group([found], {0: {"name": '"><img src=http://evil.example/>'}})
    page = archive.page()
    assert_fetches_and_runs_nothing(page)
    assert "<b>&'\"" in page.words
    assert '"><img src=http://evil.example/>' in page.words
    assert f"photos/broken {NASTY}" in page.words
    assert "</li></ul><img src=x onerror=alert(1)>" in page.words
    assert {f"<i>'\"/{NASTY}", "photos/b.jpg"} == {image["title"] for image in page.all("img")}


def test_paths_that_are_not_utf8_are_shown_as_far_as_they_are(archive):
    archive.failure("caf\ufffd.jpg", "empty", path_bytes=b"caf\xe9.jpg")
    assert "photos/caf\ufffd.jpg" in archive.commit().page().words


def test_control_characters_of_a_path_become_visible(archive):
    archive.failure("a\x1b[2J\x7f.jpg", "empty")
    assert "photos/a\u241b[2J\u2421.jpg" in archive.commit().page().words


def test_headline_numbers(archive):
    people = [*archive.photo("a.jpg", 0, 90), *archive.photo("b.jpg", 1)]
    archive.photo("copy of a.jpg", content="photos/a.jpg", status="duplicate")
    archive.photo("landscape.jpg")
    archive.failure("c.jpg", "truncated")
    page = archive.commit().group([[people[0], people[2]]]).page()
    figures = {
        "people": "1",
        "with a name": "0",
        "faces": "3",
        "faces on their own": "1",
        "photos processed": "4",
        "failures": "1",
    }
    assert {label: page.figure(label) for label in figures} == figures


def test_every_root_has_its_row_and_the_rows_add_up(archive):
    archive.photo("a.jpg", 0, 90, root="disk")
    archive.photo("b.jpg", 10, root="phone")
    archive.failure("c.jpg", "truncated", root="phone")
    text = archive.commit().page().text
    assert "disk 1 2 0 0 1.0 kB" in text
    assert "phone 1 1 1 0 2.0 kB" in text
    assert "All 2 3 1 0 3.0 kB" in text


def test_one_root_needs_no_sum(archive):
    archive.photo("a.jpg", 0)
    assert not archive.commit().page().all("tfoot")


def test_capture_times_span_the_photos_that_have_one(archive):
    archive.photo("a.jpg", captured_at=datetime(2003, 5, 1, 14, 3))
    archive.photo("b.jpg", captured_at=datetime(1999, 12, 31, 23, 59))
    archive.photo("c.jpg")
    text = archive.commit().page().text
    assert "Capture times run 1999-12-31 to 2003-05-01; 2 photos of 3 have one." in text


def test_unknown_capture_times_are_named(archive):
    archive.photo("a.jpg")
    assert "No photo has a capture time." in archive.commit().page().text


def test_failures_are_grouped_by_reason_with_what_it_means(archive):
    archive.failure("c.jpg", "truncated", "cut at byte 17")
    archive.failure("a.jpg", "truncated", "cut at byte 4")
    archive.failure("b.jpg", "empty", "")
    page = archive.commit().page()
    assert "2 truncated The picture ends too early: a copy or a download was cut off." in page.text
    assert "1 empty The file has no bytes." in page.text
    assert "photos/a.jpg cut at byte 4 photos/c.jpg cut at byte 17" in page.text
    assert page.words.index("truncated") < page.words.index("empty")
    assert len(page.all("details")) == 2 + len(["settings"])


def test_a_message_that_all_share_is_said_once(archive):
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        archive.failure(name, "truncated", "cut at byte 4")
    assert archive.commit().page().text.count("cut at byte 4") == 1


def test_paths_of_a_reason_are_capped(archive):
    for number in range(PATHS_PER_REASON + 7):
        archive.failure(f"{number:03}.jpg", "empty")
    page = archive.commit().page()
    assert len(page.all("li")) == PATHS_PER_REASON
    assert "photos/049.jpg" in page.words
    assert "photos/050.jpg" not in page.words
    assert "and 7 more: facebatch inspect --failures lists them all." in page.text


def test_many_failures_are_folded_and_few_are_not(archive):
    archive.failure("a.jpg", "empty")
    assert "open" in archive.commit().page().all("details")[0]
    for number in range(20):
        archive.failure(f"{number}.jpg", "empty")
    assert "open" not in archive.commit().page().all("details")[0]


def test_failures_that_may_pass_are_told_from_those_given_up(archive):
    archive.failure("a.jpg", "io_error", attempts=1)
    archive.failure("b.jpg", "io_error", attempts=3)
    archive.failure("c.jpg", "truncated", attempts=1)
    text = archive.commit().page().text
    assert text.count("The next run tries") == 1
    assert "The next run tries 1 of them again." in text


def test_reason_of_another_facebatch_is_shown_all_the_same(archive):
    archive.failure("a.jpg", "too_odd")
    assert "1 too_odd This facebatch doesn't know the code." in archive.commit().page().text


def test_settings_generations_and_licences_are_named(archive):
    page = grouped(archive).page()
    for text in (
        archive.collection.fingerprint,
        archive.collection.space,
        archive.collection.current("people").name,
        "0.0925",
        "CC0 1.0 (stated by the face_recognition_models package for its models)",
        "MIT (stated by the facenet-pytorch package for itself)",
    ):
        assert text in page.words


def test_what_ran_the_networks_is_named_with_its_share(archive):
    ran = {"device": "cpu", "precision": "float32", "cpu": "x86_64"}
    archive.photo("a.jpg", 0, engine="torch", **ran)
    archive.photo("b.jpg", 0, engine="torch", **ran)
    archive.photo("c.jpg", 0, engine="other", **ran)
    expected = "torch, cpu, float32, x86_64 (2 items); other, cpu, float32, x86_64 (1 items)"
    assert expected in archive.commit().page().words


@pytest.mark.parametrize(
    ("state", "notice"),
    [
        (empty, "Nothing was extracted yet"),
        (without_faces, "No face was found"),
        (not_grouped, "not grouped into people yet"),
    ],
)
def test_page_says_what_is_missing(archive, state, notice):
    page = state(archive).page()
    assert notice in page.text
    assert len(page.all("p", "notice")) == 1
    assert page.figure("people") == "\N{EM DASH}"


def test_finished_collection_has_no_notice(archive):
    assert not grouped(archive).page().all("p", "notice")


def test_report_is_written_into_the_collection(archive, parsed):
    grouped(archive)
    path = write_report(archive.collection, archive.collection.snapshot())
    assert path == REPORT
    written = archive.collection.storage.read("report.html").decode("utf-8")
    assert "1 face in 1 photo" not in parsed(written).text
    assert "2 faces in 2 photos" in parsed(written).text


def test_collection_whose_folder_is_not_utf8_gets_its_report(archive_at, tmp_path):
    archive = grouped(archive_at(str(tmp_path / "caf\udce9")))
    write_report(archive.collection, archive.collection.snapshot())
    assert b"<h1><bdi>caf?</bdi></h1>" in archive.collection.storage.read("report.html")


class Remote(MemoryFileSystem):
    """Files in memory, under addresses that may name a user."""

    protocol = "remote"

    @classmethod
    def _strip_protocol(cls, path):
        return super()._strip_protocol(str(path).removeprefix("remote://"))


fsspec.register_implementation("remote", Remote, clobber=True)


def test_password_in_the_address_stays_out_of_the_report(archive_at):
    source = archive_at("remote://me:secret@host/faces").page().source
    assert "remote://host/faces" in source
    assert "secret" not in source
