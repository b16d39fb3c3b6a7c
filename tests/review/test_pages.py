"""Every page shows what it is for, in every language, and holds where there is nothing to show."""

from __future__ import annotations

import re
import shlex
import string
from importlib.resources import files
from pathlib import Path

import pytest
from support.reviewable import forms, ids_of, pages_of

from facebatch.collection import Collection
from facebatch.collection.sources import Sources
from facebatch.config import ExtractSettings
from facebatch.errors import CollectionError, UsageError
from facebatch.people import edit
from facebatch.people.deciding import People
from facebatch.review import looking
from facebatch.review.seeing import Found
from facebatch.review.server import serve
from facebatch.review.texts import LANGUAGES, preferred, table
from facebatch.stages import cluster_people


def test_every_text_is_there_in_every_language() -> None:
    for key, texts in table().items():
        assert set(texts) == set(LANGUAGES), key
        assert all(texts.values()), key
        filled = {
            frozenset(name for _, name, _, _ in string.Formatter().parse(text) if name)
            for text in texts.values()
        }
        assert len(filled) == 1, f"{key} fills in other values"


def test_every_text_that_a_page_asks_for_is_there_and_every_one_is_asked_for() -> None:
    room = files("facebatch.review")
    sources = [*room.joinpath("templates").iterdir(), *room.iterdir()]
    text = "".join(
        each.read_text("utf-8") for each in sources if each.name.endswith((".j2", ".py"))
    )
    asked = set(re.findall(r"""\bt\(["']([\w.]+)["'][,)]""", text))
    begun = set(re.findall(r'\bt\(f?"([\w]+\.)(?:"|\{)', text))
    known = set(table())
    assert asked <= known
    spare = {key for key in known - asked if not key.startswith(tuple(begun))}
    assert not spare


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("de-DE,de;q=0.9", "en"),
        ("de, zh;q=0.3, en;q=0.7", "en"),
        ("ZH-Hant", "zh"),
        ("en;q=nonsense, zh;q=0.1", "zh"),
        ("," * 10_000, "en"),
    ],
)
def test_a_browser_gets_the_language_that_it_asks_for(header: str, language: str) -> None:
    assert preferred(header) == language


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_every_page_is_there_in_every_language(review, monkeypatch, language: str) -> None:
    object.__setattr__(review.site, "language", language)
    for path in pages_of(review):
        answer = review.browser.get(path)
        assert answer.status_code == 200, (path, answer.text)
        if "html" in answer.headers["content-type"]:
            assert f'<html lang="{LANGUAGES[language]}">' in answer.text, path


def test_who_is_asked_about_first_has_the_most_faces_that_are_alike(review) -> None:
    roster = review.site.desk.state.roster
    worth = (roster.faces * roster.purity)[roster.queue]
    assert (worth[:-1] >= worth[1:]).all()
    assert set(roster.faces[roster.queue].tolist()) > {3}
    first = review.unnamed()[0]
    assert f'href="/person/{first}"' in review.page("/who")


def test_people_are_found_by_name_and_id(review) -> None:
    first, second, third, *_ = review.unnamed()
    for who, name in ((first, "Ada Lovelace"), (second, "Grace Hopper"), (third, "Zoë")):
        review.name(who, name)
    for said, found in (("HOPPER", second), ("gr", second), ("ZOË", third), (first[:6], first)):
        page = review.page(f"/people?q={said}")
        assert re.findall(r'class="who" href="/person/(\w+)"', page) == [found]
    assert "Nobody is called so." in review.page("/people?q=nobody")
    offered = review.browser.get("/names?q=a").json()
    assert [one["name"] for one in offered] == ["Ada Lovelace"]
    assert review.browser.get("/names?q=").json() == []


def test_a_long_list_comes_page_by_page(review, monkeypatch) -> None:
    monkeypatch.setattr(looking, "_PEOPLE", 4)
    seen, path = [], "/people"
    while path:
        page = review.page(path)
        seen += re.findall(r'class="who" href="/person/(\w+)"', page)
        more = re.search(r'rel="next" href="([^"]+)"', page)
        path = f"/people{more[1].replace('&amp;', '&')}" if more else ""
    assert len(seen) == len(set(seen)) == len(review.unnamed())
    assert review.page("/people?from=999999")
    assert review.page("/people?from=-1")


