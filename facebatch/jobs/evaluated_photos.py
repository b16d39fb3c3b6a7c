"""The photos of an evaluation: extracted as users extract theirs, or those of a collection."""

from __future__ import annotations

import posixpath
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facebatch.collection import Collection
from facebatch.collection.collection import settings_for
from facebatch.config import RunSettings
from facebatch.errors import InputError
from facebatch.evaluate.photos import Photos
from facebatch.jobs.known_sources import prepared
from facebatch.jobs.plan import check_input, check_models
from facebatch.jobs.run import Extraction, run_extract
from facebatch.media.sources.listing import MediaFile, list_root, shown
from facebatch.media.sources.roots import Root, parse_root
from facebatch.monitor.stages import Report
from facebatch.report.evaluation import Kind, Scores, summarise
from facebatch.storage.printable import count
from facebatch.storage.store import Storage
from facebatch.storage.urls import public_url


@dataclass(frozen=True)
class Source:
    """Photos that are to be extracted and evaluated.

    Args:
        images: Their folder, as a path or fsspec URL.
        collection: Where their faces go, and stay; None for a collection that is thrown away.
        flags: Extraction settings given on the command line.
        config: TOML file with further settings.
        settings: Runner, workers, retries.
    """

    images: str
    collection: str | None
    flags: Mapping[str, Any]
    config: Path | None
    settings: RunSettings


@dataclass(frozen=True)
class Opened:
    """Photos whose faces are in a collection."""

    collection: Collection
    photos: Photos
    inputs: Mapping[str, Any]
    extraction: Extraction | None = None

    def summary(self, kind: Kind, scores: Scores, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the scores as plain data, with all that they depend on."""
        every = {**inputs, **self.inputs}
        summary = summarise(kind, scores, every, self.collection, self.photos)
        summary["extract"] = self.extraction.as_json() if self.extraction else None
        return summary


@contextmanager
def extracted_photos(source: Source, report: Report, names: Sequence[str] = ()) -> Iterator[Opened]:
    """Gives photos that were extracted for an evaluation by the stage that users run.

    A collection of theirs is continued, so that a second time extracts nothing; without one they
    go to a temporary folder, which is gone afterwards.

    Args:
        source: The photos.
        report: Called with the extraction's progress a few times a second.
        names: Photos that are named as truth; one at least has to be there.

    Raises:
        InputError: There is no such folder, or it holds no photos, or none that is named.
        UsageError: A setting is wrong, or differs from the collection's.
        FacebatchError: As for `run_extract`.
    """
    root = parse_root(source.images)
    with ExitStack() as stack:
        url = source.collection
        if url is None:
            url = stack.enter_context(tempfile.TemporaryDirectory(prefix="facebatch-"))
        check_input([root], url, source.settings)
        paths = frozenset(_listed(*prepared([root], Storage(url), source.settings)))
        if not paths:
            raise InputError(f"{source.images} holds no photos")
        if names:
            known = paths | {f"{root.name}/{path}" for path in paths}
            check_any(
                lambda name: posixpath.normpath(name) in known, names, source.images, min(paths)
            )
        settings = settings_for(url, source.flags, source.config)
        check_models(settings, source.settings)
        collection = Collection.create(url, settings)
        extraction = run_extract([root], collection, source.settings, report)
        # A collection that is continued may know photos that aren't in the folder today.
        photos = Photos.of(extraction.snapshot, {root.name: paths})
        continued = public_url(source.collection) if source.collection else None
        inputs = {"images": public_url(source.images), "collection": continued}
        yield Opened(collection, photos, inputs, extraction)


def open_photos(url: str) -> Opened:
    """Gives the photos of a collection that is there already.

    Raises:
        CollectionError: There is no such collection.
    """
    collection = Collection.open(url)
    return Opened(collection, Photos.of(collection.snapshot()), {"collection": public_url(url)})


def _listed(root: Root) -> Iterator[str]:
    for file in list_root(root):
        if isinstance(file, MediaFile):
            yield shown(file.path)


def check_any(there: Callable[[str], bool], names: Sequence[str], place: str, one: str) -> None:
    """Refuses photos none of which is named, as those of a folder too high or too low aren't."""
    if not any(there(name) for name in names):
        raise InputError(
            f"of {count(len(names), 'photo')} that the file names none is in {place}: the first is "
            f"{names[0]}, and there are such as {one}"
        )


def folder_of(path: str) -> str:
    """Returns the first folder of a path: the person, where labels are by folder."""
    return path.partition("/")[0]
