"""A review of a small collection, asked in this process: no server, no browser."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support.reviewable import Form, forms, make_reviewable
from support.shared import made_once

from facebatch.collection import Collection
from facebatch.people.deciding import People

starlette = pytest.importorskip("starlette")

from starlette.testclient import TestClient  # noqa: E402

from facebatch.review.app import make_app  # noqa: E402
from facebatch.review.desk import Desk  # noqa: E402
from facebatch.review.originals import Originals  # noqa: E402
from facebatch.review.pages import Site  # noqa: E402
from facebatch.review.security import Access  # noqa: E402
from facebatch.review.seeing import Eye  # noqa: E402

SIZES = (9, 7, 6, 5, 5, 4, 4, 3, 3, 3, 1, 1, 1)


@pytest.fixture(scope="session")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The collection, which is only copied."""
    return made_once("reviewable", lambda place: make_reviewable(place, SIZES), tmp_path_factory)


@pytest.fixture
def collection(kept: Path, tmp_path: Path) -> Collection:
    shutil.copytree(kept / "collection", tmp_path / "collection")
    return Collection.open(str(tmp_path / "collection"))


@dataclass
class Review:
    """A review and a browser that was let in.

    Args:
        collection: What is reviewed.
        site: What its pages work with.
        browser: Sends requests as a browser on this machine does.
    """

    collection: Collection
    site: Site
    browser: TestClient

    @property
    def people(self) -> People:
        return self.site.desk.state.people

    def unnamed(self) -> list[str]:
        """Ids of those who are asked about, in the order in which they are."""
        roster = self.site.desk.state.roster
        return [roster.ids[number].tobytes().hex() for number in roster.queue]

    def page(self, path: str, status: int = 200) -> str:
        answer = self.browser.get(path)
        assert answer.status_code == status, answer.text
        return answer.text

    def form(self, path: str, action: str, **fields: str) -> Form:
        """Returns the first form of a page that asks for something, with these fields."""
        for form in forms(self.page(path)):
            sent = form.with_button(action) if ("action", action) in form.buttons else form
            wanted = {"action": action, **fields}
            if all(sent.get(name, [""])[0] == value for name, value in wanted.items()):
                return sent
        raise AssertionError(f"{path} has no form for {action}")

    def send(self, form: Form, follow: bool = True) -> Any:
        return self.browser.post(
            form.action, data=dict(form), headers={"origin": ORIGIN}, follow_redirects=follow
        )

    def name(self, person: str, name: str) -> Any:
        return self.send(self.form(f"/who?person={person}", "name").changed(name=name))


PORT = 8765
ORIGIN = f"http://127.0.0.1:{PORT}"


@pytest.fixture
def outside(collection: Collection) -> Iterator[Review]:
    """A review and a browser that wasn't let in yet."""
    desk, originals, eye = Desk(collection, idle=0.0), Originals(collection), Eye(collection)
    desk.asker.catch_up(desk.state.people, desk.state.store)
    site = Site(desk, originals, eye, Access("127.0.0.1", PORT), "en")
    with TestClient(make_app(site), base_url=ORIGIN) as browser:
        yield Review(collection, site, browser)
    originals.close()
    eye.close()


@pytest.fixture
def review(outside: Review) -> Review:
    outside.browser.get(f"/?token={outside.site.access.token}")
    return outside
