"""Where a setting's value comes from: flag, variable, TOML file; and the one check of all three."""

from __future__ import annotations

import os
import typing
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from facebatch.config.extract import ExtractSettings
from facebatch.config.grouping import GroupingSettings
from facebatch.config.run import RunSettings
from facebatch.config.setting import UNITS, Field, Unit, fields_of, variable_of
from facebatch.errors import InputError, SettingsMismatch, UsageError
from facebatch.models.detectors import AUTO

TABLES: Mapping[str, type] = MappingProxyType(
    {"extract": ExtractSettings, "run": RunSettings, "cluster": GroupingSettings}
)
"""Tables of the TOML file, and what their keys are the fields of."""

_TRUTH = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
_TYPES: Mapping[Any, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    tuple: "a list of texts",
}


class RenamedSetting(FutureWarning):
    """A setting was given under an earlier name, which is still read."""


def resolve_extract(
    flags: Mapping[str, Any],
    config_file: Path | None = None,
    collection: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
) -> ExtractSettings:
    """Returns the extraction settings from all their sources.

    Args:
        flags: Values given on the command line, as `read_flags` gives them; None means not given.
        config_file: TOML file with an ``[extract]`` table.
        collection: The settings frozen in the collection, where there is one already.
        environment: Variables to look into; the process's own by default.

    Raises:
        SettingsMismatch: A value that was asked for differs from the collection's.
        UsageError: A value is of the wrong type or out of its range.
        InputError: The TOML file can't be read or has an unknown key.
    """
    asked = _asked("extract", flags, config_file, environment)
    for model in ("detector", "embedder"):
        if collection and asked.get(model, ("",))[0] == AUTO:
            del asked[model]  # the choice was left to facebatch, which has made it
    for name, (value, source) in asked.items():
        if collection is not None and name in collection and collection[name] != value:
            raise SettingsMismatch(
                f"{source} asks for {name} = {value}, but the collection was made with "
                f"{name} = {collection[name]}. Extraction settings are fixed for a collection's "
                "life: leave the setting out, or choose another --output."
            )
    values = {**(collection or {}), **{name: value for name, (value, _) in asked.items()}}
    return ExtractSettings(**values)


