"""Writes the pages that are made from the code: docs/tables.md and docs/cli.md (``make docs``).

A test fails when a page differs from what this gives.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from typer.main import get_command

from facebatch import tables
from facebatch.cli import app
from facebatch.config import TABLES, Field, fields_of
from facebatch.extract.decide import MAX_ATTEMPTS, RETRYABLE
from facebatch.media.reasons import REASONS

FOLDER = Path(__file__).parent


def tables_page() -> str:
    """Returns docs/tables.md: its written part, then every table of the contract."""
    parts = [
        (FOLDER / "tables.head.md").read_text("utf-8"),
        *("\n".join(_table(tables.contract(name))) for name in tables.table_names()),
        "\n".join(_reasons()),
    ]
    return "\n\n".join(part.rstrip() for part in parts) + "\n"


def _table(contract: tables.TableContract) -> Iterator[str]:
    yield f"## {contract.table} (version {contract.version})\n"
    yield f"{contract.description}\n"
    yield "| column | type | unit | what it says |"
    yield "|---|---|---|---|"
    for column in contract.columns:
        meaning = column.description + (" May be null." if column.nullable else "")
        yield f"| `{column.name}` | `{column.type}` | {column.unit or ''} | {meaning} |"


def _reasons() -> Iterator[str]:
    yield "## Reason codes\n"
    yield (
        "Why an item is quarantined. A permanent failure isn't tried again until the file changes "
        f"or `--retry CODE` asks for it; one that may pass is tried {MAX_ATTEMPTS} times.\n"
    )
    yield "| code | may pass | what it means |"
    yield "|---|---|---|"
    for code, meaning in REASONS.items():
        yield f"| `{code}` | {'yes' if code in RETRYABLE else 'no'} | {meaning} |"


def cli_page() -> str:
    """Returns docs/cli.md: every command with its help, options and example."""
    group = get_command(app)
    lines = [(FOLDER / "cli.head.md").read_text("utf-8").rstrip(), "", group.epilog or "", ""]
    for name, command in _commands("facebatch", group):
        lines += [f"## {name}", "", command.help or "", "", command.epilog or "", ""]
        lines += ["| option | what it does |", "|---|---|"]
        for parameter in command.params:
            lines.append(f"| `{_label(parameter)}` | {getattr(parameter, 'help', '') or ''} |")
        lines.append("")
    lines += _settings()
    return "\n".join(lines).rstrip() + "\n"


def _label(parameter: Any) -> str:
    """Returns how a parameter is written on the command line."""
    if parameter.param_type_name == "argument":
        return parameter.metavar or parameter.opts[0]
    names = ", ".join([*parameter.opts, *parameter.secondary_opts])
    return names if parameter.is_flag else f"{names} {parameter.metavar}"


def _settings() -> Iterator[str]:
    """Yields every setting with the names that it has on the command line, outside and in files."""
    yield "## Settings\n"
    yield (
        "Every setting may be a flag, a variable, or a key of a TOML file that `--config` names. "
        "The strongest wins: flag, variable, file, what the collection was made with, default. In "
        "a file lists are TOML lists; in a variable their parts stand between spaces."
    )
    for table, cls in TABLES.items():
        yield f"\n### [{table}]\n"
        yield "| key | flag | variable | values | default |"
        yield "|---|---|---|---|---|"
        for field in fields_of(cls):
            flag = f"`{field.flag}`" if field.setting.has_flag else "after `--`"
            yield (
                f"| `{field.name}` | {flag} | `{field.variable}` | {_values(field)} | "
                f"{field.default_text} |"
            )


def _values(field: Field) -> str:
    setting = field.setting
    if setting.range:
        low, high = (f"{bound:,}".removesuffix(".0") for bound in setting.range)
        return " or ".join([f"{low} to {high}", *(word for word, _ in setting.words)])
    if field.kind is bool:
        return "yes, no"
    places = [f"`{setting.placed[0]}PATH`"] if setting.placed else []
    return ", ".join([*field.choices, *places]) or "text"


def _commands(prefix: str, group: Any) -> Iterator[tuple[str, Any]]:
    """Yields every command with its full name; those of a sub-app stand where it does."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _commands(f"{prefix} {name}", command)
        else:
            yield f"{prefix} {name}", command


PAGES = {"tables.md": tables_page, "cli.md": cli_page}

if __name__ == "__main__":
    for page, make in PAGES.items():
        (FOLDER / page).write_text(make(), "utf-8")
