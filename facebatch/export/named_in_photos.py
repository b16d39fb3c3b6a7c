"""Names that photos carry already: their XMP's face regions, matched with the faces found in them.

A region is matched by where it lies alone. It says whom a face shows only if all that is said of
the face is the same name; what this program wrote itself says nothing new.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from facebatch.collection import Snapshot
from facebatch.errors import MediaError, UsageError
from facebatch.export import xmp
from facebatch.export.placing import Box, place_regions
from facebatch.export.regions import FoundRegion, facts_of
from facebatch.faces.boxes import iou
from facebatch.media.photo.xmp import LARGEST, XmpError, read_packets
from facebatch.media.sources.folders import Entry, place_of
from facebatch.media.sources.listing import MediaFile, list_root
from facebatch.media.sources.reader import MediaReader
from facebatch.media.sources.roots import Root

_REPEATED = 0.5
"""Overlap (IoU) from which on two regions of one name are one, told twice."""


@dataclass
class FoundNames:
    """What the XMP of photos says of a collection's faces.

    Args:
        names: By face, whom it shows.
        photos: Photos of the collection that were read, and that carry a named region.
        regions: Named face regions, those that several schemas or files repeat counted once.
        matched: Those that are about a face of the collection.
        conflicts: Faces of which several names are said: ``path``, ``face_id`` and ``names``.
        without_face: Regions where no face was found: ``path`` and ``name``.
        unreadable: Files whose XMP can't be read: ``path`` and ``message``.
    """

    names: dict[bytes, str] = field(default_factory=dict)
    photos: int = 0
    with_regions: int = 0
    regions: int = 0
    matched: int = 0
    conflicts: list[dict[str, Any]] = field(default_factory=list)
    without_face: list[dict[str, str]] = field(default_factory=list)
    unreadable: list[dict[str, str]] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Returns the counts and lists as plain data."""
        return {**vars(self), "names": len(self.names)}


def find_names(snapshot: Snapshot, roots: Sequence[Root]) -> FoundNames:
    """Reads the XMP of photos, and of their sidecars, and says which faces it names.

    Args:
        snapshot: The collection's faces.
        roots: Where its photos lie.

    Raises:
        UsageError: The collection has no root of such a name.
    """
    media = snapshot.media
    known = set(pc.unique(media["root"]).to_pylist())
    for root in roots:
        if root.name not in known:
            raise UsageError(
                f"the collection has no root called {root.name!r}; it has "
                f"{', '.join(sorted(known))}: give its photos as --root NAME=URL"
            )
    faces = _faces_by_content(snapshot)
    found = FoundNames()
    said: dict[bytes, dict[str, str]] = {}
    shown: dict[bytes, str] = {}
    reader = MediaReader()
    for root in roots:
        for item, files in _photos(media, root, found):
            found.photos += 1
            sources = list(_regions(reader, files, found))
            mine = faces.get(item["content_id"])
            _take(item, sources, mine, said, found)
            if mine:
                shown |= dict.fromkeys(mine[0], item["path"])
    for face, names in sorted(said.items()):
        if len(names) == 1:
            found.names[face] = next(iter(names.values()))
        else:
            several = sorted(names.values())
            conflict = {"path": shown[face], "face_id": face.hex(), "names": several}
            found.conflicts.append(conflict)
    return found


def _faces_by_content(
    snapshot: Snapshot,
) -> dict[bytes, tuple[list[bytes], npt.NDArray[np.float64]]]:
    """Returns the faces of photos, ids and boxes (n, 4), by the content of their file."""
    rows = snapshot.faces(["face_id", "content_id", "timestamp_us", "x0", "y0", "x1", "y1"])
    rows = rows.filter(pc.equal(rows["timestamp_us"], 0))
    grouped: dict[bytes, tuple[list[bytes], list[list[float]]]] = {}
    for row in rows.to_pylist():
        face_ids, boxes = grouped.setdefault(row["content_id"], ([], []))
        face_ids.append(row["face_id"])
        boxes.append([row[edge] for edge in ("x0", "y0", "x1", "y1")])
    return {key: (some, np.array(boxes)) for key, (some, boxes) in grouped.items()}


