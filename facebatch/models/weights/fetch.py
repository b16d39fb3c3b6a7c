"""Bringing weights into the models folder by downloading them, whole or within archives.

Nothing takes its place there before its hash was compared with its card's. ``FACEBATCH_MODELS_URL``
names a mirror, which is then the only place asked: a copy of a models folder behind any web server.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from facebatch.errors import DownloadError, UsageError, WeightsError
from facebatch.models import registry
from facebatch.models.card import Archive, Card, WeightFile
from facebatch.models.folder import models_folder, place_of, record, recorded, writing
from facebatch.models.weights.copies import Brought, take_members
from facebatch.models.weights.download import Patience, Show, Wanted, download, opened_alone
from facebatch.storage.urls import public_url

MIRROR_VARIABLE = "FACEBATCH_MODELS_URL"
"""Names the mirror."""

RECOMMENDED = "recommended"
"""Stands for the models whose cards recommend them."""

_LARGEST = 4 * 10**9
"""Bytes of a file whose size nobody states; the largest known model has a tenth of that."""

Started = Callable[[str], Show]
"""Told the name of what is brought next; gives what is told of its progress."""


@dataclass(frozen=True)
class Fetched:
    """What a fetch came to.

    Args:
        files: What is in its place now.
        missing: What can't be fetched by a program, each with what to do.
    """

    files: tuple[Brought, ...]
    missing: tuple[str, ...]


def chosen(names: Iterable[str]) -> list[Card]:
    """Returns the cards of models, each once, where ``recommended`` stands for several.

    Raises:
        WeightsError: There is no model of a name.
    """
    cards: dict[str, Card] = {}
    for name in names:
        if name == RECOMMENDED:
            cards |= {card.name: card for card in registry.CARDS.values() if card.recommended}
        else:
            cards[name] = registry.card(name)
    return list(cards.values())


def fetch(cards: Sequence[Card], started: Started, patience: Patience | None = None) -> Fetched:
    """Brings the files of models that aren't there, or aren't what they should be.

    Args:
        cards: The models.
        started: Told what is brought.
        patience: How long servers are waited for.

    Raises:
        DownloadError: Something can't be had, or isn't what its card says; what came before it is
            in its place.
        WeightsError: The models folder can't be written.
    """
    mirror = _mirror()
    patience = patience or Patience()
    done, by_hand = [], []
    sources = {card.name: card.source for card in cards}
    archives: dict[Archive, list[WeightFile]] = {}
    for file in [file for card in cards for file in card.files]:
        if found := _there(file):
            done.append(Brought(file, found, "there"))
        elif file.package:
            by_hand.append(f"{file.name} comes by: pip install {file.requirement}")
        elif url := f"{mirror}/{file.model}/{file.name}" if mirror else file.url:
            done.append(_fetched(file, url, started, patience))
        elif file.archive and file.archive.url:
            archives.setdefault(file.archive, []).append(file)
        else:
            by_hand.append(_by_hand(file, sources[file.model]))
    for archive, files in archives.items():
        done += _from_archive(archive, files, started, patience)
    return Fetched(tuple(done), tuple(dict.fromkeys(by_hand)))


def _mirror() -> str | None:
    url = os.environ.get(MIRROR_VARIABLE, "").rstrip("/")
    if url and not url.startswith(("http://", "https://")):
        raise UsageError(
            f"{MIRROR_VARIABLE}={public_url(url)} isn't an http or https URL; a folder is named "
            "by FACEBATCH_MODELS"
        )
    return url or None


def _there(file: WeightFile) -> Path | None:
    """Where the right file is, if it is there."""
    try:
        return registry.path(file) if registry.is_installed(file) else None
    except WeightsError:
        return None


def _by_hand(file: WeightFile, source: str) -> str:
    wanted = file.archive.name if file.archive else file.name
    return (
        f"{wanted} has no address that a program could fetch it from; get it by hand ({source}), "
        f"then run: facebatch models add {wanted}"
    )


def _fetched(file: WeightFile, url: str, started: Started, patience: Patience) -> Brought:
    place = place_of(file)
    part = place.with_name(f"{place.name}.part")
    wanted = Wanted(url, part, file.bytes, _LARGEST)
    algorithm = "sha384" if file.sha384 and not file.sha256 else "sha256"
    expected = file.pinned or recorded(file)
    with writing(place), opened_alone(part) as opened:
        show = started(file.name)
        digest = _downloaded(wanted, opened, (algorithm, expected), show, patience)
        part.replace(place)
    if not file.pinned:
        record(file, digest)
    return Brought(file, place, "brought")


def _downloaded(
    wanted: Wanted,
    part: BinaryIO,
    digest: tuple[str, str | None],
    show: Show,
    patience: Patience,
) -> str:
    """Downloads a file and returns its digest, which is the expected one.

    A file that was pieced together and is wrong is brought once more, in one piece: a server may
    have changed it meanwhile and not said so.
    """
    algorithm, expected = digest
    pieced = True
    while pieced:
        pieced = download(wanted, part, show, patience)
        found = registry.digest_of(algorithm, wanted.part)
        if expected in (found, None):
            return found
        part.truncate(0)
    wanted.part.unlink()
    raise DownloadError(f"{wanted.shown} has {algorithm} {found}, expected {expected}")


def _from_archive(
    archive: Archive, files: list[WeightFile], started: Started, patience: Patience
) -> list[Brought]:
    part = models_folder() / f"{archive.name}.part"
    wanted = Wanted(archive.url or "", part, archive.bytes, _LARGEST)
    with writing(part), opened_alone(part) as opened:
        show = started(archive.name)
        _downloaded(wanted, opened, ("sha256", archive.sha256), show, patience)
        try:
            return take_members(files, part)
        finally:
            part.unlink()
