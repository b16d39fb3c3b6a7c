from __future__ import annotations

import dataclasses
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facebatch.config import (
    ExtractSettings,
    GroupingSettings,
    RunSettings,
    resolve_extract,
    resolve_grouping,
    resolve_run,
)
from facebatch.errors import InputError, SettingsMismatch, UsageError


def toml(folder: Path, text: str) -> Path:
    path = folder / "settings.toml"
    path.write_text(text, "utf-8")
    return path


def test_nothing_asked_for_gives_the_defaults() -> None:
    assert resolve_extract({}, environment={}) == ExtractSettings()
    assert resolve_run({}, environment={}) == RunSettings()


@pytest.mark.parametrize("flag", [None, 101])
@pytest.mark.parametrize("variable", [None, 102])
@pytest.mark.parametrize("in_file", [None, 103])
def test_the_strongest_source_wins(
    tmp_path: Path, flag: int | None, variable: int | None, in_file: int | None
) -> None:
    environment = {} if variable is None else {"FACEBATCH_WORKERS": str(variable)}
    file = toml(tmp_path, "" if in_file is None else f"[run]\nworkers = {in_file}\n")
    asked = [value for value in (flag, variable, in_file) if value is not None]
    settings = resolve_run({"workers": flag}, file, environment)
    assert settings.workers == (asked[0] if asked else RunSettings().workers)


def test_the_collections_settings_are_stronger_than_the_defaults() -> None:
    frozen = dataclasses.asdict(ExtractSettings(max_side=640, chips=False))
    assert resolve_extract({}, collection=frozen, environment={}) == ExtractSettings(**frozen)


@pytest.mark.parametrize("source", ["--max-side", "FACEBATCH_MAX_SIDE", "settings.toml"])
def test_a_setting_other_than_the_collections_is_refused_with_both_values(
    tmp_path: Path, source: str
) -> None:
    file = toml(tmp_path, "[extract]\nmax_side = 800" if source == "settings.toml" else "")
    flags = {"max_side": 800 if source == "--max-side" else None}
    environment = {source: "800"} if source.startswith("FACEBATCH") else {}
    with pytest.raises(SettingsMismatch, match=rf"{source}.* 800.* 1024") as caught:
        resolve_extract(flags, file, dataclasses.asdict(ExtractSettings()), environment)
    assert caught.value.exit_code == 2


def test_asking_for_what_the_collection_has_is_no_mismatch() -> None:
    frozen = dataclasses.asdict(ExtractSettings(max_side=640))
    assert resolve_extract({"max_side": 640}, None, frozen, {}).max_side == 640


@pytest.mark.parametrize(
    ("variable", "text", "name", "value"),
    [
        ("FACEBATCH_CHIPS", "no", "chips", False),
        ("FACEBATCH_CHIPS", "True", "chips", True),
        ("FACEBATCH_MIN_FACE", "40", "min_face", 40),
        ("FACEBATCH_TTA", "full", "tta", "full"),
    ],
)
def test_variables_are_read_as_their_settings_type(
    variable: str, text: str, name: str, value: Any
) -> None:
    assert getattr(resolve_extract({}, environment={variable: text}), name) == value


def test_a_settings_file_may_begin_with_the_mark_that_notepad_writes(tmp_path: Path) -> None:
    file = toml(tmp_path, "\ufeff[extract]\nmax_side = 800\n")
    assert resolve_extract({}, file, environment={}).max_side == 800


def test_lists_come_from_variables_by_words_and_from_toml_as_lists(tmp_path: Path) -> None:
    environment = {"FACEBATCH_RETRY": "crashed too_large"}
    assert resolve_run({}, environment=environment).retry == ("crashed", "too_large")
    file = toml(tmp_path, '[run]\nretry = ["crashed"]')
    assert resolve_run({}, file, {}).retry == ("crashed",)


