"""Evaluate: photos, or a collection, against what is known to be true of them.

Photos go through the extract stage that users run, into a collection that is kept or thrown away.
What is scored is then read from its tables, and the scores are those of `facebatch.evaluate`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from facebatch.collection import read_clusters
from facebatch.errors import CollectionError, InputError, UsageError
from facebatch.evaluate.clusters import score_clusters
from facebatch.evaluate.detection import score_detection
from facebatch.evaluate.identification import open_set_split, score_identification
from facebatch.evaluate.inputs.labels import read_file, read_labels, read_truths
from facebatch.evaluate.pairs import Pair, read_pairs, score_pairs
from facebatch.evaluate.photos import Photos
from facebatch.identify.classifier import METHODS, fit
from facebatch.jobs.evaluated_photos import (
    Opened,
    Source,
    check_any,
    extracted_photos,
    folder_of,
    open_photos,
)
from facebatch.jobs.run import Extraction
from facebatch.monitor.stages import Report, Step, nobody
from facebatch.people.names import written
from facebatch.report.evaluation import Scores, write
from facebatch.storage.urls import public_url

BY_FOLDER = "by-folder"
"""In the place of a file of labels: a photo's person is the first folder of its path."""

_PAIRS_AT_ONCE = 1 << 16


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What an evaluation gave.

    Args:
        scores: The figures and curves.
        summary: The figures and all that they depend on, as plain data.
        extraction: Of the photos, where any were to be extracted.
    """

    scores: Scores
    summary: Mapping[str, Any]
    extraction: Extraction | None = None

    def check_failures(self, max_failures: float) -> None:
        """Ends an evaluation in which too many photos failed, as a run ends.

        Raises:
            TooManyFailures: More failed than that share of those tried.
        """
        if self.extraction:
            self.extraction.check_failures(max_failures)


def evaluate_pairs(
    pairs_file: Path,
    source: Source,
    output: str | None = None,
    report: Report = nobody,
) -> Evaluation:
    """Scores how well distances tell pairs of one person from pairs of two.

    A photo is known by its central face. A pair with a photo that has none, that couldn't be read
    or that isn't in the folder is missing, and counted.

    Args:
        pairs_file: LFW's pairs.txt or a CSV; see `read_pairs`.
        source: The photos that it names.
        output: Folder for the figures, curves and plots; None to write nothing.
        report: Called with the extraction's progress a few times a second.

    Raises:
        InputError: The file is malformed, or none of its photos is in the folder.
        FacebatchError: As for `extracted_photos`.
    """
    pairs = read_file(pairs_file, read_pairs)
    names = sorted({name for pair in pairs for name in (pair.left, pair.right)})
    with extracted_photos(source, report, names) as opened:
        report(Step("scores"))
        distances = _pair_distances(pairs, names, opened.photos.embeddings(names))
        same = np.array([pair.same for pair in pairs], np.bool_)
        scores = score_pairs(distances, same, np.array([pair.fold for pair in pairs]))
        summary = opened.summary("pairs", scores, {"pairs": str(pairs_file)})
        summary["photos"] = opened.photos.outcomes(names)
        if output is not None:
            given = {"distances": distances, "same": same}
            sides = [(pair.left, pair.right) for pair in pairs]
            details = {**given, "pairs": sides, "chips": opened.photos.chips(names)}
            arrays = {**given, **vars(scores.curves)}
            summary["written"] = write(output, scores, summary, arrays, details)
    return Evaluation(scores, summary, opened.extraction)


def evaluate_identification(
    source: Source | str,
    method: str = "nearest",
    seed: int = 0,
    output: str | None = None,
    report: Report = nobody,
    *,
    labels: str = BY_FOLDER,
) -> Evaluation:
    """Scores how well people are found in a gallery of one photo each, with non-mated probes.

    A photo is known by its central face. `open_set_split` draws the gallery; a photo without a
    face stays in its part and counts there as missing.

    Args:
        source: The photos, or the URL of a collection that holds them.
        method: One of `facebatch.identify.classifier.METHODS`.
        seed: Seed of the draw.
        output: Folder for the figures, curves and plots; None to write nothing.
        report: Called with the extraction's progress a few times a second.
        labels: `BY_FOLDER`, or a CSV file with the header file,label.

    Raises:
        InputError: No person has two photos, or no photo of the gallery has a face; the labels are
            malformed, or name none of the photos.
        CollectionError: There is no such collection.
        UsageError: There is no such method.
        FacebatchError: As for `extracted_photos`.
    """
    if method not in METHODS:
        raise UsageError(f"there is no method {method!r}; there are {', '.join(METHODS)}")
    with _opened(source, report) as opened:
        report(Step("scores"))
        photos = opened.photos
        labelled = _people(labels, photos)
        names = list(labelled)
        people = np.array(list(labelled.values()), np.str_)
        gallery, mated, non_mated = open_set_split(people, seed)
        if not len(gallery):
            raise InputError(_nobody_twice(source, labels))
        probes = np.concatenate((mated, non_mated))
        truth = np.full(len(probes), -1, np.int64)
        truth[: len(mated)] = np.searchsorted(people[gallery], people[mated])
        embeddings = photos.embeddings(names)
        distances = _search(method, embeddings[gallery], people[gallery], embeddings[probes])
        scores = score_identification(distances, truth)
        inputs = {"method": method, "seed": seed, "labels": labels}
        summary = opened.summary("identification", scores, inputs)
        summary["photos"] = photos.outcomes(names)
        summary["outside_folders"] = len(photos.without(names))
        if output is not None:
            details = {
                "scores": distances,
                "truth": truth,
                "names": people[gallery].tolist(),
                "gallery": [names[row] for row in gallery],
                "probes": [names[row] for row in probes],
                "chips": photos.chips(names),
            }
            summary["written"] = write(output, scores, summary, vars(scores.det), details)
    return Evaluation(scores, summary, opened.extraction)


def evaluate_clusters(url: str, labels: str, output: str | None = None) -> Evaluation:
    """Scores a collection's clusters against people who are known.

    The central face of each labelled photo is of its person; other faces aren't scored. A photo
    that lies twice in the collection has one face, which two people can't have.

    Args:
        url: The collection, clustered.
        labels: `BY_FOLDER`, or a CSV file with the header file,label; a file is a path inside its
            root, or root/path.
        output: Folder for the figures and plots; None to write nothing.

    Raises:
        InputError: The file is malformed, or no labelled photo has a face.
        CollectionError: There is no such collection, or it has no clusters.
    """
    opened = open_photos(url)
    photos, current = opened.photos, opened.collection.current("clusters")
    if current is None:
        raise CollectionError(
            f"{public_url(url)} has no clusters yet: run `facebatch cluster` first"
        )
    people = _people(labels, photos)
    labelled, contradictory = _labelled_faces(photos, people)
    face_ids, clusters = read_clusters(opened.collection, current)
    cluster_of = dict(zip(face_ids.tolist(), clusters.tolist(), strict=True))
    scored = [face for face in labelled if face in cluster_of]
    if not scored:
        raise InputError(
            f"no face of {public_url(url)} has both a label and a place in the clusters"
        )
    names, truth = np.unique([labelled[face] for face in scored], return_inverse=True)
    found = np.array([cluster_of[face] for face in scored], np.int64)
    scores = score_clusters(truth, found)
    summary = opened.summary("clusters", scores, {"labels": labels})
    summary["generation"] = current.name
    summary["clustering"] = dict(current.manifest.config)
    summary["photos"] = photos.outcomes(list(people))
    summary["faces_not_scored"] = {
        "other": photos.faces - len(labelled) - contradictory,
        "contradictory": contradictory,
        "not_clustered": len(labelled) - len(scored),
    }
    if output is not None:
        photo_of = {photos.central(name): name for name in people}
        arrays = {"labels": found, "truth": truth}
        details = {
            **arrays,
            "names": names.tolist(),
            "photos": [photo_of[face] for face in scored],
            "chips_of": photos.chips,
        }
        arrays["face_ids"] = np.array([face.hex() for face in scored])
        summary["written"] = write(output, scores, summary, arrays, details)
    return Evaluation(scores, summary)


def evaluate_detection(
    truth_files: Sequence[Path],
    source: Source | str,
    iou: float = 0.5,
    output: str | None = None,
    report: Report = nobody,
) -> Evaluation:
    """Scores which faces were found against where they truly are.

    Args:
        truth_files: Files or folders that `read_truth` reads; no photo may be in two of them.
        source: The photos that they name, or the URL of a collection that holds them.
        iou: Overlap that makes a detection the true face.
        output: Folder for the figures, curves and plots; None to write nothing.
        report: Called with the extraction's progress a few times a second.

    Raises:
        InputError: A file is malformed, or none of its photos is in the folder or collection.
        CollectionError: There is no such collection.
        FacebatchError: As for `extracted_photos`.
    """
    truth = read_truths(truth_files)
    names = list(truth)
    with _opened(source, report, names) as opened:
        report(Step("scores"))
        photos = opened.photos
        searched = [name for name in (*names, *photos.without(names)) if photos.was_searched(name)]
        scores = score_detection(truth, {name: photos.boxes(name) for name in searched}, iou)
        inputs = {"truth": [str(path) for path in truth_files], "iou": iou}
        summary = opened.summary("detection", scores, inputs)
        summary["photos"] = photos.outcomes(names)
        if output is not None:
            summary["written"] = write(output, scores, summary, vars(scores.curve), {})
    return Evaluation(scores, summary, opened.extraction)


def _opened(
    source: Source | str, report: Report, names: Sequence[str] = ()
) -> AbstractContextManager[Opened]:
    """Gives photos that are extracted first, or those of a collection; one named must be there."""
    if not isinstance(source, str):
        return extracted_photos(source, report, names)
    opened = open_photos(source)
    if names:
        check_any(opened.photos.has, names, source, next(iter(opened.photos.names), "none"))
    return nullcontext(opened)


def _nobody_twice(source: Source | str, labels: str) -> str:
    if labels != BY_FOLDER:
        return f"{labels} labels nobody in two photos or more"
    place = source if isinstance(source, str) else source.images
    return (
        f"{public_url(place)} has no folder with two photos or more; put each person's photos into "
        "a folder of their own"
    )


def _people(labels: str, photos: Photos) -> Mapping[str, str]:
    """Returns the person of each labelled photo, by its name."""
    if labels == BY_FOLDER:
        paths = {name: str(row["path"]) for name, row in photos.rows.items()}
        return {name: written(folder_of(path)) for name, path in paths.items() if "/" in path}
    people = read_file(Path(labels), read_labels)
    place = photos.snapshot.storage.public
    check_any(photos.has, list(people), place, next(iter(photos.names), "none"))
    return people


def _pair_distances(
    pairs: Sequence[Pair], names: Sequence[str], embeddings: npt.NDArray[np.float32]
) -> npt.NDArray[np.float64]:
    """(n,) d2 of each pair, NaN where a photo has no face."""
    row = {name: number for number, name in enumerate(names)}
    sides = np.array([(row[pair.left], row[pair.right]) for pair in pairs], np.int64)
    parts = []
    for start in range(0, len(pairs), _PAIRS_AT_ONCE):
        left, right = embeddings[sides[start : start + _PAIRS_AT_ONCE].T].astype(np.float64)
        parts.append(np.square(left - right).sum(axis=1))
    return np.concatenate(parts)


def _search(
    method: str,
    gallery: npt.NDArray[np.float32],
    names: npt.NDArray[np.str_],
    probes: npt.NDArray[np.float32],
) -> npt.NDArray[np.float32]:
    """(p, g) scores, NaN where a probe or a gallery photo has no face."""
    enrolled, searched = ~np.isnan(gallery[:, 0]), ~np.isnan(probes[:, 0])
    if not enrolled.any():
        raise InputError("no photo of the gallery has a face")
    model = fit(method, gallery[enrolled], names[enrolled].tolist())
    scores = np.full((len(probes), len(gallery)), np.nan, np.float32)
    # The names are sorted, as the model's people are.
    scores[np.ix_(searched, enrolled)] = model.scores(probes[searched])
    return scores


def _labelled_faces(photos: Photos, people: Mapping[str, str]) -> tuple[dict[bytes, str], int]:
    """Returns the person of each face, and how many faces have two."""
    labelled: dict[bytes, str] = {}
    contradictory = set()
    for name, person in people.items():
        face = photos.central(name)
        if face is not None and labelled.setdefault(face, person) != person:
            contradictory.add(face)
    for face in contradictory:
        del labelled[face]
    return labelled, len(contradictory)
