"""Pages that are made from the code are up to date, and what pages point at exists."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

import facebatch

ROOT = Path(__file__).parent.parent
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]


def load(name: str) -> Any:
    """A module of docs/, which is no package."""
    spec = importlib.util.spec_from_file_location(f"docs_{name}", ROOT / "docs" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", ["tables.md", "cli.md"])
def test_made_pages_are_what_the_code_makes(page: str) -> None:
    made = load("build").PAGES[page]()
    assert (ROOT / "docs" / page).read_text("utf-8") == made, "run `make docs`"


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_links_inside_the_project_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)", page.read_text("utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_the_architecture_page_names_every_room_and_no_other() -> None:
    packages = [path.parent for path in (ROOT / "facebatch").glob("*/**/__init__.py")]
    rooms = {package.relative_to(ROOT).as_posix() for package in packages}
    # Where the two are linked into facebatch/ for development, they are the same rooms.
    rooms = rooms - {"facebatch/pipelines", "facebatch/schemas"} | {"pipelines", "schemas"}
    page = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    assert set(re.findall(r"^\| `([a-z_/]+)/` \|", page, re.MULTILINE)) == rooms


def test_files_that_the_architecture_page_names_exist() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    named = re.findall(r"`((?:facebatch|pipelines)/[\w/]+\.py)`", page)
    assert named
    for name in named:
        assert (ROOT / name).is_file(), name


def test_the_version_has_a_section_in_the_changelog() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert re.search(
        rf"^## \[{re.escape(facebatch.__version__)}\] - \d{{4}}-\d\d-\d\d$", changelog, re.MULTILINE
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The docs site, built as `make docs` builds it: a broken link or anchor ends it."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_the_site_has_every_page_and_no_part_of_one(site: Path) -> None:
    pages = {page.stem for page in site.glob("*.html")} - {"404"}
    written = {page.stem for page in (ROOT / "docs").glob("*.md") if ".head" not in page.name}
    assert pages == written | {"contributing", "changelog"}


class _Loaded(HTMLParser):
    """What a browser loads for a page by itself; links for people to follow aren't among it."""

    def __init__(self) -> None:
        super().__init__()
        self.urls: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag != "a":
            self.urls += [value or "" for name, value in attrs if name in ("href", "src")]


def test_the_site_asks_nothing_of_the_network(site: Path) -> None:
    loaded: list[str] = []
    for page in site.glob("*.html"):
        parser = _Loaded()
        parser.feed(page.read_text("utf-8"))
        loaded += parser.urls
    for sheet in (*site.rglob("*.css"), *site.glob("*.html")):
        text = sheet.read_text("utf-8")
        loaded += re.findall(r"(?:url\(|@import )\s*[\"']?([^\"')]+)", text)
    assert any(url.endswith(".css") for url in loaded)
    outside = [url for url in loaded if re.match(r"(?i)([a-z]+:)?//", url)]
    assert outside == []


ENGLISH = """# It

What it is.

## Install

    make setup  # into .venv
"""
CHINESE = """# 它

<!-- en: It 00000000 -->

是什么。

## 安装

<!-- en: Install 00000000 -->
"""


def test_a_section_that_its_translation_is_older_than_is_named() -> None:
    module = load("translations")
    told = list(module.stale(ENGLISH, CHINESE))
    assert [line.split()[0] for line in told] == ["'它'", "'安装'"]
    renewed = module.renewed(ENGLISH, CHINESE)
    assert list(module.stale(ENGLISH, renewed)) == []
    # Other line breaks are the same words.
    assert list(module.stale(ENGLISH.replace("What it", "What\nit"), renewed)) == []
    [told] = module.stale(ENGLISH.replace("What it is", "What it was"), renewed)
    assert told == "'它' translates 'It', which README.md says otherwise now"
    [told] = module.stale(ENGLISH.replace("Install", "Set up"), renewed)
    assert told == "'安装' translates 'Install', which README.md has no longer"
    [told] = module.stale(ENGLISH, renewed.replace("en: It", "It"))
    assert "doesn't say what it translates" in told


def test_the_chinese_readme_is_short_and_translates_sections_that_there_are() -> None:
    module = load("translations")
    original, translation = (
        (ROOT / name).read_text("utf-8") for name in ("README.md", "README.zh-CN.md")
    )
    assert len(translation.splitlines()) <= 80
    # Whether it is up to date `make check` says: who changes the English may not know Chinese.
    assert list(module.stale(original, module.renewed(original, translation))) == []
    assert "README.zh-CN.md" in "".join(original.splitlines(keepends=True)[:15])
