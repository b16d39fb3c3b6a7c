"""What every command is made of: function, example, place in the help, and its collection."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from facebatch.cli.refusals import in_one_line, near
from facebatch.errors import UsageError

COLLECTION_VARIABLE = "FACEBATCH_COLLECTION"
"""Names the collection of commands that are given none."""


@dataclass(frozen=True)
class Command:
    """A command and the example that its help ends with.

    Args:
        function: What it calls; its parameters are the command's.
        example: A command line that it accepts.
        name: Its name, where that isn't the function's.
        panel: The panel of the group's help that it stands in.
    """

    function: Callable[..., None]
    example: str
    name: str | None = None
    panel: str | None = None

    @property
    def called(self) -> str:
        """Its name."""
        return self.name or self.function.__name__

    @property
    def epilog(self) -> str:
        """The example, as the help shows it."""
        return f"Example: `{self.example}`"


class _Command(TyperCommand):
    """A command whose collection may be left out where `COLLECTION_VARIABLE` names one."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Returns the parameters; types stay out of the help."""
        return _typed(super().get_params(ctx))

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parses the arguments, with the collection put first where it was left out."""
        if ctx.resilient_parsing:
            return super().parse_args(ctx, args)
        given: dict[str, Any] = {}
        with in_one_line(ctx, self._example, given):
            given |= self.make_parser(ctx).parse_args(args=list(args))[0]
            if not given.get("help"):
                _refuse_empty(self.params, given)
                self._refuse_missing(ctx, given)
                args = [*self._left_out(ctx, given), *args]
            return super().parse_args(ctx, args)

    def _refuse_missing(self, ctx: Any, given: Mapping[str, Any]) -> None:
        """Refuses to go on without an option that the command needs.

        Raises:
            UsageError: One is missing; the message has an example.
        """
        for each in self.params:
            if each.param_type_name != "option" or not each.required:
                continue
            if given.get(each.name) is None and each.value_from_envvar(ctx) is None:
                raise UsageError(
                    f"{ctx.command_path} needs {each.opts[0]} {each.metavar}, as in "
                    f"`{self._example}`"
                )

    @property
    def _example(self) -> str:
        return (self.epilog or "").partition("`")[2].rstrip("`")

    def _left_out(self, ctx: Any, given: Mapping[str, Any]) -> list[str]:
        """Returns the collection to put before what was given, if the command needs one."""
        arguments = [each for each in self.params if each.param_type_name == "argument"]
        if not arguments or arguments[0].envvar != COLLECTION_VARIABLE:
            return []
        words = [word for each in arguments for word in _words(given.get(each.name))]
        return self._collection(ctx, arguments, words)

    def _collection(self, ctx: Any, arguments: Sequence[Any], words: Sequence[str]) -> list[str]:
        """Returns the collection to put before the words that were given, if it isn't there."""
        needed = sum(each.required for each in arguments)
        left_out = len(words) < needed or (
            (len(words) < len(arguments) or arguments[-1].nargs != 1) and not _is_place(words[0])
        )
        named = [os.environ[COLLECTION_VARIABLE]] if os.environ.get(COLLECTION_VARIABLE) else []
        if len(words) + len(named) < needed:
            names = " ".join(each.metavar for each in arguments)
            raise UsageError(
                f"{ctx.command_path} needs {names}, as in `{self._example}`; "
                f"{COLLECTION_VARIABLE} may name the collection in place of the argument"
            )
        return named if left_out else []


class Group(TyperGroup):
    """A group of commands."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Returns the parameters; types stay out of the help."""
        return _typed(super().get_params(ctx))

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parses the group's own options."""
        with in_one_line(ctx, "", {}):
            return super().parse_args(ctx, args)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Returns the command that is called.

        Raises:
            UsageError: There is none of that name.
        """
        if not ctx.resilient_parsing and args[0] not in self.list_commands(ctx):
            known = self.list_commands(ctx)
            listed = f"`{ctx.command_path} --help` lists them"
            raise UsageError(
                f"{ctx.command_path} has no command {args[0]}{near(args[0], known, listed)}"
            )
        return super().resolve_command(ctx, args)


def _typed(parameters: list[Any]) -> list[Any]:
    """Keeps types such as ``<bool>`` out of the help, where names and metavars say more."""
    for each in parameters:
        if each.param_type_name == "argument":
            each.display_type_rich = lambda **_: None
        elif each.is_flag and each.metavar is None:
            each.metavar = ""
    return parameters


def _words(value: Any) -> list[str]:
    """Returns what was given for an argument, before it is converted."""
    if isinstance(value, str):
        return [value]
    return [word for word in value if isinstance(word, str)] if isinstance(value, tuple) else []


def _refuse_empty(parameters: Iterable[Any], given: Mapping[str, Any]) -> None:
    """Refuses empty values: where a shell variable isn't set, '' would mean the current folder.

    Raises:
        UsageError: A value is empty, or all white space; the message names its parameter.
    """
    for each in parameters:
        value = given.get(each.name)
        values = value if isinstance(value, list | tuple) else [value]
        if any(isinstance(one, str) and not one.strip() for one in values):
            name = each.opts[0] if each.param_type_name == "option" else each.metavar.rstrip(".")
            raise UsageError(f"{name} is empty: is a variable of the shell not set?")


def _is_place(word: str) -> bool:
    """Tells whether a word that may be a collection or a name is meant as a collection."""
    return "/" in word or (Path(word) / "collection.json").exists()


def _refusing_nan(function: Callable[..., None]) -> Callable[..., None]:
    """Returns a command that refuses nan, which is a float and lies within every range."""

    @wraps(function)
    def refusing(*arguments: Any, **named: Any) -> None:
        for name, value in named.items():
            if isinstance(value, float) and math.isnan(value):
                raise UsageError(f"--{name.replace('_', '-')} is nan, which is no number")
        function(*arguments, **named)

    return refusing


def group(name: str, text: str, commands: Iterable[Command] = (), **settings: Any) -> typer.Typer:
    """Returns a group of commands.

    Args:
        name: Its name.
        text: What its help says.
        commands: Its commands, in the order in which the help lists them.
        settings: Further settings of `typer.Typer`.
    """
    shared = {"cls": Group, "add_completion": False, "rich_markup_mode": "markdown"}
    app = typer.Typer(name=name, help=text, no_args_is_help=True, **{**shared, **settings})
    for command in commands:
        _add(app, command)
    return app


def single(command: Command) -> Any:
    """Returns a command that is in no group, as Click knows it."""
    app = typer.Typer(add_completion=False, rich_markup_mode="markdown")
    _add(app, command)
    return get_command(app)


def _add(app: typer.Typer, command: Command) -> None:
    app.command(command.called, cls=_Command, epilog=command.epilog, rich_help_panel=command.panel)(
        _refusing_nan(command.function)
    )
