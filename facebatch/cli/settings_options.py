"""The options of settings, made from the fields of their dataclasses: declared once, there."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import typer

from facebatch import config
from facebatch.cli import warned
from facebatch.config import ExtractSettings, Field, RunSettings

ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config", help="TOML file with [extract], [run] and [cluster] tables.", metavar="FILE"
    ),
]


@dataclass(frozen=True)
class Asked:
    """The settings that a command was given.

    Args:
        flags: Those of the command line, by name.
        config: A TOML file with further ones.
    """

    flags: Mapping[str, Any]
    config: Path | None = None

    def extract(self, kept: Mapping[str, Any] | None = None) -> ExtractSettings:
        """Returns the extraction settings; `kept` are those that a place was made with."""
        with warned.of_settings():
            return config.resolve_extract(self.flags, self.config, kept)

    def run(self, **more: Any) -> RunSettings:
        """Returns the run settings; `more` are flags of another kind."""
        with warned.of_settings():
            return config.resolve_run({**self.flags, **more}, self.config)

    def grouping(self) -> dict[str, Any]:
        """Returns the grouping settings that were asked for."""
        with warned.of_settings():
            return config.resolve_grouping(self.flags, self.config)


Work = Callable[..., None]


def takes_settings(*wanted: type | str, file: bool = False) -> Callable[[Work], Work]:
    """Gives a command the options of settings; its first parameter is what they were given.

    Args:
        wanted: Settings classes of which all are taken, or names of single settings.
        file: Whether a TOML file may give them too.
    """
    fields = [
        field
        for cls in config.TABLES.values()
        for field in config.fields_of(cls)
        if field.setting.has_flag and (cls in wanted or field.name in wanted)
    ]
    shared = {field.name: _option_of(field) for field in fields}
    if file:
        shared["config"] = ConfigFile

    def decorate(work: Work) -> Work:
        first, *own = inspect.signature(work, eval_str=True).parameters.values()

        def command(**given: Any) -> None:
            flags = config.read_flags({field.name: given.pop(field.name) for field in fields})
            asked = Asked(flags, given.pop("config") if file else None)
            work(**{first.name: asked}, **given)

        keyword = inspect.Parameter.KEYWORD_ONLY
        parameters = [
            *(each.replace(kind=keyword) for each in own),
            *(
                inspect.Parameter(name, keyword, default=None, annotation=option)
                for name, option in shared.items()
            ),
        ]
        command.__name__, command.__doc__ = work.__name__, work.__doc__
        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        command.__annotations__ = {each.name: each.annotation for each in parameters}
        return command

    return decorate


@cache
def _option_of(field: Field) -> Any:
    """Returns the annotation of a setting's option.

    Values are text, which `facebatch.config` reads as it reads variables.
    """
    setting, names = field.setting, field.flag
    kind: Any = list[str] if field.is_list else str
    if field.kind is bool:
        kind, names = bool, f"{field.flag}/--no-{field.flag.removeprefix('--')}"
    option = typer.Option(
        names,
        help=f"{setting.help} Default: {field.default_text}."
        if field.default_text
        else setting.help,
        metavar=setting.metavar or "|".join(field.choices) or None,
        rich_help_panel=setting.panel,
        autocompletion=_completion(field) if setting.choices else None,
    )
    return Annotated[kind | None, option]


def _completion(field: Field) -> Callable[[str], list[str]]:
    def begun(incomplete: str) -> list[str]:
        return [choice for choice in field.choices if choice.startswith(incomplete)]

    return begun
