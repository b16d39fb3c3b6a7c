from __future__ import annotations

import functools
import re
from dataclasses import replace
from pathlib import Path

import pytest
from support.evaluations import clusters, detections, pairs, searches

from facebatch.report.evaluation import write_evaluation
from facebatch.report.evaluation.content import explain
from facebatch.report.evaluation.page import render_evaluation

# Not every machine has fonts for every script; tests/faces/test_fonts.py is about those.
pytestmark = pytest.mark.filterwarnings(
    "ignore::facebatch.faces.fonts.MissingGlyph", "ignore:Glyph .* missing from"
)

CASES = [
    *(("pairs", pairs, kind) for kind in ("random", "perfect", "missing")),
    *(("pairs", pairs, kind) for kind in ("all missing", "one kind")),
    *(("identification", searches, kind) for kind in ("random", "perfect", "missing")),
    *(("identification", searches, kind) for kind in ("no mated", "no strangers")),
    *(("clusters", clusters, kind) for kind in ("random", "perfect", "one cluster")),
    *(("clusters", clusters, kind) for kind in ("unclustered", "nothing")),
    *(("detection", detections, kind) for kind in ("random", "no faces", "nothing")),
]


@pytest.fixture(scope="module")
def page_of(tmp_path_factory, parsed):
    """The page of a case and the files written for it, made once a case."""

    @functools.cache
    def page(kind, make, case="random"):
        paths = write_evaluation(str(tmp_path_factory.mktemp("page")), kind, *make(case))
        return parsed(Path(paths[0]).read_text("utf-8")), [Path(path) for path in paths]

    return page


def assert_safe(page):
    assert not set(re.findall(r"https?://[^\"<> ]*", page.source)) - {
        "http://www.w3.org/2000/svg",
        "http://evil.example/",  # as text alone, which the elements below show
    }
    for name, attributes in page.elements:
        assert name not in {"script", "link", "iframe", "object", "base", "form"}
        for attribute, value in attributes.items():
            assert not attribute.startswith("on")
            assert attribute != "style"
            if attribute == "src":
                assert value.startswith("data:image/jpeg;base64,")
            if attribute == "href":
                assert value.startswith("data:image/" if name == "image" else "#")
    (policy,) = (meta for meta in page.all("meta") if "http-equiv" in meta)
    assert policy["content"].startswith("default-src 'none'; img-src data:;")


def page_without_plots(content):
    """Plots take most of the time, and the whole page of every case is drawn below."""
    return render_evaluation(replace(content, charts=()))


def titles(content):
    return {one.title for one in (*content.charts, *content.tables, *content.galleries)}


@pytest.mark.parametrize(("kind", "make", "case"), CASES)
def test_page_of_every_case_is_balanced_complete_and_safe(page_of, kind, make, case):
    page, paths = page_of(kind, make, case)
    assert page.source.startswith("<!DOCTYPE html>")
    assert_safe(page)
    assert len(page.all("svg")) == len(paths) - 1
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {link["href"].removeprefix("#") for link in page.all("a")} <= set(ids)
    assert paths[0].name == f"{kind}.html"
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in paths[1:])
    assert all(path.name.startswith(f"{kind}-") for path in paths[1:])


@pytest.mark.parametrize(
    ("kind", "make", "case"),
    [
        case if case[2] == "random" else pytest.param(*case, marks=pytest.mark.full)
        for case in CASES
    ],
)
def test_missing_details_leave_parts_out(parsed, kind, make, case):
    scores, details = make(case)
    full = explain(kind, scores, details)
    whole = len(page_without_plots(full))
    for kept in ({}, *({k: details[k] for k in details if k != left_out} for left_out in details)):
        content = explain(kind, scores, kept)
        assert titles(content) <= titles(full)
        page = parsed(page_without_plots(content))
        assert_safe(page)
        assert len(page.source) <= whole + 200
        assert page.all("table")


@pytest.mark.parametrize(
    ("kind", "make"), [(kind, make) for kind, make, case in CASES if case == "random"]
)
def test_same_evaluation_is_the_same_bytes(page_of, written, kind, make):
    _, first = page_of(kind, make)
    _, second = written(kind, make())
    assert [path.name for path in first] == [path.name for path in second]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_names_and_paths_are_text(page_of):
    page, _ = page_of("identification", searches)
    for name in ("</style></svg><img src=http://evil.example/ onerror=alert(1)>", "$\\frac{1}$"):
        assert name in page.words
    assert "a\u241b[2J\u2400b" in page.words
    assert all(len(word) <= 3_100 for word in page.words)
