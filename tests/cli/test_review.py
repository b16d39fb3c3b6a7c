"""``facebatch review``: what it says where it can't serve."""

from __future__ import annotations

import importlib.util

import pytest

from facebatch.cli import options
from facebatch.cli.review import review
from facebatch.errors import CollectionError, UsageError


def test_a_package_that_is_missing_is_named_with_its_remedy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"pip install 'facebatch\[review\]'"):
        review("nowhere")
    with pytest.raises(UsageError, match="`facebatch live --page` needs"):
        options.check_served("live --page")


def test_a_place_without_a_collection_is_refused() -> None:
    with pytest.raises(CollectionError, match="is no collection"):
        review("memory://nowhere-to-review")
