"""Values that no command can use: each ends with one line and exit code 2."""

from __future__ import annotations

import pytest
from support.program import facebatch


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


def test_a_folder_that_cant_be_made_is_named() -> None:
    assert "/proc/demo can't be written" in refused("demo", "/proc/demo")


def test_a_name_too_long_for_the_disk_is_no_traceback() -> None:
    assert "File name too long" in refused("run", "a" * 300, "-o", "c")
