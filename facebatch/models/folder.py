"""The models folder: weights that no package brings, users' cards, and hashes kept at first use.

Each model has a folder of its name in it, with its files and, where facebatch ships none, its card
as ``card.toml``. ``recorded.json`` holds the sha256 of files whose card names none: it was taken
when they were first used, and holds from then on.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from facebatch.errors import CardError, WeightsError
from facebatch.models.card import Card, WeightFile, parse

MODELS_VARIABLE = "FACEBATCH_MODELS"
"""Names the models folder."""

CARD = "card.toml"
"""A user's card in its model's folder."""

_RECORDS = "recorded.json"


def models_folder() -> Path:
    """The folder of weights that come without a package.

    ``FACEBATCH_MODELS`` names it; else it is ``facebatch/models`` in the user's cache folder. It
    may be missing, or may not be written.
    """
    if named := os.environ.get(MODELS_VARIABLE):
        return Path(named).expanduser()
    return cache_folder() / "models"


def cache_folder() -> Path:
    """Where what can be had again is kept for the user; it may be missing, or not be writable."""
    if sys.platform == "darwin":
        return Path("~/Library/Caches/facebatch").expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "facebatch"


def place_of(file: WeightFile, folder: Path | None = None) -> Path:
    """Where a file belongs, in the models folder or one like it."""
    return (folder or models_folder()) / file.model / file.name


@contextlib.contextmanager
def writing(place: Path) -> Iterator[None]:
    """Makes a place's folder, and says in one line why nothing can be written there.

    Raises:
        WeightsError: The disk or its owner refuses.
    """
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        reason = error.strerror or error
        raise WeightsError(f"{error.filename or place} can't be written: {reason}") from error


def user_card(name: str) -> Card | None:
    """Returns a user's card; None if there is none of the name.

    Raises:
        CardError: It is damaged, or another model's.
    """
    place = models_folder() / name / CARD
    try:
        content = place.read_bytes()
    except OSError:
        return None
    card = parse(content, str(place))
    if card.name != name:
        raise CardError(f"card {place}: its name is {card.name!r}, not that of its folder")
    return card


def user_cards() -> tuple[list[Card], list[CardError]]:
    """Returns all users' cards, and what is wrong with those that can't be read."""
    cards, damaged = [], []
    for place in sorted(models_folder().glob(f"*/{CARD}")):
        try:
            card = user_card(place.parent.name)
        except CardError as error:
            damaged.append(error)
        else:
            cards += [card] if card else []
    return cards, damaged


def recorded(file: WeightFile) -> str | None:
    """Returns the sha256 that was taken at a file's first use, if it was used."""
    return _records(models_folder()).get(_key(file))


def record(file: WeightFile, sha256: str, folder: Path | None = None) -> None:
    """Keeps the sha256 of a file whose card names none, in the models folder or one like it.

    Raises:
        WeightsError: The models folder can't be written.
    """
    place = (folder or models_folder()) / _RECORDS
    with writing(place), _locked(place.parent):
        known = {**_records(place.parent), _key(file): sha256}
        beside = place.with_suffix(".new")
        beside.write_text(json.dumps(known, indent=2, sort_keys=True) + "\n", "utf-8")
        beside.replace(place)  # others read it meanwhile, whole


def _key(file: WeightFile) -> str:
    return f"{file.model}/{file.name}"


def _records(folder: Path) -> dict[str, str]:
    try:
        known = json.loads((folder / _RECORDS).read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise WeightsError(f"{folder / _RECORDS} can't be read: {error}") from error
    if not isinstance(known, dict):
        raise WeightsError(f"{folder / _RECORDS} isn't what facebatch writes there")
    return known


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Lets one process at a time change the records."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
