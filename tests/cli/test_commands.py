"""The command line: every command has help, an example and a place in the docs."""

from __future__ import annotations

import shlex
import subprocess
import sys

import pytest
from support.program import command, facebatch
from typer.main import get_command

from facebatch import __version__
from facebatch.cli import app


def _commands() -> dict[str, str]:
    """Every command, those of groups included, with what its help ends with."""
    found = {}
    for name, entry in get_command(app).commands.items():  # type: ignore[attr-defined]
        for inner, command_of_group in getattr(entry, "commands", {"": entry}).items():
            found[f"{name} {inner}".strip()] = command_of_group.epilog or ""
    return found


COMMANDS = _commands()
HEAVY = ("torch", "apache_beam", "faiss", "numba", "pyarrow", "scipy", "matplotlib", "numpy")


def test_help_loads_nothing_heavy() -> None:
    code = "import sys, facebatch.cli; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True
    )
    assert set(HEAVY).isdisjoint(loaded.stdout.split())


def test_help_lists_every_command_and_the_exit_codes() -> None:
    page = " ".join(facebatch("--help").stdout.split())
    assert all(name.split()[0] in page for name in COMMANDS)
    assert "130 interrupted" in page


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_and_an_example_that_it_accepts(name: str) -> None:
    page = facebatch(*name.split(), "--help")
    assert page.returncode == 0
    assert "Example:" in page.stdout
    words = shlex.split(COMMANDS[name].removeprefix("Example: ").strip("`"))
    assert words[: 1 + len(name.split())] == ["facebatch", *name.split()]
    accepted = facebatch(*words[1:], "--help")
    assert accepted.returncode == 0


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
