"""The output root of one archive: its settings, its shards, their commits and its generations.

A shard is committed by its media file, which is written last; readers see nothing before. All
reading of shards goes through `Collection.snapshot`; all results of later stages are generations,
whose manifest is written last.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from facebatch import tables
from facebatch.collection.commits import Committed, committed
from facebatch.collection.generations import GenerationStore, is_finished, stamp
from facebatch.collection.lease import LEASE_PREFIX
from facebatch.collection.manifests import STAGES
from facebatch.collection.snapshot import Snapshot, take, with_column
from facebatch.config import ExtractSettings, resolve_extract
from facebatch.errors import CollectionError, SettingsMismatch, UsageError
from facebatch.storage.store import Storage, StoredFile, missing
from facebatch.storage.urls import public_url

FORMAT_VERSION = 1
PLAN_PREFIX = "attempts/plan-"
"""Begins the path of a run's plan, which lies beside the marks of attempts."""
ORPHANS_KEPT = timedelta(days=1)
"""How long a faces file without a media file, or a file half written, is left to its writer, and a
shard that was replaced to those who read it still."""

_TICK = timedelta(microseconds=1)
_INFO = "collection.json"


@dataclass(frozen=True)
class Collection(GenerationStore):
    """An opened collection; plain data, so that it may cross a process.

    Args:
        storage: Where it lies.
        name: Its name.
        settings: Its frozen extraction settings.
        fingerprint: Their fingerprint.
        space: Space of its embeddings.
    """

    name: str
    settings: ExtractSettings
    fingerprint: str
    space: str

    @classmethod
    def open(cls, url: str) -> Collection:
        """Opens a collection that exists.

        Raises:
            CollectionError: There is none at the URL, or it is of another format version.
        """
        info = read_info(url)
        if info is None:
            raise CollectionError(missing(url, _INFO, "collection"))
        try:
            settings = ExtractSettings(**info["extract"])
            resolve_extract(asdict(settings), environment={})
            return cls(Storage(url), info["name"], settings, info["fingerprint"], info["space"])
        except (KeyError, TypeError, UsageError) as error:
            raise CollectionError(f"{public_url(url)}/{_INFO} is damaged: {error!r}") from error

    @classmethod
    def create(cls, url: str, settings: ExtractSettings) -> Collection:
        """Opens a collection to extract into, and makes it first where there is none.

        Raises:
            CollectionError: The place holds other files, or can't be written.
            SettingsMismatch: The collection that is there has other settings, or was made with
                weights or rules that are no longer those of this facebatch.
        """
        check_target(url, settings)
        if read_info(url) is None:
            cls.planned(url, settings).found()
        return cls.open(url)

    @classmethod
    def planned(cls, url: str, settings: ExtractSettings) -> Collection:
        """Returns the collection that `found` would make at a place; writes nothing."""
        name = public_url(url).rstrip("/").rsplit("/", 1)[-1]
        return cls(Storage(url), name, settings, settings.fingerprint(), settings.space())

    def found(self, **more: Any) -> None:
        """Writes ``collection.json``, before which there is no collection.

        Args:
            more: Further facts that it is to hold, as plain data.
        """
        info = {
            "format_version": FORMAT_VERSION,
            "name": self.name,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "fingerprint": self.fingerprint,
            "space": self.space,
            "extract": asdict(self.settings),
            **more,
        }
        self.storage.write(_INFO, json.dumps(info, indent=2).encode())

    @classmethod
    def for_extraction(
        cls, url: str, flags: Mapping[str, Any], config_file: Path | None = None
    ) -> Collection:
        """Opens or makes the collection that an extraction with these settings may write to.

        Args:
            url: Where it lies.
            flags: Extraction settings given on the command line; None means not given.
            config_file: TOML file with an ``[extract]`` table.

        Raises:
            UsageError: A setting is wrong, or differs from the collection's.
        """
        return cls.create(url, settings_for(url, flags, config_file))

    def snapshot(self) -> Snapshot:
        """Returns the shards as they stand now; later commits don't change it."""
        return take(self.storage)

    def is_committed(self, shard: str) -> bool:
        """Tells whether a shard's media file is there, and counts.

        One that was replaced doesn't: items that were pruned and came back may give its name anew.
        """
        return self.storage.exists(f"media/{shard}.parquet") and shard in self.snapshot().shards

    def commit_shard(
        self,
        shard: str,
        media: pa.Table,
        faces: pa.Table,
        *,
        after: datetime | None = None,
        keep_times: bool = False,
        replaces: Sequence[str] = (),
        cost: int = 0,
    ) -> int:
        """Writes a shard: its faces, then the media file that commits it.

        Args:
            shard: The shard's name.
            media: Media rows; ``committed_at`` is filled in here unless times are kept.
            faces: Face rows, each of an item in ``media``.
            after: Commit time of the newest row that these take over from. Theirs is later than
                it even where this machine's clock is behind.
            keep_times: Leave the rows the commit times they have, because these are rows of
                earlier commits written anew.
            replaces: Shards that readers ignore from now on, as `Committed.reference` names them.
            cost: What planning reckoned it at, milliseconds of one worker; tells progress.

        Returns:
            The bytes written.
        """
        size = tables.write(
            self.storage, f"faces/{shard}.parquet", "faces", faces, self.fingerprint
        )
        if not keep_times:
            moment = max(datetime.now(UTC), after + _TICK) if after else datetime.now(UTC)
            now = pa.array([moment] * len(media), type=pa.timestamp("us", tz="UTC"))
            media = with_column(media, "committed_at", now)
        commit = {"commit": secrets.token_hex(8), "replaces": json.dumps(list(replaces))}
        return size + tables.write(
            self.storage,
            f"media/{shard}.parquet",
            "media",
            media,
            self.fingerprint,
            extra=commit | ({"cost": str(cost)} if cost else {}),
        )

    def sweep(self) -> list[str]:
        """Removes what no reader sees and no writer goes on with any more, as `stale` finds it.

        Returns:
            The paths removed.
        """
        removed = []
        for path in self.stale():
            if path.startswith("faces/") and self.storage.exists(f"media/{path[6:]}"):
                continue  # committed by a run that went on with it meanwhile
            self.storage.remove(path)
            removed.append(path)
        return removed + self.remove_shards(self.replaced(self.orphan_age()))

    def stale(self) -> list[str]:
        """Returns paths of what is a day old and of no use to anybody.

        That is: faces files without a media file, files half written, plans and leases of runs
        that were killed, and generations without a manifest.
        """
        before = self.orphan_age()
        with_media = {file.path.partition("/")[2] for file in self.storage.files("media")}
        orphans = [
            file
            for file in self.storage.files("faces")
            if file.path.partition("/")[2] not in with_media
        ]
        papers = [
            file
            for file in self.storage.files("attempts")
            if file.path.startswith((PLAN_PREFIX, LEASE_PREFIX))
        ]
        stale = [file.path for file in (*orphans, *papers) if (file.modified or before) < before]
        for folder in ("", "media", "faces", "attempts", "decisions", "events"):
            stale += self.storage.stale_temporaries(folder, before)
        stale += self._between_workers(before)
        for stage in STAGES:
            stale += [
                f"{stage}/{name}"
                for name in self.storage.folders(stage)
                if name < stamp(datetime.fromtimestamp(before, UTC))
                and not is_finished(self.storage, stage, name)
            ]
        return stale

    def _between_workers(self, before: float) -> list[str]:
        """Returns folders of what workers handed each other, and of runs that were killed.

        A folder without a file may be one that a run has just made; one whose run holds its lease
        is needed, however old it is.
        """
        held = {
            file.path.removeprefix(LEASE_PREFIX).removesuffix(".json")
            for file in self.storage.files("attempts")
            if file.path.startswith(LEASE_PREFIX) and (file.modified or before) >= before
        }
        names = self.storage.folders("attempts")
        folders = [f"attempts/{name}" for name in names if name.rpartition("-")[2] not in held]
        moments = {path: self._files_below(path) for path in folders}
        return [
            path
            for path, files in moments.items()
            if files and all((file.modified or before) < before for file in files)
        ]

    def _files_below(self, folder: str) -> list[StoredFile]:
        parts = [folder, *(f"{folder}/{name}" for name in self.storage.folders(folder))]
        return [file for part in parts for file in self.storage.files(part)]

    def orphan_age(self) -> float:
        """Returns the moment before which orphans were left by nobody alive, epoch seconds."""
        return (datetime.now(UTC) - ORPHANS_KEPT).timestamp()

    def replaced(self, before: float | None = None) -> list[Committed]:
        """Returns the shards that were replaced and whose files are there still.

        Args:
            before: Only those whose replacement was written before this moment, seconds since the
                epoch; all by default.
        """
        found = committed(self.storage)
        old = [
            shard
            for shard in found
            if before is None or (shard.modified is not None and shard.modified < before)
        ]
        return replaced_among(found, by=old)

    def remove_shards(self, shards: Sequence[Committed]) -> list[str]:
        """Removes shards' files, and returns their paths; a shard written anew meanwhile stays."""
        paths = []
        for shard in shards:
            if self._is_still(shard):
                # Without its media file nothing of a shard counts, so that goes first.
                paths += [f"media/{shard.name}.parquet", f"faces/{shard.name}.parquet"]
                for path in paths[-2:]:
                    self.storage.remove(path)
        return paths

    def _is_still(self, shard: Committed) -> bool:
        """Tells whether a shard's media file is of the same writing as when it was looked at."""
        path = f"media/{shard.name}.parquet"
        if not self.storage.exists(path):
            return False
        metadata = tables.read_metadata(self.storage, path, "media")
        return metadata.get("commit", "") == shard.commit


