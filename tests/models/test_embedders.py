"""``auto`` is the best embedder that can run here, and a collection keeps what it stood for."""

from __future__ import annotations

import importlib.util
from dataclasses import asdict
from pathlib import Path

import pytest

from facebatch.config import ExtractSettings, resolve_extract
from facebatch.embed import TTA_CHOICES
from facebatch.errors import SettingsMismatch
from facebatch.models import embedders
from facebatch.models.registry import card
from facebatch.models.space_thresholds import shipped


@pytest.fixture(params=["dlib-resnet", "mobilefacenet"])
def best(request, tmp_path: Path, monkeypatch) -> str:
    """The best embedder whose file is there."""
    monkeypatch.setenv("FACEBATCH_MODELS", str(tmp_path))
    if request.param == "mobilefacenet":
        (tmp_path / card("mobilefacenet").files[0].name).write_bytes(b"unread")
    return request.param


def test_auto_is_mobilefacenet_where_it_can_run(best, monkeypatch) -> None:
    assert embedders.best("mirror") == best
    assert {embedders.best(tta) for tta in TTA_CHOICES} == {best}
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert embedders.best("mirror") == "dlib-resnet"


def test_settings_name_the_embedder_that_auto_stands_for(best) -> None:
    chosen = resolve_extract({}, environment={})
    assert chosen.embedder == best == resolve_extract({"embedder": "auto"}, environment={}).embedder
    assert asdict(chosen) == asdict(ExtractSettings(embedder=best))
    assert chosen.thresholds() == shipped(best)["mirror"]


@pytest.mark.parametrize("kept", ["dlib-resnet", "mobilefacenet", "sface"])
def test_a_collection_keeps_its_embedder_under_auto(best, kept) -> None:
    frozen = asdict(ExtractSettings(embedder=kept))
    for flags in ({}, {"embedder": "auto"}, {"embedder": kept}):
        assert resolve_extract(flags, None, frozen, {}).embedder == kept
    other = "mobilefacenet" if kept == "dlib-resnet" else "dlib-resnet"
    with pytest.raises(SettingsMismatch, match=other):
        resolve_extract({"embedder": other}, None, frozen, {})


def test_embedders_have_spaces_of_their_own() -> None:
    shown = [name for name in embedders.known_embedders() if name != "mine"]
    assert {"dlib-resnet", "mobilefacenet", "retail-0095", "sface"} <= set(shown)
    spaces = {
        ExtractSettings(embedder=name).space() for name in shown if card(name).files[0].pinned
    }
    assert len(spaces) > 3
