"""Serves the application until it is stopped."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from facebatch.collection import Collection
from facebatch.errors import Interrupted, UsageError
from facebatch.review.app import make_app
from facebatch.review.desk import Desk
from facebatch.review.originals import Originals
from facebatch.review.pages import Site
from facebatch.review.security import Access, read_password
from facebatch.review.seeing import Eye
from facebatch.review.texts import LANGUAGES


def serve(
    collection: Collection,
    *,
    host: str,
    port: int,
    password_file: Path | None,
    language: str | None,
    ready: Callable[[str], None],
) -> None:
    """Serves a collection's review until the process is told to end.

    Args:
        collection: The collection.
        host: The name or address to listen on.
        port: The port; 0 for any that is free.
        password_file: Holds the password that other machines' browsers have to know.
        language: Of all pages; None for each browser's own.
        ready: Is called with the address to open, once it may be opened.

    Raises:
        UsageError: The port is taken, other machines could come without a password, or there is
            no such language.
        CollectionError: There are no people yet.
    """
    check_language(language)
    password = read_password(host, password_file)
    with listening(host, port) as listener:
        access = Access(host, listener.getsockname()[1], password)
        desk, originals, eye = Desk(collection), Originals(collection), Eye(collection)
        app = make_app(Site(desk, originals, eye, access, language))
        desk.start()
        ready(access.url)
        try:
            # To stop it is how it ends: nothing is left half done.
            with contextlib.suppress(KeyboardInterrupt, Interrupted):
                uvicorn.Server(config(app)).run(sockets=[listener])
        finally:
            desk.close()
            originals.close()
            eye.close()


def check_language(language: str | None) -> None:
    """Refuses a language that the pages don't have.

    Raises:
        UsageError: It is none of theirs.
    """
    if language is not None and language not in LANGUAGES:
        raise UsageError(f"--language {language}: there is {', '.join(LANGUAGES)}")


def config(app: ASGIApp) -> uvicorn.Config:
    """Returns how an application is served: quietly, and without believing proxies."""
    return uvicorn.Config(
        app, log_level="warning", access_log=False, server_header=False, proxy_headers=False
    )


def listening(host: str, port: int) -> socket.socket:
    """Returns a socket that listens.

    Raises:
        UsageError: The address can't be listened on.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen()
    except OSError as error:
        listener.close()
        raise UsageError(
            f"{host}:{port} can't be listened on: {error}; give another --port, or 0 for any"
        ) from error
    return listener
