"""What every page has: its head, its policy, and figures of plots."""

from __future__ import annotations

from facebatch.report.html.elements import Child, Html, tag
from facebatch.report.html.style import STYLE

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
"""Tells browsers to fetch nothing and to run no script, whatever the page held."""


def document(title: str, *children: Child) -> str:
    """Returns an HTML document that fetches nothing and runs no script.

    Args:
        title: The window's title.
        children: What the body holds.
    """
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", title),
        tag("style", Html(STYLE)),
    )
    return f"<!DOCTYPE html>\n{tag('html', head, tag('body', *children), lang='en')}\n"


def plot_figure(plot: Html, title: str, caption: str) -> Html:
    """Returns a plot with its title above it and a sentence or two below.

    Args:
        plot: The plot, an ``svg`` element.
        title: What it shows.
        caption: How to read it.
    """
    return tag("figure", tag("h3", title), plot, tag("figcaption", caption, class_="soft small"))
