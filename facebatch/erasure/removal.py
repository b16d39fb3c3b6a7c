"""Carrying an erasure out, and verifying it: everywhere in a collection, and nowhere else.

The suppression list is written first, so that nothing comes back from then on, and what is on it
is removed then, whether this erasure put it there or an earlier one that was cut off. So the same
command again completes it. People come last among the stages, since they hold the names that it
may be asked for by.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from facebatch import ids, tables
from facebatch.collection import rewrite
from facebatch.collection.collection import PLAN_PREFIX, Collection
from facebatch.collection.generation_tables import read_matches
from facebatch.collection.generations import Generation, generation_name, write_manifest
from facebatch.collection.manifests import STAGES, MatchesManifest
from facebatch.collection.snapshot import Snapshot
from facebatch.collection.suppression import Suppression, suppress
from facebatch.erasure import file_contents
from facebatch.erasure.selection import Selection, targets_of
from facebatch.erasure.verification import ErasureTargets, Finding, check
from facebatch.errors import CollectionError
from facebatch.extract import attempts
from facebatch.identify.gallery import Gallery
from facebatch.people import decisions
from facebatch.people.membership import people_without_faces
from facebatch.people.view import PeopleView
from facebatch.report import REPORT, write_report
from facebatch.stages import build_index, cluster_people
from facebatch.storage.store import TEMPORARY_MARK, Storage

_CLASSIFIER = "classifier.npz"
_ENTRIES = "entries.parquet"


@dataclass(frozen=True)
class Erased:
    """What an erasure did.

    Args:
        selection: What went.
        shards: Shards that were written anew.
        removed: Files that were removed because of what they held.
        gallery_entries: Entries that were removed from a gallery.
        findings: What is left; nothing where the erasure is complete.
    """

    selection: Selection
    shards: int
    removed: tuple[str, ...]
    gallery_entries: int
    findings: tuple[Finding, ...]

    def as_json(self) -> dict[str, Any]:
        """Returns the summary as plain data."""
        return {
            **self.selection.as_json(),
            "shards_rewritten": self.shards,
            "files_removed": list(self.removed),
            "gallery_entries": self.gallery_entries,
            "findings": [finding.as_json() for finding in self.findings],
        }


def erase(collection: Collection, selection: Selection, gallery: Gallery | None = None) -> Erased:
    """Removes what was selected, and what earlier erasures left, and verifies that it is gone.

    Args:
        collection: The collection.
        selection: What goes; nothing where an earlier erasure is to be completed.
        gallery: A gallery whose entries of the erased faces go too.

    Raises:
        CollectionError: A run goes on, a shard can't be read, or the store can't be written.
    """
    storage = collection.storage
    _refuse_beside_a_run(storage)
    suppress(storage, selection.media, selection.contents, selection.faces, asked=selection.asked)
    suppression = Suppression.load(storage)
    before = collection.snapshot()
    _, names = _people_to_forget(collection, suppression)
    old_hash = before.faces_hash  # which can't be affected_shards once its shards are gone
    replaced = _drop_rows(collection, before, suppression)
    after = collection.snapshot()
    targets = targets_of(suppression, selection, selection.names | names, after)
    removed = _clean(collection, old_hash, after, targets)
    findings = check(storage, targets)
    entries = 0
    if gallery is not None:
        # Whom a gallery names, it names for photos of its own as well.
        targets = replace(targets, names=frozenset())
        entries = _clean_gallery(gallery, targets)
        findings += _in_gallery(gallery, check(gallery.storage, targets))
    return Erased(selection, len(replaced), tuple(removed), entries, tuple(findings))


def verify(collection: Collection, gallery: Gallery | None = None) -> list[Finding]:
    """Searches a collection for everything on its suppression list.

    Args:
        collection: The collection.
        gallery: A gallery that is searched as well.

    Raises:
        CollectionError: The list is damaged, or the folder can't be listed.
    """
    suppression = Suppression.load(collection.storage)
    if not suppression:
        return []
    targets = targets_of(suppression, Selection(), (), collection.snapshot())
    findings = check(collection.storage, targets)
    if gallery is not None:
        findings += _in_gallery(gallery, check(gallery.storage, targets))
    return findings


def _in_gallery(gallery: Gallery, findings: Sequence[Finding]) -> list[Finding]:
    place = gallery.storage.public_path
    return [replace(finding, path=f"{place}/{finding.path}") for finding in findings]


def _refuse_beside_a_run(storage: Storage) -> None:
    """Refuses to erase while a run on this machine may still write what is to be erased."""
    _, dead = attempts.dead(storage)
    marks = {file.path for file in storage.files("attempts")}
    if any(path not in dead and not path.startswith(PLAN_PREFIX) for path in marks):
        raise CollectionError(
            f"a run is at work on {storage.public}: wait until it has ended, then erase"
        )


def _hidden(
    rows: pa.Table, column: str, hidden: Callable[[npt.NDArray[np.void]], npt.NDArray[np.bool_]]
) -> npt.NDArray[np.bool_]:
    """Returns which rows (n,) have an id in a column, which may be null, that is hidden."""
    valid = rows[column].is_valid().to_numpy()
    found = np.zeros(len(rows), bool)
    found[valid] = hidden(ids.from_arrow(rows[column].drop_null()))
    return found


def _erased_items(suppression: Suppression) -> rewrite.Choice:
    def choose(rows: pa.Table) -> npt.NDArray[np.bool_]:
        return _hidden(rows, "media_id", suppression.hidden_media) | _hidden(
            rows, "content_id", suppression.hidden_contents
        )

    return choose


def _drop_rows(
    collection: Collection, snapshot: Snapshot, suppression: Suppression
) -> tuple[str, ...]:
    """Writes the shards that hold anything erased anew, and returns their names."""
    storage = snapshot.storage
    items = _erased_items(suppression)

    def faces(rows: pa.Table) -> npt.NDArray[np.bool_]:
        of_content = _hidden(rows, "content_id", suppression.hidden_contents)
        return of_content | suppression.hidden_faces(ids.from_arrow(rows["face_id"]))

    affected_shards = set(snapshot.rows.filter(pa.array(items(snapshot.rows)))["shard"].to_pylist())
    columns = ["face_id", "media_id", "content_id"]
    for shard in set(snapshot.shards) - affected_shards:
        rows = tables.read(storage, f"faces/{shard}.parquet", "faces", columns)
        if (faces(rows) | items(rows)).any():
            affected_shards.add(shard)
    done = rewrite.drop(
        collection, snapshot, media=items, faces=faces, beside=sorted(affected_shards), purge=True
    )
    return done.replaced


def _clean(
    collection: Collection, old_hash: str, after: Snapshot, targets: ErasureTargets
) -> list[str]:
    """Removes what is erased from everything but the shards that count; returns paths removed."""
    storage = collection.storage
    visible = {f"{kind}/{name}.parquet" for kind in ("media", "faces") for name in after.shards}
    paths = [path for path in file_contents.walk(storage) if path not in visible]
    temporaries = [path for path in paths if TEMPORARY_MARK in path]
    for path in temporaries:
        storage.remove(path)
    others = [path for path in paths if TEMPORARY_MARK not in path]
    holding = list(dict.fromkeys(found.path for found in check(storage, targets, others)))
    stages = {path.partition("/")[0] for path in holding} & set(STAGES)
    _renew_stages(collection, old_hash, after, targets, stages)
    pages = {path for path in others if path.endswith(".html")}
    removed = temporaries
    for path in holding:
        if path != REPORT and storage.exists(path):
            removed += _clean_file(storage, path, targets, pages)
    if storage.exists(REPORT) and (stages or REPORT in holding):
        write_report(collection, after)
    return removed


def _clean_file(
    storage: Storage, path: str, targets: ErasureTargets, pages: Container[str]
) -> list[str]:
    """Removes what is erased from one file, or the whole file; returns the paths removed.

    A file that no rule is for stays as it is, and the verification names it.

    Args:
        storage: Where the collection lies.
        path: The file's path.
        targets: What is erased.
        pages: Paths of all pages.
    """
    folder, _, name = path.rpartition("/")
    if folder in ("media", "faces"):
        gone = [path for path in (f"media/{name}", f"faces/{name}") if storage.exists(path)]
    elif folder == "attempts":
        return _clean_mark(storage, path, targets)
    elif name.endswith(".parquet"):
        _drop_told(storage, path, targets)
        return []
    elif path in pages or _is_beside_one(path, pages):
        gone = [path]
    else:
        return []
    for each in gone:
        storage.remove(each)
    return gone


def _is_beside_one(path: str, pages: Container[str]) -> bool:
    """Tells whether a file is part of an evaluation: ``<kind>.json``, ``<kind>-<plot>.png``."""
    stem, _, ending = path.rpartition(".")
    folder, separator, name = stem.rpartition("/")
    page = f"{folder}{separator}{name.partition('-')[0]}.html"
    return ending in ("json", "npz", "png") and page != REPORT and page in pages


def _clean_mark(storage: Storage, path: str, targets: ErasureTargets) -> list[str]:
    """Takes erased items from the mark of a dead attempt; a mark without items goes."""
    try:
        mark = json.loads(storage.read(path))
        items = [str(item) for item in mark["items"]]
    except (ValueError, KeyError, TypeError):
        items = []
    affected_shards = targets.matches(file_contents.Part("items", "texts", items))
    kept = [item for item, hit in zip(items, affected_shards, strict=True) if not hit]
    if not kept:
        storage.remove(path)
        return [path]
    storage.write(path, json.dumps({**mark, "items": kept}).encode())
    return []


def _drop_told(storage: Storage, path: str, targets: ErasureTargets) -> int:
    """Writes a table of any kind anew without the rows that tell of something erased."""
    with storage.open(path) as file:
        schema = pq.read_schema(file)
    kept, dropped = [], 0
    for rows in file_contents.batches(storage, path):
        affected_shards = targets.rows(rows)
        kept.append(rows.filter(pa.array(~affected_shards)))
        dropped += int(affected_shards.sum())
    sink = BytesIO()
    whole = pa.concat_tables([schema.empty_table(), *(rows.cast(schema) for rows in kept)])
    if dropped and not len(whole) and path.startswith(f"{decisions.FOLDER}/"):
        whole = _without_faces(storage, path, targets)
    if dropped and not len(whole):
        storage.remove(path)
        return dropped
    pq.write_table(whole, sink, compression="zstd", row_group_size=tables.ROW_GROUP_ROWS)
    storage.write(path, sink.getvalue())
    return dropped


def _without_faces(storage: Storage, path: str, targets: ErasureTargets) -> pa.Table:
    """Returns what a decision says of somebody who remains, in a row without a face.

    It has no row where it affected_shards of nobody else.
    """
    first = next(file_contents.batches(storage, path)).slice(0, 1)
    for name in ("face_id", "before", "after", *decisions.PLACE):
        at = first.schema.get_field_index(name)
        column = first.schema.field(at)
        first = first.set_column(at, column, pa.nulls(len(first), column.type))
    return first.filter(pa.array(~targets.rows(first)))


def _renew_stages(
    collection: Collection,
    old_hash: str,
    after: Snapshot,
    targets: ErasureTargets,
    stages: Container[str],
) -> None:
    """Makes the current generations of some stages anew, and removes all that were before."""
    if "index" in stages:
        had_index = collection.current("index") is not None
        _remove_generations(collection, ("index",), kept=())
        if had_index:
            build_index(collection, after)
    if "matches" in stages:
        matches = collection.current("matches")
        kept = _without_erased(collection, matches, old_hash, after, targets) if matches else None
        _remove_generations(collection, ("matches",), kept=(kept.name,) if kept else ())
    if any(stage in stages for stage in ("matches", "clusters", "people")):
        made: list[str] = []
        if collection.current("clusters") is not None:
            _forget_people(collection, targets.suppression)
            made = [result.generation.name for result in cluster_people(collection, after)]
        _remove_generations(collection, ("clusters", "people"), kept=made)
    _forget_parents(collection)


def _remove_generations(collection: Collection, stages: Iterable[str], kept: Sequence[str]) -> None:
    for stage in stages:
        for name in collection.storage.folders(stage):
            if name not in kept:
                collection.storage.remove(f"{stage}/{name}")


def _forget_parents(collection: Collection) -> None:
    """Takes generations that are gone from the manifests of those that were made from them."""
    left = [made for stage in STAGES for made in collection.generations(stage)]
    names = {made.name for made in left}
    for made in left:
        there = tuple(name for name in made.manifest.parents if name in names)
        if there != made.manifest.parents:
            manifest = replace(made.manifest, parents=there)
            write_manifest(collection.storage, replace(made, manifest=manifest))


def _without_erased(
    collection: Collection,
    matches: Generation[MatchesManifest],
    old_hash: str,
    after: Snapshot,
    targets: ErasureTargets,
) -> Generation[MatchesManifest]:
    """Writes the matches anew without erased faces and names; nobody is identified again."""
    rows = read_matches(collection, matches)
    affected_shards = targets.suppression.hidden_faces(ids.from_arrow(rows["face_id"]))
    rows = rows.filter(pa.array(~affected_shards))
    erased = pa.array(sorted(targets.names), pa.string())
    for name, instead in (("person", None), ("nearest", "")):
        at = rows.schema.get_field_index(name)
        left = pc.if_else(pc.is_in(rows[name], erased), pa.scalar(instead, pa.string()), rows[name])
        rows = rows.set_column(at, rows.schema.field(at), left)
    person = rows["person"].drop_null()
    before = matches.manifest
    manifest = replace(
        before,
        faces_hash=after.faces_hash if before.faces_hash == old_hash else before.faces_hash,
        faces=len(rows),
        below_gate=min(before.below_gate or 0, rows["probability"].null_count),
        matched=len(person),
        people=len(person.unique()),
    )
    made = Generation(generation_name(matches), manifest)
    path = f"{made.folder}/matches.parquet"
    tables.write(collection.storage, path, "matches", rows, collection.fingerprint)
    return collection.finish(made)


def _forget_people(collection: Collection, suppression: Suppression) -> None:
    """Writes the people anew without those who have no face left, before they are carried over.

    Carried over they would stay, as people who were dissolved, with their names.
    """
    people = collection.current("people")
    if people is None:
        return
    gone, _ = _people_to_forget(collection, suppression)
    if not gone:
        return
    known = tables.read(collection.storage, f"{people.folder}/people.parquet", "people")
    stay = [one not in gone for one in known["person_id"].to_pylist()]
    rows = known.filter(pa.array(stay, pa.bool_()))
    manifest = people.manifest.counting(rows["status"].to_pylist())
    made = Generation(generation_name(people), manifest)
    path = f"{made.folder}/people.parquet"
    tables.write(collection.storage, path, "people", rows, collection.fingerprint)
    collection.finish(made)


def _people_to_forget(
    collection: Collection, suppression: Suppression
) -> tuple[set[bytes], set[str]]:
    """Returns the ids and names of people who have no face left, or were asked for."""
    people = PeopleView.of(collection)
    asked = [who for who in people.known if suppression.was_asked([who])]
    return people_without_faces(people, suppression.hides_face, asked)


def _clean_gallery(gallery: Gallery, targets: ErasureTargets) -> int:
    """Removes a gallery's entries of erased faces, and a classifier trained on them."""
    holding = {found.path for found in check(gallery.storage, targets)}
    for path in holding:
        if TEMPORARY_MARK in path:
            gallery.storage.remove(path)
    if _ENTRIES not in holding:
        return 0
    gallery.storage.remove(_CLASSIFIER)
    return _drop_told(gallery.storage, _ENTRIES, targets)