def resolve_run(
    flags: Mapping[str, Any],
    config_file: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> RunSettings:
    """Returns the run settings from flags, environment and the ``[run]`` table of a TOML file.

    Raises:
        UsageError: A value is of the wrong type or out of its range.
        InputError: The TOML file can't be read or has an unknown key.
    """
    asked = _asked("run", flags, config_file, environment)
    return RunSettings(**{name: value for name, (value, _) in asked.items()})


def resolve_grouping(
    flags: Mapping[str, Any],
    config_file: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Returns the grouping settings that somebody asked for; the others are the collection's.

    Args:
        flags: Values given on the command line, as `read_flags` gives them; None means not given.
        config_file: TOML file with a ``[cluster]`` table.
        environment: Variables to look into; the process's own by default.

    Raises:
        UsageError: A value is of the wrong type or out of its range.
        InputError: The TOML file can't be read or has an unknown key.
    """
    asked = _asked("cluster", flags, config_file, environment)
    return {name: value for name, (value, _) in asked.items()}


def read_flags(given: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the values of flags, of which the command line gives most as text.

    Args:
        given: By the names of settings: text, a truth value or a list of texts; None means not
            given.

    Raises:
        UsageError: A text can't be of the setting's type.
    """
    fields = {field.name: field for cls in TABLES.values() for field in fields_of(cls)}
    read = {}
    for name, value in given.items():
        if value is not None and value != []:
            field = fields[name]
            read[name] = tuple(value) if field.is_list else _parsed(value, field, field.flag)
    return read


def _asked(
    table: str,
    flags: Mapping[str, Any],
    config_file: Path | None,
    environment: Mapping[str, str] | None,
) -> dict[str, tuple[Any, str]]:
    """Returns every value that somebody asked for, with the source that won.

    Warns:
        RenamedSetting: A variable or the file has it under an earlier name.
    """
    variables = os.environ if environment is None else environment
    fields = fields_of(TABLES[table])
    from_file = _toml_table(config_file, table) if config_file else {}
    asked = {}
    for field in fields:
        if flags.get(field.name) is not None:
            value, source = flags[field.name], field.flag
            if value is False:
                source = f"--no-{source.removeprefix('--')}"
        elif given := _given(variables, [variable_of(key) for key in field.keys], "environment"):
            value, source = _parsed(variables[given], field, given), given
        elif given := _given(from_file, field.keys, str(config_file)):
            value, source = from_file[given], f"{config_file} [{table}]"
        else:
            continue
        asked[field.name] = (_checked(value, field, source), source)
    return asked


def _given(values: Mapping[str, Any], keys: Sequence[str], where: str) -> str | None:
    """Returns the key that a value was given under, if it was; warns of an earlier one."""
    given = [key for key in keys if key in values]
    for key in given:
        if key != keys[0]:
            warnings.warn(f"{where}: {key} is called {keys[0]} now", RenamedSetting, stacklevel=4)
    return next(iter(given), None)


def _toml_table(path: Path, table: str) -> dict[str, Any]:
    import tomllib

    try:
        content = tomllib.loads(path.read_text("utf-8-sig"))
    except OSError as error:
        raise InputError(f"--config {path} can't be read: {error}") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"--config {path} isn't TOML: {error}") from error
    if unknown := sorted(set(content) - set(TABLES)):
        known = ", ".join(f"[{name}]" for name in TABLES)
        raise InputError(f"{path}: unknown table [{unknown[0]}]; there are {known}")
    found = content.get(table, {})
    if not isinstance(found, dict):
        raise InputError(f"{path}: {table} must be a table")
    fields = fields_of(TABLES[table])
    if strange := sorted(set(found).difference(*(field.keys for field in fields))):
        known = ", ".join(field.name for field in fields)
        raise InputError(f"{path}: [{table}] has no setting {strange[0]!r}; it has {known}")
    return found


def _parsed(value: Any, field: Field, source: str) -> Any:
    """Returns a value from what a flag or a variable says as text."""
    if not isinstance(value, str) or value in dict(field.setting.words):
        return value
    if field.kind is bool:
        if value.lower() not in _TRUTH:
            raise UsageError(f"{source}={value!r} is neither true nor false")
        return _TRUTH[value.lower()]
    if field.kind in (int, float):
        return _number(value, field, source)
    return tuple(value.split()) if field.is_list else value


def _number(text: str, field: Field, source: str) -> Any:
    """Returns a number that is given as text: 0.1 or 10%, 4000000 or 4M, as its unit allows."""
    number, factor = _without_unit(text, field.setting.unit)
    try:
        return field.kind(number) if factor == 1 else field.kind(round(float(number) * factor, 9))
    except (ValueError, OverflowError) as error:
        raise UsageError(_not_taken(source, field, text, field.kind)) from error


def _not_taken(source: str, field: Field, value: object, kind: type) -> str:
    """Returns what to say of a value of another type: what the setting takes, by its source."""
    words = "".join(f" or {word}" for word, _ in field.setting.words)
    whose = source if source.startswith("--") else f"{source}: {field.name}"
    return f"{whose} takes {_TYPES[kind]}{words}, not {value!r}"


def _without_unit(text: str, unit: Unit | None) -> tuple[str, float]:
    if unit == "share" and text.endswith("%"):
        return text[:-1], 0.01
    if unit == "size" and text[-1:] in UNITS:
        return text[:-1], UNITS[text[-1]]
    return text, 1.0


def _checked(value: Any, field: Field, source: str) -> Any:
    """Returns a value as its type, after every check."""
    setting = field.setting
    if isinstance(value, str) and value in (words := dict(setting.words)):
        return words[value]
    if isinstance(value, str) and (setting.words or setting.unit):
        # From a file, where a number may be text for the sake of its unit.
        value = _number(value, field, source)
    if field.kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if field.is_list and isinstance(value, list):
        value = tuple(value)
    plain = _plain_type(field)
    if not isinstance(value, plain) or (plain is int and isinstance(value, bool)):
        raise UsageError(_not_taken(source, field, value, plain))
    if setting.placed and isinstance(value, str) and value.startswith(setting.placed[0]):
        prefix, choice_of = setting.placed
        value = choice_of(value.removeprefix(prefix))
    if choices := field.choices:
        for part in value if isinstance(value, tuple) else (value,):
            if part not in choices:
                known = ", ".join(choices)
                raise UsageError(f"{source}: unknown {field.name} {part!r}; there is: {known}")
    if setting.range:
        low, high = setting.range
        if not low <= value <= high:
            raise UsageError(f"{_subject(source, field)} {value} isn't within {low} to {high}")
    return value


def _subject(source: str, field: Field) -> str:
    """Returns what a value was given for; a flag has the setting's name in its own."""
    return source if source.startswith("--") else f"{source}: {field.name}"


def _plain_type(field: Field) -> type:
    if typing.get_origin(field.kind) is typing.Literal:
        return str
    kind: type = field.kind
    return tuple if field.is_list else kind
