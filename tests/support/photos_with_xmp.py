"""Photos that carry names, faces at known places, and sidecars written beside them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from PIL import Image
from support.exportable import HEIGHT, WIDTH, Archive

from facebatch.export import Target, named_faces, write_sidecars
from facebatch.export.sidecars import Written

LEFT, RIGHT = (10.0, 10.0, 30.0, 30.0), (60.0, 10.0, 80.0, 30.0)
ON_THE_LEFT, ON_THE_RIGHT = (0.2, 0.4, 0.2, 0.4), (0.7, 0.4, 0.2, 0.4)
BOMB = b'<!DOCTYPE a [<!ENTITY b "ha"><!ENTITY c "&b;&b;">]><a>&c;</a>'


def save(place: Path, packet: bytes | None = None) -> None:
    how: Mapping[str, bytes] = {} if packet is None else {"xmp": packet}
    place.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (WIDTH, HEIGHT)).save(place, **how)


def export(archive: Archive, photos: Path) -> Written:
    snapshot = archive.collection.snapshot()
    faces = named_faces(archive.collection, snapshot)
    return write_sidecars(faces, snapshot.media, snapshot.shots, Target(photos, "photos"))
