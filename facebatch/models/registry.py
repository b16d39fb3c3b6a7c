"""The model registry: the cards of all models, and where their weights lie on this machine.

Weights come with the packages that publish them, or lie in the models folder. Packages are found
through their import spec, so that none is ever imported. Every file is hashed before anything
reads it: one with another hash would be another model, whose embeddings can't be compared. Nothing
here knows how a file is decoded; that belongs to ``detect`` and ``embed``.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from types import MappingProxyType

from facebatch.errors import WeightsError
from facebatch.models.card import Card, Kind, WeightFile, parse

MODELS_VARIABLE = "FACEBATCH_MODELS"
"""Names the models folder."""


def _shipped() -> Iterator[Card]:
    folder = resources.files("facebatch.models").joinpath("cards")
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        yield parse(entry.read_bytes(), entry.name)


CARDS: Mapping[str, Card] = MappingProxyType({card.name: card for card in _shipped()})
"""The cards that facebatch ships, by name."""

_LOADED: Mapping[Kind, frozenset[str]] = MappingProxyType(
    {"detector": frozenset({"torch"}), "embedder": frozenset({"dlib"})}
)
"""The formats that ``facebatch.detect`` and ``facebatch.embed`` read."""


def _named(kind: Kind) -> tuple[str, ...]:
    cards = [card for card in CARDS.values() if card.kind == kind]
    return tuple(card.name for card in cards if card.format in _LOADED[kind])


DETECTORS = _named("detector")
EMBEDDERS = _named("embedder")
DEFAULT_EMBEDDER = "dlib-resnet"
DEFAULT_MIN_FACE = 24
"""Side in pixels at detection size of the smallest face that is looked for."""

PNET, RNET, ONET = CARDS["mtcnn"].files
(DLIB_RESNET,) = CARDS["dlib-resnet"].files


def card(name: str) -> Card:
    """Look a model's card up by the model's name.

    Raises:
        WeightsError: The registry has no such model; the message lists those it has.
    """
    try:
        return CARDS[name]
    except KeyError:
        raise WeightsError(f"no model named {name!r}; there are {', '.join(CARDS)}") from None


def models_folder() -> Path:
    """The folder of weights that come without a package.

    ``FACEBATCH_MODELS`` names it; else it is ``facebatch/models`` in the user's cache folder. It
    may be missing, or may not be written.
    """
    if named := os.environ.get(MODELS_VARIABLE):
        return Path(named).expanduser()
    if sys.platform == "darwin":
        cache = Path("~/Library/Caches").expanduser()
    else:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    return cache / "facebatch" / "models"


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
    """Says how a content's hash differs from the one that a file must have, if it does."""
    name = "sha256" if file.sha256 else "sha384"
    digest = hashlib.new(name, content).hexdigest()
    return None if digest == file.pinned else f"{name} {digest}, expected {file.pinned}"


def _candidates(file: WeightFile) -> Iterator[Path]:
    """Yields the files of that name, the likeliest first."""
    if file.package:
        spec = importlib.util.find_spec(file.package)
        places = (spec.submodule_search_locations or []) if spec else []
        named = [Path(place) / file.folder / file.name for place in places]
    else:
        # A folder that was filled by hand, or for other programs, has subfolders of its own.
        folder = models_folder()
        named = [folder / file.model / file.name, folder / file.name]
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
    return f"{file.model} needs it from {card(file.model).source}"