def test_a_whole_number_serves_where_a_fraction_is_meant(tmp_path: Path) -> None:
    assert resolve_run({}, toml(tmp_path, "[run]\nmax_failures = 1"), {}).max_failures == 1.0


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[extract]\nmax_side = 'big'", "max_side takes a whole number, not 'big'"),
        ("[extract]\nmax_side = true", "max_side takes a whole number, not True"),
        ("[extract]\nmax_side = 63", "63 isn't within 64 to 16000"),
        ("[extract]\nmax_side = 16001", "16001 isn't within 64 to 16000"),
        ("[extract]\ntta = 'all'", "unknown tta 'all'; there is: none, mirror, full"),
        ("[extract]\ndetector = 'eyes'", "unknown detector 'eyes'; there is: auto, mtcnn"),
        ("[extract]\nchips = 1", "chips takes true or false, not 1"),
        ("[extract]\nside = 1", r"\[extract\] has no setting 'side'"),
        ("[extrct]\nmax_side = 99", r"unknown table \[extrct\]"),
        ("extract = 1", "extract must be a table"),
        ("[extract", "settings.toml"),
    ],
)
def test_a_wrong_file_is_refused_with_its_place(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint) as caught:
        resolve_extract({}, toml(tmp_path, text), environment={})
    assert "settings.toml" in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "retry = ['typo']",
        "retry = [1]",
        "max_failures = true",
        "max_failures = 1.5",
        "max_failures = nan",
        "runner = 1",
    ],
)
def test_a_wrong_run_setting_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError, match=text.split()[0]):
        resolve_run({}, toml(tmp_path, f"[run]\n{text}"), {})


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_file_that_cant_be_read_is_refused(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "settings.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(InputError, match=r"settings\.toml"):
        resolve_run({}, file, {})


@pytest.mark.parametrize(
    ("variable", "text"),
    [("FACEBATCH_CHIPS", "maybe"), ("FACEBATCH_MAX_SIDE", "1e3"), ("FACEBATCH_MIN_FACE", "")],
)
def test_a_wrong_variable_is_refused_by_name(variable: str, text: str) -> None:
    with pytest.raises(UsageError, match=variable):
        resolve_extract({}, environment={variable: text})


def test_a_wrong_flag_is_refused_by_name() -> None:
    with pytest.raises(UsageError, match="--min-face 5 isn't within 12 to 2000"):
        resolve_extract({"min_face": 5}, environment={})


def test_the_processs_own_environment_is_looked_into(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACEBATCH_WORKERS", "7")
    assert resolve_run({}).workers == 7


@pytest.mark.parametrize("source", ["flag", "variable", "file"])
def test_workers_may_be_a_number_or_left_to_the_program(source: str, tmp_path: Path) -> None:
    def resolved(text: str) -> RunSettings:
        if source == "flag":
            return resolve_run({"workers": text}, environment={})
        if source == "variable":
            return resolve_run({}, environment={"FACEBATCH_WORKERS": text})
        quoted = text if text.isdigit() else f'"{text}"'
        return resolve_run({}, toml(tmp_path, f"[run]\nworkers = {quoted}\n"), environment={})

    assert resolved("3").workers == 3
    assert resolved("auto").workers == resolved("0").workers == RunSettings().workers
    with pytest.raises(UsageError, match="many"):
        resolved("many")


def test_a_run_is_arranged_once_with_what_was_asked_for() -> None:
    asked = RunSettings(workers=3)
    assert (asked.with_resolved_workers().workers, asked.with_resolved_workers().threads) == (3, 1)
    assert RunSettings(workers=1, threads=4).with_resolved_workers().threads == 4
    automatic = RunSettings().with_resolved_workers()
    assert automatic.workers >= 1
    assert automatic.with_resolved_workers() == automatic
    assert automatic.execution().threads == automatic.threads >= 1


SPACE, FINGERPRINT, NEITHER = "space", "fingerprint", "neither"


@pytest.mark.parametrize(
    ("change", "moves"),
    [
        ({"tta": "none"}, SPACE),
        ({"max_side": 800}, FINGERPRINT),
        ({"min_face": 30}, FINGERPRINT),
        ({"rotations": True}, FINGERPRINT),
        ({"tiles": "auto"}, FINGERPRINT),
        ({"chips": False}, NEITHER),
    ],
)
def test_space_and_fingerprint_move_with_what_they_stand_for(
    change: dict[str, Any], moves: str
) -> None:
    default, changed = ExtractSettings(), dataclasses.replace(ExtractSettings(), **change)
    assert (default.space() != changed.space()) == (moves == SPACE)
    assert (default.fingerprint() != changed.fingerprint()) == (moves != NEITHER)


@given(st.integers(64, 16_000), st.integers(12, 2_000))
def test_equal_settings_have_equal_fingerprints_and_others_dont(side: int, face: int) -> None:
    one = ExtractSettings(max_side=side, min_face=face)
    assert one.fingerprint() == ExtractSettings(max_side=side, min_face=face).fingerprint()
    assert one.fingerprint() != ExtractSettings(max_side=side, min_face=face + 1).fingerprint()
    assert len(bytes.fromhex(one.fingerprint())) == 16


def test_grouping_settings_come_from_flags_variables_and_the_cluster_table(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text("[cluster]\nseed_size = 40\nattach_score = 0.8\nphoto_constraint = false\n")
    environment = {"FACEBATCH_ATTACH_SCORE": "0.7"}
    asked = resolve_grouping({"photo_constraint": True}, file, environment)
    assert asked == {"photo_constraint": True, "seed_size": 40.0, "attach_score": 0.7}
    settings = GroupingSettings(**asked)
    assert settings.gate("seed").min_size == 40.0
    assert settings.gate("attach") == replace(settings.gate("attach"), min_size=20.0, min_score=0.7)
    assert resolve_grouping({}, None, {}) == {}


def test_a_face_needs_no_less_to_seed_a_person_than_to_be_attached_to_one() -> None:
    seed, attach = (GroupingSettings().gate(purpose) for purpose in ("seed", "attach"))
    assert seed.min_size >= attach.min_size
    assert seed.min_score >= attach.min_score
    assert seed.min_inside >= attach.min_inside


def test_an_unknown_grouping_setting_is_refused_by_name(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text("[cluster]\nseed_sise = 40\n")
    with pytest.raises(InputError, match="seed_sise"):
        resolve_grouping({}, file, {})
