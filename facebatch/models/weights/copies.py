"""Weights from files at hand: into the models folder, and out of it for other machines."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from facebatch.errors import CardError, WeightsError
from facebatch.models import registry
from facebatch.models.card import Archive, Card, WeightFile, parse
from facebatch.models.folder import (
    CARD,
    models_folder,
    place_of,
    record,
    recorded,
    writing,
)
from facebatch.storage.local_files import whole_file


@dataclass(frozen=True)
class Brought:
    """A file that is in its place now.

    Args:
        file: Which.
        place: Where it lies.
        state: Whether it was brought or had been there.
    """

    file: WeightFile
    place: Path
    state: Literal["brought", "there"]


def add(sources: Sequence[Path], card_file: Path | None = None) -> list[Brought]:
    """Copies files at hand into the models folder.

    Args:
        sources: Files of weights, or archives that hold some.
        card_file: The card that they belong to; without it those of known cards are told by what
            they hold.

    Raises:
        CardError: The card can't be used.
        WeightsError: A file can't be read, is no card's, isn't what its card says, or can't be
            written.
    """
    if card_file is None:
        return [brought for source in sources for brought in _known(source)]
    content = _read(card_file)
    card = _own_card(content, card_file)
    done = [_take(file, source) for file, source in _of_card(card, sources)]
    place = models_folder() / card.name / CARD
    with writing(place), whole_file(place) as out:
        out.write(content)
    return done


def export(target: Path, cards: Sequence[Card]) -> list[Brought]:
    """Copies models into a folder that `FACEBATCH_MODELS` can name on another machine.

    Args:
        target: The folder; made if it isn't there.
        cards: Models that are installed. What packages bring is left to them.

    Raises:
        WeightsError: A file is missing or wrong, or the folder can't be written.
    """
    done = []
    for card in cards:
        for file in (file for file in card.files if not file.package):
            content, place = registry.read(file), place_of(file, target)
            with writing(place), whole_file(place) as out:
                out.write(content)
            if sha256 := recorded(file):
                record(file, sha256, target)
            done.append(Brought(file, place, "brought"))
        own = models_folder() / card.name / CARD
        if card.name not in registry.CARDS:
            place = target / card.name / CARD
            with writing(place), whole_file(place) as out:
                out.write(_read(own))
    return done


def exportable() -> list[Card]:
    """Returns the models in the models folder whose files are all there."""
    return [
        card
        for card in registry.all_cards()
        if not any(file.package for file in card.files)
        and all(registry.is_installed(file) for file in card.files)
    ]


def take_members(files: Iterable[WeightFile], source: Path) -> list[Brought]:
    """Takes files out of a zip file, wherever in it they lie.

    Raises:
        WeightsError: It can't be unpacked, lacks a file or holds it twice, or holds another.
    """
    done = []
    try:
        with zipfile.ZipFile(source) as packed:
            for file in files:
                names = [n for n in packed.namelist() if n.rpartition("/")[2] == file.name]
                if len(names) != 1:
                    raise WeightsError(f"{source} has {len(names)} files named {file.name}, not 1")
                with packed.open(names[0]) as content:
                    done.append(_placed(file, content, f"{source}: {names[0]}"))
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise WeightsError(f"{source} can't be unpacked: {error}") from error
    return done


def _known(source: Path) -> list[Brought]:
    """Adds a file that cards know by its hash, or what an archive holds that they know."""
    digests = {registry.digest_of(name, source) for name in ("sha256", "sha384")}
    files = [file for card in registry.all_cards() for file in card.files if not file.package]
    if same := [file for file in files if file.pinned in digests]:
        return [_take(file, source) for file in same]
    packed = [file for file in files if file.archive and file.archive.sha256 in digests]
    if packed:
        return take_members(packed, source)
    for expected in _expected(files, source.name):
        raise WeightsError(f"{source} has sha256 {min(digests, key=len)}, expected {expected}")
    raise WeightsError(
        f"{source} (sha256 {min(digests, key=len)}) is no file of a known model; say what it is "
        "by --card"
    )


def _expected(files: Sequence[WeightFile], name: str) -> list[str]:
    """Returns the digests that cards state for a file or an archive of a name."""
    named: list[WeightFile | Archive] = [file for file in files if file.name == name]
    named += [file.archive for file in files if file.archive and file.archive.name == name]
    return [entry.sha256 for entry in named if entry.sha256]


def _own_card(content: bytes, path: Path) -> Card:
    card = parse(content, str(path))
    if card.name in registry.CARDS:
        raise CardError(f"card {path}: {card.name} is a model of facebatch's; give it another name")
    if card.kind == "embedder":
        card.chip_template()
    return card


def _of_card(card: Card, sources: Sequence[Path]) -> list[tuple[WeightFile, Path]]:
    """Pairs a card's files with those that were given, by name; one alone may have any name."""
    given = {source.name: source for source in sources}
    names = [file.name for file in card.files]
    if len(sources) == len(names) == 1:
        return [(card.files[0], sources[0])]
    if sorted(given) != sorted(names) or len(given) != len(sources):
        raise CardError(
            f"the card of {card.name} names {', '.join(names)}; given: {', '.join(given)}"
        )
    return [(file, given[file.name]) for file in card.files]


def _take(file: WeightFile, source: Path) -> Brought:
    try:
        with source.open("rb") as content:
            return _placed(file, content, str(source))
    except OSError as error:
        raise WeightsError(f"can't read {source}: {error.strerror}") from error


def _placed(file: WeightFile, content: IO[bytes], origin: str) -> Brought:
    """Writes a content to a file's place if it is the right one."""
    place = place_of(file)
    with writing(place), whole_file(place) as out:
        shutil.copyfileobj(content, out, 1 << 20)
        out.flush()
        difference = registry.difference_from(file, Path(out.name).read_bytes())
        if difference:
            raise WeightsError(f"{origin} has {difference}")
    return Brought(file, place, "brought")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise WeightsError(f"can't read {path}: {error.strerror}") from error
