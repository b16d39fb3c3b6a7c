"""Model cards: what is known of a network and its files, one TOML file a model.

A card says what feeds the network, where its files come from, which bytes they are and who states
which licence. Those that facebatch ships lie in ``cards/``; a user's own has the same form
(docs/models.md). Nothing here opens a weight file or a connection.
"""

from __future__ import annotations

import hashlib
import math
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args

from facebatch.errors import CardError
from facebatch.models.engines import Precision

if TYPE_CHECKING:
    from facebatch.faces.align import Template

Kind = Literal["detector", "embedder"]
Format = Literal["torch", "dlib", "onnx", "openvino", "facenet"]
Family = Literal["mtcnn", "yunet", "scrfd", "retinaface"]
Colour = Literal["RGB", "BGR"]
Layout = Literal["NCHW", "NHWC"]
Dtype = Literal["float32", "uint8"]
Point = tuple[float, float]

Value = TypeVar("Value")

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,127}")
_COMMERCIAL = {"yes": True, "no": False, "unclear": None}
_LARGEST_CARD = 100_000  # bytes; a file given as a card by mistake isn't read to its end


@dataclass(frozen=True)
class Input:
    """What the network reads: pixels as ``(value - mean) / std``, with values of 0..255.

    Args:
        size: Side of the square it reads, in pixels; 0 if it reads pictures of any size.
        colour: Order of the colours.
        mean: Subtracted, one number a colour in that order, in units of 0..255.
        std: Divided by, likewise.
        layout: Order of batch, channels, height and width.
        dtype: Type of the values; ``uint8`` needs mean 0 and std 1.
    """

    size: int
    colour: Colour
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    layout: Layout
    dtype: Dtype


@dataclass(frozen=True, kw_only=True)
class Archive:
    """A zip file that weights come in.

    Args:
        name: Its file name.
        sha256: Lower-case hex digest.
        bytes: Its size, if known.
        url: Where it is downloaded from; None where no source that we know names a URL.
    """

    name: str
    sha256: str
    bytes: int | None = None
    url: str | None = None


@dataclass(frozen=True, kw_only=True)
class WeightFile:
    """One file that a model reads.

    It comes inside an installed package, from a URL or out of an archive; where it has none of the
    three, by hand.

    Args:
        name: The file's name.
        model: Name of the model that it belongs to.
        sha256: Lower-case hex digest, if known.
        sha384: Lower-case hex digest, where the publisher states this one.
        bytes: Its size, if known.
        package: Import name of the package that holds it; empty if none does.
        folder: The folder inside the package.
        requirement: What ``pip install`` takes to bring the package.
        url: Where it is downloaded from.
        archive: The archive that holds it, under its own name.
    """

    name: str
    model: str
    sha256: str | None = None
    sha384: str | None = None
    bytes: int | None = None
    package: str = ""
    folder: str = ""
    requirement: str = ""
    url: str | None = None
    archive: Archive | None = None

    @property
    def pinned(self) -> str | None:
        """The digest that the file must have, hex; None if the card names none."""
        return self.sha256 or self.sha384


@dataclass(frozen=True)
class Figure:
    """One measured figure, e.g. an accuracy of 0.994, and who measured it on what."""

    value: float
    source: str


