"""``facebatch people``, as a user does it: look, name, put right, undo."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from support.commits import commit_at, follow
from support.program import facebatch

from facebatch.collection import Collection
from facebatch.config import ExtractSettings


@pytest.fixture
def url(undisturbed: Collection, tmp_path: Path) -> str:
    """A collection of one's own."""
    return str(shutil.copytree(undisturbed.storage.url, tmp_path / "faces"))


def said(*arguments: str) -> dict[str, Any]:
    done = facebatch("people", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    summary: dict[str, Any] = json.loads(done.stdout)
    return summary


def test_people_are_named_looked_at_and_put_right(url: str, tmp_path: Path) -> None:
    first, second, *_ = [one["person_id"] for one in said("list", url)["people"]]
    named = said("name", url, first[:8], "Ada")
    assert named["people"]["reason"] == "decision"
    assert said("list", url)["people"][0]["name"] == "Ada"
    sheet, page = tmp_path / "ada.png", tmp_path / "ada.html"
    shown = said("show", url, "Ada", "--sheet", str(sheet))
    with Image.open(sheet) as picture:
        assert picture.width > 300
    said("show", url, first, "--sheet", str(page))
    assert shown["faces"][0]["face_id"][:12] in page.read_text("utf-8")
    assert [event["kind"] for event in shown["events"]] == ["founded", "named"]
    said("merge", url, "Ada", second)
    assert second not in [one["person_id"] for one in said("list", url)["people"]]
    said("undo", url, "--later")
    assert said("list", url)["pending"] == 1
    assert said("regroup", url)["followed"] == 1
    assert second in [one["person_id"] for one in said("list", url)["people"]]
    said("hide", url, second)
    assert second not in [one["person_id"] for one in said("list", url)["people"]]
    assert second in [one["person_id"] for one in said("list", url, "--all")["people"]]


def test_names_go_out_and_in_as_csv_and_decisions_are_listed(tmp_path: Path) -> None:
    url = str(tmp_path / "faces")
    collection = Collection.create(url, ExtractSettings())
    commit_at(collection, "one", 0, 0, 2, 4, 5, 40, 42, 44)
    follow(collection)
    first, second, *_ = [one["person_id"] for one in said("list", url)["people"]]
    names = tmp_path / "names.csv"
    assert said("export", url, str(names))["rows"] == len(said("list", url, "--all")["people"])
    names.write_text(f"id,name\n{first},Ada\n{second},Bo\n")
    said("import", url, str(names))
    said("apart", url, "ada", "bo")
    face = said("show", url, "Bo")["faces"][0]["face_id"]
    said("assign", url, "Ada", face)
    told = said("decisions", url, "Ada")["decisions"]
    assert [one["kind"] for one in told] == ["import", "apart", "assign"]
    assert said("show", url, "Ada")["decisions"] == told
    out = facebatch("people", "export", url, "-", "--faces").stdout
    assert sum(line.endswith('"Ada"') for line in out.splitlines()) == len(
        said("show", url, "Ada")["faces"]
    )
    lines = facebatch("people", "decisions", url).stdout.splitlines()
    assert "import 2 names" in lines[0]
    assert facebatch("people", "import", url, str(names)).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("show", "Nobody"), "nobody called"),
        (("name", "Nobody", "Ada"), "nobody called"),
        (("undo",), "no decision"),
    ],
)
def test_wrong_input_ends_with_code_2_and_one_line(
    undisturbed: Collection, arguments: tuple[str, ...], says: str
) -> None:
    command, *rest = arguments
    done = facebatch("people", command, undisturbed.storage.url, *rest)
    assert done.returncode == 2
    assert says in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_sheet_is_a_png_or_a_page(url: str, tmp_path: Path) -> None:
    first = said("list", url)["people"][0]["person_id"]
    target = str(tmp_path / "sheet.gif")
    done = facebatch("people", "show", url, first, "--sheet", target)
    assert done.returncode == 2
    assert ".png or .html" in done.stderr


def test_many_decisions_are_applied_from_a_file(url: str, tmp_path: Path) -> None:
    first, second, *_ = [one["person_id"] for one in said("list", url)["people"]]
    lines = tmp_path / "decisions.txt"
    lines.write_text(f"name {first} Ada\nmerge Ada {second}\n")
    told = facebatch("people", "apply", url, str(lines)).stdout.splitlines()
    assert f"{first[:12]} is called Ada" in told[0]
    assert f"{second[:12]} and Ada are one person" in told[1]
    listed = facebatch("people", "list", url, "--search", "aDA", "--limit", "1").stdout
    assert listed.splitlines()[1].endswith("Ada")
