"""Each of the ways in is tried, by whoever isn't meant to come in."""

from __future__ import annotations

import io
import re
import struct
import zlib
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from support.reviewable import forms, ids_of, pages_of

from facebatch.collection.sources import Sources
from facebatch.errors import UsageError
from facebatch.review import security
from facebatch.review.app import make_app
from facebatch.review.pages import Site
from facebatch.review.security import Access, read_password


def test_nobody_sees_anything_without_the_cookie(outside) -> None:
    for path in pages_of(outside):
        answer = outside.browser.get(path, follow_redirects=False)
        assert answer.status_code == 401, path
        assert outside.collection.name not in answer.text
    outside.browser.cookies.set(outside.site.access.cookie, "guessed")
    assert outside.browser.get("/people").status_code == 401


def test_the_address_lets_one_browser_in_once(outside) -> None:
    token = outside.site.access.token
    assert outside.browser.get(f"/?token={token[:-1]}").status_code == 401
    answer = outside.browser.get(f"/?token={token}", follow_redirects=False)
    assert answer.status_code == 303
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert token not in cookie
    assert outside.browser.get("/people").status_code == 200
    other = TestClient(make_app(outside.site), base_url="http://127.0.0.1:8765")
    assert other.get(f"/?token={token}").status_code == 401
    assert other.get("/?token=").status_code == 401, "a token that was used up is none"


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example:8765", "localhost.evil.example:8765", "127.0.0.1", "127.0.0.1:80"),
        *("127.0.0.1:8765.evil.example", "0.0.0.0:8765", "", "[::1", "192.168.0.7:8765"),
    ],
)
def test_a_name_that_was_bound_to_this_machine_is_refused(review, host: str) -> None:
    answer = review.browser.get("/people", headers={"host": host})
    assert answer.status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "http://127.0.0.1:9999"},
        {"origin": "http://localhost:8765"},
        {"origin": "https://127.0.0.1:8765"},
        {"origin": "null"},
        {},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "cross-site"},
    ],
)
def test_forms_of_other_pages_are_refused(review, headers: dict[str, str]) -> None:
    form = review.form("/who", "name").changed(name="Mallory")
    for path in ("/decide", "/search", "/login"):
        answer = review.browser.post(path, data=dict(form), headers=headers)
        assert answer.status_code == 403, path
    assert not review.people.pending


def test_a_form_without_its_proof_is_refused(review) -> None:
    form = review.form("/who", "name").changed(name="Mallory")
    other = review.site.access.csrf(review.site.access._session())
    for csrf in ("", "0" * 64, other, "\udcff", "ß"):
        answer = review.send(form.changed(csrf=csrf.encode("utf-8", "replace").decode()))
        assert answer.status_code == 403
    del form["csrf"]
    assert review.send(form).status_code == 403
    assert not review.people.pending


def test_every_answer_forbids_what_a_page_does_not_need(review) -> None:
    for path in [*pages_of(review), "/static/review.js", "/nowhere"]:
        headers = review.browser.get(path).headers
        policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
        assert policy.pop("default-src") == "'none'"
        assert set(policy.values()) == {"'self'", "'none'"}, path
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"


def test_pages_hold_no_code_and_lead_nowhere_else(review) -> None:
    for path in pages_of(review):
        page = review.page(path) if not path.startswith(("/chip", "/photo", "/names")) else ""
        assert not re.search(r"<style|\son\w+=|\sstyle=|javascript:", page), path
        assert not re.search(r"<script(?! src=\"/static/)", page), path
        assert not re.search(r"(href|src|action)=\"(?!/[^/]|\?|#)", page), path


def test_a_name_stays_text(review) -> None:
    name = '"><script>alert(1)</script>'
    review.name(review.unnamed()[0], name)
    for path in ("/people", "/decisions", "/names?q=%22"):
        answer = review.browser.get(path)
        assert "<script>alert" not in answer.text or "json" in answer.headers["content-type"]
    assert "&lt;script&gt;" in review.page("/people")


def test_only_ids_are_addresses(review) -> None:
    person, face, item = ids_of(review)
    wrong = [
        "..%2f..%2fetc%2fpasswd",
        "etc",
        item.upper(),
        item[:-1],
        f"{item}0",
        "%00" * 32,
        "0" * 32,
    ]
    for kind in ("person", "media", "photo", "chip", "fit", "odd", "looked"):
        for one in wrong:
            assert review.browser.get(f"/{kind}/{one}").status_code == 404, (kind, one)
    for path in ("/static/..%2freview.py", "/static/texts.toml", "/photo/../../etc/passwd"):
        assert review.browser.get(path).status_code == 404
    assert review.browser.get(f"/photo/{item}?at=12345").status_code == 404, "no such frame"
    assert review.browser.get(f"/chip/{item}").status_code == 404, "an id of something else"
    assert review.browser.get(f"/person/{face}").status_code == 404
    assert review.browser.get(f"/photo/{item}").status_code == 200
    assert review.browser.get(f"/person/{person}").status_code == 200


