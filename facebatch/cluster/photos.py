"""What a picture says of its faces: two faces in one are two people, a video's track is one.

A photo holds a person once, so that two of its faces may not share a cluster. Where they do, the
one that is more like the rest of the cluster stays. It doesn't hold for collages and mirrors, and
a face that the detector found twice is no second face.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from facebatch.faces.boxes import iou
from facebatch.faces.embeddings import EmbeddingRows

SAME_FACE_IOU = 0.5
"""Overlap of two boxes of one picture from which on they are taken for one face found twice. The
boxes of different faces rarely reach .3; the detector's own suppression leaves up to .7."""


def conflicts(
    frames: npt.NDArray[np.integer],
    boxes: npt.NDArray[np.float32],
    scores: npt.NDArray[np.float32],
) -> npt.NDArray[np.int32]:
    """Numbers the pictures that hold several faces.

    Args:
        frames: (n,) number of each face's picture: a photo, or one frame of a video.
        boxes: (n, 4) float32, x0, y0, x1, y1 in the picture's pixels.
        scores: (n,) float32, the detector's probabilities.

    Returns:
        (n,) int32: faces with the same number of 0 or more are different people. -1 for a face
        that is alone in its picture, or that overlaps a surer one as only the same face does
        (`SAME_FACE_IOU`).
    """
    order = np.lexsort((np.arange(len(frames)), -scores, frames))
    picture, box = frames[order], boxes[order]
    again = np.zeros(len(order), bool)
    for step in range(1, len(order)):
        pairs = np.flatnonzero(picture[step:] == picture[:-step])
        if not len(pairs):
            break
        again[pairs[iou(box[pairs], box[pairs + step]) > SAME_FACE_IOU] + step] = True
    counted = order[~again]
    _, number, faces = np.unique(frames[counted], return_inverse=True, return_counts=True)
    result = np.full(len(frames), -1, np.int32)
    several = faces[number] > 1
    result[counted[several]] = np.unique(number[several], return_inverse=True)[1]
    return result


def part_photos(
    labels: npt.NDArray[np.int32],
    conflict: npt.NDArray[np.int32],
    embeddings: EmbeddingRows,
    pinned: npt.NDArray[np.bool_] | None = None,
) -> tuple[npt.NDArray[np.int32], int]:
    """Puts out of every cluster what shares a picture with a face that fits it better.

    Of a cluster's faces in one picture the one stays that is nearest to the mean of the cluster.

    Args:
        labels: (n,) int32, the cluster of each face; -1 is a face on its own.
        conflict: (n,) int32, as `conflicts` gives it.
        embeddings: (n, d) float32, rows of length 1.
        pinned: (n,) faces that stay whatever shares their picture; none by default.

    Returns:
        The labels, -1 for the faces that were put out, and the number of clusters that had any.
    """
    held = np.zeros(len(labels), bool) if pinned is None else pinned
    rows = np.flatnonzero((labels >= 0) & (conflict >= 0))
    keys = labels[rows].astype(np.int64) * (int(conflict.max(initial=0)) + 1) + conflict[rows]
    _, pair, faces = np.unique(keys, return_inverse=True, return_counts=True)
    rows = rows[faces[pair] > 1]
    if not len(rows):
        return labels.copy(), 0
    pair = pair[faces[pair] > 1]
    fit = _similarity_to_cluster(labels, rows, embeddings)
    order = np.lexsort((rows, -fit, ~held[rows], pair))
    rows, pair = rows[order], pair[order]
    later = np.concatenate([[False], pair[1:] == pair[:-1]])
    out = rows[later & ~held[rows]]
    result = labels.copy()
    result[out] = -1
    return result, len(np.unique(labels[out]))


