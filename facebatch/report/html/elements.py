"""HTML elements built from Python values, escaped and balanced by construction.

Text becomes part of a page only through `tag`, which escapes it; what `tag` gives is `Html` and
is taken as it is. So no name, path or message of an archive can become markup.
"""

from __future__ import annotations

import html
from collections.abc import Iterable
from typing import TypeAlias

_VOID = frozenset({"img", "meta"})
CONTROL_PICTURES = {code: 0x2400 + code for code in range(0x20) if chr(code) not in "\t\n"}
CONTROL_PICTURES[0x7F] = 0x2421
"""Control characters are no text of a page, yet file names may hold them: what shows them."""


class Html(str):
    """Markup that is complete and safe."""

    __slots__ = ()


Child: TypeAlias = "str | Iterable[Child] | None"


def tag(name: str, /, *children: Child, **attributes: str | None) -> Html:
    """Returns an element.

    Args:
        name: Its name.
        children: Text, which is escaped, or `Html`, or any number of those; None is left out.
        attributes: Its attributes; a trailing underscore is dropped (``class_``), others become
            hyphens, and None leaves an attribute out.
    """
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_escaped(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _VOID:
        return Html(f"<{name}{given}>")
    return Html(f"<{name}{given}>{join(*children)}</{name}>")


def join(*children: Child) -> Html:
    """Returns children side by side, without an element around them."""
    return Html("".join(map(_markup, children)))


def _markup(child: Child) -> str:
    if child is None:
        return ""
    if isinstance(child, Html):
        return child
    if isinstance(child, str):
        return _escaped(child)
    return "".join(map(_markup, child))


def _escaped(text: str) -> str:
    return html.escape(text.translate(CONTROL_PICTURES))
