"""Tracks: the same face in frame after frame of a video, and which of its faces are worth keeping.

Frame by frame, detections are assigned to the tracks that are open, all of a frame together. What
decides is the embedding; the overlap of the boxes supports it. At a frame a second people have
moved on, so boxes alone would not do.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from facebatch.faces.boxes import iou

MAX_GAP_US = 5_000_000
"""How long a face may be out of sight before its track ends: a head that turns away for a moment
stays in its track, a person who comes back later begins another."""

LEAST_OVERLAP = 0.3
"""A face goes on with a track at a d2 below ``near_d2`` from one of its last faces, wherever it
is; with boxes that share `LEAST_OVERLAP` of their union, below ``overlapping_d2``. Both belong to
the embeddings' space (`facebatch.models.space_thresholds`).

With dlib-resnet's, 0.08 and 0.12, in two real videos (380 frames, 1,071 detections, 18 people
labelled by hand, with cuts between scenes) at every frame, five, two and one a second there were
20, 20, 22 and 22 tracks for 18, 17, 16 and 16 people, and 0, 0, 1 and 1 of 977, 179, 74 and 41
faces in somebody else's. With 0.10 and 0.14 there were 16 tracks at every frame, and 60 faces in
somebody else's."""

RECENT = 16
"""Faces of a track that a new one is compared with; it need be like one of them only."""

BEST_OF_TRACK = 3
"""Faces of a track that are kept: enough for a track that shows more than one pose."""

SPREAD_US = 2_000_000
"""Time between two faces that are kept of a track; nearer ones show the same once more."""

_FULL_SIZE = 80.0  # pixels of a box whose chip isn't enlarged
_HALF_SHARP = 0.05  # about the median of 198 LFW photos
_NO_MATCH = 1e3


def link(
    boxes: npt.NDArray[np.float32],
    timestamps_us: npt.NDArray[np.int64],
    embeddings: npt.NDArray[np.float32],
    *,
    near_d2: float,
    overlapping_d2: float,
    max_gap_us: int = MAX_GAP_US,
) -> npt.NDArray[np.int32]:
    """Links the faces of a video into tracks; two faces of one frame are never in one track.

    Args:
        boxes: float32 (n, 4): x0, y0, x1, y1, in any order of the faces.
        timestamps_us: int64 (n,): time of each face's frame.
        embeddings: float32 (n, d), rows of length 1.
        near_d2: d2 below which a face goes on with a track.
        overlapping_d2: The same where its box overlaps the track's last one.
        max_gap_us: How long a face may be out of sight before its track ends.

    Returns:
        int32 (n,): number of each face's track. Tracks are numbered 0, 1, 2... by their first frame
        and, within it, from left to right.
    """
    tracks = np.zeros(len(boxes), np.int32)
    order = np.lexsort((*embeddings.T[::-1], *boxes.T[::-1], timestamps_us))
    starts = np.flatnonzero(np.diff(timestamps_us[order], prepend=-1))
    open_tracks: list[_Track] = []
    begun = 0
    for frame in np.split(order, starts[1:]) if len(order) else ():
        now = int(timestamps_us[frame[0]])
        open_tracks = [track for track in open_tracks if now - track.seen_us <= max_gap_us]
        d2 = np.array(
            [
                (2 - 2 * embeddings[track.faces] @ embeddings[frame].T).min(0)
                for track in open_tracks
            ]
        )
        last = boxes[[track.faces[-1] for track in open_tracks]]
        shared = iou(last[:, None], boxes[None, frame])
        taken = _assign(d2.reshape(shared.shape), shared, near_d2, overlapping_d2)
        for face, place in zip(frame.tolist(), taken.tolist(), strict=True):
            if place < 0:
                place = len(open_tracks)
                open_tracks.append(_Track(begun))
                begun += 1
            track = open_tracks[place]
            track.seen_us, track.faces = now, [*track.faces[-RECENT + 1 :], face]
            tracks[face] = track.number
    return tracks


@dataclass
class _Track:
    """A track that may go on: when it was last seen, and its last few faces."""

    number: int
    seen_us: int = 0
    faces: list[int] = field(default_factory=list)