@dataclass(frozen=True)
class Card:
    """What is known of one model.

    Args:
        name: What a user types.
        kind: Whether it finds faces or embeds them.
        summary: What it is, in one sentence.
        format: What its files are, which says what reads them.
        family: How a detector's outputs are read; None for an embedder.
        dimension: Length of its embeddings; 0 for a detector.
        template: Name of the alignment template (``facebatch.faces.align.TEMPLATES``); empty for a
            detector, and where the card gives points of its own.
        points: x, y of eye, eye, nose, mouth corner, mouth corner, image-left first, in units of
            the chip's side; empty where a template is named.
        input: What the network reads.
        precision: In which arithmetic its layers run, where it says what the model is.
        licence: The licence of the weights, and who states it.
        commercial: Whether that allows commercial use; None if nobody says so clearly.
        source: Where the weights come from, in words.
        figures: Measured figures by what they are.
        recommended: Whether it is among those that ``facebatch models fetch recommended`` brings.
        files: Every file it reads.
    """

    name: str
    kind: Kind
    summary: str
    format: Format
    family: Family | None
    dimension: int
    template: str
    points: tuple[Point, ...]
    input: Input
    precision: Precision
    licence: str
    commercial: bool | None
    source: str
    figures: Mapping[str, Figure]
    recommended: bool
    files: tuple[WeightFile, ...]

    def chip_template(self) -> Template:
        """Returns the template that an embedder's chips are aligned to.

        Raises:
            CardError: There is none of the name, or its chips have another size than the input.
        """
        import numpy as np

        from facebatch.faces.align import TEMPLATES, Template

        if self.points:
            digest = hashlib.blake2b(repr(self.points).encode(), digest_size=4).hexdigest()
            points = np.array(self.points) * self.input.size
            return Template(f"points-{digest}", self.input.size, points)
        if self.template not in TEMPLATES:
            raise CardError(
                f"card {self.name}: no template named {self.template!r}; "
                f"there are {', '.join(TEMPLATES)}"
            )
        template = TEMPLATES[self.template]
        if template.size != self.input.size:
            raise CardError(
                f"card {self.name}: chips of the template {self.template} have "
                f"{template.size} pixels, its input {self.input.size}"
            )
        return template


def is_name(text: str) -> bool:
    """Tells whether a model may have a name, which is a folder's name too."""
    return _NAME.fullmatch(text) is not None


