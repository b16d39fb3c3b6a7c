"""What decides which faces a collection holds, and which embeddings can be compared."""

from __future__ import annotations

import hashlib
import json
import typing
from dataclasses import asdict, dataclass
from typing import Any, Literal

from facebatch.config.setting import setting
from facebatch.embed import DEFAULT_TTA, TTA, TTA_CHOICES
from facebatch.media.kinds import FrameChoice
from facebatch.models import detectors, embedders, registry, space_thresholds
from facebatch.models.detectors import AUTO
from facebatch.models.registry import DEFAULT_MIN_FACE
from facebatch.models.space_thresholds import SpaceThresholds, TrackLimits
from facebatch.models.weights.placed import PREFIX, brought

VideoFaces = Literal["best", "all"]
Tiles = Literal["off", "auto"]
FRAMES: tuple[FrameChoice, ...] = typing.get_args(FrameChoice)
TILES: tuple[Tiles, ...] = typing.get_args(Tiles)
VIDEO_FACES: tuple[VideoFaces, ...] = typing.get_args(VideoFaces)

QUALITY_RULES = 1
"""Version of the measures in ``facebatch.faces.quality``; part of the fingerprint."""

_PANEL = "What is extracted (fixed for a collection's life)"


@dataclass(frozen=True)
class ExtractSettings:
    """What decides which faces a collection holds; frozen in ``collection.json``.

    A ``detector`` or an ``embedder`` of ``auto`` becomes the name of the best one that can run here
    at once, so that settings, and with them collections, always name one.
    """

    detector: str = setting(
        AUTO,
        "Detector: mtcnn, yunet (faster, and finds more), or auto: yunet where its weights and "
        "something that runs them are installed, else mtcnn; a collection keeps the one that it "
        "was made with.",
        panel=_PANEL,
        metavar="NAME",
        choices=lambda: (AUTO, *detectors.known_detectors()),
    )
    max_side: int = setting(
        1024,
        "Long side in pixels that photos are shrunk to for detection.",
        panel=_PANEL,
        metavar="N",
        range=(64, 16_000),
    )
    min_face: int = setting(
        DEFAULT_MIN_FACE,
        "Smallest square looked into for a face, in pixels at detection size: 24 is 94 in a "
        "4000-pixel photo. The box of a face may be half as large.",
        panel=_PANEL,
        metavar="N",
        range=(12, 2_000),
    )
    rotations: bool = setting(
        False,
        "Look in the three other directions too where a photo shows no face, or half of them "
        "unsurely: for photos that lie on their side and don't say so.",
        panel=_PANEL,
    )
    tiles: Tiles = setting(
        "off",
        "Look closer, in tiles, at panoramas and at crowds: photos so long that they are shrunk "
        "to less than half the height of others, and those with ten faces and more of the "
        "smallest size that is found.",
        panel=_PANEL,
        choices=TILES,
    )
    embedder: str = setting(
        AUTO,
        "Embedder: dlib-resnet, another whose files are in the models folder (docs/models.md), "
        "onnx: and the folder or ONNX file of one beside its card.toml, which is put there, or "
        "auto: mobilefacenet where its file and something that runs it are installed, else "
        "dlib-resnet; a collection keeps the one that it was made with.",
        panel=_PANEL,
        metavar=f"NAME|{PREFIX}MODEL",
        choices=lambda: (AUTO, *embedders.known_embedders()),
        placed=(PREFIX, brought),
    )
    tta: TTA = setting(
        DEFAULT_TTA,
        "Views that are averaged: the chip alone (none), with its mirror image (mirror), or three "
        "scales mirrored (full).",
        panel=_PANEL,
        choices=TTA_CHOICES,
    )
    chips: bool = setting(True, "Store the aligned faces beside the embeddings.", panel=_PANEL)
    frames: FrameChoice = setting(
        "fps",
        "Frames of a video that are looked at: --fps of them a second, keyframes, or all.",
        panel=_PANEL,
        choices=FRAMES,
    )
    fps: float = setting(
        1.0,
        "Frames a second, with --frames fps.",
        panel=_PANEL,
        metavar="N",
        range=(0.001, 1_000.0),
    )
    video_faces: VideoFaces = setting(
        "best",
        "Faces of a video that are kept: the best few of each track, or all.",
        panel=_PANEL,
        choices=VIDEO_FACES,
    )

    def __post_init__(self) -> None:
        """Puts the models that ``auto`` stands for in its place."""
        if self.detector == AUTO:
            object.__setattr__(self, "detector", detectors.best())
        if self.embedder == AUTO:
            object.__setattr__(self, "embedder", embedders.best(self.tta))

    def space(self) -> str:
        """Returns the hash of what makes embeddings comparable, 32 hex digits."""
        card = registry.card(self.embedder)
        return _hash(
            embedder=self.embedder,
            weights=[registry.digest(file) for file in card.files],
            template=card.chip_template().points.tolist(),
            averaging=self.tta,
            colour_order="RGB",
            # dlib's own input is part of its weights' file; spaces of its time have no more.
            **({} if card.format == "dlib" else {"input": asdict(card.input)}),
            **({} if card.precision == "float32" else {"precision": card.precision}),
        )

    def thresholds(self) -> SpaceThresholds:
        """Returns what was measured of the space.

        Raises:
            UsageError: Nothing was; the message says how to.
        """
        return space_thresholds.thresholds_of(self.embedder, self.tta, self.space())

    def track_limits(self) -> TrackLimits:
        """Returns what links the faces of videos; nothing does in a space that wasn't measured."""
        return space_thresholds.track_limits(self.embedder, self.tta, self.space())

    def fingerprint(self) -> str:
        """Returns the hash of what makes two extractions find the same faces, 32 hex digits."""
        return _hash(
            space=self.space(),
            detector=self.detector,
            detector_weights=[registry.digest(file) for file in detectors.weights(self.detector)],
            max_side=self.max_side,
            min_face=self.min_face,
            **({"rotations": True} if self.rotations else {}),
            **({"tiles": self.tiles} if self.tiles != "off" else {}),
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


def _hash(**parts: Any) -> str:
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
