"""facebatch turns an archive of photos into an index of faces and a list of people.

Here are the public names (docs/api.md), loaded when they are first asked for, so that
``import facebatch`` and ``facebatch --help`` stay fast. Transforms for Beam's users are in
``facebatch.pipelines.transforms`` and ``facebatch.pipelines.model_handlers``; every other module
may change without notice.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from facebatch.api.clustering import cluster_embeddings
    from facebatch.api.collection import Collection
    from facebatch.config import ExtractSettings
    from facebatch.errors import (
        CollectionError,
        FacebatchError,
        GalleryError,
        InputError,
        MediaError,
        UsageError,
        WeightsError,
    )
    from facebatch.extract.photo import EmbeddedFaces, Faces, detect_faces, embed_faces
    from facebatch.identify import Gallery

__version__ = "0.1.0"

__all__ = [
    "Collection",
    "CollectionError",
    "EmbeddedFaces",
    "ExtractSettings",
    "FacebatchError",
    "Faces",
    "Gallery",
    "GalleryError",
    "InputError",
    "MediaError",
    "UsageError",
    "WeightsError",
    "cluster_embeddings",
    "detect_faces",
    "embed_faces",
]

_HOMES = {
    "Collection": "api.collection",
    "EmbeddedFaces": "extract.photo",
    "ExtractSettings": "config",
    "Faces": "extract.photo",
    "Gallery": "identify",
    "cluster_embeddings": "api.clustering",
    "detect_faces": "extract.photo",
    "embed_faces": "extract.photo",
}
"""The module of each public name; the others are errors."""


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES.get(name, 'errors')}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