def parse(content: bytes, origin: str) -> Card:
    """Reads a card.

    Args:
        content: The TOML file.
        origin: What to call it in a message.

    Raises:
        CardError: It isn't TOML, lacks something, or says something that can't be.
    """
    if len(content) > _LARGEST_CARD:
        raise CardError(f"{origin} isn't a model card: it has {len(content):,} bytes")
    try:
        fields = tomllib.loads(content.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CardError(f"{origin} isn't a model card: {error}") from error
    return _card(_Table(fields, origin))


class _Table:
    """A TOML table that is taken apart key by key; what is left over is refused."""

    def __init__(self, fields: Mapping[str, Any], origin: str) -> None:
        self._fields = dict(fields)
        self.origin = origin

    def take(self, key: str, kind: type[Value], default: Value | None = None) -> Value:
        """Takes a value of a type; without a default it must be there."""
        value = self._fields.pop(key, default)
        if value is None:
            raise self.refused(f"has no {key}")
        if kind is float and type(value) is int:
            value = float(value)
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise self.refused(f"{key} is {value!r}, not of type {kind.__name__}")
        return value

    def choice(self, key: str, choices: Iterable[str], default: str | None = None) -> Any:
        """Takes one of some words."""
        value = self.take(key, str, default)
        if value not in choices:
            raise self.refused(f"{key} is {value!r}; there are {', '.join(choices)}")
        return value

    def match(self, key: str, pattern: str | re.Pattern[str], default: str | None = None) -> str:
        """Takes a string of a form."""
        value = self.take(key, str, default)
        if value != default and not re.fullmatch(pattern, value):
            raise self.refused(f"{key} is {value!r}, which can't be")
        return value

    def count(self, key: str, smallest: int, default: int | None = None) -> int:
        """Takes a whole number."""
        value = self.take(key, int, default)
        if value < smallest:
            raise self.refused(f"{key} is {value}; it is at least {smallest}")
        return value

    def numbers(self, key: str, default: list[float]) -> tuple[float, float, float]:
        """Takes three numbers, one a colour."""
        values = self.take(key, list, default)
        if len(values) != 3 or not all(
            type(value) in (int, float) and math.isfinite(value) for value in values
        ):
            raise self.refused(f"{key} isn't three numbers")
        first, second, third = map(float, values)
        return first, second, third

    def table(self, key: str) -> _Table:
        """Takes a table, which may be missing."""
        return _Table(self.take(key, dict, {}), f"{self.origin}, {key}")

    def list_of_tables(self, key: str) -> list[_Table]:
        """Takes a list of tables."""
        values = self.take(key, list, [])
        if not all(isinstance(value, dict) for value in values):
            raise self.refused(f"{key} isn't a list of tables")
        return [_Table(value, f"{self.origin}, {key}") for value in values]

    def all_tables(self) -> dict[str, _Table]:
        """Takes everything, which must be tables."""
        return {key: self.table(key) for key in tuple(self._fields)}

    def __contains__(self, key: str) -> bool:
        return key in self._fields

    def close(self) -> None:
        """Refuses keys that nobody took, which are misspelt or of a later version."""
        if self._fields:
            raise self.refused(f"has an unknown key: {', '.join(self._fields)}")

    def refused(self, what: str) -> CardError:
        """Returns the error that says what is wrong with the card."""
        return CardError(f"card {self.origin}: {what}")


def _card(table: _Table) -> Card:
    name = table.match("name", _NAME)
    kind: Kind = table.choice("kind", get_args(Kind))
    points = _points(table)
    card = Card(
        name=name,
        kind=kind,
        summary=table.take("summary", str),
        format=table.choice("format", get_args(Format)),
        family=table.choice("family", get_args(Family)) if kind == "detector" else None,
        dimension=table.count("dimension", 1) if kind == "embedder" else 0,
        template="" if points or kind == "detector" else table.take("template", str),
        points=points,
        input=_input(table.table("input"), 0 if kind == "detector" else 1),
        precision=table.choice("precision", get_args(Precision), "float32"),
        licence=table.take("licence", str),
        commercial=_COMMERCIAL[table.choice("commercial", _COMMERCIAL, "unclear")],
        source=table.take("source", str),
        figures=_figures(table.table("figures")),
        recommended=table.take("recommended", bool, False),
        files=tuple(_file(entry, name) for entry in table.list_of_tables("files")),
    )
    table.close()
    if not card.files:
        raise table.refused("names no files")
    if card.precision != "float32" and card.format not in ("onnx", "openvino"):
        raise table.refused(f"a network of format {card.format} runs in float32 alone")
    return card


def _points(table: _Table) -> tuple[Point, ...]:
    if "points" not in table:
        return ()
    values = table.take("points", list)
    good = len(values) == 5 and all(
        isinstance(point, list)
        and len(point) == 2
        and all(type(value) in (int, float) and -1 < value < 2 for value in point)
        for point in values
    )
    if not good or len({tuple(point) for point in values}) < 2:
        raise table.refused("points aren't five pairs x, y in units of the chip's side")
    return tuple((float(x), float(y)) for x, y in values)


def _input(table: _Table, smallest: int) -> Input:
    found = Input(
        size=table.count("size", smallest, 0 if smallest == 0 else None),
        colour=table.choice("colour", get_args(Colour)),
        mean=table.numbers("mean", [0, 0, 0]),
        std=table.numbers("std", [1, 1, 1]),
        layout=table.choice("layout", get_args(Layout), "NCHW"),
        dtype=table.choice("dtype", get_args(Dtype), "float32"),
    )
    table.close()
    if min(found.std) <= 0:
        raise table.refused("std must be above 0")
    if found.dtype == "uint8" and (found.mean, found.std) != ((0, 0, 0), (1, 1, 1)):
        raise table.refused("an input of uint8 has no mean or std")
    return found


def _figures(table: _Table) -> Mapping[str, Figure]:
    found = {}
    for key, entry in table.all_tables().items():
        found[key] = Figure(entry.take("value", float), entry.take("source", str))
        entry.close()
    return MappingProxyType(found)


def _file(table: _Table, model: str) -> WeightFile:
    archive = _archive(table.table("archive")) if "archive" in table else None
    package = table.match("package", r"[A-Za-z_]\w*", "")
    found = WeightFile(
        name=table.match("name", _FILE_NAME),
        model=model,
        sha256=table.match("sha256", "[0-9a-f]{64}", "") or None,
        sha384=table.match("sha384", "[0-9a-f]{96}", "") or None,
        bytes=table.count("bytes", 0, 0) or None,
        package=package,
        folder=table.match("folder", r"\w[\w/.-]*", "") if package else "",
        requirement=table.take("requirement", str) if package else "",
        url=table.match("url", r"https?://\S+", "") or None,
        archive=archive,
    )
    table.close()
    if sum(map(bool, (found.package, found.url, found.archive))) > 1:
        raise table.refused("a file comes from a package, a URL or an archive, not from two")
    return found


def _archive(table: _Table) -> Archive:
    found = Archive(
        name=table.match("name", _FILE_NAME),
        sha256=table.match("sha256", "[0-9a-f]{64}"),
        bytes=table.count("bytes", 0, 0) or None,
        url=table.match("url", r"https?://\S+", "") or None,
    )
    table.close()
    return found
