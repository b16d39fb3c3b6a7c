"""What is said of whom a camera sees: events, and who is greeted."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TextIO

from facebatch.extract.rows import chip_jpeg
from facebatch.live.following import Sighting
from facebatch.storage.printable import printable

_WAITING, _SAY_SECONDS = 8, 30.0


@dataclass(frozen=True)
class Event:
    """Something that happened before the camera; docs/live.md describes its JSON.

    Args:
        event: ``appeared``, ``recognised`` or ``left``.
        time: When, in UTC: for ``left``, when the face was last seen.
        at: The same in seconds from the source's beginning.
        track: Number of the face's track.
        box: x0, y0, x1, y1 in pixels of the picture.
        name: Who it is; None while nobody is near enough.
        probability: How likely that is right, as `annotate` has it; None where it isn't known.
        greet: Whether this person is to be greeted now; of ``recognised`` only.
        latency_ms: From the picture's capture to this event; not of ``left``.
        seconds: How long the face was seen; of ``left`` only.
    """

    event: str
    time: datetime
    at: float
    track: int
    box: tuple[float, ...]
    name: str | None = None
    probability: float | None = None
    greet: bool | None = None
    latency_ms: float | None = None
    seconds: float | None = None

    def as_json(self) -> dict[str, Any]:
        """Returns it as plain data, without what isn't said of its kind."""
        said = {key: value for key, value in asdict(self).items() if value is not None}
        kept = {"name": self.name, "probability": self.probability}
        return {**said, **kept, "time": self.time.isoformat(timespec="milliseconds")}

    def as_text(self) -> str:
        """Returns it as a line for a terminal."""
        who = printable(self.name) if self.name else "somebody unknown"
        likely = f" ({self.probability:.0%})" if self.probability is not None else ""
        said = {
            "appeared": f"face {self.track} appeared",
            "recognised": f"face {self.track} is {who}{likely}",
            "left": f"face {self.track}, {who}, left after {self.seconds or 0:.0f} s",
        }[self.event]
        hello = f"\nHello, {who}!" if self.greet else ""
        return f"{self.time.astimezone():%H:%M:%S} {said}{hello}"


class Greeter:
    """Says who is to be greeted: everybody once in a while.

    Args:
        again: Time from one greeting of a person to the next.
    """

    def __init__(self, again: timedelta) -> None:
        self._again_us = again / timedelta(microseconds=1)
        self._greeted: dict[str, int] = {}

    def greets(self, name: str, now_us: int) -> bool:
        """Tells whether a person who is recognised now is greeted, and remembers it."""
        last = self._greeted.get(name)
        if last is not None and now_us - last < self._again_us:
            return False
        self._greeted[name] = now_us
        return True


class Speaker:
    """Runs a command for every greeting, one after the other, beside everything else.

    Args:
        command: The command's words; the name follows them as the last.
        say: Takes a line where it can't be run.
    """

    def __init__(self, command: Sequence[str], say: Any) -> None:
        self._command, self._say = list(command), say
        self._names: queue.Queue[str | None] = queue.Queue(_WAITING)
        self._thread = threading.Thread(target=self._work, name="speaker", daemon=True)
        self._thread.start()

    def greet(self, name: str) -> None:
        """Has a person greeted; where many wait already, they aren't."""
        with suppress(queue.Full):
            self._names.put_nowait(name)

    def close(self, seconds: float) -> None:
        """Waits for the greetings that are due, up to so long."""
        with suppress(queue.Full):
            self._names.put_nowait(None)
        self._thread.join(seconds)

    def _work(self) -> None:
        while (name := self._names.get()) is not None:
            try:
                done = subprocess.run(  # noqa: S603 (the user's own command, without a shell)
                    [*self._command, name],
                    stdin=subprocess.DEVNULL,
                    stdout=sys.stderr,
                    timeout=_SAY_SECONDS,
                    check=False,
                )
            except subprocess.TimeoutExpired:
                self._say(f"{self._command[0]} was ended: it took over {_SAY_SECONDS:.0f} s")
            except (OSError, ValueError) as error:  # the latter of a name with a null character
                self._say(f"{self._command[0]} can't be run: {error}")
            else:
                if done.returncode:
                    self._say(f"{self._command[0]} ended with {done.returncode}")


class Sink:
    """Takes events: prints them, and keeps them where that is asked for.

    Args:
        out: Where they are printed.
        as_json: Whether as a line of JSON each, not as text.
        keep: Folder that events (``events.jsonl``) and a chip of each track that left are kept in.

    Raises:
        OSError: The folder can't be written.
    """

    def __init__(self, out: TextIO, *, as_json: bool, keep: Path | None) -> None:
        self._out, self._as_json, self._keep = out, as_json, keep
        if keep is not None:
            (keep / "chips").mkdir(parents=True, exist_ok=True)
            (keep / "events.jsonl").touch()

    def take(self, event: Event, sighting: Sighting) -> None:
        """Takes an event of a sighting.

        Raises:
            OSError: It can't be written.
        """
        found = event.as_json()
        if self._keep is not None and event.event == "left":
            chip = f"{event.time:%Y%m%dT%H%M%S%f}Z-{event.track}.jpg"
            (self._keep / "chips" / chip).write_bytes(chip_jpeg(sighting.best.chip))
            found["chip"] = f"chips/{chip}"
        line = json.dumps(found, ensure_ascii=False)
        print(line if self._as_json else event.as_text(), file=self._out, flush=True)
        if self._keep is not None:
            with (self._keep / "events.jsonl").open("a", encoding="utf-8") as log:
                print(line, file=log)


def moment(at: float, began: datetime) -> datetime:
    """Returns the time so many seconds after a beginning, in UTC."""
    return began.astimezone(UTC) + timedelta(seconds=at)
