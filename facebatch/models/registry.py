"""The model registry: where each model's weights come from, their sha256 and their licence.

Weights come with the packages that publish them. They are found through the package's import
spec, so that the package itself is never imported, and are hashed before anything reads them:
a file with another hash would be another model, whose embeddings can't be compared. Nothing
here knows how a file is decoded; that belongs to ``detect`` and ``embed``.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from facebatch.errors import WeightsError


@dataclass(frozen=True)
class WeightFile:
    """One file of weights inside an installed package.

    Args:
        name: The file's name.
        package: The import name of the package that holds it.
        folder: The folder inside the package.
        requirement: What ``pip install`` takes to bring it.
        sha256: Lower-case hex digest of the file that facebatch was tested with.
    """

    name: str
    package: str
    folder: str
    requirement: str
    sha256: str


@dataclass(frozen=True)
class Model:
    """One entry of the registry.

    Args:
        name: What a user types.
        kind: Whether it finds faces or embeds them.
        dimension: Length of its embeddings; 0 for a detector.
        chip_size: Side of the square chips it reads, in pixels; 0 for a detector.
        template: Name of the alignment template (``facebatch.faces.align.TEMPLATES``); empty for a
            detector.
        licence: The licence, and who states it.
        source: Where the weights come from, in words.
        files: Every file it reads.
    """

    name: str
    kind: Literal["detector", "embedder"]
    dimension: int
    chip_size: int
    template: str
    licence: str
    source: str
    files: tuple[WeightFile, ...]


def _facenet_file(name: str, sha256: str) -> WeightFile:
    return WeightFile(name, "facenet_pytorch", "data", "facenet-pytorch==2.5.3", sha256)


PNET = _facenet_file("pnet.pt", "a2a71925e0b9996a42f63e47efc1ca19043e69558b5c523b978d611dfae49c8f")
RNET = _facenet_file("rnet.pt", "bbb937de72efc9ef83b186c49f5f558467a1d7e3453a8ece0d71a886633f6a86")
ONET = _facenet_file("onet.pt", "165bfbe42940416ccfb977545cf0e976d5bf321f67083ae2aaaa5c764280118d")

DLIB_RESNET = WeightFile(
    name="dlib_face_recognition_resnet_model_v1.dat",
    package="face_recognition_models",
    folder="models",
    requirement="face_recognition_models==0.3.0",
    sha256="55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30",
)

MODELS: Mapping[str, Model] = MappingProxyType(
    {
        "mtcnn": Model(
            name="mtcnn",
            kind="detector",
            dimension=0,
            chip_size=0,
            template="",
            licence="MIT (stated by the facenet-pytorch package for itself)",
            source="P-, R- and O-Net as distributed in facenet-pytorch 2.5.3",
            files=(PNET, RNET, ONET),
        ),
        "dlib-resnet": Model(
            name="dlib-resnet",
            kind="embedder",
            dimension=128,
            chip_size=150,
            template="dlib-150",
            licence="CC0 1.0 (stated by the face_recognition_models package for its models)",
            source="dlib's face recognition ResNet (Davis King, dlib-models) as distributed in "
            "face_recognition_models 0.3.0",
            files=(DLIB_RESNET,),
        ),
    }
)

DETECTORS = tuple(name for name, entry in MODELS.items() if entry.kind == "detector")
EMBEDDERS = tuple(name for name, entry in MODELS.items() if entry.kind == "embedder")
DEFAULT_EMBEDDER = "dlib-resnet"
DEFAULT_MIN_FACE = 24
"""Side in pixels at detection size of the smallest face that is looked for."""


def model(name: str) -> Model:
    """Look a model up by name.

    Raises:
        WeightsError: The registry has no such model; the message lists those it has.
    """
    try:
        return MODELS[name]
    except KeyError:
        raise WeightsError(f"no model named {name!r}; there are {', '.join(MODELS)}") from None


def path(file: WeightFile) -> Path:
    """Where a weight file is installed, after its hash was verified.

    Raises:
        WeightsError: The package or the file is missing, unreadable, or isn't the file that the
            registry names; the message says what to install.
    """
    found = _installed(file)
    _verified(file, found)
    return found


def read(file: WeightFile) -> bytes:
    """The content of a weight file; exactly these bytes were verified.

    Raises:
        WeightsError: As in ``path``.
    """
    return _verified(file, _installed(file))


def _installed(file: WeightFile) -> Path:
    spec = importlib.util.find_spec(file.package)
    places = (spec.submodule_search_locations or []) if spec else []
    for place in places:
        candidate = Path(place) / file.folder / file.name
        if candidate.is_file():
            return candidate
    missing = f"the package {file.package} is" if spec is None else f"{file.name} is"
    raise WeightsError(f"{missing} not installed; run: pip install {file.requirement}")


def _verified(file: WeightFile, found: Path) -> bytes:
    try:
        content = found.read_bytes()
    except OSError as error:
        raise WeightsError(f"can't read {found}: {error.strerror}") from error
    digest = hashlib.sha256(content).hexdigest()
    if digest != file.sha256:
        raise WeightsError(
            f"{found} has sha256 {digest}, expected {file.sha256}; "
            f"run: pip install --force-reinstall {file.requirement}"
        )
    return content
