"""The page: who may come, what it shows, and enrolling whom it sees, from one picture."""

from __future__ import annotations

import io
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from PIL import Image

from facebatch.errors import UsageError
from facebatch.identify import Gallery
from facebatch.live.following import Follower
from facebatch.live.known import Known
from facebatch.live.sources import BrowserCamera

starlette = pytest.importorskip("starlette")

from starlette.testclient import TestClient  # noqa: E402

from facebatch.review.live import LiveSite, Window, make_app  # noqa: E402
from facebatch.review.security import Access  # noqa: E402

PORT = 8766
ORIGIN = f"http://127.0.0.1:{PORT}"


@dataclass
class Shown:
    """A page that shows a picture, and a browser that was let in."""

    follower: Follower
    picture: Image.Image
    site: LiveSite
    browser: TestClient
    at_us: int = 0

    def look(self) -> None:
        self.at_us += 1_000_000
        self.site.window.show(self.picture, self.follower.look(self.picture, self.at_us), 5.0)

    def enrol(self, name: str, **changed: str) -> Any:
        fields = dict(re.findall(r'name="(csrf|track)" value="([^"]*)"', self.page()))
        sent = {**fields, "name": name, **changed}
        return self.browser.post("/live/enrol", data=sent, headers={"origin": ORIGIN})

    def page(self) -> str:
        return self.browser.get("/live").text


@pytest.fixture
def shown(follower: Follower, known: Known, picture: Image.Image) -> Iterator[Shown]:
    def renew() -> None:
        follower.namer = known.namer()
        follower.rename()

    access = Access("127.0.0.1", PORT)
    site = LiveSite(Window(), known, renew, access, "en", BrowserCamera())
    with TestClient(make_app(site), base_url=ORIGIN) as browser:
        browser.get(f"/?token={access.token}")
        yield Shown(follower, picture, site, browser)


def test_the_page_says_who_is_seen_and_asks_who_the_others_are(shown: Shown) -> None:
    assert "Nobody." in shown.page()
    shown.look()
    page = shown.page()
    assert "<bdi>Ada</bdi>" in page
    assert page.count('action="/live/enrol"') == 1
    assert shown.browser.get("/live/faces").text.count("<li") == 2


def test_who_is_seen_is_enrolled_from_one_picture_and_known_at_once(shown: Shown) -> None:
    shown.look()
    answer = shown.enrol("Grace <b>")
    assert "Grace &lt;b&gt; is enrolled" in answer.text
    shown.look()
    assert "<bdi>Grace &lt;b&gt;</bdi>" in shown.page()
    assert "/live/enrol" not in shown.page()
    gallery = Gallery.open(shown.site.known.query.gallery.storage.url)
    assert gallery.names() == ["Ada", "Grace <b>"]


def test_who_is_enrolled_and_not_yet_recognised_is_told_so(shown: Shown) -> None:
    def renew() -> None:
        raise UsageError("svm needs two people")

    shown.look()
    site = replace(shown.site, renew=renew)
    with TestClient(make_app(site), base_url=ORIGIN, cookies=shown.browser.cookies) as browser:
        shown.browser = browser
        answer = shown.enrol("Grace").text
    assert "Grace is enrolled, but nobody can be recognised yet: svm needs two people" in answer
    assert shown.site.known.query.gallery.names() == ["Ada", "Grace"]


def test_who_has_left_and_an_empty_name_enrol_nobody(shown: Shown) -> None:
    shown.look()
    assert "has left" in shown.enrol("Grace", track="77").text
    assert "a name is empty" in shown.enrol("  ").text
    assert shown.site.known.query.gallery.names() == ["Ada"]


def test_nobody_enrols_from_elsewhere(shown: Shown) -> None:
    shown.look()
    assert shown.enrol("Grace", csrf="0" * 64).status_code == 403
    form = {"track": "1", "name": "Grace"}
    away = {"origin": "http://elsewhere.example"}
    assert shown.browser.post("/live/enrol", data=form, headers=away).status_code == 403
    with TestClient(make_app(shown.site), base_url=ORIGIN) as stranger:
        for path in ("/live", "/live/faces", "/live/picture"):
            assert stranger.get(path).status_code == 401
    assert shown.site.known.query.gallery.names() == ["Ada"]


def test_pictures_come_as_jpegs_with_boxes_until_it_is_closed(shown: Shown) -> None:
    window = shown.site.window
    threading.Timer(0.5, window.close).start()
    shown.look()
    with shown.browser.stream("GET", "/live/picture") as answer:
        assert answer.headers["content-type"].startswith("multipart/x-mixed-replace")
        data = answer.read()
    jpeg = data[data.index(b"\xff\xd8") :]
    drawn = Image.open(io.BytesIO(jpeg)).convert("RGB")
    assert drawn.size == shown.picture.size
    assert drawn.tobytes() != shown.picture.tobytes()


def test_only_a_page_of_the_browsers_camera_may_ask_for_it(shown: Shown) -> None:
    assert "camera=(self)" in shown.browser.get("/live").headers["permissions-policy"]
    site = LiveSite(Window(), shown.site.known, print, shown.site.access, "zh")
    with TestClient(make_app(site), base_url=ORIGIN, cookies=shown.browser.cookies) as browser:
        page = browser.get("/live")
        assert "camera=()" in page.headers["permissions-policy"]
        assert "没有人" in page.text
        sent = browser.post("/live/frame", content=b"", headers={"origin": ORIGIN})
        assert sent.status_code == 404


def test_the_browsers_pictures_are_taken_from_the_page_alone(shown: Shown) -> None:
    sink = io.BytesIO()
    shown.picture.save(sink, "JPEG")
    csrf = re.search(r'data-csrf="(\w+)"', shown.page())
    assert csrf
    for given, data, status in (
        ("0", sink.getvalue(), 403),
        (csrf[1], b"no picture", 422),
        (csrf[1], sink.getvalue(), 204),
    ):
        headers = {"origin": ORIGIN, "x-csrf": given}
        assert (
            shown.browser.post("/live/frame", content=data, headers=headers).status_code == status
        )
    assert shown.site.camera is not None
    frame = next(shown.site.camera.frames(threading.Event(), print))
    assert frame.picture().size == shown.picture.size
