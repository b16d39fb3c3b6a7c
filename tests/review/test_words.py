"""What a page says where something can't be done, isn't well, or can't be seen: in its language."""

from __future__ import annotations

import html
import io
import re
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.reviewable import ids_of

from facebatch.collection.sources import Sources
from facebatch.people.health import BOUNDS
from facebatch.review.faces import FaceStore
from facebatch.review.texts import LANGUAGES, table

CHINESE = re.compile("[一-鿿]")


def test_every_refusal_is_said_in_every_language() -> None:
    sources = [
        each.read_text("utf-8")
        for room in ("people", "review")
        for each in files(f"facebatch.{room}").iterdir()
        if each.name.endswith(".py")
    ]
    reasons = set(re.findall(r'DecisionRefused\(\s*"(\w+)"', "".join(sources)))
    assert len(reasons) > 8
    assert {f"refused.{reason}" for reason in reasons} == {
        key for key in table() if key.startswith("refused.")
    }


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_what_cannot_be_decided_is_said_in_the_language_of_the_page(review, language: str) -> None:
    object.__setattr__(review.site, "language", language)
    person = review.unnamed()[0]
    faces = review.people.faces_of(review.people.find(person))
    form = review.form(f"/odd/{person}", "reject")
    for chosen in ([], [face.hex() for face in faces]):
        answer = review.send(form.changed(faces=chosen))
        assert answer.status_code == 422
        [said] = re.findall(r'class="notice"[^>]*>\s*<span>([^<]*)<', answer.text)
        assert bool(CHINESE.search(said)) == (language == "zh"), said
        assert "--not-a-face" not in said
    assert not review.people.pending


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_advice_is_given_in_the_language_of_the_page(review, language: str) -> None:
    object.__setattr__(review.site, "language", language)
    health = review.people.generation.manifest.health
    health.update({name: 2 * bound.most for name, bound in BOUNDS.items()})
    page = html.unescape(review.page("/evaluation"))
    for name in BOUNDS:
        advice = table()[f"advice.{name}"][language]
        assert advice.partition("`")[0] in page
    assert bool(CHINESE.search(page)) == (language == "zh")


def test_without_chips_faces_are_cut_from_their_photos(review, tmp_path: Path, monkeypatch) -> None:
    _, face, _ = ids_of(review)
    kept = review.browser.get(f"/chip/{face}").content
    monkeypatch.setattr(FaceStore, "chip", lambda store, row: None)
    answer = review.browser.get(f"/chip/{face}")
    assert answer.headers["content-type"] == "image/jpeg"
    colours = [
        np.asarray(Image.open(io.BytesIO(each)))[46:66, 46:66].reshape(-1, 3).mean(axis=0)
        for each in (kept, answer.content)
    ]
    np.testing.assert_allclose(*colours, atol=4)
    Sources({"photos": str(tmp_path / "unmounted")}).write(review.collection.storage)
    review.site.originals._kept.clear()
    answer = review.browser.get(f"/chip/{face}")
    assert answer.headers["content-type"].startswith("image/svg+xml")
    assert ">no picture<" in answer.text
