"""The application's texts: one table with every language, and which of them a browser gets."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

LANGUAGES = {"en": "en", "zh": "zh-CN"}
"""The languages, and how a page names them."""

DEFAULT = "en"

Translate = Callable[..., str]


@cache
def table() -> Mapping[str, Mapping[str, str]]:
    """Returns every text by key and language."""
    raw = files("facebatch.review").joinpath("texts.toml").read_text("utf-8")
    return dict(_flat(tomllib.loads(raw), ""))


def _flat(tree: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Mapping[str, str]]]:
    texts = {key: value for key, value in tree.items() if isinstance(value, str)}
    if texts:
        yield prefix, texts
    for key, value in tree.items():
        if not isinstance(value, str):
            yield from _flat(value, f"{prefix}.{key}" if prefix else key)


def translator(language: str) -> Translate:
    """Returns what gives a text by its key, filled in."""

    def translate(key: str, /, **values: Any) -> str:
        return table()[key][language].format(**values)

    return translate


def preferred(accepted: str) -> str:
    """Returns the language for a browser, by what its header ``Accept-Language`` says."""
    wanted: list[tuple[float, int, str]] = []
    for place, part in enumerate(accepted.split(",")[:20]):
        name, _, weight = part.strip().partition(";q=")
        try:
            quality = float(weight or 1)
        except ValueError:
            continue
        wanted.append((-quality, place, name.split("-")[0].lower()))
    return next((name for _, _, name in sorted(wanted) if name in LANGUAGES), DEFAULT)
