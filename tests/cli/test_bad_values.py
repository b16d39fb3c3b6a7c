"""Values that no command can use: each ends with one line and exit code 2."""

from __future__ import annotations

import pytest
from support.program import facebatch
from typer.testing import CliRunner

from facebatch.cli import app
from facebatch.errors import UsageError


def refused(*arguments: str) -> str:
    """What a command says that ends with code 2."""
    done = facebatch(*arguments)
    assert done.returncode == 2, done.stdout + done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    return done.stderr


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (("run", "", "-o", "c"), "PHOTOS"),
        (("run", "photos", "more", "", "-o", "c"), "PHOTOS"),
        (("run", "photos", "-o", " "), "--output"),
        (("run", "--root", "", "-o", "c"), "--root"),
        (("run", "photos", "-o", "c", "--gallery="), "--gallery"),
        (("gallery", "build", "", "-o", "g"), "FOLDER"),
        (("export", "c", "--xmp", ""), "--xmp"),
        (("export", "c", "--csv", ""), "--csv"),
        (("people", "name", "c", "12ab", ""), "NAME"),
    ],
)
def test_an_unset_variable_of_the_shell_is_refused(words: tuple[str, ...], name: str) -> None:
    assert refused(*words).startswith(f"facebatch: {name} is empty")


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (("identify", "c", "--gallery", ""), "--gallery"),
        (("search", "c", ""), "PHOTO"),
        (("verify", "a.jpg", " "), "B"),
        (("verify", "a.jpg", "b.jpg", "--gallery", ""), "--gallery"),
        (("unlock", "a.jpg", "--enrol", ""), "--enrol"),
        (("annotate", "", "-o", "o"), "FILE"),
    ],
)
def test_commands_on_single_photos_refuse_it_too(words: tuple[str, ...], name: str) -> None:
    with pytest.raises(UsageError, match=f"^{name} is empty"):
        CliRunner().invoke(app, list(words), catch_exceptions=False)


@pytest.mark.parametrize(
    "words",
    [
        ("run", "photos", "-o", "c", "--gallery", "g", "--threshold", "nan"),
        ("identify", "c", "--gallery", "g", "--threshold", "NaN"),
        ("verify", "a.jpg", "b.jpg", "--far", "nan"),
        ("unlock", "a.jpg", "--enrol", "f", "--threshold", "-nan"),
        ("annotate", "a.jpg", "-o", "o", "--fps", "nan"),
        ("cluster", "c", "--threshold", "nan"),
        ("index", "c", "--recall", "nan"),
        ("evaluate", "detection", "c", "--truth", "t", "--iou", "nan"),
        ("extract", "photos", "-o", "c", "--max-failures", "nan"),
    ],
)
def test_nan_is_no_number(words: tuple[str, ...]) -> None:
    done = CliRunner().invoke(app, list(words))
    said = done.output + str(done.exception)
    # Ranges that the parser checks are told in its own words.
    assert any(words in said for words in ("which is no number", "isn't within", "has to be"))


def test_a_folder_that_cant_be_made_is_named() -> None:
    assert "/proc/demo can't be written" in refused("demo", "/proc/demo")


def test_a_name_too_long_for_the_disk_is_no_traceback() -> None:
    assert "File name too long" in refused("run", "a" * 300, "-o", "c")
