"""Names are kept in one form, and compared as users see them."""

from __future__ import annotations

import unicodedata

import pytest

from facebatch.people.names import hint, meant, written

APART = unicodedata.normalize("NFD", "Zo\u00eb")


def test_a_name_is_kept_with_its_accents_in_one_piece_and_trimmed() -> None:
    assert written(f" {APART}\n") == "Zo\u00eb"


@pytest.mark.parametrize("said", ["Zo\u00eb", APART, "zo\u00eb", " ZO\u00cb "])
def test_a_person_is_meant_however_the_name_is_typed(said: str) -> None:
    assert meant(said, ["Ada", "Zo\u00eb"]) == "Zo\u00eb"


def test_two_names_that_differ_in_case_alone_are_told_by_it() -> None:
    assert meant("ada", ["Ada", "ada"]) == "ada"
    assert meant("ADA", ["Ada", "ada"]) is None


def test_whoever_may_have_been_meant_is_named() -> None:
    assert hint("Ad", ["Ada", "Bo"]) == "; did you mean 'Ada'?"
    assert hint("xyz", ["Ada"]) == ""