def _assign(
    d2: npt.NDArray[np.float32],
    shared: npt.NDArray[np.floating],
    near_d2: float,
    overlapping_d2: float,
) -> npt.NDArray[np.int64]:
    """Returns for each face of a frame the place of its track among the open ones; -1 for none.

    Args:
        d2: (tracks, faces).
        shared: (tracks, faces): overlap of the boxes.
        near_d2: As for `link`.
        overlapping_d2: As for `link`.
    """
    from scipy.optimize import linear_sum_assignment  # 0.2 s that photos are spared

    may = (d2 < near_d2) | ((d2 < overlapping_d2) & (shared >= LEAST_OVERLAP))
    # Of two that may be the same by their embeddings, the one that is in the right place.
    rows, columns = linear_sum_assignment(np.where(may, d2 - overlapping_d2 * shared, _NO_MATCH))
    taken = np.full(d2.shape[1], -1)
    agreed = may[rows, columns]
    taken[columns[agreed]] = rows[agreed]
    return taken


def goodness(
    size: npt.NDArray[np.float32],
    score: npt.NDArray[np.float32],
    sharpness: npt.NDArray[np.float32],
    yaw: npt.NDArray[np.float32],
) -> npt.NDArray[np.float32]:
    """Says how good a face is to keep, among those of one track.

    It is the product of four parts that each lie between 0 and 1, so that no part makes up for a
    bad one: the detector's score; the size, up to that of a face which fills its chip; sharpness,
    by half at a middling one; and how frontal the face is, by half where the nose is level with an
    eye. Only the order counts.

    Args:
        size: float32 (n,): shorter side of the box, pixels of the full-size picture.
        score: float32 (n,).
        sharpness: float32 (n,), as `facebatch.faces.quality.sharpness` gives it.
        yaw: float32 (n,), as `facebatch.faces.quality.pose` gives it; NaN counts as not frontal at
            all.

    Returns:
        float32 (n,): 0..1.
    """
    detail = np.clip(size / _FULL_SIZE, 0, 1)
    focus = sharpness / (sharpness + _HALF_SHARP)
    frontal = np.nan_to_num(1 / (1 + yaw**2))
    product: npt.NDArray[np.float32] = (score * detail * focus * frontal).astype(np.float32)
    return product


def best(
    tracks: npt.NDArray[np.int32],
    timestamps_us: npt.NDArray[np.int64],
    worth: npt.NDArray[np.float32],
    per_track: int = BEST_OF_TRACK,
    spread_us: int = SPREAD_US,
) -> npt.NDArray[np.bool_]:
    """Chooses the best few faces of every track: the best, then the best well apart from those.

    Args:
        tracks: int32 (n,), as `link` gives them.
        timestamps_us: int64 (n,).
        worth: float32 (n,), as `goodness` gives it; of equals the earlier is the better.
        per_track: Largest number of faces of a track that are kept, 1 or more.
        spread_us: Time between two of them, microseconds.

    Returns:
        bool (n,): at least one face of every track.
    """
    keep = np.zeros(len(tracks), bool)
    kept: dict[int, list[int]] = {}
    for face in np.lexsort((timestamps_us, -worth)).tolist():
        times = kept.setdefault(int(tracks[face]), [])
        now = int(timestamps_us[face])
        if len(times) < per_track and all(abs(now - time) >= spread_us for time in times):
            times.append(now)
            keep[face] = True
    return keep


class Summary(NamedTuple):
    """What is said of each face's track.

    Args:
        faces: int32 (n,): detections that the track has.
        begin_us: int64 (n,): time of its first frame.
        end_us: int64 (n,): time of its last frame.
    """

    faces: npt.NDArray[np.int32]
    begin_us: npt.NDArray[np.int64]
    end_us: npt.NDArray[np.int64]


def summary(tracks: npt.NDArray[np.int32], timestamps_us: npt.NDArray[np.int64]) -> Summary:
    """Returns for every face how many its track has, and from when to when.

    Args:
        tracks: int32 (n,), as `link` gives them.
        timestamps_us: int64 (n,).
    """
    count = int(tracks.max(initial=-1)) + 1
    begins = np.full(count, np.iinfo(np.int64).max)
    ends = np.full(count, np.iinfo(np.int64).min)
    np.minimum.at(begins, tracks, timestamps_us)
    np.maximum.at(ends, tracks, timestamps_us)
    sizes = np.bincount(tracks, minlength=count).astype(np.int32)
    return Summary(sizes[tracks], begins[tracks], ends[tracks])
