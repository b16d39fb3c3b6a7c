"""The command line: every command has help, an example and a place in the docs."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.program import command, facebatch
from typer.main import get_command
from typer.testing import CliRunner

from facebatch import __version__
from facebatch.cli import app
from facebatch.cli.program import EVALUATION, LISTED, ONE_PHOTO, PEOPLE, PIPELINE, UPKEEP


def _entries() -> dict[str, Any]:
    """Every command, those of groups included."""
    found = {}
    for name, entry in get_command(app).commands.items():  # type: ignore[attr-defined]
        for inner, command_of_group in getattr(entry, "commands", {"": entry}).items():
            found[f"{name} {inner}".strip()] = command_of_group
    return found


COMMANDS = {name: entry.epilog or "" for name, entry in _entries().items()}
HEAVY = ("torch", "apache_beam", "faiss", "numba", "pyarrow", "scipy", "matplotlib", "numpy")


def modules_after(code: str) -> set[str]:
    """Returns what a fresh interpreter has imported after some code about the program."""
    code = f"import atexit, sys; atexit.register(lambda: print(*sys.modules)); {code}"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True
    )
    return set(done.stdout.splitlines()[-1].split())


def test_the_programs_help_imports_no_command() -> None:
    loaded = modules_after("from facebatch.cli import main; main(['--help'])")
    assert "typer.rich_utils" in loaded
    assert {f"facebatch.cli.{each.module}" for each in LISTED.values()}.isdisjoint(loaded)
    assert "facebatch.config" not in loaded


def test_help_of_commands_loads_nothing_heavy() -> None:
    loaded = modules_after(
        "from typer.main import get_command; from facebatch.cli import app; "
        "list(get_command(app).commands.values())"
    )
    assert "facebatch.config" in loaded
    assert set(HEAVY).isdisjoint(loaded)
    assert not {name for name in loaded if name.startswith("facebatch.demo")}


@pytest.mark.parametrize("name", LISTED)
def test_the_programs_help_says_of_a_command_what_its_own_begins_with(name: str) -> None:
    says = get_command(app).commands[name].help.split("\n\n")[0]  # type: ignore[attr-defined]
    assert LISTED[name].summary == says.replace("\n", " ")


def test_help_lists_every_command_and_the_exit_codes() -> None:
    page = " ".join(facebatch("--help").stdout.split())
    assert all(name.split()[0] in page for name in COMMANDS)
    assert "130 interrupted" in page


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_and_an_example_that_it_accepts(name: str) -> None:
    page = facebatch_help(name)
    assert "Example:" in page
    words = shlex.split(COMMANDS[name].removeprefix("Example: ").strip("`"))
    assert words[: 1 + len(name.split())] == ["facebatch", *name.split()]
    assert facebatch_help(shlex.join(words[1:])) == page


def test_version_is_the_packages() -> None:
    assert facebatch("--version").stdout.strip() == f"facebatch {__version__}"


def test_no_command_shows_the_help_and_fails() -> None:
    done = facebatch()
    assert done.returncode == 2
    assert "Usage" in done.stdout + done.stderr


def test_the_program_runs_where_a_folder_has_its_name(tmp_path: object) -> None:
    done = subprocess.run(
        command("--version"), capture_output=True, text=True, cwd=str(tmp_path), check=True
    )
    assert done.stdout.startswith("facebatch ")


def test_the_short_option_gives_the_version_too() -> None:
    assert facebatch("-V").stdout == facebatch("--version").stdout


def test_help_groups_the_commands_and_shows_no_types_of_switches() -> None:
    page = facebatch("--help").stdout
    panels = (PIPELINE, PEOPLE, ONE_PHOTO, EVALUATION, UPKEEP)
    places = [page.index(panel) for panel in panels]
    assert places == sorted(places)
    assert places[0] < page.index("│ cluster") < places[1] < page.index("│ people") < places[2]
    assert places[2] < page.index("│ verify") < places[3] < page.index("│ evaluate") < places[4]
    for name in COMMANDS:
        assert not {"<bool>", "<int>", "<float>", "<path>", "<str>"} & set(
            facebatch_help(name).split()
        )


def facebatch_help(name: str) -> str:
    """A command's help, made in this process."""
    shown = CliRunner().invoke(app, [*shlex.split(name), "--help"], catch_exceptions=False)
    assert shown.exit_code == 0
    return shown.stdout


