"""The demo: an album of invented people, the whole run on it, and its score against the truth."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np

from facebatch.collection import Collection, read_clusters
from facebatch.config import ExtractSettings, RunSettings
from facebatch.demo.album import write_album
from facebatch.demo.truth import Truth, label_faces
from facebatch.errors import CollectionError, InputError
from facebatch.evaluate.clustering import bcubed_scores, pairwise_scores
from facebatch.jobs.plan import check_input
from facebatch.jobs.run import run_all
from facebatch.media.sources.roots import Root
from facebatch.monitor.stages import Report, Step

_ALBUM, _COLLECTION, _TRUTH, _MARK = "album", "collection", "truth.json", ".facebatch-demo"


def run_demo(folder: Path, settings: RunSettings, report: Report) -> dict[str, Any]:
    """Renders the album, runs everything on it and scores the people found.

    Args:
        folder: Where album, truth and collection go; an earlier demo there is replaced.
        settings: Workers.
        report: Told which stage begins, and how far the extraction is a few times a second.

    Returns:
        The run's summary and the scores, as plain data.

    Raises:
        CollectionError: The folder holds something other than a demo.
        InputError: The folder can't be written.
    """
    _clear(folder)
    album = folder / _ALBUM
    report(Step("album"))
    truth = write_album(album)
    (folder / _TRUTH).write_text(truth.to_json(), "utf-8")
    roots, url = [Root(_ALBUM, str(album))], str(folder / _COLLECTION)
    check_input(roots, url, settings)
    collection = Collection.create(url, ExtractSettings())
    done = run_all(roots, collection, settings, report)
    return {
        "album": str(album),
        "photos": len(truth.files),
        "run": done.as_json(),
        "scores": score(collection, truth),
    }


def _clear(folder: Path) -> None:
    """Makes a folder ready for a demo, and removes of an earlier one what it made itself."""
    mark = folder / _MARK
    if folder.exists() and not folder.is_dir():
        raise CollectionError(f"{folder} is a file: choose an empty or new folder")
    if folder.exists() and any(folder.iterdir()) and not mark.exists():
        raise CollectionError(f"{folder} holds other files: choose an empty or new folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        mark.write_text("facebatch demo made this folder and may replace what it made.\n", "utf-8")
    except OSError as error:
        raise InputError(f"{folder} can't be written: {error.strerror}") from error
    for made in (_ALBUM, _COLLECTION):
        if (folder / made).exists():
            shutil.rmtree(folder / made)
    (folder / _TRUTH).unlink(missing_ok=True)


def score(collection: Collection, truth: Truth) -> dict[str, Any]:
    """Scores a collection's current clusters against an album's truth.

    Faces that the album doesn't show count as people of their own; each stranger, who appears
    once, is one as well.

    Returns:
        Faces shown, faces found and false detections; pairwise and BCubed precision, recall and F
        over the faces found.
    """
    snapshot = collection.snapshot()
    faces = snapshot.faces(["face_id", "media_id", "x0", "y0", "x1", "y1"])
    paths = dict(
        zip(snapshot.media["media_id"].to_pylist(), snapshot.media["path"].to_pylist(), strict=True)
    )
    boxes = np.stack([faces[edge].to_numpy() for edge in ("x0", "y0", "x1", "y1")], axis=1)
    shown_in = [paths[media_id] for media_id in faces["media_id"].to_pylist()]
    who = label_faces(truth, shown_in, boxes.tolist())
    identities = np.array([-1 - row if name is None else name for row, name in enumerate(who)])
    current = collection.current("clusters")
    if current is None:
        raise CollectionError(f"{collection.storage.public} has no clusters yet")
    _, labels = read_clusters(collection, current)
    pairwise, bcubed = pairwise_scores(identities, labels), bcubed_scores(identities, labels)
    return {
        "faces": sum(len(file.faces) for file in truth.files if file.outcome == "ok"),
        "found": sum(name is not None for name in who),
        "false_detections": sum(name is None for name in who),
        "precision": pairwise.precision,
        "recall": pairwise.recall,
        "f": pairwise.f,
        "bcubed_precision": bcubed.precision,
        "bcubed_recall": bcubed.recall,
        "bcubed_f": bcubed.f,
    }
