"""What the commands say, in the words and the number that a user expects."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from support.program import facebatch
from typer.testing import CliRunner

from facebatch.cli import app, next_steps, output
from facebatch.errors import FacebatchError
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
        (("runn", "."), "has no command runn; run was meant?"),
        (("sing", "."), "has no command sing; `"),
        (("people", "nam", "c"), "people has no command nam; name was meant?"),
        (("evaluate", "pair"), "evaluate has no command pair; pairs was meant?"),
        (("--verson",), "has no option --verson; --version was meant?"),
        (("run", ".", "--ouput", "c"), "run has no option --ouput; --output was meant?"),
        (("run", ".", "-x"), "run has no option -x; `"),
        (("run", ".", "-o"), "run: -o needs a value, as in `facebatch run"),
        (("index", "c", "--recall", "x"), "--recall takes a number, not 'x'"),
        (("people", "list", "c", "--limit", "x"), "--limit takes a whole number, not 'x'"),
        (
            ("cluster", "c", "--threshold", "9"),
            "--threshold has to be less than or equal to 4, not '9'",
        ),
        (("verify", "a.jpg"), "verify needs A B, as in `facebatch verify a.jpg b.jpg`"),
        (
            ("models", "fetch"),
            "models fetch needs NAME..., as in `facebatch models fetch recommended`",
        ),
        (("inspect", "c", "more"), "inspect takes COLLECTION and no more, not 'more', as in `"),
        (("help", "foo"), "there is no command 'foo'; `facebatch help` lists them"),
        (("run", ".", "-o", "c", "--fps", "0"), "--fps 0.0 isn't within 0.001 to 1000.0"),
        (("people", "show", "c", "2af"), "c is no collection: it doesn't exist"),
        (("inspect", "photo.jpg"), "photo.jpg is no collection: it is a file"),
        (("gallery", "list", "folder"), "folder is no gallery: there is no gallery.json in it"),
        (("inspect", "folder"), "folder is no collection: there is no collection.json in it"),
        (("inspect", "gallery"), "gallery is no collection: it is a gallery"),
        (
            ("run", "folder", "-o", "photo.jpg"),
            "photo.jpg is a file: choose an empty or new folder",
        ),
        (("run", "nosuch", "-o", "c"), "/nosuch doesn't exist"),
        (("run", "nosuch.zip", "-o", "c"), "/nosuch.zip doesn't exist"),
        (("run", "notes.txt", "-o", "c"), "/notes.txt is no photo or video"),
        (("run", ".", "-o", "c", "--config", "notes.txt"), "--config notes.txt isn't TOML: "),
        (("run", ".", "-o", "c", "--config", "no.toml"), "--config no.toml can't be read: "),
        (("run", ".", "-o", "c", "--gallery", "no"), "no is no gallery: it doesn't exist"),
        (("annotate", "photo.jpg", "-o", "notes.txt"), "photo.jpg: "),
    ],
)
def test_what_is_missing_or_unknown_is_told_with_what_there_is(
    words: tuple[str, ...], said: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photo.jpg").write_bytes(b"")
    (tmp_path / "notes.txt").write_text("neither photo nor settings")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a.txt").write_text("")
    (tmp_path / "gallery").mkdir()
    (tmp_path / "gallery" / "gallery.json").write_text("{}")
    with pytest.raises(FacebatchError) as refused:
        CliRunner().invoke(app, list(words), catch_exceptions=False)
    assert said in str(refused.value)
    assert refused.value.exit_code == 2
    assert "\n" not in str(refused.value)


def test_what_the_system_says_of_a_file_is_told_without_its_numbers(tmp_path: Path) -> None:
    done = facebatch("evaluate", "pairs", "--pairs", str(tmp_path / "no"), "--images", ".")
    assert done.stderr == f"facebatch: {tmp_path}/no can't be read: No such file or directory\n"
    done = facebatch("run", f"@{tmp_path}/no", "-o", str(tmp_path / "c"))
    assert done.stderr == (
        f"facebatch: the list {tmp_path}/no can't be read: No such file or directory\n"
    )
    # A message that begins with the program's name doesn't have it twice.
    assert facebatch("run", ".").stderr.startswith("facebatch run needs --output URL")


def test_the_former_name_of_an_option_is_said_to_be_one(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"")
    done = facebatch("run", str(tmp_path), "-o", str(tmp_path / "c"), "--threshold", "0.1")
    former, refusal = done.stderr.splitlines()
    assert former == "facebatch: --threshold is called --match-threshold now"
    assert "give --gallery too" in refusal
    assert not re.search(r"--threshold\b(?!-)", facebatch("run", "--help").stdout)


def test_nothing_is_said_of_people_where_there_are_no_photos(tmp_path: Path) -> None:
    (tmp_path / "emptyd").mkdir()
    done = facebatch("run", str(tmp_path / "emptyd"), "-o", str(tmp_path / "c"))
    assert (done.returncode, done.stdout) == (0, "no photos or videos in emptyd\n")


NOTHING = {"extract": {"quarantined": 0, "faces": 0}, "people": {"unchanged": False, "active": 0}}


@pytest.mark.parametrize(
    ("summary", "gallery", "said"),
    [
        ({}, None, []),
        ({"people": {"unchanged": True, "active": 3, "named": 0}}, None, []),
        ({"people": {"unchanged": False, "active": 3, "named": 3}}, "g", []),
        ({"people": {"unchanged": False, "active": 3, "named": None}}, None, []),
        ({"people": {"unchanged": False, "active": 3, "named": 0}}, None, ["gallery build"]),
        ({"people": {"unchanged": False, "active": 3, "named": 0}}, "g", ["3 people without"]),
        ({"people": {"unchanged": False, "active": 3, "named": 2}}, None, ["1 person without"]),
        ({"people": {"unchanged": False, "active": 3, "named": 0, "hidden": 3}}, None, []),
        (
            {"people": {"unchanged": False, "active": 5, "named": 1, "hidden": 3}},
            None,
            ["1 person without"],
        ),
        (
            {
                "extract": {"quarantined": 2, "reasons": {"truncated": 2}, "faces": 9},
                "people": {"unchanged": False, "active": 3, "named": 2},
                "matches": {"expected_wrong": 3.1},
            },
            "g",
            ["inspect 'my faces' --failures", "people suggest 'my faces'", "may be wrong"],
        ),
    ],
)
def test_what_to_do_next_fits_what_was_found(
    summary: dict[str, Any], gallery: str | None, said: list[str]
) -> None:
    lines = list(next_steps.after_run(NOTHING | summary, "my faces", gallery))
    assert len(lines) == len(said)
    for line, words in zip(lines, said, strict=True):
        assert line.startswith("next: ")
        assert words in line


def test_after_one_stage_the_next_is_named() -> None:
    done = {"quarantined": 0, "faces": 3}
    [line] = next_steps.after_extract(done, "c")
    assert "`facebatch cluster c`" in line
    people = {"people": {"unchanged": False, "active": 2, "named": 1}}
    [line] = next_steps.after_clustering(people, "c")
    assert "`facebatch review c`" in line
    [line] = next_steps.after_identification({"matched": 1, "unchanged": False}, "c")
    assert "`facebatch cluster c`" in line
    [line] = next_steps.after_enrolment({"gallery": "g"})
    assert "--gallery g`" in line


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
