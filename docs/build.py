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
    lines = ["# Commands", "", "Made from the program's own help by `make docs`.", ""]
    lines += [group.epilog or "", ""]
    for name, command in _commands("facebatch", group):
        lines += [f"## {name}", "", command.help or "", "", command.epilog or "", ""]
        lines += ["| option | what it does |", "|---|---|"]
        for parameter in command.params:
            label = ", ".join([*parameter.opts, *parameter.secondary_opts])
            if parameter.param_type_name == "argument":
                label = parameter.metavar or label
            lines.append(f"| `{label}` | {getattr(parameter, 'help', '') or ''} |")
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


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
