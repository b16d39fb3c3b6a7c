"""The loop: looks at the newest frame, says what happened, and shows it."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median
from typing import Any, Protocol

from PIL import Image

from facebatch.errors import FacebatchError, MediaError
from facebatch.live.events import Event, Greeter, Sink, Speaker, moment
from facebatch.live.following import Follower, Seen, Sighting
from facebatch.live.sources import Frame, Latest, Say

REFRESH_US = 1_000_000
"""A face that stays in its place is embedded once a second."""

_LOOKS = 2
"""A face is told of from its second look on: single false alarms are many."""

_PATIENCE = 0.25  # seconds without a picture after which it is looked whose time is over
_REMEMBERED = 1000


class Screen(Protocol):
    """Shows what is seen."""

    def show(self, picture: Image.Image, seen: Sequence[Seen], rate: float) -> None:
        """Takes a frame, its faces, and how many looks a second there are."""


@dataclass(frozen=True)
class Summary:
    """What a watch was like.

    Args:
        looks: Frames that were looked at.
        seconds: From the first to the last.
        latency_ms: Median time from a picture's capture to its labels; None without a look.
    """

    looks: int
    seconds: float
    latency_ms: float | None

    def as_text(self) -> str:
        """Returns it as a line for people."""
        if self.latency_ms is None:
            return "no picture came"
        rate = self.looks / self.seconds if self.seconds else 0.0
        return (
            f"{self.looks:,} looks, {rate:.1f} a second; from capture to label "
            f"{self.latency_ms:.0f} ms (median)"
        )


class Watch:
    """Watches frames until they end.

    Args:
        follower: Finds, links and names faces.
        sink: Takes the events.
        greeter: Says who is greeted.
        say: Takes what a person should know beside the events.
        speaker: Greets aloud.
        screen: Shows what is seen.
    """

    def __init__(
        self,
        follower: Follower,
        sink: Sink,
        greeter: Greeter,
        say: Say,
        speaker: Speaker | None = None,
        screen: Screen | None = None,
    ) -> None:
        self._follower, self._sink, self._greeter, self._say = follower, sink, greeter, say
        self._speaker, self.screen = speaker, screen
        self._told: dict[int, str | None] = {}
        self._boxes: dict[int, tuple[float, ...]] = {}
        self._size: tuple[int, int] | None = None
        self._latencies: deque[float] = deque(maxlen=_REMEMBERED)
        self._ends: deque[float] = deque(maxlen=20)
        self._began = datetime.now(UTC)
        self.renaming = threading.Event()

    def run(self, frames: Latest, stop: threading.Event) -> Summary:
        """Looks at frames until no other comes or the event is set; then all faces have left.

        Raises:
            FacebatchError: What ended the frames.
            OSError: Events can't be written.
        """
        looks, first, last = 0, 0.0, 0.0
        newest = (0, time.monotonic())
        self._began = datetime.now(UTC)
        while not stop.is_set() and not frames.is_over:
            try:
                frame = frames.take(_PATIENCE)
            except FacebatchError:
                self._leave(self._follower.close())
                raise
            if self.renaming.is_set():
                self.renaming.clear()
                self._follower.rename()
            if frame is None:
                now_us = newest[0] + round((time.monotonic() - newest[1]) * 1e6)
                self._leave(self._follower.ended(now_us))
                continue
            first = first or frame.captured
            newest = (frame.at_us, frame.captured)
            if self._look(frame):
                looks, last = looks + 1, time.monotonic()
        self._leave(self._follower.close())
        latency = median(self._latencies) if self._latencies else None
        return Summary(looks, last - first, latency)

    def _look(self, frame: Frame) -> bool:
        """Looks at a frame; tells whether its picture could be converted."""
        try:
            picture = frame.picture()
        except MediaError:
            return False  # its source counts them, and begins anew after several
        if self._size is not None and self._size != picture.size:
            told = [f"{width} x {height}" for width, height in (self._size, picture.size)]
            self._say(f"the pictures changed from {told[0]} to {told[1]} pixels")
        self._size = picture.size
        seen = self._follower.look(picture, frame.at_us)
        now = time.monotonic()
        latency_ms = 1e3 * (now - frame.captured)
        self._latencies.append(latency_ms)
        self._ends.append(now)
        for each in seen:
            self._tell(each, frame.at_us, latency_ms)
        self._leave(self._follower.ended(frame.at_us))
        if self.screen is not None:
            span = self._ends[-1] - self._ends[0]
            rate = (len(self._ends) - 1) / span if span else 0.0
            self.screen.show(picture, seen, rate)
        return True

    def _tell(self, seen: Seen, at_us: int, latency_ms: float) -> None:
        """Says that a face appeared, and who it is, once that is known or has changed."""
        sighting = seen.sighting
        number = sighting.track.number
        self._boxes[number] = tuple(round(side, 1) for side in seen.box.tolist())
        if sighting.track.faces < _LOOKS:
            return
        if number not in self._told:
            self._told[number] = None
            self._emit("appeared", sighting, at_us, {"latency_ms": round(latency_ms, 1)})
        name = sighting.label["name"]
        if name is not None and name != self._told[number]:
            self._told[number] = name
            greet = self._greeter.greets(name, at_us)
            more = {**sighting.label, "greet": greet, "latency_ms": round(latency_ms, 1)}
            self._emit("recognised", sighting, at_us, more)
            if greet and self._speaker is not None:
                self._speaker.greet(name)

    def _leave(self, sightings: Sequence[Sighting]) -> None:
        for sighting in sightings:
            track = sighting.track
            if track.number in self._told:
                del self._told[track.number]
                seconds = round((track.seen_us - track.begin_us) / 1e6, 3)
                more = {**sighting.label, "seconds": seconds}
                self._emit("left", sighting, track.seen_us, more)
            self._boxes.pop(track.number, None)

    def _emit(self, kind: str, sighting: Sighting, at_us: int, more: dict[str, Any]) -> None:
        at = at_us / 1e6
        number = sighting.track.number
        time_of = moment(at, self._began)
        event = Event(kind, time_of, round(at, 3), number, self._boxes[number], **more)
        self._sink.take(event, sighting)
