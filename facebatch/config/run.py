"""How work is carried out: by whom, how much of it at once, and within which limits."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from facebatch.config.setting import setting
from facebatch.media.limits import DEFAULT_LIMITS, Limits
from facebatch.media.reasons import REASONS
from facebatch.models.engines import DEFAULT_DEVICE, DEFAULT_ENGINE, DEVICES, ENGINES

_PANEL = "How the work is done"
_SELECTION = "What is left out"
_LIMITS = "What one item may ask for"

LOCAL_RUNNERS = frozenset({"DirectRunner", "FnApiRunner"})
"""Those that work in processes of this machine."""

SPARK = "spark"
"""The runner that is Spark itself; Beam's SparkRunner is another."""

_AUTO = (("auto", 0),)
_RANGES = {entry.name: entry.metadata["range"] for entry in dataclasses.fields(Limits)}


@dataclass(frozen=True)
class Execution:
    """How a worker computes; nothing here changes a result beyond rounding.

    Args:
        engine: What runs the networks, one of ``facebatch.models.engines.ENGINES``.
        device: Where it runs them, one of ``facebatch.models.engines.DEVICES``.
        threads: Threads that a shard's items are worked on in.
        guard: Whether media are decoded in a process of their own.
        limits: How much one item may ask for.
    """

    engine: str = DEFAULT_ENGINE
    device: str = DEFAULT_DEVICE
    threads: int = 1
    guard: bool = True
    limits: Limits = DEFAULT_LIMITS


DEFAULT_EXECUTION = Execution()


@dataclass(frozen=True)
class RunSettings:
    """How work is carried out; nothing here changes a result beyond rounding."""

    runner: str = setting(
        "DirectRunner",
        "Who does the work: DirectRunner, in processes of this machine; spark; or another runner "
        "of Beam. Options of theirs come after --.",
        panel=_PANEL,
        metavar="NAME",
    )
    engine: str = setting(
        DEFAULT_ENGINE,
        "What runs the networks; auto is OpenVINO if it is installed, else torch.",
        panel=_PANEL,
        choices=ENGINES,
    )
    device: str = setting(
        DEFAULT_DEVICE,
        "Where they run; auto is a GPU if torch can use one, else the CPU.",
        panel=_PANEL,
        choices=DEVICES,
    )
    workers: int = setting(
        0,
        "Worker processes; auto is one for each core, as far as memory allows. To be said where "
        "other machines work.",
        panel=_PANEL,
        metavar="N|auto",
        range=(0, 1_024),
        words=_AUTO,
    )
    threads: int = setting(
        0,
        "Threads of each worker; auto is 1, or more where memory is too short for a worker on each "
        "core.",
        panel=_PANEL,
        metavar="N|auto",
        range=(0, 1_024),
        words=_AUTO,
    )
    max_failures: float = setting(
        0.1,
        "Share of the items tried that may fail before the exit code is 3; never below 20 items.",
        panel=_PANEL,
        metavar="SHARE",
        range=(0.0, 1.0),
        unit="share",
    )
    retry: tuple[str, ...] = setting(
        (),
        "Try items again that failed with this reason code. May be repeated.",
        panel=_PANEL,
        metavar="CODE",
        choices=tuple(REASONS),
    )
    reread: bool = setting(
        False,
        "Read everything in the roots again, though size and time are as they were: what is the "
        "same costs no faces a second time.",
        panel=_PANEL,
    )
    prune: bool = setting(
        False, "Remove from the collection what is no longer below its root.", panel=_PANEL
    )
    max_prune: float = setting(
        0.1,
        "Share of the items that --prune may remove before it refuses.",
        panel=_PANEL,
        metavar="SHARE",
        range=(0.0, 1.0),
        unit="share",
    )
    allow_empty: bool = setting(
        False,
        "Accept a root that is empty, or has lost or changed nearly all that is known of it, in "
        "place of taking it for unmounted or for another disk.",
        panel=_PANEL,
    )
    exclude: tuple[str, ...] | None = setting(
        None,
        "Leave out what fits this line of a .gitignore, in every root; the collection remembers "
        "it. May be repeated. '!@eaDir' takes a system's folder in, '!*' everything.",
        panel=_SELECTION,
        metavar="PATTERN",
        default_text="those that the collection remembers",
    )
    follow_links: bool | None = setting(
        None,
        "Follow links to folders, on a disk, each folder once; the collection remembers it.",
        panel=_SELECTION,
        default_text="as the collection remembers, no at first",
    )
    moved_root: tuple[str, ...] = setting(
        (),
        "Accept that the root of this name lies elsewhere, whatever is there. May be repeated.",
        panel=_PANEL,
        metavar="NAME",
    )
    guard: bool = setting(
        True,
        "Decode in a process of its own, so that a file that crashes or hangs its decoder costs "
        "itself only.",
        panel=_LIMITS,
    )
    max_pixels: int = setting(
        DEFAULT_LIMITS.max_pixels,
        "Largest picture that is decoded, in pixels.",
        panel=_LIMITS,
        metavar="N",
        range=_RANGES["max_pixels"],
        unit="size",
    )
    max_bytes: int = setting(
        DEFAULT_LIMITS.max_bytes,
        "Largest photo file that is read, in bytes.",
        panel=_LIMITS,
        metavar="N",
        range=_RANGES["max_bytes"],
        unit="size",
    )
    max_frames: int = setting(
        DEFAULT_LIMITS.max_frames,
        "Most frames that are looked at in a video.",
        panel=_LIMITS,
        metavar="N",
        range=_RANGES["max_frames"],
        unit="size",
    )
    max_seconds: float = setting(
        DEFAULT_LIMITS.max_seconds,
        "Longest that decoding a photo, or a frame of a video, may take.",
        panel=_LIMITS,
        metavar="N",
        range=_RANGES["max_seconds"],
    )
    beam_options: tuple[str, ...] = setting(
        (), "Options of the runner, as they are.", panel=_PANEL, has_flag=False
    )

    @property
    def is_local(self) -> bool:
        """Whether all work is done on this machine."""
        return self.runner in LOCAL_RUNNERS

    @property
    def on_spark(self) -> bool:
        """Whether Spark hands out the work."""
        return self.runner == SPARK

    def with_resolved_workers(self) -> RunSettings:
        """Returns the settings with workers and threads as numbers, for what is free now.

        Of other machines nothing is known here: their workers are as many as was said, of one
        thread unless more were.
        """
        from facebatch.workers.machine import Arrangement, arrange, usable_cores, usable_memory

        if not self.is_local:
            return dataclasses.replace(self, threads=self.threads or 1)
        room = Arrangement(self.workers, 1)
        if not self.workers:
            room = arrange(usable_cores(), usable_memory())
        return dataclasses.replace(self, workers=room.workers, threads=self.threads or room.threads)

    def execution(self) -> Execution:
        """Returns how each worker computes."""
        threads = max(1, self.threads)
        return Execution(self.engine, self.device, threads, self.guard, self.limits())

    def limits(self) -> Limits:
        """Returns how much one item may ask for."""
        return Limits(self.max_pixels, self.max_bytes, self.max_frames, self.max_seconds)
