"""An archive of portraits, extracted over several nights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from support.pictures import encode

from facebatch.collection import Collection
from facebatch.config import ExtractSettings, RunSettings
from facebatch.demo.render import render_face
from facebatch.jobs.run import Extraction, run_extract
from facebatch.media.sources.roots import parse_roots

SETTINGS = RunSettings(guard=False, beam_options=("--direct_running_mode=in_memory",))


class Archive:
    """A folder of portraits, and the collection that it is extracted into."""

    def __init__(self, place: Path) -> None:
        self.folder = place / "archive"
        self.folder.mkdir(exist_ok=True, parents=True)
        self.collection = Collection.create(str(place / "collection"), ExtractSettings())

    def add(self, path: str, person: int) -> Path:
        photo = self.folder / path
        photo.parent.mkdir(parents=True, exist_ok=True)
        photo.write_bytes(encode(render_face(person, size=200), quality=90))
        return photo

    def night(self, *photos: str, settings: RunSettings = SETTINGS) -> Extraction:
        roots = parse_roots(photos or [str(self.folder)], [])
        return run_extract(roots, self.collection, settings, lambda progress: None)

    def statuses(self) -> dict[str, str]:
        rows = self.collection.snapshot().media.select(["path", "status"]).to_pylist()
        return {row["path"]: row["status"] for row in rows}

    def faces(self) -> dict[str, list[bytes]]:
        """Ids of the faces by the path that holds them today."""
        snapshot = self.collection.snapshot()
        media = snapshot.media.select(["media_id", "path"]).to_pylist()
        paths = {row["media_id"]: row["path"] for row in media}
        found: dict[str, list[bytes]] = {}
        for face in snapshot.faces(["face_id", "media_id"]).to_pylist():
            found.setdefault(paths[face["media_id"]], []).append(face["face_id"])
        return found


def states(extraction: Extraction) -> Mapping[str, int]:
    return {state: count for state, count in extraction.plan.states.items() if count}
