"""Pages from the templates beside this file.

Whatever a template shows is escaped, unless it is `markupsafe.Markup`, which only our own plots and
style sheet are: no name, path or message of an archive can become markup.
"""

from __future__ import annotations

import functools
from base64 import b64encode
from importlib.resources import files
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from facebatch.media.sources.ignored import described
from facebatch.report.html import words

_PACKAGE = "facebatch.report.html"


def render(template: str, **values: Any) -> str:
    """Returns a page, an HTML document that fetches nothing and runs no script.

    Args:
        template: A file's name among the templates.
        values: What it shows.
    """
    return environment().get_template(template).render(values)


@functools.cache
def environment(package: str | None = None) -> Environment:
    """Returns what templates are read and filled with; they are compiled once a process.

    Args:
        package: One that has templates of its own beside these.
    """
    packages = [package, _PACKAGE] if package else [_PACKAGE]
    made = Environment(
        loader=ChoiceLoader([PackageLoader(each) for each in packages]),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(
        base64=lambda data: b64encode(data).decode(),
        counted=words.count,
        ignored=described,
        moment=words.moment,
        short_id=lambda person_id: person_id[: words.SHORT_ID],
        size=words.size,
        thousands=lambda number: f"{number:,}",
    )
    style = files(_PACKAGE).joinpath("style.css").read_text("utf-8")
    made.globals.update(
        person_name=words.person_name,
        span=words.span,
        style=Markup(style),  # noqa: S704 (our own file)
    )
    return made


def _visible(value: Any) -> Any:
    """Returns a text with its control characters shown; other values as they are."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return value.translate(words.CONTROL_PICTURES)
    return value
