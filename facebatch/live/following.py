"""Following faces through the frames of a video or a camera, and naming each by all of its looks.

One implementation serves recorded and live pictures: `Tracker` links the faces, and a track's name
is that of the mean of its embeddings, of those faces that are good enough to be recognised by.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

from facebatch.config import ExtractSettings
from facebatch.detect import Detections
from facebatch.extract.chosen import sure_faces
from facebatch.extract.detect_and_crop import Faces
from facebatch.extract.pictures import FramePicture
from facebatch.faces import quality
from facebatch.faces.tracks import Track, Tracker, goodness
from facebatch.live.naming import UNKNOWN, Label, Namer


class Finder(Protocol):
    """Finds and embeds the faces of frames, as `facebatch.probe.probe.Prober` does."""

    @property
    def settings(self) -> ExtractSettings:
        """The extraction settings."""

    def detect(self, frame: FramePicture) -> Detections:
        """Returns the faces of a frame, in its pixels."""

    def embed(
        self, frame: FramePicture, found: Detections
    ) -> tuple[Faces, npt.NDArray[np.float32]]:
        """Returns faces that were found in a frame with their chips, and their embeddings (n, d).

        The embeddings are float32, rows of length 1.
        """


@dataclass(frozen=True, eq=False)
class Shot:
    """One face of a track that was embedded.

    Args:
        is_sure: Whether it is good enough to be recognised by (`sure_faces`).
        worth: How good it is, as `goodness` has it.
        chip: uint8 (size, size, 3), RGB.
        embedding: float32 (d,) of length 1.
        score: The detector's.
        size: Shorter side of its box, pixels of the frame.
        sharpness: As `facebatch.faces.quality.sharpness` gives it.
    """

    is_sure: bool
    worth: float
    chip: npt.NDArray[np.uint8]
    embedding: npt.NDArray[np.float32]
    score: float
    size: float
    sharpness: float


@dataclass(eq=False)
class Sighting:
    """A track and who it is.

    Args:
        track: The track.
        best: The best of its faces that were embedded.
        label: Who it is.
    """

    track: Track
    best: Shot
    label: Label = field(default_factory=UNKNOWN.copy)
    _sum: npt.NDArray[np.float32] | None = None

    def add(self, shot: Shot) -> None:
        """Takes another of its faces."""
        if (shot.is_sure, shot.worth) > (self.best.is_sure, self.best.worth):
            self.best = shot
        if shot.is_sure:
            self._sum = shot.embedding if self._sum is None else self._sum + shot.embedding

    @property
    def mean(self) -> npt.NDArray[np.float32] | None:
        """The mean embedding (d,), of length 1; None where no face was good enough."""
        if self._sum is None:
            return None
        mean: npt.NDArray[np.float32] = self._sum / np.linalg.norm(self._sum)
        return mean


@dataclass(frozen=True, eq=False)
class Seen:
    """A face of a frame.

    Args:
        box: x0, y0, x1, y1, float32 (4,), in pixels of the frame.
        sighting: Whose it is.
    """

    box: npt.NDArray[np.float32]
    sighting: Sighting


class Follower:
    """Finds, links and names the faces of frame after frame.

    Args:
        finder: Finds and embeds faces, in a space whose `TrackLimits` are measured; in another
            every face is a track of its own.
        namer: Who faces are; may be set to another one, which `rename` applies.
        refresh_us: As for `Tracker`.
    """

    def __init__(self, finder: Finder, namer: Namer, refresh_us: int = 0) -> None:
        limits = finder.settings.track_limits()
        self._finder = finder
        self.namer = namer
        self._tracker = Tracker(
            near_d2=limits.near_d2,
            overlapping_d2=limits.overlapping_d2,
            refresh_us=refresh_us,
        )
        self._sightings: dict[int, Sighting] = {}

    def look(self, frame: Image.Image, now_us: int) -> list[Seen]:
        """Returns the faces of a frame, from left to right.

        Args:
            frame: The upright frame, in mode RGB.
            now_us: Its time, later than that of the last one.
        """
        picture = FramePicture(frame, self._finder.settings)
        found = self._finder.detect(picture)
        found = found.take(np.lexsort(found.boxes.T[::-1]))
        shots: dict[int, Shot] = {}
        embed = partial(self._embed, frame.size, picture, found, shots)
        tracks = self._tracker.take(now_us, found.boxes, embed)
        changed = []
        for row, track in enumerate(tracks):
            shot = shots.get(row)
            if shot is None:
                continue
            sighting = self._sightings.setdefault(track.number, Sighting(track, shot))
            sighting.add(shot)
            changed.append(sighting)
        self._name(changed)
        return [
            Seen(box, self._sightings[track.number])
            for box, track in zip(found.boxes, tracks, strict=True)
        ]

    def ended(self, now_us: int) -> list[Sighting]:
        """Returns the sightings that are over at a time, and forgets them; for all, `close`."""
        self._tracker.ended(now_us)
        going_on = {track.number for track in self._tracker.open}
        return [self._sightings.pop(n) for n in sorted(self._sightings.keys() - going_on)]

    def close(self) -> list[Sighting]:
        """Returns all sightings that are left, and forgets them."""
        self._tracker.open.clear()
        return self.ended(0)

    def rename(self) -> None:
        """Names all sightings anew."""
        self._name(list(self._sightings.values()))

    def _name(self, sightings: list[Sighting]) -> None:
        known = [(each, each.mean) for each in sightings]
        named = [(each, mean) for each, mean in known if mean is not None]
        if named:
            labels = self.namer(np.stack([mean for _, mean in named]))
            for (sighting, _), label in zip(named, labels, strict=True):
                sighting.label = label

    def _embed(
        self,
        frame: tuple[int, int],
        picture: FramePicture,
        found: Detections,
        shots: dict[int, Shot],
        rows: npt.NDArray[np.int64],
    ) -> npt.NDArray[np.float32]:
        faces, embeddings = self._finder.embed(picture, found.take(rows))
        chips = faces.views[:, faces.views.shape[1] // 2]
        sizes, sharpness = quality.size(faces.boxes), quality.sharpness(chips)
        worth = goodness(sizes, faces.scores, sharpness, quality.pose(faces.landmarks).yaw)
        sure = sure_faces(faces, *frame)
        for place, row in enumerate(rows.tolist()):
            shots[row] = Shot(
                bool(sure[place]),
                float(worth[place]),
                chips[place],
                embeddings[place],
                float(faces.scores[place]),
                float(sizes[place]),
                float(sharpness[place]),
            )
        return embeddings
