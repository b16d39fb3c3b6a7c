"""``auto`` is the best detector that can run here, and a collection keeps what it stood for."""

from __future__ import annotations

import importlib.util
from dataclasses import asdict

import pytest

from facebatch.config import ExtractSettings, resolve_extract
from facebatch.errors import SettingsMismatch
from facebatch.models import detectors
from facebatch.models.registry import ONET, card


@pytest.fixture(params=[False, True], ids=["without YuNet", "with YuNet"])
def yunet(request, tmp_path, monkeypatch) -> bool:
    """Whether YuNet's file is in the models folder."""
    monkeypatch.setenv("FACEBATCH_MODELS", str(tmp_path))
    if request.param:
        (tmp_path / card("yunet").files[0].name).write_bytes(b"unread")
    return request.param


def test_auto_is_yunet_where_it_can_run(yunet, monkeypatch) -> None:
    assert detectors.best() == ("yunet" if yunet else "mtcnn")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert detectors.best() == "mtcnn"


def test_settings_name_the_detector_that_auto_stands_for(yunet) -> None:
    chosen = resolve_extract({"detector": "auto"}, environment={})
    assert chosen.detector == ("yunet" if yunet else "mtcnn")
    assert asdict(chosen) == asdict(ExtractSettings(detector=chosen.detector))


@pytest.mark.parametrize("kept", ["mtcnn", "yunet"])
def test_a_collection_keeps_its_detector_under_auto(yunet, kept) -> None:
    frozen = asdict(ExtractSettings(detector=kept))
    for flags in ({}, {"detector": "auto"}, {"detector": kept}):
        assert resolve_extract(flags, None, frozen, {}).detector == kept
    other = "mtcnn" if kept == "yunet" else "yunet"
    with pytest.raises(SettingsMismatch, match=other):
        resolve_extract({"detector": other}, None, frozen, {})


def test_detectors_have_fingerprints_of_their_own_and_one_space() -> None:
    each = [ExtractSettings(detector=name) for name in detectors.known_detectors()]
    assert len({settings.fingerprint() for settings in each}) == len(each) > 1
    assert len({settings.space() for settings in each}) == 1


def test_every_detector_reads_o_net() -> None:
    for name in detectors.known_detectors():
        assert detectors.weights(name).count(ONET) == 1
