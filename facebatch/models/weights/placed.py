"""Embedders that are named by where they lie, ``onnx:PATH``: into the models folder, by their name.

What they embed is kept under the name alone, so that everything that comes later finds them.
"""

from __future__ import annotations

from pathlib import Path

from facebatch.errors import CardError, WeightsError
from facebatch.models import registry
from facebatch.models.card import Card, WeightFile, parse
from facebatch.models.folder import CARD, models_folder, user_card
from facebatch.models.weights.copies import add

PREFIX = "onnx:"


def brought(path: str) -> str:
    """Returns the name of an embedder in an ONNX file, which is in the models folder then.

    Nothing is written where it is there already.

    Args:
        path: The file, beside which its card lies as ``card.toml``, or the folder of both.

    Raises:
        CardError: There is no card, it is damaged, another file's or no embedder's, or it has the
            name of a model that facebatch ships.
        WeightsError: There is no such file, it isn't the one that the card describes, another model
            of the name is there, or the models folder can't be written.
    """
    place = _found(path)
    card, card_file = _card_beside(place)
    [file] = card.files
    source = place / file.name if place.is_dir() else place
    if source.name != file.name:
        raise CardError(f"card {card_file} is that of {file.name}, not of {source.name}")
    content = _content(source)
    if file.pinned and (difference := registry.difference_from(file, content)):
        raise WeightsError(f"{source} has {difference}")
    there = None if card.name in registry.CARDS else user_card(card.name)
    if there is not None and not _is_same(there, card, content):
        raise WeightsError(
            f"another model called {card.name} is in {models_folder()}: {card_file} needs a name "
            "of its own"
        )
    if there is None or not registry.is_installed(there.files[0]):
        add([source], card_file)
    return card.name


def _found(path: str) -> Path:
    try:
        place = Path(path).expanduser()
        if path and place.exists():
            return place
    except (OSError, RuntimeError) as error:  # no home of that name, a folder that can't be read
        reason = getattr(error, "strerror", None) or error
        raise WeightsError(f"{PREFIX}{path} can't be found: {reason}") from error
    raise WeightsError(f"{PREFIX}{path}: there is no such file or folder")


def _card_beside(place: Path) -> tuple[Card, Path]:
    card_file = (place if place.is_dir() else place.parent) / CARD
    try:
        card = parse(card_file.read_bytes(), str(card_file))
    except OSError as error:
        raise CardError(f"can't read the card {card_file}: {error.strerror}") from error
    if card.kind != "embedder":
        raise CardError(f"card {card_file}: {card.name} is a {card.kind}, no embedder")
    if card.format != "onnx" or len(card.files) != 1:
        raise CardError(
            f"card {card_file}: {card.name} isn't one ONNX file; `facebatch models add` takes it"
        )
    return card, card_file


def _content(source: Path) -> bytes:
    try:
        return source.read_bytes()
    except OSError as error:
        raise WeightsError(f"can't read {source}: {error.strerror}") from error


def _is_same(there: Card, card: Card, content: bytes) -> bool:
    """Tells whether two cards of a name and a content give the same embeddings."""

    def meaning(one: Card) -> object:
        reads = one.template, one.points, one.input
        return one.kind, one.format, one.dimension, reads, one.precision

    return meaning(there) == meaning(card) and _is_content_of(there.files, content)


def _is_content_of(files: tuple[WeightFile, ...], content: bytes) -> bool:
    if len(files) == 1 and registry.is_installed(files[0]):
        return registry.read(files[0]) == content
    return len(files) == 1 and registry.difference_from(files[0], content) is None