def test_a_photo_that_changed_since_is_not_shown(review, tmp_path: Path) -> None:
    _, _, item = ids_of(review)
    row = review.site.desk.state.store.media_directory.row(bytes.fromhex(item))
    path = review.site.desk.state.store.media["path"][row].as_py()
    (tmp_path / path).write_bytes(b"something private")
    Sources({"photos": str(tmp_path)}).write(review.collection.storage)
    answer = review.browser.get(f"/photo/{item}")
    assert answer.status_code == 404
    assert "private" not in answer.text


def test_forms_of_any_size_or_shape_are_refused_as_such(review, monkeypatch) -> None:
    form = review.form("/who", "name")
    assert review.send(form.changed(person="../../etc/passwd")).status_code == 400
    assert review.send(form.changed(page="http://evil.example")).status_code == 400
    assert review.send(form.changed(action="format the disk")).status_code == 400
    assert review.send(form.changed(about="xyz")).status_code == 400
    monkeypatch.setattr(security, "LARGEST_FORM", 1000)
    assert review.send(form.changed(name="x" * 2000)).status_code == 413
    answer = review.browser.post(
        "/decide",
        content=iter([b"x" * 600] * 4),
        headers={
            "origin": "http://127.0.0.1:8765",
            "content-type": "application/x-www-form-urlencoded",
        },
    )
    assert answer.status_code == 413
    headers = {"origin": "http://127.0.0.1:8765", "content-length": str(10**12)}
    assert review.browser.post("/search", content=b"", headers=headers).status_code == 413
    assert review.browser.request("PUT", "/decide").status_code == 405
    assert review.browser.request("DELETE", "/people").status_code == 405


def bomb() -> bytes:
    """Returns a PNG of a few bytes that asks for 10 gigapixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def test_a_hostile_photo_is_a_message(review) -> None:
    [form] = forms(review.page("/search"))
    for data in (b"", b"<svg onload='alert(1)'/>", bomb(), b"\xff\xd8\xff" + b"\0" * 100):
        answer = review.browser.post(
            "/search",
            data={"csrf": form["csrf"][0]},
            files={"photo": ("../../x.jpg", io.BytesIO(data), "image/jpeg")},
            headers={"origin": "http://127.0.0.1:8765"},
        )
        assert answer.status_code == 422
        assert "can&#39;t be searched with" in answer.text


def test_other_machines_need_a_password(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--password-file"):
        read_password("0.0.0.0", None)
    assert read_password("127.0.0.1", None) is None
    file = tmp_path / "password"
    file.write_text("correct horse battery\n")
    file.chmod(0o644)
    with pytest.raises(UsageError, match="chmod 600"):
        read_password("0.0.0.0", file)
    file.chmod(0o600)
    assert read_password("0.0.0.0", file) == "correct horse battery"
    file.write_text("short")
    with pytest.raises(UsageError, match="too short"):
        read_password("0.0.0.0", file)
    with pytest.raises(UsageError, match="can't be read"):
        read_password("0.0.0.0", tmp_path / "none")


def test_a_password_lets_in_and_guessing_ends(outside) -> None:
    site, access = outside.site, Access("0.0.0.0", 8765, "correct horse battery")
    app = make_app(Site(site.desk, site.originals, site.eye, access, "en"))
    origin = "http://192.168.0.7:8765"
    browser = TestClient(app, base_url=origin)
    assert browser.get("/people", follow_redirects=False).headers["location"] == "/login"
    assert outside.collection.name not in browser.get("/login").text

    def login(password: str, client: TestClient = browser) -> int:
        headers, data = {"origin": origin}, {"password": password}
        answer = client.post("/login", data=data, headers=headers, follow_redirects=False)
        return answer.status_code

    assert login("wrong") == 401
    assert login("correct horse battery") == 303
    assert browser.get("/people").status_code == 200
    assert browser.get("/people", headers={"host": "evil.example:8765"}).status_code == 403
    other = TestClient(app, base_url=origin)
    assert {login(str(guess), other) for guess in range(12)} == {401}
    assert login("correct horse battery", other) == 401, "nobody may guess on"
    assert outside.browser.get("/login").status_code == 404, "where there is no password"


def test_port_80_is_left_out_by_browsers(outside) -> None:
    site, access = outside.site, Access("127.0.0.1", 80)
    app = make_app(Site(site.desk, site.originals, site.eye, access, "en"))
    browser = TestClient(app, base_url="http://127.0.0.1")
    browser.get(f"/?token={access.token}")
    form = type(outside)(outside.collection, site, browser).form("/who", "hide")
    sent = {"data": dict(form), "follow_redirects": False}
    for origin, status in (("http://127.0.0.1:8765", 403), ("http://127.0.0.1", 303)):
        answer = browser.post("/decide", headers={"origin": origin}, **sent)
        assert answer.status_code == status, origin
    for host in ("localhost", "[::1]", "127.0.0.1:80", "[::1]:80"):
        assert access.allows_host(host), host
    for host in ("evil.example", "127.0.0.1:8765", "127.0.0.1:", ":80", "", "::1"):
        assert not access.allows_host(host), host
