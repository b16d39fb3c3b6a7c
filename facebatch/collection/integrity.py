"""Verifying a collection: every file through its reader, every id, every link between tables.

What is found names its repair. `repair` removes what is damaged, so that the next run makes it
anew; what only waits to be swept is told too, but is no damage.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from facebatch import ids
from facebatch.collection import rewrite
from facebatch.collection.collection import Collection
from facebatch.collection.commits import Committed, media_files, read_commit
from facebatch.collection.generation_tables import TREE_TABLES
from facebatch.collection.generations import Generation, is_finished, read_generation
from facebatch.collection.manifests import (
    STAGES,
    ClustersManifest,
    IndexManifest,
    Manifest,
    MatchesManifest,
    Stage,
)
from facebatch.collection.shard_integrity import Problem, check_shard, read_checked
from facebatch.collection.snapshot import Snapshot, is_live, of
from facebatch.errors import CollectionError
from facebatch.storage.printable import count
from facebatch.storage.store import Storage

_KEPT_FOR_GOOD = ("decisions", "events")
_GENERATION_TABLES = {"index": "ids", "matches": "matches", "clusters": "clusters"}


@dataclass(frozen=True)
class Checked:
    """What a check found.

    Args:
        shards: Shards that count.
        items: Media items in them.
        faces: Faces that count.
        problems: What is damaged, and what waits to be swept.
        repaired: Paths that were removed, and shards that were written anew.
    """

    shards: int
    items: int
    faces: int
    problems: tuple[Problem, ...]
    repaired: tuple[str, ...] = ()

    @property
    def is_sound(self) -> bool:
        """Whether nothing is damaged."""
        return all(problem.is_leftover for problem in self.problems)

    def as_json(self) -> dict[str, Any]:
        """Returns the result as plain data."""
        return {**asdict(self), "sound": self.is_sound}


def check(url: str, *, deep: bool = False) -> Checked:
    """Verifies a collection, and changes nothing.

    Args:
        url: Where it lies.
        deep: Decode every chip, not a few of each shard.

    Raises:
        CollectionError: There is no collection at the URL, or it can't be listed.
    """
    try:
        collection = Collection.open(url)
    except CollectionError as error:
        if not Storage(url).exists("collection.json"):
            raise
        broken = Problem("collection_unreadable", "collection.json", str(error))
        return Checked(0, 0, 0, (broken,))
    problems = list(_settings(collection))
    found, unreadable = _committed(collection.storage)
    problems += unreadable
    snapshot = of(collection.storage, found)
    for shard in snapshot.shards:
        problems += check_shard(collection, shard, deep=deep)
    damaged = {problem.shard for problem in problems}
    sound = [shard for shard in found if shard.name not in damaged]
    snapshot = of(collection.storage, sound)
    problems += _without_source(snapshot)
    problems += _generations(collection, snapshot, whole=not damaged - {None})
    problems += _kept_for_good(collection)
    problems += _leftovers(collection, whole=not unreadable)
    return Checked(
        len(snapshot.shards), len(snapshot.media), len(snapshot.face_ids), tuple(problems)
    )


def repair(url: str, *, deep: bool = False) -> Checked:
    """Verifies a collection and repairs what can safely be.

    Damaged files are removed, so that the next run makes anew what was in them; nothing else of
    theirs is lost that could be kept.

    Returns:
        What was found before the repair, and what was done.

    Raises:
        CollectionError: As for `check`; or something can't be removed.
    """
    before = check(url, deep=deep)
    storage = Storage(url)
    done = []
    for problem in before.problems:
        for path in problem.remove:
            if path not in done:
                storage.remove(path)
                done.append(path)
    if not any(problem.code == "collection_unreadable" for problem in before.problems):
        done += _forget_without_source(Collection.open(url))
    return Checked(before.shards, before.items, before.faces, before.problems, tuple(done))


def _settings(collection: Collection) -> Iterator[Problem]:
    expected = collection.settings.fingerprint()
    if collection.fingerprint != expected:
        yield Problem(
            "other_settings",
            "collection.json",
            f"its fingerprint is {collection.fingerprint}; its settings give {expected} in this "
            "facebatch. It can be read, but nothing can be added",
            "extract into a new collection",
        )


def _committed(storage: Storage) -> tuple[list[Committed], list[Problem]]:
    """Returns the shards whose media file tells what it replaces, and the files that don't."""
    found, problems = [], []
    for file in media_files(storage):
        try:
            found.append(read_commit(storage, file))
        except (CollectionError, pa.ArrowException, ValueError, KeyError) as error:
            problems.append(Problem.of_shard("media_unreadable", file.path, str(error)))
    return found, problems


def _without_source(snapshot: Snapshot) -> Iterator[Problem]:
    rows = _lost(snapshot)
    for shard in sorted(set(rows["shard"].to_pylist())):
        items = rows.filter(pc.equal(rows["shard"], shard))
        yield Problem(
            "faces_lost",
            f"media/{shard}.parquet",
            f"{count(len(items), 'item')} with faces that no shard holds, such as "
            f"{items['path'][0]}",
            "remove the rows of these items: they are extracted again (--repair)",
        )


def _lost(snapshot: Snapshot) -> pa.Table:
    """Returns the rows of items that say they have faces, which were extracted nowhere."""
    rows = snapshot.media
    known = pc.is_in(snapshot.contents, snapshot.extracted["content"].combine_chunks())
    lost = is_live(rows) & ~known.to_numpy(zero_copy_only=False) & (rows["faces"].to_numpy() > 0)
    return rows.filter(pa.array(lost))


