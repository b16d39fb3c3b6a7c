"""Settings: one frozen dataclass per stage, where each value came from, space and fingerprint.

Precedence, strongest first: flag, ``FACEBATCH_*`` variable, ``--config`` TOML, ``collection.json``,
default. What decides whether embeddings are comparable is the space; what decides which faces are
found as well is the fingerprint. A collection has one of each for its whole life.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import tomllib
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from facebatch.embed.averaging import DEFAULT_TTA, TTA, TTA_CHOICES
from facebatch.errors import InputError, SettingsMismatch, UsageError
from facebatch.faces.align import TEMPLATES
from facebatch.faces.quality import Gate
from facebatch.media.kinds import FrameChoice
from facebatch.media.limits import DEFAULT_LIMITS, Limits
from facebatch.media.reasons import REASONS
from facebatch.models import registry
from facebatch.models.engines import DEFAULT_DEVICE, DEFAULT_ENGINE, DEVICES, ENGINES
from facebatch.models.registry import DEFAULT_EMBEDDER, DEFAULT_MIN_FACE, DETECTORS, EMBEDDERS
from facebatch.workers.machine import Arrangement, arrange, usable_cores, usable_memory

VideoFaces = Literal["best", "all"]
FRAMES: tuple[FrameChoice, ...] = typing.get_args(FrameChoice)
VIDEO_FACES: tuple[VideoFaces, ...] = typing.get_args(VideoFaces)

_TOML_TABLES = ("extract", "run", "cluster")

QUALITY_RULES = 1
"""Version of facebatch/quality.py's measures; part of the fingerprint."""


@dataclass(frozen=True)
class ExtractSettings:
    """What decides which faces a collection holds; frozen in ``collection.json``.

    Args:
        detector: Name of the detector.
        max_side: Long side, in pixels, that a picture is shrunk to before detection.
        min_face: Smallest face looked for, in pixels at detection size.
        embedder: Name of the embedder.
        tta: Views that are averaged: the chip alone, with its mirror, or three scales mirrored.
        chips: Whether the aligned chips are stored beside the embeddings.
        frames: Which frames of a video are looked at: ``fps`` of them a second, keyframes, or all.
        fps: Frames a second, where they are sampled by time.
        video_faces: Whether the best few faces of a video's track are kept, or all.
    """

    detector: str = field(default="mtcnn", metadata={"choices": DETECTORS})
    max_side: int = field(default=1024, metadata={"range": (64, 16_000)})
    min_face: int = field(default=DEFAULT_MIN_FACE, metadata={"range": (12, 2_000)})
    embedder: str = field(default=DEFAULT_EMBEDDER, metadata={"choices": EMBEDDERS})
    tta: TTA = field(default=DEFAULT_TTA, metadata={"choices": TTA_CHOICES})
    chips: bool = True
    frames: FrameChoice = field(default="fps", metadata={"choices": FRAMES})
    fps: float = field(default=1.0, metadata={"range": (0.001, 1_000.0)})
    video_faces: VideoFaces = field(default="best", metadata={"choices": VIDEO_FACES})

    def space(self) -> str:
        """Returns the hash of what makes embeddings comparable, 32 hex digits."""
        model = registry.model(self.embedder)
        return _hash(
            embedder=self.embedder,
            weights=[file.sha256 for file in model.files],
            template=TEMPLATES[model.template].points.tolist(),
            averaging=self.tta,
            colour_order="RGB",
        )

    def fingerprint(self) -> str:
        """Returns the hash of what makes two extractions find the same faces, 32 hex digits."""
        return _hash(
            space=self.space(),
            detector=self.detector,
            detector_weights=[file.sha256 for file in registry.model(self.detector).files],
            max_side=self.max_side,
            min_face=self.min_face,
            frames=self._frames(),
            quality=QUALITY_RULES,
        )

    def _frames(self) -> str:
        """Returns what stands for the sampling of videos.

        The default stands as it did before videos were read, so that collections of that time,
        which hold none, go on.
        """
        if (self.frames, self.fps, self.video_faces) == ("fps", 1.0, "best"):
            return "photos"
        rate = f" {self.fps:g}" if self.frames == "fps" else ""
        return f"{self.frames}{rate} {self.video_faces}"


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

