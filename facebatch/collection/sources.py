"""What a collection remembers of where its items came from: ``sources.json``.

It is written by the run that lists the roots, and never needed to read a collection: older ones
have none, and get it with their next run.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from facebatch.errors import CollectionError
from facebatch.media.sources.ignored import Ignored
from facebatch.storage.store import Storage

SOURCES = "sources.json"


@dataclass(frozen=True)
class Sources:
    """What is remembered.

    Args:
        roots: Where each root lay when it was listed last, by its name; without passwords.
        exclude: Patterns of what is left out of the roots.
        follow_links: Whether links to folders are followed.
        ignored: What the last run that listed anything left out; None where that isn't known.
    """

    roots: Mapping[str, str] = field(default_factory=dict)
    exclude: tuple[str, ...] = ()
    follow_links: bool = False
    ignored: tuple[Ignored, ...] | None = None

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
            ignored = data["ignored"]
            return cls(
                {str(name): str(url) for name, url in data["roots"].items()},
                tuple(map(str, data["exclude"])),
                bool(data["follow_links"]),
                None if ignored is None else tuple(Ignored.from_json(part) for part in ignored),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise CollectionError(
                f"{storage.public}/{SOURCES} is damaged: {error!r}. Without the file the next run "
                "takes the roots as they are."
            ) from error

    def as_json(self) -> dict[str, Any]:
        """Returns it as plain data."""
        return {
            "roots": dict(self.roots),
            "exclude": list(self.exclude),
            "follow_links": self.follow_links,
            "ignored": None if self.ignored is None else [part.as_json() for part in self.ignored],
        }

    def write(self, storage: Storage) -> None:
        """Writes it down, unless that is what stands there."""
        data = json.dumps(self.as_json(), indent=2).encode()
        if not storage.exists(SOURCES) or storage.read(SOURCES) != data:
            storage.write(SOURCES, data)