def _similarity_to_cluster(
    labels: npt.NDArray[np.int32],
    rows: npt.NDArray[np.int64],
    embeddings: EmbeddingRows,
) -> npt.NDArray[np.float32]:
    """Returns how similar each of some faces (r,) is to the sum of its cluster."""
    wanted, number = np.unique(labels[rows], return_inverse=True)
    members = np.flatnonzero(np.isin(labels, wanted))
    members = members[np.argsort(labels[members], kind="stable")]
    starts = np.searchsorted(labels[members], wanted)
    sums = np.add.reduceat(embeddings[members], starts, axis=0, dtype=np.float64)
    fit: npt.NDArray[np.float32] = np.einsum("rd,rd->r", embeddings[rows], sums[number])
    return fit.astype(np.float32)


def join_tracks(
    labels: npt.NDArray[np.int32], tracks: npt.NDArray[np.int32]
) -> npt.NDArray[np.int32]:
    """Brings the faces of each track together.

    They go where most of them are; of equal clusters to the first. A track all of whose faces are
    on their own becomes a cluster. A track never joins two clusters: where it runs through both,
    it is as likely that it changed from one face to another.

    Args:
        labels: (n,) int32, the cluster of each face; -1 is a face on its own.
        tracks: (n,) int32, number of each face's track; -1 for none.

    Returns:
        (n,) int32 labels; those of new clusters follow the others.
    """
    rows = np.flatnonzero(tracks >= 0)
    rows = rows[np.argsort(tracks[rows], kind="stable")]
    result = labels.copy()
    following = int(labels.max(initial=-1)) + 1
    starts = np.flatnonzero(np.diff(tracks[rows], prepend=-1))
    for members in np.split(rows, starts[1:]) if len(rows) else ():
        known = labels[members][labels[members] >= 0]
        if len(known):
            values, first, counts = np.unique(known, return_index=True, return_counts=True)
            result[members] = values[np.lexsort((first, -counts))[0]]
        elif len(members) > 1:
            result[members] = following
            following += 1
    return result


def part_tracks(
    labels: npt.NDArray[np.int32],
    conflict: npt.NDArray[np.int32],
    tracks: npt.NDArray[np.int32],
    embeddings: EmbeddingRows,
    pinned: npt.NDArray[np.bool_],
) -> npt.NDArray[np.int32]:
    """Parts clusters that hold several faces of one picture, and whole tracks with such a face.

    Args:
        labels: (n,) int32, the cluster of each face; -1 is a face on its own.
        conflict: (n,) int32, as `conflicts` gives it.
        tracks: (n,) int32, number of each face's track; -1 for none.
        embeddings: (n, d) float32, rows of length 1.
        pinned: (n,) faces that stay.

    Returns:
        (n,) int32 labels; a track that had to go is a cluster of its own, after the others.
    """
    result, _ = part_photos(labels, conflict, embeddings, pinned)
    gone = np.unique(tracks[(labels >= 0) & (result < 0) & (tracks >= 0)])
    rows = np.flatnonzero(np.isin(tracks, gone) & ~pinned)
    following = int(labels.max(initial=-1)) + 1
    result[rows] = following + np.searchsorted(gone, tracks[rows])
    return result


def part_pairs(
    labels: npt.NDArray[np.int32],
    pairs: npt.NDArray[np.int64],
    embeddings: EmbeddingRows,
    pinned: npt.NDArray[np.bool_],
) -> npt.NDArray[np.int32]:
    """Puts one of each two faces that aren't one person out of a cluster that holds both.

    Args:
        labels: (n,) int32, the cluster of each face; -1 is a face on its own.
        pairs: (p, 2) int64, the faces.
        embeddings: (n, d) float32, rows of length 1.
        pinned: (n,) faces that stay.

    Returns:
        (n,) int32 labels; -1 for the face of a pair that is less like the rest of the cluster.
    """
    result = labels.copy()
    for pair in pairs:
        conflict = np.full(len(labels), -1, np.int32)
        conflict[pair] = 0
        result, _ = part_photos(result, conflict, embeddings, pinned)
    return result
