"""Thresholds of a space: what was measured of an embedder with its averaging, as data.

A distance means nothing by itself: the d2 at which two people's faces are taken for one depends on
the embedder and on the views that are averaged. What facebatch ships lies in ``thresholds/``, a
JSON file an embedder; what a user measures (``facebatch calibrate --space``) has the same form,
lies in the models folder beside the weights, and outranks it. Nothing here decides by them.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from facebatch.errors import UsageError
from facebatch.models.folder import models_folder

FORMAT_VERSION = 1
_FILE = "thresholds.json"


@dataclass(frozen=True)
class Links:
    """How long links between faces of one person are.

    Args:
        far: d2 at which two impostors lie nearer with probability FAR, by FAR.
        scale: What they are multiplied by where they were measured with another averaging.
        floor: d2 below which photos of one person would be parted, before scaling.
        source: What they were measured on.
    """

    far: Mapping[float, float]
    scale: float
    floor: float
    source: str


@dataclass(frozen=True)
class TrackLimits:
    """How far apart faces of one track of a video are.

    Args:
        near_d2: d2 below which a face goes on with a track, wherever it is.
        overlapping_d2: The same where its box overlaps the track's last one.
        source: What they were measured on.
    """

    near_d2: float
    overlapping_d2: float
    source: str


@dataclass(frozen=True)
class SpaceThresholds:
    """What was measured of one space.

    Args:
        embedder: Name of the embedder.
        tta: Views that are averaged.
        space: The space; None for what is shipped, which holds for its embedder and tta.
        links: For clustering.
        tracks: For videos.
        calibration: ``far``, ``curve`` and ``fpir`` of a `facebatch.identify.Calibration`.
    """

    embedder: str
    tta: str
    space: str | None
    links: Links
    tracks: TrackLimits
    calibration: Mapping[str, Any]


def known(embedder: str, tta: str, space: str | None) -> SpaceThresholds | None:
    """Returns what the user measured of a space, else what is shipped for it, if anything.

    Args:
        embedder: Name of the embedder.
        tta: Views that are averaged.
        space: The space; what was measured of another one, say with other weights, doesn't count.
            None asks for what is shipped only.

    Raises:
        UsageError: A file of thresholds is damaged.
    """
    own = _read(own_file(embedder)).get(tta)
    if own is not None and own.space == space:
        return own
    return shipped(embedder).get(tta)


def thresholds_of(embedder: str, tta: str, space: str | None) -> SpaceThresholds:
    """Returns what was measured of a space, as `known` does.

    Raises:
        UsageError: Nothing was; the message says how to.
    """
    found = known(embedder, tta, space)
    if found is None:
        raise UsageError(
            f"no thresholds are known for {embedder} with tta {tta}: measure them on labelled "
            f"photos with `facebatch calibrate FOLDER --embedder {embedder} --tta {tta} --space`, "
            "or state the threshold itself"
        )
    return found


def track_limits(embedder: str, tta: str, space: str) -> TrackLimits:
    """Returns what links the faces of videos.

    In a space that wasn't measured nothing does: each face is a track of its own, and all are kept.
    """
    found = known(embedder, tta, space)
    return found.tracks if found else TrackLimits(0.0, 0.0, "nothing was measured of the space")


@cache
def shipped(embedder: str) -> Mapping[str, SpaceThresholds]:
    """Returns what facebatch ships for an embedder, by averaging; empty if nothing was measured."""
    file = resources.files("facebatch.models").joinpath("thresholds", f"{embedder}.json")
    return _parsed(file.read_bytes(), file.name) if file.is_file() else {}


def own_file(embedder: str) -> Path:
    """Returns where a user's own measurements of an embedder lie, beside its weights."""
    return models_folder() / embedder / _FILE


def keep(measured: SpaceThresholds) -> Path:
    """Keeps what a user measured, in the place of what was measured of the averaging before.

    Returns:
        The file.

    Raises:
        UsageError: The models folder can't be written, or the file that is there is damaged.
    """
    file = own_file(measured.embedder)
    kept = {**_read(file), measured.tta: measured}
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=file.parent) as beside:
            written = Path(beside) / file.name
            written.write_bytes(_as_json(measured.embedder, kept))
            written.replace(file)
    except OSError as error:
        raise UsageError(f"can't write {file}: {error.strerror}") from error
    return file


def _read(file: Path) -> Mapping[str, SpaceThresholds]:
    try:
        return _parsed(file.read_bytes(), str(file))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise UsageError(f"can't read {file}: {os.strerror(error.errno or 0)}") from error


def _parsed(content: bytes, origin: str) -> Mapping[str, SpaceThresholds]:
    try:
        whole = json.loads(content)
        if whole["format_version"] != FORMAT_VERSION:
            raise ValueError(f"it is of format {whole['format_version']}, not {FORMAT_VERSION}")
        return {
            tta: _space(whole["embedder"], tta, dict(values))
            for tta, values in whole["averaging"].items()
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{origin} isn't a file of thresholds: {error!r}") from error


def _space(embedder: str, tta: str, values: dict[str, Any]) -> SpaceThresholds:
    links = dict(values.pop("links"))
    far = {float(rate): float(d2) for rate, d2 in links.pop("far")}
    tracks = TrackLimits(**values.pop("tracks"))
    return SpaceThresholds(
        embedder, tta, values.pop("space", None), Links(far, **links), tracks, values
    )


def _as_json(embedder: str, by_tta: Mapping[str, SpaceThresholds]) -> bytes:
    averaging = {
        tta: {
            "space": measured.space,
            "links": {**asdict(measured.links), "far": [*measured.links.far.items()]},
            "tracks": asdict(measured.tracks),
            **measured.calibration,
        }
        for tta, measured in by_tta.items()
    }
    whole = {"format_version": FORMAT_VERSION, "embedder": embedder, "averaging": averaging}
    return json.dumps(whole, indent=1).encode() + b"\n"
