"""Generations: one result of one stage each, kept under its name, the newest being the current."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, Literal, TypeVar, overload

from facebatch.collection.manifests import (
    MANIFESTS,
    STAGES,
    ClustersManifest,
    IndexManifest,
    Manifest,
    MatchesManifest,
    PeopleManifest,
    Stage,
)
from facebatch.errors import CollectionError
from facebatch.storage.store import Storage

GENERATIONS_KEPT = 3
MANIFEST = "manifest.json"

_STAMP = "%Y%m%dT%H%M%S.%fZ"
_TICK = timedelta(microseconds=1)

ManifestT = TypeVar("ManifestT", bound=Manifest, covariant=True)


@dataclass(frozen=True)
class Generation(Generic[ManifestT]):
    """One result of one stage.

    Args:
        name: ``<UTC time>-<random>``; names sort by time.
        manifest: What the result was made from, and its figures.
    """

    name: str
    manifest: ManifestT

    @property
    def stage(self) -> str:
        """The stage, one of `STAGES`."""
        return self.manifest.stage

    @property
    def folder(self) -> str:
        """Path inside the collection."""
        return f"{self.stage}/{self.name}"


_Index = Generation[IndexManifest]
_Matches = Generation[MatchesManifest]
_Clusters = Generation[ClustersManifest]
_People = Generation[PeopleManifest]


@dataclass(frozen=True)
class GenerationStore:
    """The generations that lie in one place.

    Args:
        storage: Where.
    """

    storage: Storage

    @overload
    def generations(self, stage: Literal["index"]) -> list[_Index]: ...
    @overload
    def generations(self, stage: Literal["matches"]) -> list[_Matches]: ...
    @overload
    def generations(self, stage: Literal["clusters"]) -> list[_Clusters]: ...
    @overload
    def generations(self, stage: Literal["people"]) -> list[_People]: ...
    @overload
    def generations(self, stage: Stage) -> Sequence[Generation[Manifest]]: ...
    def generations(self, stage: Stage) -> Any:
        """Returns a stage's finished generations, oldest first.

        Raises:
            CollectionError: A manifest is damaged.
        """
        found = []
        for name in self.storage.folders(stage):
            if not is_finished(self.storage, stage, name):
                continue
            try:
                found.append(read_generation(self.storage, stage, name))
            except (ValueError, TypeError) as error:
                raise CollectionError(
                    f"{self.storage.public}/{stage}/{name}/{MANIFEST} is damaged: remove the "
                    f"folder {stage}/{name}, and the stage is run again"
                ) from error
        return found

    @overload
    def generation(self, stage: Literal["index"], name: str | None) -> _Index | None: ...
    @overload
    def generation(self, stage: Literal["matches"], name: str | None) -> _Matches | None: ...
    @overload
    def generation(self, stage: Literal["clusters"], name: str | None) -> _Clusters | None: ...
    @overload
    def generation(self, stage: Literal["people"], name: str | None) -> _People | None: ...
    def generation(self, stage: Stage, name: str | None) -> Any:
        """Returns a stage's finished generation of this name; None where there is none."""
        return next((made for made in self.generations(stage) if made.name == name), None)

    @overload
    def current(self, stage: Literal["index"]) -> _Index | None: ...
    @overload
    def current(self, stage: Literal["matches"]) -> _Matches | None: ...
    @overload
    def current(self, stage: Literal["clusters"]) -> _Clusters | None: ...
    @overload
    def current(self, stage: Literal["people"]) -> _People | None: ...
    @overload
    def current(self, stage: Stage) -> Generation[Manifest] | None: ...
    def current(self, stage: Stage) -> Any:
        """Returns a stage's newest finished generation; None where there is none."""
        found = self.generations(stage)
        return found[-1] if found else None

    def finish(self, generation: Generation[ManifestT]) -> Generation[ManifestT]:
        """Writes a generation's manifest, which makes it the current one, and drops old ones."""
        write_manifest(self.storage, generation)
        kept = {stage: self.generations(stage)[-GENERATIONS_KEPT:] for stage in STAGES}
        needed = {
            parent for made in kept.values() for each in made for parent in each.manifest.parents
        }
        for old in self.generations(generation.manifest.stage)[:-GENERATIONS_KEPT]:
            if old.name not in needed:
                self.storage.remove(old.folder)
        return generation


def is_finished(storage: Storage, stage: str, name: str) -> bool:
    """Tells whether a generation has its manifest, without which it doesn't exist."""
    return storage.exists(f"{stage}/{name}/{MANIFEST}")


def read_generation(storage: Storage, stage: Stage, name: str) -> Generation[Manifest]:
    """Returns a finished generation.

    Raises:
        ValueError, TypeError: Its manifest is damaged.
    """
    data = json.loads(storage.read(f"{stage}/{name}/{MANIFEST}"))
    return Generation(name, MANIFESTS[stage].from_json(data))


def write_manifest(storage: Storage, generation: Generation[Manifest]) -> None:
    """Writes a generation's manifest, whether or not there was one."""
    identity = {"stage": generation.stage, "generation": generation.name}
    data = json.dumps({**identity, **generation.manifest.as_json()}, indent=2)
    storage.write(f"{generation.folder}/{MANIFEST}", data.encode())


def generation_name(after: Generation[Manifest] | None = None) -> str:
    """Returns a name for a new generation; names sort by the time they were given.

    Args:
        after: The generation that the new one follows; see `name_after`.
    """
    return name_after(after.name if after is not None else None)


def name_after(previous: str | None) -> str:
    """Returns a new name, ``<UTC time>-<random>``.

    Args:
        previous: A name that the new one comes later than, even where this machine's clock is
            behind.
    """
    moment = datetime.now(UTC)
    if previous is not None:
        moment = max(moment, moment_of(previous) + _TICK)
    return f"{stamp(moment)}-{secrets.token_hex(3)}"


def moment_of(name: str) -> datetime:
    """Returns the moment that a name begins with."""
    return datetime.strptime(name.partition("-")[0], _STAMP).replace(tzinfo=UTC)


def stamp(moment: datetime) -> str:
    """Returns what names that are given at a moment begin with."""
    return moment.strftime(_STAMP)
