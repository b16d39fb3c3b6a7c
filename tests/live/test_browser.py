"""The page in a real browser, whose camera is a file."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.program import command
from support.videos import encode_video, walk

from facebatch.identify import Gallery

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright isn't installed")

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
ROOT = Path(__file__).parents[2]
AXE = Path(os.environ.get("AXE_CORE", ROOT / "node_modules/axe-core/axe.min.js"))
PATIENCE_MS = 60_000

pytestmark = [
    pytest.mark.full,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium"),
]


@pytest.fixture
def camera(tmp_path: Path) -> Path:
    """What the browser's camera sees: Ada and a stranger, again and again."""
    pictures = walk([26, 35], 8, step=1.0)
    path = tmp_path / "camera.mjpeg"
    path.write_bytes(
        encode_video(
            pictures,
            [100 * number for number in range(len(pictures))],
            container="mjpeg",
            codec="mjpeg",
            pixel_format="yuvj420p",
        )
    )
    return path


@pytest.fixture
def served(gallery: Gallery) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    program = subprocess.Popen(
        command("live", "browser", "-g", gallery.storage.url, "--size", "480"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert program.stderr is not None
    line = program.stderr.readline()
    found = re.search(r"http://\S+", line)
    assert found, line
    yield found[0], program
    program.kill()
    program.communicate()


def test_the_browsers_camera_is_watched_and_who_it_sees_is_enrolled(
    served: tuple[str, Any], camera: Path, gallery: Gallery
) -> None:
    url, program = served
    complaints: list[str] = []
    asked: list[str] = []
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=[
                "--no-sandbox",
                "--use-fake-ui-for-media-stream",
                "--use-fake-device-for-media-stream",
                f"--use-file-for-fake-video-capture={camera}",
            ],
        )
        page = browser.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console",
            lambda said: complaints.append(said.text) if said.type == "error" else None,
        )
        page.on("request", lambda request: asked.append(request.url))
        page.goto(url, wait_until="domcontentloaded")
        page.wait_for_selector("#faces bdi:text('Ada')")
        page.wait_for_selector("#faces form")
        for _ in range(PATIENCE_MS // 250):
            if page.evaluate("document.querySelector('img.photo').naturalWidth") == 480:
                break
            page.wait_for_timeout(250)
        else:
            raise AssertionError("no picture is shown")
        if AXE.is_file():
            page.evaluate(AXE.read_text("utf-8"))
            found = page.evaluate("axe.run(document)")["violations"]
            serious = [one for one in found if one["impact"] in ("serious", "critical")]
            assert not serious, json.dumps(serious, indent=1)[:3000]
        page.keyboard.press("n")
        page.keyboard.type("Grace")
        with page.expect_navigation(wait_until="domcontentloaded"):
            page.keyboard.press("Enter")
        assert "Grace is enrolled" in page.inner_text(".notice.good")
        page.wait_for_selector("#faces bdi:text('Grace')")
        assert not complaints
        cookies = page.context.cookies()
        page.context.clear_cookies()
        page.wait_for_selector("#shut", state="visible")
        page.context.add_cookies(cookies)
        page.wait_for_selector("#shut", state="hidden")
        assert not page.is_visible("#ended")
        program.send_signal(signal.SIGTERM)
        page.wait_for_selector("#ended", state="visible")
        browser.close()
    origin = url.partition("/?")[0]
    assert all(each.startswith(origin) for each in asked)
    assert gallery.names() == ["Ada", "Grace"]
    out, errors = program.communicate(timeout=60)
    assert program.returncode == 0, errors
    told = [json.loads(line) for line in out.splitlines()]
    assert {each["name"] for each in told if each["event"] == "recognised"} == {"Ada", "Grace"}
