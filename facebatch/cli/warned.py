"""Warnings that are for whoever gives a command: one line each on standard error, or one event."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from facebatch.config import RenamedSetting
from facebatch.faces.fonts import MissingGlyph
from facebatch.monitor import logs
from facebatch.storage.printable import printable


@contextmanager
def _said(kind: type[Warning]) -> Iterator[None]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", kind)
        yield
    for warning in caught:
        say(str(warning.message))


def say(message: str) -> None:
    """Warns of something that the user may want to change."""
    if logs.in_json():
        logging.getLogger(__name__).warning("%s", message)
    else:
        typer.echo(f"facebatch: {printable(message)}", err=True)


@contextmanager
def of_settings() -> Iterator[None]:
    """Says which settings were given under earlier names."""
    with _said(RenamedSetting):
        yield


@contextmanager
def of_glyphs() -> Iterator[None]:
    """Says which characters of names no font has."""
    with _said(MissingGlyph):
        yield
