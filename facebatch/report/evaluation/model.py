"""What the page of an evaluation says, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from facebatch.evaluate.clusters import ClusterScores
from facebatch.evaluate.detection import DetectionScores
from facebatch.evaluate.identification import IdentificationScores
from facebatch.evaluate.pairs import PairScore
from facebatch.report.plots.data import Chart

ERRORS_SHOWN = 24
"""Errors of one kind, the worst first: bounds the page, to about half a megabyte of faces."""

Kind: TypeAlias = Literal["pairs", "identification", "clusters", "detection"]
Details: TypeAlias = Mapping[str, Any]
Scores: TypeAlias = PairScore | IdentificationScores | ClusterScores | DetectionScores


@dataclass(frozen=True)
class Line:
    """A figure.

    Args:
        name: What it is called.
        value: It, as shown.
        meaning: A sentence for people who never met it.
    """

    name: str
    value: str
    meaning: str


@dataclass(frozen=True)
class Face:
    """One side of an error.

    Args:
        role: What it is there; may be empty.
        label: Its path or name.
        chip: Its JPEG; None where there is none.
    """

    role: str
    label: str
    chip: bytes | None


@dataclass(frozen=True)
class Error:
    """One error: a few faces side by side."""

    title: str
    faces: tuple[Face, ...]


@dataclass(frozen=True)
class Gallery:
    """Errors of one kind.

    Args:
        title: Their kind.
        text: How many there are, and what they are.
        errors: The worst of them; at most `ERRORS_SHOWN`.
    """

    title: str
    text: str
    errors: tuple[Error, ...]


@dataclass(frozen=True)
class Table:
    """A plain table: a header and rows of as many cells."""

    title: str
    text: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Content:
    """What the page of an evaluation says.

    Args:
        title: Its title.
        summary: Sentences at the top.
        headline: The most important figures, by label.
        lines: All figures.
        charts: The plots.
        tables: Further tables.
        galleries: Errors.
        notices: What a reader must know before any figure.
    """

    title: str
    summary: tuple[str, ...]
    headline: Mapping[str, str]
    lines: tuple[Line, ...]
    charts: tuple[Chart, ...]
    tables: tuple[Table, ...] = ()
    galleries: tuple[Gallery, ...] = ()
    notices: tuple[str, ...] = field(default=())
