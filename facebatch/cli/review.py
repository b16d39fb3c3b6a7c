"""``facebatch review``: people are named and put right in a browser."""

from __future__ import annotations

import typer

from facebatch.cli import options
from facebatch.cli.command import Command


def review(
    collection: options.CollectionArgument,
    host: options.Host = "127.0.0.1",
    port: options.Port = 0,
    password_file: options.PasswordFile = None,
    language: options.Language = None,
) -> None:
    """Name people and put them right in a browser: a local web application.

    It runs on this machine alone and fetches nothing. What is decided is recorded at once, as the
    commands `facebatch people` record it.
    """
    options.check_served("review")
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


COMMANDS = (Command(review, "facebatch review ~/faces"),)
