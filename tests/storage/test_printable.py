from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.program import facebatch

from facebatch.storage.printable import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Zo\u00eb/\u5199\u771f/a.jpg", "Zo\u00eb/\u5199\u771f/a.jpg"),
        ("a\x1b[2Jb", "a\\x1b[2Jb"),
        ("a\nb\tc", "a\\x0ab\\x09c"),
        ("gpj.\u202eexe", "gpj.\\u202eexe"),
        ("caf\udce9", "caf\\udce9"),
        ("\U000e0041", "\\U000e0041"),
        ("\U0001f468\u200d\U0001f469", "\U0001f468\u200d\U0001f469"),
    ],
)
def test_what_acts_on_a_terminal_is_shown_as_text(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(st.text())
def test_nothing_printable_moves_the_cursor_or_turns_the_text(text: str) -> None:
    shown = printable(text)
    assert not any(unicodedata.category(sign) in ("Cc", "Cs", "Zl", "Zp") for sign in shown)
    assert not any("\u202a" <= sign <= "\u202e" or "\u2066" <= sign <= "\u2069" for sign in shown)
    assert printable(shown) == shown


def test_a_name_in_an_error_does_nothing_to_the_terminal() -> None:
    done = facebatch("inspect", "no\x1b[2J\u202ewhere")
    assert done.returncode == 2
    assert "no\\x1b[2J\\u202ewhere is no collection" in done.stderr