def test_every_option_says_what_stands_for_its_value() -> None:
    for entry in _entries().values():
        for parameter in entry.params:
            if not getattr(parameter, "is_flag", False):
                assert parameter.metavar, (entry.name, parameter.name)


@pytest.mark.parametrize("name", ["cluster", "people merge", "evaluate"])
def test_help_of_a_command_is_its_own(name: str) -> None:
    shown = CliRunner().invoke(app, ["help", *name.split()], prog_name="facebatch")
    own = CliRunner().invoke(app, [*name.split(), "--help"], prog_name="facebatch")
    assert shown.exit_code == 0
    assert shown.stdout == own.stdout


def test_help_alone_is_the_programs() -> None:
    assert facebatch("help").stdout == facebatch("--help").stdout


@pytest.mark.parametrize(
    ("words", "near"),
    [("clustr", "cluster"), ("merge", "people merge"), ("people nam", "people name")],
)
def test_help_of_no_command_names_near_ones(words: str, near: str) -> None:
    done = facebatch("help", *words.split())
    assert done.returncode == 2
    assert done.stderr.startswith(f"facebatch: there is no command {words!r}; did you mean ")
    assert near in done.stderr


def test_completion_is_shown() -> None:
    assert {"--install-completion", "--show-completion"} <= set(facebatch("--help").stdout.split())


def parsed(*words: str) -> dict[str, object]:
    """What a command's arguments are taken for, without running it."""
    *path, name = words[: 2 if words[0] == "people" else 1]
    group = get_command(app)
    for word in path:
        group = group.commands[word]  # type: ignore[attr-defined]
    entry = group.commands[name]  # type: ignore[attr-defined]
    context = entry.make_context(name, list(words[len(path) + 1 :]))
    given: dict[str, object] = context.params
    return given


@pytest.mark.parametrize(
    ("words", "collection", "others"),
    [
        (("index",), "~/kept", {}),
        (("index", "here"), "here", {}),
        (("search", "photos/a.jpg"), "~/kept", {"photo": "photos/a.jpg"}),
        (("search", "here", "a.jpg", "-k", "3"), "here", {"photo": "a.jpg", "count": 3}),
        (("people", "name", "Ada", "Eva"), "~/kept", {"person": "Ada", "called": "Eva"}),
        (("people", "name", "here", "Ada", "Eva"), "here", {"person": "Ada", "called": "Eva"}),
        (("people", "merge", "Ada", "Eva"), "~/kept", {"person": "Ada", "others": ["Eva"]}),
        (("people", "merge", "A", "B", "C"), "~/kept", {"person": "A", "others": ["B", "C"]}),
        (("people", "merge", "./here", "B", "C"), "./here", {"person": "B", "others": ["C"]}),
        (("people", "undo"), "~/kept", {"decision": None}),
        (("people", "undo", "2026"), "~/kept", {"decision": "2026"}),
        (("people", "undo", "s3://b/faces"), "s3://b/faces", {"decision": None}),
        (("people", "undo", "here", "2026"), "here", {"decision": "2026"}),
    ],
)
def test_a_variable_names_the_collection_unless_an_argument_does(
    words: tuple[str, ...],
    collection: str,
    others: dict[str, object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FACEBATCH_COLLECTION", "~/kept")
    given = parsed(*words)
    assert given["collection"] == collection
    assert {name: given[name] for name in others} == others


def test_a_folder_that_holds_a_collection_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACEBATCH_COLLECTION", "~/kept")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "faces").mkdir()
    assert parsed("people", "undo", "faces")["decision"] == "faces"
    (tmp_path / "faces" / "collection.json").write_text("{}")
    assert parsed("people", "undo", "faces")["collection"] == "faces"


@pytest.mark.parametrize("words", [("index",), ("search", "a.jpg"), ("people", "hide", "Ada")])
def test_without_a_collection_the_error_shows_an_example(words: tuple[str, ...]) -> None:
    done = facebatch(*words)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    command_words = words[:2] if words[0] == "people" else words[:1]
    assert f"as in `facebatch {' '.join(command_words)} ~/faces" in done.stderr
    assert "FACEBATCH_COLLECTION" in done.stderr
