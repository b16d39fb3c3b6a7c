"""What there is to say of the models: which there are, and whether their files are sound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from facebatch.errors import WeightsError
from facebatch.models import registry
from facebatch.models.card import Card, WeightFile
from facebatch.models.folder import models_folder, user_cards

COMMERCIAL = {True: "yes", False: "no", None: "unclear"}


def catalogue() -> dict[str, Any]:
    """Returns all models as JSON has them, and what is wrong with users' cards."""
    return {
        "folder": str(models_folder()),
        "models": [_entry(card) for card in registry.all_cards()],
        "damaged_cards": [str(error) for error in user_cards()[1]],
    }


def verify(cards: Sequence[Card], *, named: bool) -> list[dict[str, Any]]:
    """Hashes the files of models.

    Args:
        cards: The models.
        named: Whether they were asked for: then what is missing counts, else it is left out.

    Returns:
        For each file its model, name, state (``ok``, ``wrong`` or ``missing``) and a message.
    """
    found = [_verified(file) for card in cards for file in card.files]
    return [entry for entry in found if named or entry["state"] != "missing"]


def _verified(file: WeightFile) -> dict[str, Any]:
    state, message = "ok", ""
    try:
        message = str(registry.path(file))
    except WeightsError as error:
        state = "wrong" if registry.is_installed(file) else "missing"
        message = str(error)
    return {"model": file.model, "file": file.name, "state": state, "message": message}


def _entry(card: Card) -> dict[str, Any]:
    return {
        "name": card.name,
        "kind": card.kind,
        "summary": card.summary,
        "format": card.format,
        "dimension": card.dimension,
        "licence": card.licence,
        "commercial": COMMERCIAL[card.commercial],
        "source": card.source,
        "bytes": _bytes(card),
        "figures": {name: asdict(figure) for name, figure in card.figures.items()},
        "recommended": card.recommended,
        "installed": all(registry.is_installed(file) for file in card.files),
        "by": _way(card),
        "files": [
            {"name": file.name, "sha256": file.sha256, "sha384": file.sha384, "url": file.url}
            for file in card.files
        ],
    }


def _bytes(card: Card) -> int | None:
    """The size of all files, as far as their cards or the disk say it."""
    sizes = [file.bytes or registry.size(file) for file in card.files]
    return None if None in sizes else sum(size or 0 for size in sizes)


def _way(card: Card) -> str:
    """How a model's files come here: with a package, by a download, or by hand."""
    ways = [_way_of(file) for file in card.files]
    return max(ways, key=("package", "fetch", "hand").index)


def _way_of(file: WeightFile) -> str:
    if file.package:
        return "package"
    return "fetch" if file.url or (file.archive and file.archive.url) else "hand"
