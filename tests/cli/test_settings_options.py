"""Options are made from the settings' fields: a flag, a variable and a file's key say the same."""

from __future__ import annotations

import inspect
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer
from support.program import facebatch
from typer.testing import CliRunner

from facebatch.cli import commands, settings_options
from facebatch.cli.settings_options import Asked, takes_settings
from facebatch.config import TABLES, Field, fields_of, read_flags, resolve_grouping
from facebatch.config.sources import _asked

FIELDS = [(table, field) for table, cls in TABLES.items() for field in fields_of(cls)]
IDS = [field.name for _, field in FIELDS]


def another(field: Field) -> tuple[str, Any]:
    """A value that isn't the default, as text and as TOML has it."""
    if field.kind is bool:
        return ("no", False) if field.default else ("yes", True)
    if field.is_list:
        parts = field.choices[:2] or ("--one=1", "--two")
        return " ".join(parts), list(parts)
    if field.choices:
        choice = field.choices[-1]
        return choice, choice
    if field.kind is str:
        return "Other", "Other"
    assert field.setting.range is not None
    number = field.kind(field.setting.range[1])
    return str(number), number


def flags_of(field: Field, text: str, value: Any) -> list[str]:
    if field.kind is bool:
        return [field.flag if value else f"--no-{field.flag[2:]}"]
    if field.is_list:
        return [word for part in value for word in (field.flag, part)]
    return [field.flag, text]


def asked_by(*arguments: str) -> Asked:
    """What a command with every option of settings is asked by these arguments."""
    seen: list[Asked] = []

    @takes_settings(*TABLES.values(), file=True)
    def command(asked: Asked) -> None:
        seen.append(asked)

    app = typer.Typer()
    app.command()(command)
    done = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return seen[0]


@pytest.mark.parametrize(("table", "field"), FIELDS, ids=IDS)
def test_flag_variable_and_file_give_the_same_setting(
    table: str, field: Field, tmp_path: Path
) -> None:
    text, value = another(field)
    file = tmp_path / "settings.toml"
    file.write_text(f"[{table}]\n{field.name} = {json.dumps(value)}\n")
    by_file = _asked(table, {}, file, {})[field.name][0]
    by_variable = _asked(table, {}, None, {field.variable: text})[field.name][0]
    if field.setting.has_flag:
        asked = asked_by(*flags_of(field, text, value))
        by_flag = _asked(table, asked.flags, None, {})[field.name][0]
    else:
        by_flag = _asked(table, {field.name: tuple(value)}, None, {})[field.name][0]
    assert by_flag == by_variable == by_file
    assert type(by_flag) is type(by_variable) is type(by_file)


def test_a_settings_name_stands_for_one_setting() -> None:
    keys = [key for _, field in FIELDS for key in field.keys]
    assert len(keys) == len(set(keys))


def test_every_field_says_what_it_does_and_what_may_be_given() -> None:
    for _, field in FIELDS:
        setting = field.setting
        assert setting.help.endswith(".")
        assert setting.panel
        if setting.has_flag and field.kind is not bool:
            assert setting.metavar or setting.choices


@pytest.mark.parametrize("name", ["run", "extract", "cluster"])
def test_a_command_on_settings_has_all_of_their_options(name: str) -> None:
    tables = {"run": ["extract", "run", "cluster"], "extract": ["extract", "run"]}
    taken = set(inspect.signature(getattr(commands, name)).parameters)
    for table in tables.get(name, ["cluster"]):
        for field in fields_of(TABLES[table]):
            assert (field.name in taken) == field.setting.has_flag


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--max-side", "big"), "--max-side takes a whole number, not 'big'"),
        (("--max-side", "63"), "--max-side 63 isn't within 64 to 16000"),
        (("--fps", "often"), "--fps takes a number, not 'often'"),
        (("--tta", "all"), "--tta: unknown tta 'all'; there is: none, mirror, full"),
        (("--retry", "typo"), "--retry: unknown retry 'typo'; there is: empty"),
        (("--max-failures", "110%"), "--max-failures 1.1 isn't within 0.0 to 1.0"),
    ],
)
def test_a_wrong_flag_is_refused_by_name_on_one_line(
    arguments: tuple[str, ...], complaint: str, tmp_path: Path
) -> None:
    place = ("--output", str(tmp_path / "collection"))
    done = facebatch("extract", str(tmp_path), *place, "--dry-run", *arguments)
    assert done.returncode == 2
    assert complaint in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_an_earlier_name_is_read_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "c.toml"
    file.write_text("[cluster]\nfound_size = 40\njoin_score = 0.8\nseed_yaw = 1\nfound_yaw = 2\n")
    monkeypatch.setenv("FACEBATCH_JOIN_SCORE", "0.7")
    asked = Asked(read_flags({}), file).grouping()
    assert asked == {"seed_size": 40.0, "attach_score": 0.7, "seed_yaw": 1.0}
    said = capsys.readouterr().err.splitlines()
    assert said == [
        f"facebatch: {file}: found_size is called seed_size now",
        f"facebatch: {file}: found_yaw is called seed_yaw now",
        "facebatch: environment: FACEBATCH_JOIN_SCORE is called FACEBATCH_ATTACH_SCORE now",
    ]


def test_an_earlier_name_warns_whoever_calls_the_library() -> None:
    with pytest.warns(FutureWarning, match="FACEBATCH_FOUND_INSIDE is called FACEBATCH_SEED"):
        asked = resolve_grouping({}, None, {"FACEBATCH_FOUND_INSIDE": "0.5"})
    assert asked == {"seed_inside": 0.5}


def test_choices_are_completed() -> None:
    (complete,) = [
        settings_options._completion(field) for _, field in FIELDS if field.name == "engine"
    ]
    assert complete("o") == ["openvino"]
    assert complete("") == ["auto", "torch", "openvino"]


def completed(line: str, environment: dict[str, str]) -> list[str]:
    from support.program import command

    words = line.split(" ")
    asked = {"_FACEBATCH_COMPLETE": "complete_bash", "COMP_WORDS": line}
    done = subprocess.run(
        command(),
        env={**environment, **asked, "COMP_CWORD": str(len(words) - 1)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.split()


def test_a_shell_completes_commands_options_and_values() -> None:
    import os

    environment = dict(os.environ)
    assert completed("facebatch clu", environment) == ["cluster"]
    assert completed("facebatch people me", environment) == ["merge"]
    assert "--seed-size" in completed("facebatch cluster --see", environment)
    assert completed("facebatch run --engine o", environment) == ["openvino"]