_AUTO: Mapping[str, int] = MappingProxyType({"auto": 0})

# Large numbers, which may be given as 4G or 250M.
_SIZES = {entry.name: {**entry.metadata, "unit": "size"} for entry in dataclasses.fields(Limits)}
_UNITS: Mapping[str, int] = MappingProxyType({"k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12})


@dataclass(frozen=True)
class RunSettings:
    """How work is carried out; nothing here changes a result beyond rounding.

    Args:
        runner: Name of the Beam runner.
        engine: What runs the networks: torch, openvino, or auto (OpenVINO where it is installed).
        device: Where they run: cpu, cuda, mps, or auto (a GPU where torch can use one).
        workers: Worker processes of the local runner; 0, which is also called auto, is one for
            each core as far as memory allows.
        threads: Threads of each worker; 0 or auto is one, or what fills the cores that memory
            leaves without a worker.
        max_failures: Share of the items tried that may be quarantined before a run ends with
            exit code 3 (never below 20 items).
        retry: Reason codes whose items are tried again whatever their attempts.
        guard: Whether photos and videos are decoded in a process of their own, so that a file that
            crashes its decoder, or hangs it, costs itself only.
        max_pixels: As in `Limits`.
        max_bytes: As in `Limits`.
        max_frames: As in `Limits`.
        max_seconds: As in `Limits`.
        prune: Whether what vanished from the roots is removed from the collection.
        max_prune: Share of the items that may be removed so, before it is refused.
        allow_empty: Whether a root may be empty that the collection knows items of.
        beam_options: Options handed to Beam as they are.
    """

    runner: str = "DirectRunner"
    engine: str = field(default=DEFAULT_ENGINE, metadata={"choices": ENGINES})
    device: str = field(default=DEFAULT_DEVICE, metadata={"choices": DEVICES})
    workers: int = field(default=0, metadata={"range": (0, 1_024), "words": _AUTO})
    threads: int = field(default=0, metadata={"range": (0, 1_024), "words": _AUTO})
    max_failures: float = field(default=0.1, metadata={"range": (0.0, 1.0), "unit": "share"})
    retry: tuple[str, ...] = field(default=(), metadata={"choices": tuple(REASONS)})
    guard: bool = True
    max_pixels: int = field(default=DEFAULT_LIMITS.max_pixels, metadata=_SIZES["max_pixels"])
    max_bytes: int = field(default=DEFAULT_LIMITS.max_bytes, metadata=_SIZES["max_bytes"])
    max_frames: int = field(default=DEFAULT_LIMITS.max_frames, metadata=_SIZES["max_frames"])
    max_seconds: float = field(
        default=DEFAULT_LIMITS.max_seconds, metadata=_SIZES["max_seconds"] | {"unit": None}
    )
    prune: bool = False
    max_prune: float = field(default=0.1, metadata={"range": (0.0, 1.0), "unit": "share"})
    allow_empty: bool = False
    beam_options: tuple[str, ...] = ()

    def with_resolved_workers(self) -> RunSettings:
        """Returns the settings with workers and threads as numbers, for what is free now."""
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


@dataclass(frozen=True)
class GroupingSettings:
    """What may found a person, what may join one, and whether a photo holds a person once.

    Gates for sharpness and yaw are wide open: on LFW's View 1 test set they only cost recall
    (docs/people.md).

    The thresholds are those of two gates: ``found`` for the faces that people are made of, ``join``
    for those that are brought to the people afterwards. A face has to pass all of a gate's.

    Args:
        photo_constraint: Whether two faces in one photo, or one frame of a video, are two people.
        found_size: Shorter side of the box in pixels of the full-size picture.
        found_score: The detector's probability.
        found_inside: Share of the chip that lies inside the picture.
        found_sharpness: Sharpness as the tables have it.
        found_yaw: Largest turn of the head to either side, in half eye distances.
        join_size: As ``found_size``.
        join_score: As ``found_score``.
        join_inside: As ``found_inside``.
        join_sharpness: As ``found_sharpness``.
        join_yaw: As ``found_yaw``.
    """

    photo_constraint: bool = True
    found_size: float = field(default=28.0, metadata={"range": (0, 10_000)})
    found_score: float = field(default=0.95, metadata={"range": (0, 1)})
    found_inside: float = field(default=0.75, metadata={"range": (0, 1)})
    found_sharpness: float = field(default=0.0, metadata={"range": (0, 64)})
    found_yaw: float = field(default=10.0, metadata={"range": (0, 10)})
    join_size: float = field(default=20.0, metadata={"range": (0, 10_000)})
    join_score: float = field(default=0.9, metadata={"range": (0, 1)})
    join_inside: float = field(default=0.6, metadata={"range": (0, 1)})
    join_sharpness: float = field(default=0.0, metadata={"range": (0, 64)})
    join_yaw: float = field(default=10.0, metadata={"range": (0, 10)})

    def gate(self, purpose: Literal["found", "join"]) -> Gate:
        """Returns what a face needs to found a person, or to join one."""
        names = ("size", "score", "inside", "sharpness", "yaw")
        return Gate(*(getattr(self, f"{purpose}_{name}") for name in names))


def _hash(**parts: Any) -> str:
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def resolve_extract(
    flags: Mapping[str, Any],
    config_file: Path | None = None,
    collection: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
) -> ExtractSettings:
    """Returns the extraction settings from all their sources.

    Args:
        flags: Values given on the command line; None means not given.
        config_file: TOML file with an ``[extract]`` table.
        collection: The settings frozen in the collection, where there is one already.
        environment: Variables to look into; the process's own by default.

    Raises:
        SettingsMismatch: A value that was asked for differs from the collection's.
        UsageError: A value is of the wrong type or out of its range.
        InputError: The TOML file can't be read or has an unknown key.
    """
    asked = _asked(ExtractSettings, "extract", flags, config_file, environment)
    for name, (value, source) in asked.items():
        if collection is not None and name in collection and collection[name] != value:
            raise SettingsMismatch(
                f"{source} asks for {name} = {value}, but the collection was made with "
                f"{name} = {collection[name]}. Extraction settings are fixed for a collection's "
                "life: leave the setting out, or choose another --output."
            )
    values = {**(collection or {}), **{name: value for name, (value, _) in asked.items()}}
    return ExtractSettings(**values)


def resolve_run(
    flags: Mapping[str, Any],
    config_file: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> RunSettings:
    """Returns the run settings from flags, environment and the ``[run]`` table of a TOML file.

    Raises:
        UsageError: A value is of the wrong type or out of its range.
        InputError: The TOML file can't be read or has an unknown key.
    """
    asked = _asked(RunSettings, "run", flags, config_file, environment)
    return RunSettings(**{name: value for name, (value, _) in asked.items()})


def resolve_grouping(
    flags: Mapping[str, Any],
    config_file: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Returns the grouping settings that somebody asked for; the others are the collection's.

    Args:
        flags: Values given on the command line; None means not given.
        config_file: TOML file with a ``[cluster]`` table.
        environment: Variables to look into; the process's own by default.

    Raises:
        UsageError: A value is of the wrong type or out of its range.
        InputError: The TOML file can't be read or has an unknown key.
    """
    asked = _asked(GroupingSettings, "cluster", flags, config_file, environment)
    return {name: value for name, (value, _) in asked.items()}


def _asked(
    cls: type,
    table: str,
    flags: Mapping[str, Any],
    config_file: Path | None,
    environment: Mapping[str, str] | None,
) -> dict[str, tuple[Any, str]]:
    """Returns every value that somebody asked for, with the source that won."""
    variables = os.environ if environment is None else environment
    from_file = _toml_table(config_file, table) if config_file else {}
    types = typing.get_type_hints(cls)
    known = {entry.name: entry for entry in dataclasses.fields(cls)}
    if unknown := sorted(set(from_file) - set(known)):
        raise InputError(
            f"{config_file}: [{table}] has no setting {unknown[0]!r}; it has {', '.join(known)}"
        )
    asked = {}
    for name, entry in known.items():
        variable = f"FACEBATCH_{name.upper()}"
        if flags.get(name) is not None:
            value = flags[name]
            source = f"--{'no-' if value is False else ''}{name.replace('_', '-')}"
        elif variable in variables:
            value, source = _parse(variables[variable], types[name], variable, entry), variable
        elif name in from_file:
            value, source = from_file[name], f"{config_file} [{table}]"
        else:
            continue
        asked[name] = (_checked(value, types[name], entry, source), source)
    return asked


def _toml_table(path: Path, table: str) -> dict[str, Any]:
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"--config {path}: {error}") from error
    if unknown := sorted(set(content) - set(_TOML_TABLES)):
        known = ", ".join(f"[{name}]" for name in _TOML_TABLES)
        raise InputError(f"{path}: unknown table [{unknown[0]}]; there are {known}")
    found = content.get(table, {})
    if not isinstance(found, dict):
        raise InputError(f"{path}: {table} must be a table")
    return found


def _parse(text: str, kind: Any, variable: str, entry: dataclasses.Field[Any]) -> Any:
    if text in entry.metadata.get("words", {}):
        return text
    if kind is bool:
        words = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
        if text.lower() not in words:
            raise UsageError(f"{variable}={text!r} is neither true nor false")
        return words[text.lower()]
    if kind in (int, float):
        return _number(text, kind, variable, entry.metadata.get("unit"))
    if typing.get_origin(kind) is tuple:
        return tuple(text.split())
    return text


def _number(text: str, kind: type, source: str, unit: str | None) -> Any:
    """Returns a number that is given as text: 0.1 or 10%, 4000000 or 4M, as its unit allows."""
    number, factor = text, 1.0
    if unit == "share" and text.endswith("%"):
        number, factor = text[:-1], 0.01
    elif unit == "size" and text[-1:] in _UNITS:
        number, factor = text[:-1], _UNITS[text[-1]]
    try:
        return kind(number) if factor == 1 else kind(round(float(number) * factor, 9))
    except (ValueError, OverflowError) as error:
        raise UsageError(f"{source}={text!r} is no number") from error


def _checked(value: Any, kind: Any, entry: dataclasses.Field[Any], source: str) -> Any:
    words, unit = entry.metadata.get("words", {}), entry.metadata.get("unit")
    if isinstance(value, str) and value in words:
        return words[value]
    if isinstance(value, str) and (words or unit):
        # From the command line, where a number and a word are both text.
        value = _number(value, kind, source, unit)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if typing.get_origin(kind) is tuple and isinstance(value, list):
        value = tuple(value)
    plain = str if typing.get_origin(kind) is Literal else typing.get_origin(kind) or kind
    if not isinstance(value, plain) or (plain is int and isinstance(value, bool)):
        raise UsageError(f"{source}: {entry.name} = {value!r} isn't a {plain.__name__}")
    if choices := entry.metadata.get("choices"):
        for part in value if isinstance(value, tuple) else (value,):
            if part not in choices:
                raise UsageError(
                    f"{source}: {entry.name} = {part!r} isn't one of {', '.join(choices)}"
                )
    if bounds := entry.metadata.get("range"):
        low, high = bounds
        if not low <= value <= high:
            raise UsageError(f"{source}: {entry.name} = {value} isn't within {low} to {high}")
    return value