def replaced_among(found: Sequence[Committed], by: Sequence[Committed]) -> list[Committed]:
    """Returns the shards that some of them replace."""
    replaced = {name for shard in by for name in shard.replaces}
    return [shard for shard in found if shard.is_among(replaced)]


def read_info(url: str) -> dict[str, Any] | None:
    """Returns what ``collection.json`` holds; None where there is no collection.

    Raises:
        CollectionError: The file is damaged or of another format version.
    """
    storage = Storage(url)
    if not storage.exists(_INFO):
        return None
    try:
        info = json.loads(storage.read(_INFO))
        version = info["format_version"]
    except (ValueError, KeyError, TypeError) as error:
        raise CollectionError(f"{public_url(url)}/{_INFO} is damaged: {error!r}") from error
    if version != FORMAT_VERSION:
        raise CollectionError(
            f"{public_url(url)} is of collection format {version}; this facebatch reads "
            f"{FORMAT_VERSION}"
        )
    return dict(info)


def check_target(url: str, settings: ExtractSettings) -> None:
    """Refuses a place that can't be extracted into; writes nothing.

    Raises:
        CollectionError: The place holds other files.
        SettingsMismatch: The collection that is there has other settings, or was made with
            weights or rules that are no longer those of this facebatch.
    """
    if read_info(url) is None:
        storage = Storage(url)
        if storage.is_local and Path(storage.full_path()).is_file():
            raise CollectionError(f"{public_url(url)} is a file: choose an empty or new folder")
        if storage.files("") or storage.folders(""):
            raise CollectionError(
                f"{public_url(url)} holds files but no {_INFO}: choose an empty folder"
            )
        return
    collection = Collection.open(url)
    if collection.settings != settings:
        raise SettingsMismatch(
            f"{public_url(url)} has the settings {collection.settings}, not {settings}"
        )
    if collection.fingerprint != settings.fingerprint():
        raise SettingsMismatch(
            f"{public_url(url)} was extracted with fingerprint {collection.fingerprint}; this "
            f"facebatch gives {settings.fingerprint()} for the same settings (its weights or rules "
            "changed). Extract into a new collection."
        )


def settings_for(
    url: str, flags: Mapping[str, Any], config_file: Path | None = None
) -> ExtractSettings:
    """Returns the extraction settings for a collection that may not be there yet.

    Raises:
        UsageError: A setting is wrong, or differs from the collection's.
    """
    info = read_info(url)
    return resolve_extract(flags, config_file, info["extract"] if info else None)
