"""Tracks: the same face in frame after frame of a video, and which of its faces are worth keeping.

Frame by frame, detections are assigned to the tracks that are open, all of a frame together. What
decides is the embedding; the overlap of the boxes supports it. At a frame a second people have
moved on, so boxes alone would not do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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

_STEADY_US = 500_000
_IN_PLACE = 0.5
_TOUCHING = 0.05
"""A face is in its place where its box shares half of the union with the track's of half a second
ago at most, and neither touches another."""


Embed = Callable[[npt.NDArray[np.int64]], npt.NDArray[np.float32]]
"""Gives the embeddings (k, d), rows of length 1, of the faces of a frame in these rows (k,)."""


@dataclass(eq=False)
class Track:
    """The same face in frame after frame.

    Args:
        number: 0, 1, 2... in the order of first frames and, within one, from left to right.
        begin_us: Time of its first frame.
        seen_us: Time of its last frame so far.
        box: Its box there, float32 (4,): x0, y0, x1, y1.
        faces: Frames that it was found in.
        embedded_us: When it was last embedded.
    """

    number: int
    begin_us: int
    seen_us: int
    box: npt.NDArray[np.float32]
    faces: int = 0
    embedded_us: int = 0
    recent: list[npt.NDArray[np.float32]] = field(default_factory=list)


class Tracker:
    """Links the faces of frame after frame, as they come.

    Args:
        near_d2: d2 below which a face goes on with a track.
        overlapping_d2: The same where its box overlaps the track's last one.
        max_gap_us: How long a face may be out of sight before its track ends.
        refresh_us: How long a face that stays in its place, with no other near, goes on with its
            track without being embedded; 0 embeds every face. A cut between scenes may so give a
            face to somebody else's track for as long.
    """

    def __init__(
        self,
        *,
        near_d2: float,
        overlapping_d2: float,
        max_gap_us: int = MAX_GAP_US,
        refresh_us: int = 0,
    ) -> None:
        self._near_d2, self._overlapping_d2 = near_d2, overlapping_d2
        self._max_gap_us, self._refresh_us = max_gap_us, refresh_us
        self._begun = 0
        self.open: list[Track] = []

    def ended(self, now_us: int) -> list[Track]:
        """Returns the tracks that a time ends, which may not go on any more."""
        gone = [track for track in self.open if now_us - track.seen_us > self._max_gap_us]
        self.open = [track for track in self.open if track not in gone]
        return gone

    def take(self, now_us: int, boxes: npt.NDArray[np.float32], embed: Embed) -> list[Track]:
        """Takes the faces of a frame; two of one frame are never in one track.

        Args:
            now_us: The frame's time, later than the last one's.
            boxes: float32 (n, 4), from left to right.
            embed: Is asked once at most, for the faces whose place alone doesn't tell.

        Returns:
            The track of each face.
        """
        self.ended(now_us)
        shared = iou(_last_boxes(self.open)[:, None], boxes[None])
        taken = self._in_place(now_us, shared)
        rows = np.flatnonzero(taken < 0)
        if len(rows):
            embeddings = embed(rows)
            free = np.setdiff1d(np.arange(len(self.open)), taken)
            d2 = np.array(
                [
                    (2 - 2 * np.array(self.open[place].recent) @ embeddings.T).min(0)
                    for place in free
                ]
            ).reshape(len(free), len(rows))
            found = _assign(d2, shared[np.ix_(free, rows)], self._near_d2, self._overlapping_d2)
            for row, vector, place in zip(rows.tolist(), embeddings, found.tolist(), strict=True):
                taken[row] = free[place] if place >= 0 else self._begin(now_us, boxes[row])
                track = self.open[taken[row]]
                track.recent = [*track.recent[-RECENT + 1 :], vector]
                track.embedded_us = now_us
        tracks = [self.open[place] for place in taken.tolist()]
        for track, box in zip(tracks, boxes, strict=True):
            track.seen_us, track.box, track.faces = now_us, box, track.faces + 1
        return tracks

    def _begin(self, now_us: int, box: npt.NDArray[np.float32]) -> int:
        self.open.append(Track(self._begun, now_us, now_us, box))
        self._begun += 1
        return len(self.open) - 1

    def _in_place(self, now_us: int, shared: npt.NDArray[np.floating]) -> npt.NDArray[np.int64]:
        """Returns for each face the place of the open track that it surely is; -1 for none.

        Args:
            now_us: The time.
            shared: (tracks, faces): overlap of the boxes.
        """
        taken = np.full(shared.shape[1], -1, np.int64)
        touching = shared > _TOUCHING
        alone = touching.sum(0) == 1
        for place, track in enumerate(self.open):
            (faces,) = np.nonzero(touching[place])
            if (
                now_us - track.embedded_us < self._refresh_us
                and now_us - track.seen_us <= _STEADY_US
                and len(faces) == 1
                and alone[faces[0]]
                and shared[place, faces[0]] >= _IN_PLACE
            ):
                taken[faces[0]] = place
        return taken


def link(
    boxes: npt.NDArray[np.float32],
    timestamps_us: npt.NDArray[np.int64],
    embeddings: npt.NDArray[np.float32],
    *,
    near_d2: float,
    overlapping_d2: float,
    max_gap_us: int = MAX_GAP_US,
) -> npt.NDArray[np.int32]:
    """Links the faces of a video into tracks, all of which are embedded; see `Tracker`.

    Args:
        boxes: float32 (n, 4): x0, y0, x1, y1, in any order of the faces.
        timestamps_us: int64 (n,): time of each face's frame.
        embeddings: float32 (n, d), rows of length 1.
        near_d2: As for `Tracker`.
        overlapping_d2: Likewise.
        max_gap_us: Likewise.

    Returns:
        int32 (n,): number of each face's track.
    """
    tracks = np.zeros(len(boxes), np.int32)
    order = np.lexsort((*embeddings.T[::-1], *boxes.T[::-1], timestamps_us))
    starts = np.flatnonzero(np.diff(timestamps_us[order], prepend=-1))
    tracker = Tracker(near_d2=near_d2, overlapping_d2=overlapping_d2, max_gap_us=max_gap_us)
    for frame in np.split(order, starts[1:]) if len(order) else ():
        vectors = embeddings[frame]
        now = int(timestamps_us[frame[0]])
        found = tracker.take(now, boxes[frame], vectors.__getitem__)
        tracks[frame] = [track.number for track in found]
    return tracks


def _last_boxes(tracks: Sequence[Track]) -> npt.NDArray[np.float32]:
    return np.array([track.box for track in tracks], np.float32).reshape(-1, 4)


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
