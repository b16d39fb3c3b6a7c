from __future__ import annotations

import pytest
from support.evaluations import jpeg, searches

# Not every machine has fonts for every script; tests/faces/test_fonts.py is about those.
pytestmark = pytest.mark.filterwarnings(
    "ignore::facebatch.faces.fonts.MissingGlyph", "ignore:Glyph .* missing from"
)


def test_perfect_scores_have_no_errors(written):
    page, _ = written("identification", searches("perfect"))
    assert "0 photos. Somebody else is nearest" in page.text


def test_gallery_photos_stand_for_the_people_by_path_too(written):
    scores, details = searches()
    del details["gallery_chips"]
    details["gallery"] = [f"gallery/{column}" for column in range(8)]
    without = len(written("identification", (scores, details), "a")[0].all("img"))
    details["chips"] |= {path: jpeg() for path in details["gallery"]}
    assert len(written("identification", (scores, details), "b")[0].all("img")) > without
