"""The model registry: the cards of all models, and where their weights lie on this machine.

Weights come with the packages that publish them, or lie in the models folder. Packages are found
through their import spec, so that none is ever imported. Every file is hashed before anything
reads it: one with another hash would be another model, whose embeddings can't be compared. Nothing
here knows how a file is decoded; that belongs to ``detect`` and ``embed``.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from types import MappingProxyType

from facebatch.errors import WeightsError
from facebatch.models.card import Card, WeightFile, is_name, parse
from facebatch.models.folder import models_folder, place_of, record, recorded, user_card, user_cards


def _shipped() -> Iterator[Card]:
    folder = resources.files("facebatch.models").joinpath("cards")
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name.removesuffix(".toml")):
        yield parse(entry.read_bytes(), entry.name)


CARDS: Mapping[str, Card] = MappingProxyType({card.name: card for card in _shipped()})
"""The cards that facebatch ships, by name."""

DEFAULT_EMBEDDER = "dlib-resnet"
DEFAULT_MIN_FACE = 24
"""Side in pixels, at detection size, of the smallest square that is looked into for a face; the box
of a face may be half as large."""

PNET, RNET, ONET = CARDS["mtcnn"].files
(DLIB_RESNET,) = CARDS["dlib-resnet"].files


def card(name: str) -> Card:
    """Look a model's card up by the model's name, among those shipped and the user's own.

    Raises:
        WeightsError: The registry has no such model; the message lists those it has.
        CardError: The user's own card of this name is damaged.
    """
    if name in CARDS:
        return CARDS[name]
    if is_name(name) and (found := user_card(name)):
        return found
    known = ", ".join(card.name for card in all_cards())
    raise WeightsError(f"no model named {name!r}; there are {known}")


def all_cards() -> list[Card]:
    """The cards that facebatch ships, then the user's own; damaged ones are left out."""
    return [*CARDS.values(), *(card for card in user_cards()[0] if card.name not in CARDS)]


def digest(file: WeightFile) -> str:
    """The digest that a file must have: the card's, or the one recorded at its first use.

    Raises:
        WeightsError: The card names none, and the file isn't there to take it of.
    """
    known = file.pinned or recorded(file)
    return known or hashlib.sha256(_verified(file)[1]).hexdigest()


def path(file: WeightFile) -> Path:
    """Where a weight file lies, after its hash was verified.

    Raises:
        WeightsError: The file, or the package that holds it, is missing, unreadable, or isn't the
            file that the card names; the message says what to do.
    """
    return _verified(file)[0]


def read(file: WeightFile) -> bytes:
    """The content of a weight file; exactly these bytes were verified.

    Raises:
        WeightsError: As in ``path``.
    """
    return _verified(file)[1]


def is_installed(file: WeightFile) -> bool:
    """Tells whether a file of that name is there; its content isn't looked at."""
    return any(True for _ in _candidates(file))


def size(file: WeightFile) -> int | None:
    """The size in bytes of an installed file; its content isn't looked at."""
    for found in _candidates(file):
        return found.stat().st_size
    return None


def _verified(file: WeightFile) -> tuple[Path, bytes]:
    wrong = None
    for found in _candidates(file):
        try:
            content = found.read_bytes()
        except OSError as error:
            raise WeightsError(f"can't read {found}: {error.strerror}") from error
        difference = difference_from(file, content)
        if difference is None:
            return found, content
        wrong = wrong or f"{found} has {difference}"
    if wrong is None:
        raise _missing(file)
    raise WeightsError(f"{wrong}; {_remedy(file, again=True)}")


def difference_from(file: WeightFile, content: bytes) -> str | None:
    """Says how a content's hash differs from the one that a file must have, if it does.

    The hash of a file whose card names none is taken and kept.

    Raises:
        WeightsError: It can't be kept.
    """
    name = "sha384" if file.sha384 and not file.sha256 else "sha256"
    found = hashlib.new(name, content).hexdigest()
    expected = file.pinned or recorded(file)
    if expected is None:
        record(file, found)
    return None if expected in (found, None) else f"{name} {found}, expected {expected}"


def _candidates(file: WeightFile) -> Iterator[Path]:
    """Yields the files of that name, the likeliest first."""
    if file.package:
        spec = importlib.util.find_spec(file.package)
        places = (spec.submodule_search_locations or []) if spec else []
        named = [Path(place) / file.folder / file.name for place in places]
    else:
        folder = models_folder()
        named = [place_of(file), folder / file.name]
        if file.pinned:  # a folder filled by hand, or for others, has subfolders of its own
            named += sorted({*folder.glob(f"*/{file.name}")} - {*named})
    yield from (candidate for candidate in named if candidate.is_file())


def _missing(file: WeightFile) -> WeightsError:
    if not file.package:
        return WeightsError(f"{file.name} isn't in {models_folder()}; {_remedy(file)}")
    spec = importlib.util.find_spec(file.package)
    missing = f"the package {file.package} is" if spec is None else f"{file.name} is"
    return WeightsError(f"{missing} not installed; {_remedy(file)}")


def _remedy(file: WeightFile, again: bool = False) -> str:
    if file.package:
        option = "--force-reinstall " if again else ""
        return f"run: pip install {option}{file.requirement}"
    return f"run: facebatch models fetch {file.model}"


def digest_of(algorithm: str, path: Path) -> str:
    """The digest of a file, as lower-case hex.

    Raises:
        WeightsError: It can't be read.
    """
    try:
        with path.open("rb") as content:
            return hashlib.file_digest(content, algorithm).hexdigest()
    except OSError as error:
        raise WeightsError(f"can't read {path}: {error.strerror}") from error
