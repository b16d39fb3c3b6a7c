"""What the commands say, in the words and the number that a user expects."""

from __future__ import annotations

from typing import Any

import pytest
from typer.testing import CliRunner

from facebatch.cli import app, output
from facebatch.errors import UsageError
from facebatch.storage.printable import count


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("run", "."), "run needs --output URL, as in `facebatch run ~/Pictures --output ~/faces`"),
        (
            ("run", ".", "-o", "c", "--detector", "eyes"),
            "unknown detector 'eyes'; there is: auto, mtcnn",
        ),
        (("run", ".", "-o", "c", "--workers", "many"), "--workers takes a whole number or auto"),
        (("run", ".", "-o", "c", "--threshold", "0.1"), "--match-threshold says who of a gallery"),
        (("run", ".", "-o", "c", "--fdr", "0.1"), "--fdr says who of a gallery"),
    ],
)
def test_what_is_missing_or_unknown_is_told_with_what_there_is(
    words: tuple[str, ...], said: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photo.jpg").write_bytes(b"")
    with pytest.raises(UsageError) as refused:
        CliRunner().invoke(app, list(words), catch_exceptions=False)
    assert said in str(refused.value)


def test_people_are_summed_up_in_a_line() -> None:
    clusters = {"faces": 93, "unclustered": 19, "below_gate": 2, "largest": 30}
    people = {"active": 12, "unchanged": False, "merged": 0, "dissolved": 0}
    summary = {"clusters": {**clusters, "from_scratch_advised": False}, "people": people}
    assert list(output.people_lines(summary)) == [
        "12 people, 93 faces; 19 faces left over (2 too poor); the largest person has 30 faces"
    ]


def test_who_was_recognised_is_summed_up_in_a_line() -> None:
    config = {"method": "centroid", "threshold": 0.08, "threshold_source": "x: y", "fdr": None}
    figures = {"matched": 57, "faces": 862, "people": 5, "gallery_people": 5}
    summary = {**figures, "config": config, "unchanged": False, "expected_wrong": 8.2}
    first = next(output.matches_lines(summary))
    assert first == "recognised 57 of 862 faces (5 of 5 people); about 8 may be impostors"


def test_an_empty_folder_is_told() -> None:
    plan = dict.fromkeys(("to_extract", "unchanged", "given_up", "vanished", "excluded"), 0)
    plan |= {"erased": 0, "blocked": 0, "ignored": 0, "ignored_kinds": [], "unreadable_folders": []}
    done = dict.fromkeys(("duplicates", "moved", "touched", "quarantined", "noted"), 0)
    lines = output.extraction_lines({"plan": plan, **done}, ["emptyd"])
    assert next(lines) == "no photos or videos in emptyd"


def test_one_is_singular() -> None:
    assert [count(number, "face") for number in (0, 1, 1200)] == [
        "0 faces",
        "1 face",
        "1,200 faces",
    ]
    assert count(1, "person", "people") == "1 person"
