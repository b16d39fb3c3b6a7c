"""``facebatch review``: people are named and put right in a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facebatch.cli import options
from facebatch.cli.command import Command
from facebatch.errors import UsageError

_PACKAGES = ("starlette", "uvicorn", "python_multipart")


def review(
    collection: options.CollectionArgument,
    host: Annotated[
        str,
        typer.Option(
            help="The address to listen on. Any but this machine's own needs --password-file.",
            metavar="HOST",
        ),
    ] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option(help="The port; 0 for any that is free.", metavar="PORT", min=0, max=65535),
    ] = 0,
    password_file: Annotated[
        Path | None,
        typer.Option(
            help="A file with the password that browsers of other machines have to know.",
            metavar="FILE",
        ),
    ] = None,
    language: Annotated[
        str | None,
        typer.Option(
            help="Language of the pages, en or zh; what each browser asks for by default.",
            metavar="LANGUAGE",
        ),
    ] = None,
) -> None:
    """Name people and put them right in a browser: a local web application.

    It runs on this machine alone and fetches nothing. What is decided is recorded at once, as the
    commands `facebatch people` record it.
    """
    _check_packages()
    from facebatch.collection import Collection
    from facebatch.review.server import serve

    def ready(url: str) -> None:
        typer.echo(f"open {url} (the address works once); Ctrl-C ends")

    serve(
        Collection.open(collection),
        host=host,
        port=port,
        password_file=password_file,
        language=language,
        ready=ready,
    )


def _check_packages() -> None:
    from importlib.util import find_spec

    missing = [name for name in _PACKAGES if find_spec(name) is None]
    if missing:
        raise UsageError(
            f"{missing[0]} isn't installed: `pip install 'facebatch[review]'` brings what "
            "`facebatch review` needs"
        )


COMMANDS = (Command(review, "facebatch review ~/faces"),)
