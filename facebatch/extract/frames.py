"""In which frame a photo lies: what its sidecars say, and where faces were erased in it before.

A photo that a sidecar turns is a content of its own (`facebatch.ids.framed`), so that copies of
other sidecars don't share boxes.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from facebatch import ids
from facebatch.errors import MediaError
from facebatch.extract.decide import RETRYABLE
from facebatch.extract.decoder import Decoder
from facebatch.extract.items import Said
from facebatch.media.photo.sidecar import said_orientation
from facebatch.media.photo.xmp import LARGEST, XmpError
from facebatch.media.sources.folders import Entry
from facebatch.media.sources.listing import MediaFile, shown
from facebatch.media.sources.reader import MediaReader
from facebatch.media.sources.sidecars import Sidecars
from facebatch.storage.store import filesystem, protocols

if TYPE_CHECKING:
    from facebatch.collection import Suppression

ORIENTATIONS: tuple[int | None, ...] = (None, *range(1, 9))
"""What a sidecar may say: nothing, or an EXIF orientation."""

_ORDINALS = 100
"""Faces of one photo, the surest first, of which erased ones are looked for in other frames."""


def orientation_beside(reader: MediaReader, file: MediaFile) -> Said:
    """Returns what a photo's sidecars say; of how it lies the first that says anything counts."""
    found = Said()
    for sidecar in file.sidecars:
        try:
            said = said_orientation(reader.read(sidecar, LARGEST))
        except (XmpError, MediaError) as error:
            name = shown(posixpath.basename(sidecar.path))
            problem = f"its sidecar {name} can't be read: {error}"
            may_pass = isinstance(error, MediaError) and error.reason in RETRYABLE
            found = Said(None, problem, found.missed or may_pass)
            continue
        if said is not None:
            return replace(found, orientation=said)
    return found


def orientation_at(path: str) -> int | None:
    """Returns what the sidecars beside a single photo say; on the web none are looked for.

    Args:
        path: A path or fsspec URL.
    """
    store, place = filesystem(path)
    folder, _, name = place.rpartition("/")
    if "http" in protocols(store):
        return None
    try:
        listed = store.ls(folder or "/", detail=False)
    except OSError:
        return None
    entries = [Entry(posixpath.basename(str(one)), False, True) for one in listed]
    for sidecar in Sidecars(entries).of(name):
        with suppress(OSError, XmpError):
            # What is longer is cut off, and so isn't well-formed.
            said = said_orientation(store.cat_file(f"{folder}/{sidecar.name}", end=LARGEST))
            if said is not None:
                return said
    return None


def said_for(decoder: Decoder, data: bytes, turned_by_sidecar: int | None) -> int | None:
    """Returns what a sidecar has to say, so that a photo lies as its media row has it.

    Raises:
        MediaError: The photo can't be recognised.
    """
    wanted = turned_by_sidecar
    said = ((one, decoder.facts(data, one).turned_by_sidecar) for one in (wanted, *ORIENTATIONS))
    return next((one for one, turned in said if turned == wanted), None)


def erased_frames(erased: Suppression, content: bytes) -> Iterator[int | None]:
    """Yields the frames of a file's bytes in which faces were erased, as `framed` numbers them.

    Such a photo stays in that frame whatever sidecars say later: in another one its faces would
    have other ids, and those that were erased would come back.
    """
    if not len(erased.faces):
        return
    for orientation in ORIENTATIONS:
        framed = ids.framed(content, orientation)
        faces = (ids.face_id(framed, 0, 0, ordinal) for ordinal in range(_ORDINALS))
        if erased.hidden_faces(ids.as_array(faces)).any():
            yield orientation
