"""What is known of a setting beside its name, type and default; declared once, at its field.

The command line makes its options from this, docs/cli.md its table, and `facebatch.config.sources`
its checks.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType
from typing import Any, Literal, TypeVar

Value = TypeVar("Value")

Unit = Literal["share", "size"]
"""A share may be given as 10%, a size as 4G or 250M."""

UNITS: Mapping[str, int] = MappingProxyType({"k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12})

_KEY = "setting"


@dataclass(frozen=True)
class Setting:
    """What a field of a settings class carries.

    Args:
        help: What it does, in a sentence or two, without its default.
        panel: Panel of the help that its option stands in.
        metavar: What stands for its value in the help: N, SHARE, NAME; empty for choices, which
            stand for themselves, and for a switch.
        choices: The values there are, or what gives them; empty where any of the type will do.
        placed: What values begin with that are places beside the choices, and what gives the
            choice that the rest of one stands for; it may raise UsageError.
        range: Smallest and largest value.
        unit: How a number may be written beside in digits.
        words: Words that stand for a number.
        default_text: What the help says of the default, where it isn't the field's own.
        formerly: Its earlier name, still read.
        has_flag: Whether the command line has an option of its name.
    """

    help: str
    panel: str
    metavar: str = ""
    choices: tuple[str, ...] | Callable[[], tuple[str, ...]] = ()
    placed: tuple[str, Callable[[str], str]] | None = None
    range: tuple[float, float] | None = None
    unit: Unit | None = None
    words: tuple[tuple[str, int], ...] = ()
    default_text: str | None = None
    formerly: str | None = None
    has_flag: bool = True


@dataclass(frozen=True)
class Field:
    """A field of a settings class.

    Args:
        name: Its name, which is its key in a TOML table too.
        kind: Its type, beside None where that is the default: not given.
        default: Its default.
        setting: What else is known of it.
    """

    name: str
    kind: Any
    default: Any
    setting: Setting

    @property
    def keys(self) -> tuple[str, ...]:
        """Its name, and after it that of earlier versions."""
        return (self.name, *filter(None, [self.setting.formerly]))

    @property
    def flag(self) -> str:
        """The option of the command line."""
        return f"--{self.name.replace('_', '-')}"

    @property
    def variable(self) -> str:
        """The environment variable."""
        return variable_of(self.name)

    @property
    def choices(self) -> tuple[str, ...]:
        """The values there are now; empty where any of the type will do."""
        given = self.setting.choices
        return given() if callable(given) else given

    @property
    def is_list(self) -> bool:
        """Whether it holds several values."""
        return typing.get_origin(self.kind) is tuple

    @property
    def default_text(self) -> str:
        """The default as a user would give it; empty for an empty list."""
        if self.setting.default_text is not None:
            return self.setting.default_text
        if isinstance(self.default, bool):
            return "yes" if self.default else "no"
        for word, number in self.setting.words:
            if number == self.default:
                return word
        if self.is_list:
            return " ".join(self.default)
        return _written(self.default, self.setting.unit)


def setting(default: Value, help: str, *, panel: str, **facts: Any) -> Value:  # noqa: A002
    """Returns a dataclass field that carries a `Setting`.

    Args:
        default: The field's default.
        help: As `Setting` has it.
        panel: As `Setting` has it.
        facts: The rest of `Setting`.
    """
    return field(default=default, metadata={_KEY: Setting(help, panel, **facts)})


@cache
def fields_of(cls: type) -> tuple[Field, ...]:
    """Returns the fields of a settings class, in their order."""
    kinds = typing.get_type_hints(cls)
    return tuple(
        Field(entry.name, _without_none(kinds[entry.name]), entry.default, entry.metadata[_KEY])
        for entry in dataclasses.fields(cls)
    )


def _without_none(kind: Any) -> Any:
    given = [part for part in typing.get_args(kind) if part is not type(None)]
    return given[0] if isinstance(kind, types.UnionType) else kind


def variable_of(key: str) -> str:
    """Returns the environment variable of a setting, by its name today or earlier."""
    return f"FACEBATCH_{key.upper()}"


def _written(value: Any, unit: Unit | None) -> str:
    if unit == "share":
        return f"{value:.0%}"
    if unit == "size":
        fitting = [letter for letter, factor in UNITS.items() if value % factor == 0]
        if fitting:
            return f"{value // UNITS[fitting[-1]]}{fitting[-1]}"
    return f"{value:g}" if isinstance(value, float) else str(value)