def _forget_without_source(collection: Collection) -> Sequence[str]:
    snapshot = collection.snapshot()
    lost = _lost(snapshot)["media_id"].combine_chunks()
    if not len(lost):
        return ()

    def is_lost(media: pa.Table) -> npt.NDArray[np.bool_]:
        return np.asarray(pc.is_in(media["media_id"], lost).to_numpy(), dtype=bool)

    return rewrite.drop(collection, snapshot, media=is_lost).replaced


def _generations(collection: Collection, snapshot: Snapshot, *, whole: bool) -> Iterator[Problem]:
    sound: dict[Stage, list[Generation[Manifest]]] = {}
    storage = collection.storage
    for stage in STAGES:
        sound[stage] = []
        for name in storage.folders(stage):
            folder = f"{stage}/{name}"
            if not is_finished(storage, stage, name):
                continue
            try:
                generation = read_generation(storage, stage, name)
                _check_generation(collection, snapshot, generation, whole=whole)
                sound[stage].append(generation)
            except (CollectionError, pa.ArrowException, ValueError, KeyError, TypeError) as error:
                yield Problem.of_generation("generation_damaged", folder, str(error))
    every = {one.name for made in sound.values() for one in made}
    for stage in STAGES:
        for newest in sound[stage][-1:]:
            for parent in newest.manifest.parents:
                if parent not in every:
                    message = f"it was made from generation {parent}, which is gone or damaged"
                    yield Problem("parent_missing", newest.folder, message, _again(stage))


def _kept_for_good(collection: Collection) -> Iterator[Problem]:
    """Verifies what users decided and what happened to people, which nothing can make again."""
    for folder in _KEPT_FOR_GOOD:
        for file in collection.storage.files(folder):
            try:
                rows = read_checked(collection, file.path, folder)
                if not len(rows) and folder == "decisions":
                    raise CollectionError(f"{file.path} holds no decision")
            except (CollectionError, pa.ArrowException, ValueError) as error:
                repair = f"restore {file.path} from a backup, or remove it (--repair)"
                yield Problem(f"{folder}_damaged", file.path, str(error), repair, (file.path,))


def _again(stage: str) -> str:
    command = {"matches": "identify", "clusters": "cluster", "people": "cluster"}.get(stage, stage)
    return f"run `facebatch {command}`"


def _check_generation(
    collection: Collection, snapshot: Snapshot, generation: Generation[Manifest], *, whole: bool
) -> None:
    """Verifies one generation's files.

    Raises:
        CollectionError, ValueError, KeyError: A file of it can't be read, or says something else
            than the others.
    """
    manifest = generation.manifest
    if not isinstance(manifest, IndexManifest | MatchesManifest | ClustersManifest):
        read_checked(collection, f"{generation.folder}/people.parquet", "people")
        return
    table = _GENERATION_TABLES[generation.stage]
    rows = read_checked(collection, f"{generation.folder}/{table}.parquet", table)
    face_ids = ids.from_arrow(rows["face_id"])
    if len(rows) != manifest.faces:
        raise CollectionError(
            f"{table}.parquet has {count(len(rows), 'row')} of {count(manifest.faces or 0, 'face')}"
        )
    if not np.array_equal(ids.order(face_ids), np.arange(len(rows))):
        raise CollectionError(f"the face ids of {table}.parquet are not in order")
    if isinstance(manifest, IndexManifest):
        _check_index(collection, generation, len(rows), manifest)
        if manifest.listing is not None:
            read_checked(collection, f"{generation.folder}/places.parquet", "places")
    if isinstance(manifest, ClustersManifest) and manifest.tree == generation.name:
        for part in TREE_TABLES:
            read_checked(collection, f"{generation.folder}/{part}.parquet", part)
    vanished = len(rows) - int(pc.sum(pc.is_in(rows["face_id"], _ids(snapshot))).as_py() or 0)
    if whole and vanished and manifest.faces_hash == snapshot.faces_hash:
        raise CollectionError(f"{count(vanished, 'row')} of faces that don't exist")


def _ids(snapshot: Snapshot) -> pa.Array:
    return snapshot.faces(["face_id"])["face_id"].combine_chunks()


def _check_index(
    collection: Collection, generation: Generation[Manifest], rows: int, manifest: IndexManifest
) -> None:
    from facebatch.neighbors import index

    data = collection.storage.read(f"{generation.folder}/faces.index")
    size = index.from_bytes(data, manifest.dimension).ntotal
    if size != rows:
        raise CollectionError(f"the index holds {count(size, 'face')} and ids.parquet {rows:,}")


def _leftovers(collection: Collection, *, whole: bool) -> Iterator[Problem]:
    repair = "remove it (--repair; the next run does too)"
    for path in collection.stale():
        yield Problem("leftover", path, "of no use to anybody", repair, (path,))
    faces = {file.path for file in collection.storage.files("faces")}
    for shard in collection.replaced(collection.orphan_age()) if whole else ():
        paths = (f"media/{shard.name}.parquet", f"faces/{shard.name}.parquet")
        there = tuple(path for path in paths if path.startswith("media") or path in faces)
        yield Problem("leftover", paths[0], "replaced more than a day ago", repair, there)
