"""Convert: a collection's faces in the space of another embedder, without its photos."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass, replace
from typing import Any

from facebatch.collection import Collection, Snapshot
from facebatch.collection.collection import check_target, read_info
from facebatch.collection.lease import Lease
from facebatch.collection.sources import SOURCES
from facebatch.collection.suppression import FOLDER as SUPPRESSED
from facebatch.config import RunSettings
from facebatch.errors import CollectionError, UsageError
from facebatch.extract import attempts
from facebatch.models import registry
from facebatch.models.engines import choose
from facebatch.models.precision import check_runs
from facebatch.monitor.stages import Report, Step
from facebatch.people.carrying import PEOPLE_FOLDERS, carry_people
from facebatch.pipelines import engine
from facebatch.pipelines.convert import ReembedShard
from facebatch.storage.store import Storage

_BEGUN = "conversion.json"
"""Says in the target what is being converted to what, until its ``collection.json`` is written."""


@dataclass(frozen=True)
class Conversion:
    """What a conversion did.

    Args:
        source: The collection that was converted.
        target: The new one.
        snapshot: What it holds.
        shards: Shards that this command converted; the others were there, where it went on.
        seconds: How long it took.
    """

    source: Collection
    target: Collection
    snapshot: Snapshot
    shards: int
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """Returns the summary as plain data."""
        return {
            "collection": self.target.storage.public,
            "from": self.source.storage.public,
            "from_embedder": self.source.settings.embedder,
            "embedder": self.target.settings.embedder,
            "space": self.target.space,
            "items": len(self.snapshot.media),
            "faces": len(self.snapshot.face_ids),
            "shards": len(self.snapshot.shards),
            "converted_shards": self.shards,
            "same_template": self.has_same_template,
            "seconds": round(self.seconds, 2),
        }

    @property
    def has_same_template(self) -> bool:
        """Whether both embedders read the same chips, so that none had to be cut anew."""
        old, new = (
            registry.card(each.settings.embedder).chip_template()
            for each in (self.source, self.target)
        )
        return old.is_same(new)


def planned(source: Collection, url: str, embedder: str, settings: RunSettings) -> Collection:
    """Returns the collection that a conversion is to make, if it can be made; writes nothing.

    Args:
        source: What is to be converted.
        url: Where the new collection goes.
        embedder: Name of its embedder.
        settings: Runner and engine.

    Raises:
        UsageError: The embedder is the source's own or can't run here, or the runner or the engine
            can't be used.
        CollectionError: The source has no chips, or the target's place is taken.
        SettingsMismatch: The source was extracted by weights or rules that aren't today's.
        WeightsError: The embedder's weights are missing.
    """
    engine.check(settings)
    device = choose(settings.engine, settings.device).device
    if settings.is_local:
        check_runs(registry.card(embedder), device)
    target = Collection.planned(url, replace(source.settings, embedder=embedder))
    public = source.storage.public
    if target.settings.embedder == source.settings.embedder:
        raise UsageError(f"{public} has the embedder {source.settings.embedder} already")
    check_target(source.storage.url, source.settings)
    if not source.settings.chips:
        raise CollectionError(
            f"{public} has no chips, since it was made with --no-chips: extract its photos into a "
            f"new collection with --embedder {target.settings.embedder}"
        )
    _check_place(source, target)
    for file in registry.card(target.settings.embedder).files:
        registry.path(file)
    return target


def _check_place(source: Collection, target: Collection) -> None:
    """Refuses a place for a collection that is taken by anything but this conversion, cut off."""
    storage = target.storage
    is_begun = storage.exists(_BEGUN)
    if read_info(storage.url) is not None and not is_begun:
        raise CollectionError(f"{storage.public} is a collection already: choose an empty folder")
    if is_begun:
        if storage.read(_BEGUN) != _begun(source, target):
            raise CollectionError(
                f"{storage.public} holds another conversion that was cut off: choose an empty "
                "folder"
            )
    elif storage.files("") or storage.folders(""):
        raise CollectionError(f"{storage.public} holds files: choose an empty folder")


def _begun(source: Collection, target: Collection) -> bytes:
    info = hashlib.blake2b(json.dumps(read_info(source.storage.url)).encode(), digest_size=16)
    said = {"from": source.name, "collection": info.hexdigest(), "to": target.fingerprint}
    return json.dumps(said, indent=2).encode()


def run_convert(
    source: Collection,
    target: Collection,
    settings: RunSettings,
    report: Report,
) -> Conversion:
    """Converts a collection; one that was cut off goes on.

    Shards keep their names and rows, faces their ids. Roots, what was erased, people and decisions
    are taken over; matches and the index belong to the old space, and aren't. The new collection
    exists when all is done.

    Args:
        source: What is converted. Nothing can be erased from it meanwhile.
        target: What `planned` gave.
        settings: Runner and workers.
        report: Told a few times a second how many shards are done.

    Raises:
        CollectionError: A shard can't be read; the others are converted.
        WorkerDied, StageFailed, Interrupted: As for `each`; the same command goes on.
    """
    begun = time.monotonic()
    if read_info(target.storage.url) is not None:  # cut off when all was done but the last line
        target.storage.remove(_BEGUN)
        return Conversion(source, target, target.snapshot(), 0, time.monotonic() - begun)
    settings = settings.with_resolved_workers()
    with attempts.running(source.storage):
        target.storage.write(_BEGUN, _begun(source, target))
        wanted = source.snapshot().shards
        there = _committed(target.storage)
        for shard in there.difference(wanted):  # rewritten in the source since
            target.storage.remove(f"media/{shard}.parquet")
            target.storage.remove(f"faces/{shard}.parquet")
        missing = [shard for shard in wanted if shard not in there]
        if missing:
            lease = Lease(target.storage, target.settings)
            work = ReembedShard(source, target, settings.execution(), lease)

            def done() -> int:
                return len(_committed(target.storage))

            def tell() -> None:
                report(Step("conversion", done(), len(wanted)))

            with lease.held():
                engine.each(work, missing, lease, settings, tell, done)
        _check_whole(source, target, wanted)
        _carry(source, target)
    target.found(converted_from={"embedder": source.settings.embedder, "space": source.space})
    target.storage.remove(_BEGUN)
    seconds = time.monotonic() - begun
    return Conversion(source, target, target.snapshot(), len(missing), seconds)


def _carry(source: Collection, target: Collection) -> None:
    """Takes over what isn't in shards, whatever of it an earlier attempt had written."""
    for folder in (SUPPRESSED, *PEOPLE_FOLDERS):
        target.storage.remove(folder)
    paths = [file.path for file in source.storage.files(SUPPRESSED)]
    if source.storage.exists(SOURCES):
        paths.append(SOURCES)
    for path in paths:
        target.storage.write(path, source.storage.read(path))
    carry_people(source, target)


def _committed(storage: Storage) -> set[str]:
    return {
        file.path.removeprefix("media/").removesuffix(".parquet")
        for file in storage.files("media")
        if file.path.endswith(".parquet")
    }


def _check_whole(source: Collection, target: Collection, wanted: tuple[str, ...]) -> None:
    lost = [shard for shard in wanted if shard not in _committed(target.storage)]
    if lost:
        raise CollectionError(
            f"{len(lost):,} of {len(wanted):,} shards of {source.storage.public} can't be read, "
            f"{lost[0]} for one. After `facebatch check --deep --repair`, which removes them, the "
            "same command goes on; a run extracts their photos again"
        )
