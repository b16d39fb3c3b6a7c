"""What a collection remembers of where its items came from: ``sources.json``.

It is written by the run that lists the roots, and never needed to read a collection: older ones
have none, and get it with their next run.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from facebatch.errors import CollectionError
from facebatch.storage.store import Storage

SOURCES = "sources.json"


@dataclass(frozen=True)
class Sources:
    """What is remembered.

    Args:
        roots: Where each root lay when it was listed last, by its name; without passwords.
    """

    roots: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, storage: Storage) -> Sources:
        """Returns what a collection remembers; nothing where it was never written down.

        Raises:
            CollectionError: It can't be read, or is damaged.
        """
        if not storage.exists(SOURCES):
            return cls()
        try:
            data: dict[str, Any] = json.loads(storage.read(SOURCES))
            return cls(roots={str(name): str(url) for name, url in data["roots"].items()})
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise CollectionError(
                f"{storage.public}/{SOURCES} is damaged: {error!r}. Without the file the next run "
                "takes the roots as they are."
            ) from error

    def write(self, storage: Storage) -> None:
        """Writes it down, unless that is what stands there."""
        data = json.dumps(asdict(self), indent=2).encode()
        if not storage.exists(SOURCES) or storage.read(SOURCES) != data:
            storage.write(SOURCES, data)
