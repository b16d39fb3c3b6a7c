"""Cards of models that nobody ships, for tests that bring and read weights."""

from __future__ import annotations

import hashlib

from facebatch.models.card import Card, parse

TEXT = """
name = "{name}"
kind = "embedder"
summary = "A model of a test."
format = "onnx"
dimension = 4
points = [[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]]
licence = "for tests"
commercial = "{commercial}"
source = "a test's home page"

[input]
size = 128
colour = "BGR"
"""


def card_text(name: str, *files: str, commercial: str = "yes") -> str:
    """A card, where each file is the lines of its table."""
    tables = [f"[[files]]\n{file}\n" for file in files]
    return "\n".join([TEXT.format(name=name, commercial=commercial), *tables])


def card_of(name: str, *files: str) -> Card:
    return parse(card_text(name, *files).encode(), "a test's card")


def file_lines(name: str, content: bytes | None = None, url: str | None = None) -> str:
    """The lines of a file's table; its hash and size are on it where its content is given."""
    lines = [f'name = "{name}"']
    if content is not None:
        lines += [f'sha256 = "{sha256(content)}"', f"bytes = {len(content)}"]
    return "\n".join(lines + ([f'url = "{url}"'] if url else []))


def member_lines(name: str, content: bytes, archive: str, packed: bytes, url: str = "") -> str:
    """The lines of a file's table that comes in an archive."""
    lines = [file_lines(name, content), "[files.archive]", f'name = "{archive}"']
    return "\n".join([*lines, f'sha256 = "{sha256(packed)}"', *([f'url = "{url}"'] if url else [])])


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
