"""Scores of detection: are the faces found, and is what was found a face.

Matching and average precision are Pascal VOC's (Everingham et al., "The Pascal Visual Object
Classes Challenge: A Retrospective", 2015, section 4.2, and the development kit's VOCevaldet.m and
VOCap.m of 2010 and later), on corner coordinates, where a box from 0 to 1 is one pixel wide.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from facebatch.evaluate.inputs.boxes import TruthFaces as TruthFaces
from facebatch.evaluate.inputs.boxes import read_truth as read_truth
from facebatch.evaluate.plain import plain_data
from facebatch.evaluate.thresholds import share
from facebatch.faces.boxes import areas
from facebatch.faces.boxes import iou as box_iou

Floats = npt.NDArray[np.floating[Any]]
Bools = npt.NDArray[np.bool_]
Found = Mapping[str, tuple[Floats, Floats]]
"""Boxes (n, 4) and scores (n,) that a detector found, by file."""

_SIZES = (0.0, 16.0, 32.0, 64.0, 128.0)
"""Where the ranges of face sizes begin, in pixels; the last one has no end."""


@dataclass(frozen=True)
class SizeRecall:
    """Recall of the faces of some sizes; the size is the root of the true box's area.

    Args:
        smallest: Size in pixels that the range begins at, inclusive.
        largest: Size that it ends before; None where there is no end.
        faces: True faces of these sizes that count.
        found: Those of them that were found.
        recall: found / faces; None without any.
    """

    smallest: float
    largest: float | None
    faces: int
    found: int
    recall: float | None


@dataclass(frozen=True, eq=False)
class DetectionCurve:
    """Precision and recall of the detections with at least a score.

    Args:
        score: (m,) float64, the distinct scores of detections that count, descending.
        recall: (m,) share of the faces that were found; NaN without a face.
        precision: (m,) share of these detections that are faces.
    """

    score: npt.NDArray[np.float64]
    recall: npt.NDArray[np.float64]
    precision: npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class DetectionScores:
    """How well faces were found in the photos whose true faces are known.

    Args:
        iou: Overlap that makes a detection the true face.
        images: Photos whose true faces are known.
        images_not_searched: Those of them of which the detector reported nothing, not even that
            there is no face; their faces count as missed.
        images_without_truth: Photos that were searched but whose true faces aren't known; what
            was found there isn't scored.
        faces: True faces that count.
        ignored_faces: True faces that don't.
        found: Faces found.
        false_detections: Detections that are no face, or a face found already.
        ignored_detections: Detections of ignored faces, which count for nothing.
        average_precision: Area under the precision envelope; None without a face.
        recall: Share of the faces that were found, by all detections; None without a face.
        precision: Share of the detections that are faces; None without a detection.
        by_size: Recall by size, ascending; faces of which only a point is known have no size.
        curve: Precision and recall over scores, for plots.
    """

    iou: float
    images: int
    images_not_searched: int
    images_without_truth: int
    faces: int
    ignored_faces: int
    found: int
    false_detections: int
    ignored_detections: int
    average_precision: float | None
    recall: float | None
    precision: float | None
    by_size: tuple[SizeRecall, ...]
    curve: DetectionCurve

    def as_json(self) -> dict[str, object]:
        """Returns plain data without the curve."""
        return plain_data(self)


@dataclass(frozen=True)
class _Match:
    """What became of one photo's detections and of its faces.

    Args:
        scores: Scores of the detections that count.
        right: Whether each of these found a face.
        ignored: Number of detections that don't count.
        found: (n,) whether each true face was found.
        sizes: (n,) size of each true face in pixels; NaN for one that is ignored or a mere point.
    """

    scores: npt.NDArray[np.float64]
    right: Bools
    ignored: int
    found: Bools
    sizes: npt.NDArray[np.float64]


def score_detection(
    truth: Mapping[str, TruthFaces],
    found: Found,
    iou: float = 0.5,
    sizes: Sequence[float] = _SIZES,
) -> DetectionScores:
    """Scores detections against the true faces.

    Each detection is of the true face that it overlaps most, if by at least iou. Of several
    detections of one face, the one with the highest score finds it and the others are false.
    Where faces are known by a point, a detection is of the point inside its box that is nearest
    to the box's centre. Equal scores are one step of the curve, so that order means nothing.

    Args:
        truth: The true faces by file.
        found: Boxes (n, 4), x0, y0, x1, y1 in pixels, and scores (n,), higher is surer, by file;
            a photo that was searched in vain has empty arrays.
        iou: Intersection over union, above 0 and at most 1, from which a box is a face.
        sizes: Where the ranges of face sizes begin, ascending, in pixels.

    Raises:
        ValueError: iou is out of range, the sizes don't ascend, or a file's boxes and scores
            don't match or aren't finite.
    """
    if not 0 < iou <= 1:
        raise ValueError(f"iou must be above 0 and at most 1, not {iou}")
    if any(b <= a for a, b in pairwise(sizes)):
        raise ValueError(f"sizes must ascend: {list(sizes)}")
    nothing = (np.empty((0, 4)), np.empty(0))
    matches = [_match(file, faces, *found.get(file, nothing), iou) for file, faces in truth.items()]
    faces = sum(int((~one.ignore).sum()) for one in truth.values())
    # The empty arrays are for a truth without photos.
    scores = np.concatenate([np.empty(0), *(match.scores for match in matches)])
    right = np.concatenate([np.empty(0, np.bool_), *(match.right for match in matches)])
    face_found = np.concatenate([np.empty(0, np.bool_), *(match.found for match in matches)])
    face_sizes = np.concatenate([np.empty(0), *(match.sizes for match in matches)])
    hits = int(right.sum())
    curve = _curve(scores, right, faces)
    return DetectionScores(
        iou=iou,
        images=len(truth),
        images_not_searched=len(truth.keys() - found.keys()),
        images_without_truth=len(found.keys() - truth.keys()),
        faces=faces,
        ignored_faces=sum(len(one) for one in truth.values()) - faces,
        found=hits,
        false_detections=len(scores) - hits,
        ignored_detections=sum(match.ignored for match in matches),
        average_precision=_average_precision(curve) if faces else None,
        recall=hits / faces if faces else None,
        precision=hits / len(scores) if len(scores) else None,
        by_size=_by_size(face_found, face_sizes, sizes),
        curve=curve,
    )


def _match(file: str, faces: TruthFaces, boxes: Floats, scores: Floats, iou: float) -> _Match:
    _check(file, boxes, scores)
    boxes, scores = np.asarray(boxes, np.float64), np.asarray(scores, np.float64)
    face = _face_of_each(faces, boxes, iou)
    ignored = (face >= 0) & np.append(faces.ignore, False)[face]
    counted, face = ~ignored, face[~ignored]
    best_first = np.argsort(-scores[counted], kind="stable")
    taken, first = np.unique(face[best_first], return_index=True)
    right = np.zeros(len(face), np.bool_)
    right[best_first[first[taken >= 0]]] = True
    found = np.zeros(len(faces), np.bool_)
    found[taken[taken >= 0]] = True
    sides = np.sqrt(areas(faces.boxes.astype(np.float64)))
    sizes = np.where(faces.ignore, np.nan, sides)
    return _Match(scores[counted], right, int(ignored.sum()), found, sizes)


def _check(file: str, boxes: Floats, scores: Floats) -> None:
    if boxes.shape != (len(scores), 4):
        raise ValueError(f"{file} has boxes of shape {boxes.shape} and {len(scores)} scores")
    if not (np.isfinite(boxes).all() and np.isfinite(scores).all()):
        raise ValueError(f"{file} has a box or score that isn't finite")


def _face_of_each(faces: TruthFaces, boxes: Floats, iou: float) -> npt.NDArray[np.int64]:
    """(n,) the true face that each box is of, -1 for none."""
    if len(faces) == 0 or len(boxes) == 0:
        return np.full(len(boxes), -1, np.int64)
    if faces.points is None:
        fit, least = box_iou(boxes[:, None], faces.boxes[None]), iou
    else:
        fit, least = -_distances_from_centre(boxes, faces.points.astype(np.float64)), -np.inf
    best = fit.argmax(axis=1)
    fits = fit[np.arange(len(boxes)), best]
    return np.where((fits >= least) & (fits > -np.inf), best, -1)


def _distances_from_centre(boxes: Floats, points: Floats) -> npt.NDArray[np.float64]:
    """(n, m) distance of each point from each box's centre in pixels, infinite outside the box."""
    inside = (points[None] >= boxes[:, None, :2]) & (points[None] <= boxes[:, None, 2:])
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    distances = np.linalg.norm(points[None] - centres[:, None], axis=2)
    return np.where(inside.all(axis=2), distances, np.inf)


def _curve(scores: npt.NDArray[np.float64], right: Bools, faces: int) -> DetectionCurve:
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    last_of_score = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True)[: len(ordered)])
    hits = np.cumsum(right[order], dtype=np.int64)[last_of_score]
    precision = hits / (last_of_score + 1)
    return DetectionCurve(ordered[last_of_score], share(hits, faces), precision)


def _average_precision(curve: DetectionCurve) -> float:
    """Area under the precision that each recall, or a higher one, can have."""
    envelope = np.maximum.accumulate(curve.precision[::-1])[::-1]
    return float((np.diff(curve.recall, prepend=0.0) * envelope).sum())


def _by_size(found: Bools, face_sizes: Floats, sizes: Sequence[float]) -> tuple[SizeRecall, ...]:
    result = []
    for smallest, largest in zip(sizes, [*sizes[1:], None], strict=True):
        rows = (face_sizes >= smallest) & (face_sizes < (np.inf if largest is None else largest))
        faces, hits = int(rows.sum()), int(found[rows].sum())
        result.append(SizeRecall(smallest, largest, faces, hits, hits / faces if faces else None))
    return tuple(result)
