"""The gallery that live faces are named by, and enrolled into."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from threading import Lock

import numpy as np
import pyarrow as pa

from facebatch import ids
from facebatch.config import ExtractSettings
from facebatch.errors import GalleryError, InputError
from facebatch.extract.rows import chip_jpeg
from facebatch.identify.consensus import unlike_the_others
from facebatch.identify.query import IdentificationQuery
from facebatch.live.following import Shot
from facebatch.live.naming import Namer, namer_of, nobody
from facebatch.people.names import meant, written


@dataclass(frozen=True)
class Known:
    """A gallery with the question that is asked of it.

    Args:
        query: Gallery, method and certainty.
    """

    query: IdentificationQuery
    _lock: Lock

    @classmethod
    def of(cls, query: IdentificationQuery) -> Known:
        """Returns it."""
        return cls(query, Lock())

    def live_settings(self, side: int) -> ExtractSettings:
        """Returns the settings that its people were enrolled with, as they are for live pictures.

        Args:
            side: Long side in pixels that pictures are shrunk to for detection.
        """
        settings = self.query.gallery.settings
        return replace(settings, max_side=side, rotations=False, tiles="off")

    def check(self) -> None:
        """Refuses a gallery by which nobody can be named.

        Raises:
            GalleryError, UsageError: It is empty or damaged, or has no threshold.
        """
        namer_of(self.query)

    def namer(self) -> Namer:
        """Returns what names faces by the gallery as it is now; nobody where it is empty.

        Raises:
            GalleryError, UsageError: The gallery is damaged, or has no threshold.
        """
        if not self.query.gallery.names():
            if self.query.threshold is None:
                self.query.calibration()
            return nobody
        return namer_of(replace(self.query))

    def enrol(self, name: str, shot: Shot) -> str:
        """Puts a face into the gallery, as one photo of a person, and returns the person's name.

        A name that differs in case alone from one that is there is that person's.

        Raises:
            InputError: The face is too poor to be recognised by, or is unlike most of the person's
                others. Nothing is written.
            GalleryError: The name is empty, or the gallery can't be written.
        """
        if not shot.is_sure:
            raise InputError(
                "the face is too small, unsure, cut off or turned away: come closer, look here"
            )
        if not written(name):
            raise GalleryError("a name is empty")
        gallery = self.query.gallery
        with self._lock:
            known = meant(name, gallery.names()) or written(name)
            if self._is_unlike(known, shot):
                raise InputError(f"the face is unlike most of {known}'s")
            chip = chip_jpeg(shot.chip)
            row = {
                "name": known,
                "face_id": ids.content_id(chip),
                "source": f"live/{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
                "embedding": shot.embedding.tolist(),
                "score": shot.score,
                "size": shot.size,
                "sharpness": shot.sharpness,
                "chip": chip,
            }
            gallery.add(pa.Table.from_pylist([row]))
        return known

    def _is_unlike(self, name: str, shot: Shot) -> bool:
        """Tells whether most of a person's faces agree with each other, and not with this one."""
        gallery = self.query.gallery
        limit, others = gallery.limit(), gallery.known().get(name)
        if limit is None or others is None:
            return False
        unlike, _ = unlike_the_others(np.vstack([others, shot.embedding]), limit)
        return bool(unlike[-1])
