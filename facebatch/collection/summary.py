"""What a collection holds, in numbers: read from its tables, for people and for scripts."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import Any

import pyarrow.compute as pc

from facebatch.collection.collection import Collection, read_info
from facebatch.collection.manifests import STAGES
from facebatch.collection.snapshot import with_notes
from facebatch.collection.sources import Sources

STATUSES = ("ok", "duplicate", "quarantined", "vanished")
_FOLDERS = ("faces", "media")


def inspect_collection(collection: Collection, *, with_failures: bool = False) -> dict[str, Any]:
    """Returns a collection's figures as plain data.

    Args:
        collection: The collection.
        with_failures: Whether every quarantined item is listed, and every one with a note.
    """
    snapshot = collection.snapshot()
    media = snapshot.media
    statuses = Counter(media["status"].to_pylist())
    incomplete = with_notes(media)
    reasons = Counter(reason for reason in media["reason"].to_pylist() if reason)
    clusters, people = collection.current("clusters"), collection.current("people")
    unclustered = clusters.manifest.unclustered if clusters else None
    generations = {stage: collection.current(stage) for stage in STAGES}
    summary: dict[str, Any] = {
        "name": collection.name,
        "url": collection.storage.public,
        "bytes": sum(file.size for name in _FOLDERS for file in collection.storage.files(name)),
        "shards": len(snapshot.shards),
        "media": {status: statuses[status] for status in STATUSES},
        "shots": snapshot.n_shots,
        "faces": len(snapshot.face_ids),
        "people": people.manifest.active if people else None,
        "health": people.manifest.health if people else None,
        "unclustered": unclustered,
        "alone": unclustered,  # its former name
        "reasons": dict(sorted(reasons.items())),
        "incomplete": len(incomplete),
        "sources": Sources.read(collection.storage).as_json(),
        "generations": {stage: made.name if made else None for stage, made in generations.items()},
        "settings": asdict(collection.settings),
        "fingerprint": collection.fingerprint,
        "space": collection.space,
        "converted_from": (read_info(collection.storage.url) or {}).get("converted_from"),
    }
    if with_failures:
        failed = media.filter(pc.equal(media["status"], "quarantined"))
        columns = ["root", "path", "reason", "message", "attempts"]
        summary["failures"] = failed.select(columns).sort_by("path").to_pylist()
        notes = incomplete.select(["root", "path", "message"])
        summary["notes"] = notes.sort_by("path").to_pylist()
    return summary
