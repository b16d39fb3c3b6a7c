"""The review in a real browser: keys, two tabs, a phone, the dark, no script, and who can't see."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.pictures import encode
from support.program import command
from support.reviewable import make_reviewable

from facebatch.collection import Collection
from facebatch.demo.render import render_face
from facebatch.extract import attempts
from facebatch.people.deciding import People

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright isn't installed")

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
ROOT = Path(__file__).parents[2]
AXE = Path(os.environ.get("AXE_CORE", ROOT / "node_modules/axe-core/axe.min.js"))

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium")

PEOPLE = 34
PATIENCE_MS = 30_000


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Collection, str]]:
    """A collection, and the address that a program serves its review at."""
    collection = make_reviewable(tmp_path_factory.mktemp("served"), [5] * PEOPLE, seed=8)
    with serving(collection) as address:
        yield collection, address


@contextmanager
def serving(collection: Collection, *options: str) -> Iterator[str]:
    """Serves a review by a program of its own; gives its address."""
    program = subprocess.Popen(
        command("review", collection.storage.url, *options), stdout=subprocess.PIPE, text=True
    )
    assert program.stdout is not None
    line = program.stdout.readline()
    found = re.search(r"http://\S+", line)
    assert found, line
    try:
        yield found[0]
    finally:
        program.send_signal(signal.SIGINT)
        ended = program.wait(30)
        program.stdout.close()
    assert ended in (0, 130)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield made
        made.close()


@pytest.fixture(scope="module")
def let_in(browser: Any, served: tuple[Collection, str]) -> tuple[str, Any]:
    return entered(browser, served[1])


def entered(browser: Any, address: str) -> tuple[str, Any]:
    """Returns an address without its token, and what a browser that was let in remembers."""
    context = browser.new_context()
    context.new_page().goto(address)
    state = context.storage_state()
    context.close()
    return address.partition("/?")[0], state


class Tab:
    """A tab of a browser that was let in, and all that it asked for and complained about."""

    def __init__(self, browser: Any, let_in: tuple[str, Any], **options: Any) -> None:
        self.base, state = let_in
        self.context = browser.new_context(storage_state=state, **options)
        self.asked: list[str] = []
        self.complaints: list[str] = []
        self.context.on("request", lambda request: self.asked.append(request.url))
        self.context.set_default_timeout(PATIENCE_MS)
        self.page = self.new()

    def new(self) -> Any:
        page = self.context.new_page()
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on(
            "console",
            lambda said: self.complaints.append(said.text) if said.type == "error" else None,
        )
        return page

    def go(self, path: str) -> Any:
        self.page.goto(self.base + path)
        return self.page

    def press(self, *keys: str) -> None:
        """Presses keys, the last of which leads to another page."""
        for key in keys[:-1]:
            self.page.keyboard.press(key)
        with self.page.expect_navigation():
            self.page.keyboard.press(keys[-1])

    @property
    def asked_about(self) -> str:
        """The id of whom the page asks about."""
        return str(self.page.get_attribute('form.naming input[name="person"]', "value"))


@pytest.fixture
def tab(browser: Any, let_in: tuple[str, Any]) -> Iterator[Tab]:
    made = Tab(browser, let_in)
    yield made
    made.context.close()
    assert not made.complaints
    assert all(url.startswith(made.base) for url in made.asked)


def test_twenty_people_are_named_from_the_keyboard(served, tab: Tab) -> None:
    tab.go("/who")
    said = {}
    for number in range(20):
        said[tab.asked_about] = name = f"Hanna Szekely {number}" if number else "shy 1"
        tab.page.keyboard.type(name)
        tab.press("Enter")
        assert name in tab.page.inner_text(".notice")
    people = People.of(served[0])
    assert {who: people.known[bytes.fromhex(who)].name for who in said} == said
    assert "20 of " in tab.page.inner_text(".progress")


@pytest.mark.full
def test_a_hundred_people_are_named_from_the_keyboard(browser: Any, tmp_path: Path) -> None:
    collection = make_reviewable(tmp_path, [5] * 120, seed=8)
    with serving(collection) as address:
        tab = Tab(browser, entered(browser, address))
        tab.go("/who")
        said, keys, begun = {}, 0, time.perf_counter()
        for number in range(100):
            said[tab.asked_about] = name = f"{GIVEN[number % 10]} {FAMILY[number // 10]}"
            tab.page.keyboard.type(name)
            tab.press("Enter")
            keys += len(name) + 1
        took = time.perf_counter() - begun
        print(f"100 people: {keys} keys, and {took:.1f} s of waiting")
        people = People.of(collection)
        assert {who: people.known[bytes.fromhex(who)].name for who in said} == said
        assert len(said) == 100
        tab.context.close()
        assert not tab.complaints


GIVEN = ("Ada", "Bo", "Cem", "Dara", "Eli", "Fumiko", "Grace", "Hanna", "Iman", "Jun")
FAMILY = ("Abe", "Berg", "Costa", "Diaz", "Endo", "Fry", "Gomez", "Hopper", "Ito", "Jansen")


def test_keys_are_letters_in_a_field_and_commands_outside(served, tab: Tab) -> None:
    page = tab.go("/who")
    first = tab.asked_about
    page.keyboard.type("sh1z?")
    assert page.input_value("#name") == "sh1z?"
    assert not page.is_visible("#help")
    page.keyboard.press("Escape")
    tab.press("s")
    second = tab.asked_about
    assert second != first, "later"
    tab.press("Alt+h")
    assert tab.asked_about != second, "hidden"
    tab.press("Alt+z")
    assert tab.asked_about == second, "undone"
    page.keyboard.press("?")
    assert page.is_visible("#help")
    page.keyboard.press("Escape")
    assert not page.is_visible("#help")
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    page.keyboard.type("x")
    assert page.input_value("#name") == "x", "back in the field"


def test_enter_never_completes_a_name(served, tab: Tab) -> None:
    tab.go("/who")
    tab.page.keyboard.type("Konstantin")
    tab.press("Enter")
    who = tab.asked_about
    tab.page.keyboard.type("Konst")
    tab.page.wait_for_selector("#names:not([hidden]) button")
    tab.press("Enter")
    assert People.of(served[0]).known[bytes.fromhex(who)].name == "Konst"
    tab.page.keyboard.type("Konsta")
    tab.page.wait_for_selector("#names:not([hidden]) button")
    tab.page.keyboard.press("ArrowDown")
    tab.page.keyboard.press("Enter")
    assert tab.page.input_value("#name") == "Konstantin", "chosen, and not sent yet"
    tab.press("Enter")
    assert "Is this the same Konstantin?" in tab.page.inner_text("h1")
    tab.press("n")


def test_same_or_not_is_answered_by_one_key(served, tab: Tab) -> None:
    tab.go("/same")
    if tab.page.locator("[data-key=y]").count() == 0:
        pytest.skip("nobody is likely the same as somebody else")
    tab.press(" ")
    for key in "yn":
        if tab.page.locator(f"[data-key={key}]").count():
            tab.press(key)
            assert tab.page.locator(".notice").count() == 1
            tab.press("z")


def test_a_tab_that_is_behind_decides_nothing(served, tab: Tab) -> None:
    tab.go("/who")
    who = tab.asked_about
    behind = tab.new()
    behind.goto(f"{tab.base}/who?person={who}")
    tab.page.keyboard.type("First Tab")
    tab.press("Enter")
    behind.fill("#name", "Second Tab")
    with behind.expect_response(lambda answer: answer.url.endswith("/decide")) as answer:
        behind.keyboard.press("Enter")
    assert answer.value.status == 409
    assert "Meanwhile: named." in behind.inner_text(".notice")
    assert People.of(served[0]).known[bytes.fromhex(who)].name == "First Tab"
    tab.complaints = [said for said in tab.complaints if "409" not in said]


@pytest.mark.full
def test_a_run_at_work_shows_a_banner(served, tab: Tab) -> None:
    with attempts.running(served[0].storage):
        _until(tab, "A run is working on this collection.", present=True)
        tab.page.keyboard.type("During The Run")
        tab.press("Enter")
        assert "During The Run" in tab.page.inner_text(".notice.good")
    _until(tab, "A run is working on this collection.", present=False)


@pytest.mark.full
def test_what_holds_at_once_is_what_the_regrouping_gives(served, tab: Tab) -> None:
    tab.go("/who")
    tab.page.keyboard.type("Just Now")
    tab.press("Enter")
    before = _people(tab)
    _until(tab, "Decided and not yet regrouped", present=False)
    assert _people(tab) == before
    assert any("Just Now" in card for card in before)
    assert not People.of(served[0]).pending


def _people(tab: Tab) -> list[str]:
    return sorted(tab.go("/people").locator("a.who").all_inner_texts())


def _until(tab: Tab, words: str, *, present: bool) -> None:
    """Looks at the page until it says something, or no longer does."""
    for _ in range(PATIENCE_MS // 250):
        if (words in tab.go("/who").inner_text("body")) == present:
            return
        tab.page.wait_for_timeout(250)
    raise AssertionError(words)


def _settled(served: tuple[Collection, str], tab: Tab) -> None:
    """Waits until people were regrouped after all decisions, and pages know it.

    What is shown of people then stays until somebody decides something.
    """
    for _ in range(PATIENCE_MS // 250):
        people = People.of(served[0])
        assert people.generation is not None
        generation = 'form.naming input[name="generation"]'
        shown = tab.go("/who").get_attribute(generation, "value") or ""
        if not people.pending and shown.startswith(people.generation.name):
            return
        tab.page.wait_for_timeout(250)
    raise AssertionError("people aren't regrouped")


def _paths(served: tuple[Collection, str], tab: Tab) -> list[str]:
    tab.go("/who")
    who, people = tab.asked_about, People.of(served[0])
    item = people.snapshot.media["media_id"][0].as_py().hex()
    other = next(one.hex() for one in people.known if one.hex() != who)
    own = [f"/{page}/{who}" for page in ("person", "fit", "odd")]
    own += [f"/compare?a={who}", f"/compare?a={who}&b={other}", "/people?q=zz", "/when?in=2004"]
    own += ["/where?at=48.0,8.5", f"/who?person={other}"]
    pages = ("who", "same", "people", "search", "when", "where", "failures", "evaluation")
    return [*(f"/{page}" for page in (*pages, "decisions")), *own, f"/media/{item}"]


def check_page(page: Any, what: str) -> None:
    """Refuses a page that is wider than its window, or that axe finds serious faults in."""
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= page.viewport_size["width"], what
    if AXE.is_file():
        page.evaluate(AXE.read_text("utf-8"))
        found = page.evaluate("axe.run(document)")["violations"]
        serious = [one for one in found if one["impact"] in ("serious", "critical")]
        assert not serious, (what, json.dumps(serious, indent=1)[:3000])


@pytest.mark.full
@pytest.mark.parametrize(
    "options",
    [
        {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark", "locale": "zh-CN"},
        {"viewport": {"width": 1280, "height": 900}, "color_scheme": "light"},
    ],
    ids=["phone", "desk"],
)
def test_every_page_fits_and_can_be_read_by_everybody(browser, let_in, served, options) -> None:
    tab = Tab(browser, let_in, **options)
    for path in _paths(served, tab):
        page = tab.go(path)
        check_page(page, path)
    check_page(tab.go("/person/" + "0" * 32), "missing")
    tab.complaints = [said for said in tab.complaints if "404" not in said]
    tab.go("/who")
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    check_page(page, "help")
    page = tab.go("/search")
    photo = encode(render_face(1, size=200), quality=90)
    page.set_input_files("#photo", {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": photo})
    page.click("form.drop button", timeout=4 * PATIENCE_MS)  # networks are loaded first
    page.wait_for_selector(".beside img.chip")
    check_page(page, "found")
    _settled(served, tab)
    name = f"Twice {options['viewport']['width']}"
    page.keyboard.type(name)
    tab.press("Enter")
    page.wait_for_selector(".notice.good")
    page.keyboard.type(name.lower())
    page.wait_for_selector("#names:not([hidden]) button")
    check_page(page, "names")
    tab.press("Enter")
    assert name.lower() in page.inner_text("h1")
    check_page(page, "confirm")
    page = tab.go("/who")
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    lightness = sum(map(int, re.findall(r"\d+", paper)[:3])) / 3
    assert (lightness < 60) == (options["color_scheme"] == "dark")
    assert not tab.complaints
    assert all(url.startswith(tab.base) for url in tab.asked)
    tab.context.close()


@pytest.mark.full
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_password_is_asked_for_on_a_page_for_everybody(browser, tmp_path, scheme) -> None:
    collection = make_reviewable(tmp_path, [3, 2])
    file = tmp_path / "password"
    file.write_text("correct horse battery", "utf-8")
    file.chmod(0o600)
    with serving(collection, "--password-file", str(file)) as address:
        context = browser.new_context(
            viewport={"width": 390, "height": 844}, color_scheme=scheme, locale="zh-CN"
        )
        page = context.new_page()
        page.goto(address.partition("?")[0])
        for wrong in ("", "not this one"):
            if wrong:
                page.fill("#password", wrong)
                page.click("button")
                page.wait_for_selector('[role="alert"]')
            check_page(page, f"login {wrong}")
        page.fill("#password", "correct horse battery")
        page.keyboard.press("Enter")
        page.wait_for_selector("form.naming #name")
        context.close()


def test_everything_works_without_a_script(browser, let_in, served) -> None:
    tab = Tab(browser, let_in, java_script_enabled=False)
    tab.go("/who")
    who = tab.asked_about
    tab.page.fill("#name", "Without Script")
    tab.page.click("form.naming button")
    tab.page.wait_for_selector(".notice")
    assert People.of(served[0]).known[bytes.fromhex(who)].name == "Without Script"
    tab.page.click(".notice button")
    tab.page.wait_for_selector(".notice")
    assert tab.asked_about == who, "undone"
    tab.context.close()