def test_a_person_is_shown_with_times_places_and_events(review) -> None:
    person, *_ = ids_of(review)
    page = review.page(f"/person/{person}")
    assert "Photos with a capture time" in page
    assert 'class="timeline"' in page
    assert 'class="world"' in page
    assert "first seen" in page
    assert "Who was there" in review.page("/when?in=2004")
    assert person in review.page("/where?at=48.0,8.5")
    for path in ("/when?in=20045", "/when?in=2004-13", "/when?in=x", "/where?at=x", "/compare"):
        review.page(path, status=404)


def test_a_photo_is_shown_with_boxes_and_names(review) -> None:
    person, _, item = ids_of(review)
    review.name(person, "Ada")
    page = review.page(f"/media/{item}")
    assert '<rect x="60.0" y="30.0" width="80.0" height="90.0"' in page
    assert ">Ada</text>" in page
    picture = review.browser.get(f"/photo/{item}")
    assert picture.headers["content-type"] == "image/jpeg"
    assert picture.content[:3] == b"\xff\xd8\xff"


def test_the_frames_of_a_video_lead_to_each_other(review) -> None:
    _, face, item = ids_of(review)
    store = review.site.desk.state.store
    row = store.directory.row(bytes.fromhex(face))
    store.timestamps[row] = 2_500_000
    page = review.page(f"/media/{item}")
    assert "Frame at 2.5 s" in page, "the first that shows a face"
    assert f"/photo/{item}?at=2500000" in page
    other = (row + 1) % len(store)
    store.media_rows[other] = store.media_rows[row]
    store.timestamps[other] = 4_000_000
    page = review.page(f"/media/{item}?face={store.id_of(other).hex()}")
    assert "Frame at 4.0 s" in page
    assert f'href="/media/{item}?face={face}">2.5 s</a>' in page


def test_a_photo_that_is_gone_leaves_its_faces(review, tmp_path: Path) -> None:
    _, face, item = ids_of(review)
    Sources({"photos": str(tmp_path / "unmounted")}).write(review.collection.storage)
    assert review.browser.get(f"/photo/{item}").status_code == 404
    assert review.browser.get(f"/chip/{face}").status_code == 200
    assert review.page(f"/media/{item}")


def test_a_failure_is_shown_with_a_command_that_the_program_takes(review) -> None:
    page = review.page("/failures")
    assert "broken.jpg" in page
    [command] = re.findall(r"<code>(facebatch [^<]+)</code>", page)
    words = shlex.split(command.replace("&#39;", "'"))
    folder = str(Sources.read(review.collection.storage).roots["photos"])
    url = review.collection.storage.public
    assert words == ["facebatch", "run", folder, "--output", url, "--retry", "truncated"]


def test_a_collection_without_people_is_a_message(tmp_path: Path) -> None:
    collection = Collection.create(str(tmp_path / "empty"), ExtractSettings())
    options = {"host": "127.0.0.1", "port": 0, "password_file": None, "ready": print}
    with pytest.raises(CollectionError, match="no people yet"):
        serve(collection, language=None, **options)
    with pytest.raises(UsageError, match="--language de"):
        serve(collection, language="de", **options)


def test_where_everybody_has_a_name_nobody_is_asked_about(review) -> None:
    for place, who in enumerate(review.unnamed()):
        edit.name_person(People.of(review.collection), who, f"Person {place}")
    cluster_people(review.collection, review.collection.snapshot())
    review.site.desk.look()
    assert "Everybody who is there has a name." in review.page("/who")
    assert "10 of 10 people named" in review.page("/people")


def test_a_photo_is_searched_with(review, monkeypatch) -> None:
    state = review.site.desk.state
    person, face, _ = ids_of(review)
    row = state.store.directory.row(bytes.fromhex(face))
    chip = state.store.chip(row)
    found = Found([chip], state.store.embeddings[[row]])
    monkeypatch.setattr(review.site.eye, "look", lambda data: found)
    [form] = forms(review.page("/search"))
    answer = review.browser.post(
        "/search",
        data={"csrf": form["csrf"][0]},
        files={"photo": ("x.jpg", b"JPEG", "image/jpeg")},
        headers={"origin": "http://127.0.0.1:8765"},
    )
    assert answer.status_code == 200
    assert re.findall(r'class="who" href="/person/(\w+)"', answer.text)[0] == person
    looked = re.search(r"/looked/\w+", answer.text)
    assert review.browser.get(looked[0]).content == chip
