"""Command lines that the docs show are ones that the program takes."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from facebatch.cli import app

ROOT = Path(__file__).parent.parent.parent
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]


def shown() -> Iterator[tuple[str, str]]:
    """Every command line in a block of code, with its page."""
    for page in PAGES:
        if page.name == "CHANGELOG.md":  # what was once right stays there
            continue
        text = re.sub(r"\\\n\s*", "", page.read_text("utf-8"))
        for line in re.findall(r"^(?:    |\$ )(?:\$ )?(facebatch .*)$", text, re.MULTILINE):
            yield page.name, line


LINES = sorted(set(shown()))


def test_there_are_some() -> None:
    assert len(LINES) > 50


@pytest.mark.parametrize(("page", "line"), LINES)
def test_a_command_line_of_the_docs_is_taken(page: str, line: str) -> None:
    words = shlex.split(line, comments=True)[1:]
    for sign in ("--", "|", ">", ">>", "2>", "2>>", "&&", ";"):
        words = words[: words.index(sign)] if sign in words else words
    words = [word.rstrip(";") for word in words]
    command: Any = get_command(app)
    context = command.make_context("facebatch", list(words), resilient_parsing=True)
    while words and hasattr(command, "commands"):
        if words[0] not in command.commands and command.name == "train":
            words = [next(iter(command.commands)), *words]  # which is meant where none is named
        _, command, words = command.resolve_command(context, words)
        context = command.make_context(command.name, list(words), resilient_parsing=True)
        if hasattr(command, "commands") and not words:
            return
    if command.name == "help" or words[:1] in (["-h"], ["--help"]):
        return
    context = command.make_context(" ".join(["facebatch", command.name]), words)
    assert context.command is command
