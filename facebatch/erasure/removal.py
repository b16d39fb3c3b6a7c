"""Carrying an erasure out, and verifying it: everywhere in a collection, and nowhere else.

The suppression list is written first, so that nothing comes back from then on, and what is on it
is removed then, whether this erasure put it there or an earlier one that was cut off. So the same
command again completes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from facebatch import ids, tables
from facebatch.collection import STAGES, Collection, Snapshot, Suppression, rewrite
from facebatch.collection.suppression import suppress
from facebatch.erasure import file_contents
from facebatch.erasure.erased_items import erased_items, hidden_in
from facebatch.erasure.file_cleaning import clean_file, drop_rows
from facebatch.erasure.selection import Selection, targets_of
from facebatch.erasure.stage_renewal import people_to_forget, renew_stages
from facebatch.erasure.verification import ErasureTargets, Finding, check
from facebatch.errors import CollectionError
from facebatch.extract import attempts
from facebatch.identify import Gallery
from facebatch.people import PeopleView
from facebatch.report import REPORT, write_report
from facebatch.stages import likely_pairs
from facebatch.storage.local import TEMPORARY_MARK
from facebatch.storage.store import Storage

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
    suppress(
        storage,
        selection.media,
        selection.contents,
        selection.faces,
        selection.asked,
        selection.versions,
        selection.blocked,
    )
    suppression = Suppression.load(storage)
    before = collection.snapshot()
    _, names = people_to_forget(PeopleView.of(collection), suppression)
    old_hash = before.faces_hash  # which can't be told once its shards are gone
    replaced = _drop_rows(collection, before, suppression)
    after = collection.snapshot()
    targets = targets_of(suppression, selection, selection.names | names, after)
    removed = [*_left_between_workers(storage), *_clean(collection, old_hash, after, targets)]
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
    if any(path not in dead and attempts.is_mark(path) for path in marks):
        raise CollectionError(
            f"a run is at work on {storage.public}: wait until it has ended, then erase"
        )


def _left_between_workers(storage: Storage) -> list[str]:
    """Removes what workers of killed runs were handed, such as paths; returns the folders."""
    left = [f"attempts/{name}" for name in storage.folders("attempts")]
    for folder in left:
        storage.remove(folder)
    return left


def _drop_rows(
    collection: Collection, snapshot: Snapshot, suppression: Suppression
) -> tuple[str, ...]:
    """Writes the shards that hold anything erased anew, and returns their names."""
    storage = snapshot.storage

    def items(rows: pa.Table) -> npt.NDArray[np.bool_]:
        return erased_items(suppression, rows)

    def faces(rows: pa.Table) -> npt.NDArray[np.bool_]:
        of_content = hidden_in(rows, "content_id", suppression.hidden_contents)
        return of_content | suppression.hidden_faces(ids.from_arrow(rows["face_id"]))

    erased = items(snapshot.rows)
    affected_shards = set(snapshot.rows.filter(pa.array(erased))["shard"].to_pylist())
    standing = ids.from_arrow(snapshot.rows.filter(pa.array(~erased))["media_id"])
    for shard in set(snapshot.shards) - affected_shards:
        columns = ["face_id", "media_id", "content_id"]
        rows = tables.read(storage, f"faces/{shard}.parquet", "faces", columns)
        of_erased = hidden_in(rows, "media_id", suppression.hidden_media)
        of_erased &= ~np.isin(ids.from_arrow(rows["media_id"]), standing)
        if (faces(rows) | of_erased).any():
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
    renew_stages(collection, old_hash, after, targets, stages)
    pages = {path for path in others if path.endswith(".html")}
    removed = temporaries
    for path in holding:
        if path != REPORT and storage.exists(path):
            removed += clean_file(storage, path, targets, pages)
    if storage.exists(REPORT) and (stages or REPORT in holding):
        write_report(collection, after, likely_pairs, anew=True)
    return removed


def _clean_gallery(gallery: Gallery, targets: ErasureTargets) -> int:
    """Removes a gallery's entries of erased faces, and a classifier trained on them."""
    holding = {found.path for found in check(gallery.storage, targets)}
    for path in holding:
        if TEMPORARY_MARK in path:
            gallery.storage.remove(path)
    if _ENTRIES not in holding:
        return 0
    gallery.storage.remove(_CLASSIFIER)
    return drop_rows(gallery.storage, _ENTRIES, targets)
