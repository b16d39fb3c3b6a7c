"""``facebatch help``: the help of a command, as its ``--help`` gives it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Annotated, Any

import typer

from facebatch.cli.command import Command
from facebatch.errors import UsageError

Words = Annotated[
    list[str] | None, typer.Argument(help="The command, of one word or two.", metavar="COMMAND...")
]


def show_help(context: typer.Context, words: Words = None) -> None:
    """Show what a command does, with all of its options."""
    shown: Any = context.find_root()
    for word in words or ():
        commands = getattr(shown.command, "commands", {})
        if word not in commands:
            asked = " ".join(words or ())
            raise UsageError(f"there is no command {asked!r}{_advice(asked, context)}")
        shown = type(shown)(commands[word], info_name=word, parent=shown)
    typer.echo(shown.get_help())


def _advice(asked: str, context: typer.Context) -> str:
    """Returns which commands may have been meant."""
    names = dict(_names(getattr(context.find_root().command, "commands", {})))
    near = get_close_matches(asked, names, n=3)
    near += [name for name, last in names.items() if last == asked and name not in near]
    return f"; did you mean {' or '.join(near)}?" if near else "; `facebatch help` lists them"


def _names(commands: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yields the full name of every command with its last word."""
    for word, command in commands.items():
        inner = getattr(command, "commands", None)
        if inner:
            yield from _names(inner, f"{prefix}{word} ")
        yield f"{prefix}{word}", word


COMMANDS = (Command(show_help, "facebatch help people name", "help"),)
