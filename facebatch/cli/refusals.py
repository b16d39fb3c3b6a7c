"""What the parser refuses, in one line that says what is wrong and what to do.

Typer brings its parser along under a name of its own, so that its errors are known by their names.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from facebatch.errors import FacebatchError, UsageError

_EXPECTED = re.compile(r"(?:Input|Value) should be (?:a valid )?([^,]+)")
_EXTRA = re.compile(r"unexpected extra arguments?(?:\(s\))? \((.*)\)")
_KINDS = {"integer": "a whole number", "number": "a number"}


@contextmanager
def in_one_line(context: Any, example: str, given: Mapping[str, Any]) -> Iterator[None]:
    """Says in one line what the parser would say in a box.

    Args:
        context: The parser's context of a command or a group.
        example: A command line that the command accepts; empty where there is none.
        given: What was given for each parameter, as far as it is known.

    Raises:
        UsageError: The parser refused something.
    """
    try:
        yield
    except FacebatchError:
        raise
    except Exception as error:
        words = _words(error, context, example, given)
        if words is None:
            raise
        raise UsageError(words) from error


def near(word: str, known: Iterable[str], otherwise: str) -> str:
    """Returns which of the known words was meant, as the end of a message."""
    found = difflib.get_close_matches(word, list(known), 1, 0.6)
    return f"; {found[0]} was meant?" if found else f"; {otherwise}"


def _words(error: Any, context: Any, example: str, given: Mapping[str, Any]) -> str | None:
    """Returns what an error says; None where it is none of the parser's."""
    kind, path = type(error).__name__, context.command_path
    such = f", as in `{example}`" if example else ""
    if kind == "NoSuchOption":
        known = [name for each in context.command.params for name in each.opts]
        known = [name for name in known if name.startswith("--")]
        listed = f"`{path} --help` lists them"
        return f"{path} has no option {error.option_name}{near(error.option_name, known, listed)}"
    if kind == "BadOptionUsage":
        return f"{path}: {error.option_name} needs a value{such}"
    if kind == "MissingParameter":
        return f"{path} needs {needed(context.command.params)}{such}"
    if kind == "BadParameter" and error.param is not None:
        return _wrong_value(error, given.get(error.param.name))
    if extra := _EXTRA.search(str(error)):
        return f"{path} takes {needed(context.command.params)} and no more, not {extra[1]!r}{such}"
    if kind in ("BadParameter", "BadArgumentUsage", "UsageError"):
        return f"{path}: {_plain(error.format_message())}{such}"
    return None


def needed(parameters: Sequence[Any]) -> str:
    """Returns the names of a command's arguments, as its usage shows them."""
    return " ".join(each.metavar for each in parameters if each.param_type_name == "argument")


def _wrong_value(error: Any, value: Any) -> str:
    parameter = error.param
    name = parameter.opts[0] if parameter.param_type_name == "option" else parameter.metavar
    wrong = f", not {value!r}" if isinstance(value, str) else ""
    expected = _EXPECTED.match(error.message)
    if expected is None:
        return f"{name}: {_plain(error.message)}"
    kind = _KINDS.get(expected[1])
    return f"{name} takes {kind}{wrong}" if kind else f"{name} has to be {expected[1]}{wrong}"


def _plain(message: str) -> str:
    """Returns a message as the rest of a sentence."""
    return (message[:1].lower() + message[1:]).rstrip(".")