def _photos(
    media: pa.Table, root: Root, found: FoundNames
) -> Iterator[tuple[dict[str, Any], list[MediaFile]]]:
    """Yields a root's photos that are there, each with its file and its sidecars."""
    chosen = None
    if not root.is_whole:
        chosen = {file.path for file in list_root(root) if isinstance(file, MediaFile)}
    listed = place_of(root)
    for folder, items in _by_folder(media, root.name):
        try:
            entries = {entry.name: entry for entry in listed.entries(folder)}
        except OSError as error:
            found.unreadable.append({"path": folder, "message": str(error)})
            continue
        for item in items:
            path = os.fsdecode(item["path_bytes"] or item["path"].encode())
            name = PurePosixPath(path).name
            if name not in entries or (chosen is not None and path not in chosen):
                continue
            names = [name, *_sidecars(name, entries)]
            yield item, [_file(root, folder, entries[each]) for each in names]


def _by_folder(media: pa.Table, root: str) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    alive = pc.is_in(media["status"], pa.array(["ok", "duplicate"]))
    alive = pc.and_(alive, pc.equal(media["root"], root))
    alive = pc.and_(alive, pc.and_(pc.is_null(media["segments"]), pc.is_valid(media["width"])))
    columns = ["path", "path_bytes", "content_id", "width", "height", "orientation"]
    folders: dict[str, list[dict[str, Any]]] = {}
    for item in media.filter(alive).select(columns).to_pylist():
        path = os.fsdecode(item["path_bytes"] or item["path"].encode())
        folders.setdefault(path.rpartition("/")[0], []).append(item)
    yield from sorted(folders.items())


def _sidecars(name: str, entries: Mapping[str, Entry]) -> list[str]:
    """Returns the sidecars of a photo that are there: photo.jpg.xmp, and photo.xmp."""
    stem = PurePosixPath(name).stem
    wanted = [f"{base}{ending}" for base in (name, stem) for ending in (".xmp", ".XMP")]
    return [each for each in wanted if each in entries]


def _file(root: Root, folder: str, entry: Entry) -> MediaFile:
    path = f"{folder}/{entry.name}" if folder else entry.name
    return MediaFile(root.name, root.url, path, entry.size, entry.marker, entry.query)


def _regions(
    reader: MediaReader, files: Sequence[MediaFile], found: FoundNames
) -> Iterator[tuple[FoundRegion, ...]]:
    """Yields what each schema of each file says: the photo itself first, then its sidecars."""
    for number, file in enumerate(files):
        try:
            yield from facts_of(_packets(reader, file, is_sidecar=number > 0)).regions
        except (XmpError, MediaError) as error:
            found.unreadable.append({"path": file.path, "message": str(error)})


def _packets(reader: MediaReader, file: MediaFile, *, is_sidecar: bool) -> list[bytes]:
    if is_sidecar:
        return [reader.read(file, LARGEST)]
    with reader.open(file) as opened:
        return read_packets(opened)


def _take(
    item: Mapping[str, Any],
    sources: Sequence[tuple[FoundRegion, ...]],
    faces: tuple[list[bytes], npt.NDArray[np.float64]] | None,
    said: dict[bytes, dict[str, str]],
    found: FoundNames,
) -> None:
    """Adds what the sources say of one photo's faces."""
    face_ids, boxes = faces if faces is not None else ([], np.zeros((0, 4)))
    picture = xmp.StoredPicture(item["width"], item["height"], item["orientation"] or 1)
    counted: list[tuple[str, Box]] = []
    for regions in sources:
        for one in place_regions(regions, picture, boxes):
            key = one.name.casefold()
            if one.face is not None:
                said.setdefault(face_ids[one.face], {}).setdefault(key, one.name)
            if any(key == name and iou(one.box, box) > _REPEATED for name, box in counted):
                continue
            counted.append((key, one.box))
            found.regions += 1
            if one.face is None:
                found.without_face.append({"path": item["path"], "name": one.name})
            else:
                found.matched += 1
    found.with_regions += bool(counted)
