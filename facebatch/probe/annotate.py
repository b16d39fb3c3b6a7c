"""Copies of photos and videos with a box around every face, and the names a gallery knows."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from facebatch.errors import InputError, MediaError
from facebatch.faces.choice import numbers
from facebatch.faces.drawing import drawn
from facebatch.live.naming import Namer, namer_of
from facebatch.media.kinds import kind_of
from facebatch.probe.probe import Probe, Prober
from facebatch.stages import IdentificationQuery
from facebatch.storage.store import filesystem
from facebatch.storage.urls import public_url

DEFAULT_FPS = 10.0
"""Frames a second of a video in which faces are looked for: people move little in between."""

_QUALITY = 92


def annotate_media(
    paths: Sequence[str],
    folder: Path,
    prober: Prober,
    query: IdentificationQuery | None,
    fps: float = DEFAULT_FPS,
) -> dict[str, Any]:
    """Writes a copy of every photo and video that can be read, and says what it shows.

    Photos become JPEG files, videos MP4 files. Copies are called as their originals are, with a
    number where two would be called the same; a file that is there already is never written over.

    Args:
        paths: Photos and videos, as paths or fsspec URLs.
        folder: Where the copies go.
        prober: What finds faces, under the gallery's settings.
        query: The gallery that faces are named by; None leaves them unnamed.
        fps: Frames a second of a video in which faces are looked for.

    Raises:
        InputError: Nothing could be read, or the folder can't be written.
        UsageError: The gallery can't be used.
    """
    namer = namer_of(query)
    written, failed = [], []
    for path in paths:
        try:
            if kind_of(path) == "video":
                written.append(_annotate_video(path, folder, prober, namer, fps))
            else:
                written.append(_annotate_photo(prober.probe(path), folder, namer))
        except _Unwritable:
            raise
        except InputError as error:
            failed.append({"photo": public_url(path), "message": str(error)})
    if not written:
        raise InputError("; ".join(str(one["message"]) for one in failed[:3]))
    return {"written": written, "failed": failed}


class _Unwritable(InputError):
    """A copy can't be written, which no other photo will change."""


def _annotate_photo(probe: Probe, folder: Path, namer: Namer) -> dict[str, Any]:
    labels = namer(probe.embeddings)
    boxes = probe.faces.boxes.tolist()
    buffer = io.BytesIO()
    drawn(probe.picture(), boxes, labels).save(buffer, "JPEG", quality=_QUALITY)
    target = _target(folder, probe.path, ".jpg")
    with _new_file(target) as file:
        file.write(buffer.getvalue())
    faces = [
        {"number": int(number), "box": box, "score": float(score), **label}
        for number, box, score, label in zip(
            numbers(probe.faces.boxes), boxes, probe.faces.scores, labels, strict=True
        )
    ]
    return {"photo": probe.path, "copy": str(target), "faces": faces}


def _annotate_video(
    path: str, folder: Path, prober: Prober, namer: Namer, fps: float
) -> dict[str, Any]:
    # FFmpeg is needed for videos only.
    from facebatch.probe.annotate_video import find_tracks, write_copy

    store, place = filesystem(path)
    try:
        with store.open(place, "rb") as file:
            found = find_tracks(file, prober, namer, fps)
            target = _target(folder, public_url(path), ".mp4")
            with _new_file(target) as copy:
                write_copy(file, found, copy)
    except MediaError as error:
        raise InputError(f"{public_url(path)}: {error.message} ({error.reason})") from error
    except FileNotFoundError as error:
        raise InputError(f"{public_url(path)}: there is no such video") from error
    except OSError as error:
        raise InputError(f"{public_url(path)}: it can't be read: {error}") from error
    return {"photo": public_url(path), "copy": str(target), "faces": found.described()}


def _target(folder: Path, original: str, suffix: str) -> Path:
    stem = Path(original).expanduser().stem
    number = 1
    target = folder / f"{stem}{suffix}"
    while target.exists():
        number += 1
        target = folder / f"{stem}-{number}{suffix}"
    return target


@contextmanager
def _new_file(target: Path) -> Iterator[BinaryIO]:
    """Gives a new file to write to; it stays only if it was written whole."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        file = target.open("x+b")
    except OSError as error:
        if target.parent.is_file():
            raise _Unwritable(f"{target.parent} is a file: choose a folder") from error
        raise _Unwritable(f"{target} can't be written: {error}") from error
    try:
        with file:
            yield file
    except BaseException:
        target.unlink(missing_ok=True)
        raise
