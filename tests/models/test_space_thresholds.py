"""Thresholds are data of a space: shipped, or measured by the user, and never another space's."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from facebatch.config import ExtractSettings
from facebatch.embed import TTA_CHOICES
from facebatch.errors import UsageError
from facebatch.models.registry import CARDS
from facebatch.models.space_thresholds import (
    Links,
    SpaceThresholds,
    TrackLimits,
    keep,
    known,
    own_file,
    shipped,
    thresholds_of,
    track_limits,
)

MEASURED = SpaceThresholds(
    "dlib-resnet",
    "mirror",
    "the space",
    Links({1e-3: 0.2, 1e-5: 0.1}, 1.0, 0.05, "a test"),
    TrackLimits(0.1, 0.15, "a test"),
    {"far": [], "curve": None, "fpir": []},
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FACEBATCH_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


def test_dlibs_thresholds_are_those_that_its_results_were_made_with() -> None:
    ours = shipped("dlib-resnet")
    assert list(ours) == ["none", "mirror", "full"]
    assert [of.links.scale for of in ours.values()] == [0.094 / 0.091, 1.0, 0.088 / 0.091]
    for of in ours.values():
        assert of.links.far == {1e-3: 0.134, 1e-4: 0.110, 1e-5: 0.090, 1e-6: 0.074}
        assert of.links.floor == 0.055
        assert (of.tracks.near_d2, of.tracks.overlapping_d2) == (0.08, 0.12)


def test_everything_shipped_says_where_it_was_measured_and_belongs_to_a_card() -> None:
    folder = Path(__file__).parents[2] / "facebatch/models/thresholds"
    names = sorted(file.stem for file in folder.glob("*.json"))
    assert "dlib-resnet" in names
    for name in names:
        assert CARDS[name].kind == "embedder"
        for tta, of in shipped(name).items():
            assert (of.embedder, of.tta, of.space) == (name, tta, None)
            assert of.links.source
            assert of.tracks.source
            rates = sorted(of.links.far)
            assert rates[0] <= 1e-5 <= rates[-1]
            assert [of.links.far[rate] for rate in rates] == sorted(of.links.far.values())
            assert 0 < of.links.floor < of.links.far[1e-5]
            assert 0 < of.tracks.near_d2 < of.tracks.overlapping_d2


@pytest.mark.parametrize("name", ["mobilefacenet", "mobilefacenet-bf16", "retail-0095"])
def test_other_averagings_lie_as_near_as_view_1_has_them_to_the_mirrored_one(name: str) -> None:
    ours = shipped(name)
    assert list(ours) == list(TTA_CHOICES)
    for tta, (least, most) in {"none": (1.0, 1.01), "full": (0.99, 1.0)}.items():
        scale = ours[tta].links.scale
        assert least < scale < most, "fewer views lie further apart"
        assert (ours[tta].links.far, ours[tta].links.floor) == (
            ours["mirror"].links.far,
            ours["mirror"].links.floor,
        )
        mine, mirrored = (ours[each].calibration for each in (tta, "mirror"))
        for one, other in zip(mine["far"], mirrored["far"], strict=True):
            assert one["threshold"] == pytest.approx(other["threshold"] * scale, rel=0.01)
        methods = [{entry["method"] for entry in each["fpir"]} for each in (mine, mirrored)]
        assert methods[0] == methods[1] == {"nearest", "centroid"}


def test_what_a_user_measured_of_the_space_outranks_what_is_shipped() -> None:
    assert keep(MEASURED) == own_file("dlib-resnet")
    assert known("dlib-resnet", "mirror", "the space") == MEASURED
    ours = shipped("dlib-resnet")
    assert known("dlib-resnet", "mirror", "another space") == ours["mirror"]
    assert known("dlib-resnet", "mirror", None) == ours["mirror"]
    assert known("dlib-resnet", "none", "the space") == ours["none"]


def test_each_averaging_is_kept_beside_the_others() -> None:
    once = replace(MEASURED, tta="none")
    keep(MEASURED)
    keep(once)
    keep(replace(MEASURED, links=replace(MEASURED.links, floor=0.04)))
    assert known("dlib-resnet", "none", "the space") == once
    again = known("dlib-resnet", "mirror", "the space")
    assert again is not None
    assert again.links.floor == 0.04


def test_a_space_without_thresholds_is_an_error_with_the_remedy() -> None:
    assert known("sface", "mirror", "any") is None
    with pytest.raises(
        UsageError, match="facebatch calibrate FOLDER --embedder sface --tta mirror"
    ):
        thresholds_of("sface", "mirror", "any")
    assert track_limits("sface", "mirror", "any").overlapping_d2 == 0
    with pytest.raises(UsageError, match="arcface-r50"):
        ExtractSettings(embedder="arcface-r50").thresholds()


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", '{"format_version": 2, "averaging": {}}', '{"format_version": 1}']
    + [json.dumps({"format_version": 1, "embedder": "e", "averaging": {"mirror": part}})
       for part in (3, {}, {"links": {"far": [[1]]}}, {"links": {"far": []}, "tracks": {}})],
)  # fmt: skip
def test_a_damaged_file_is_refused_by_name(folder: Path, content: str) -> None:
    own_file("dlib-resnet").parent.mkdir(parents=True)
    own_file("dlib-resnet").write_text(content)
    for use in (lambda: known("dlib-resnet", "mirror", "the space"), lambda: keep(MEASURED)):
        with pytest.raises(UsageError, match=r"thresholds\.json isn't a file of thresholds"):
            use()


def test_a_folder_that_cannot_be_written_is_refused(folder: Path) -> None:
    folder.write_text("a file where the folder should be")
    with pytest.raises(UsageError, match="can't"):
        keep(MEASURED)
