"""People who are known, with their chips: of photos in a folder each, or named in a collection."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from facebatch.collection import Collection
from facebatch.collection.collection import read_info, settings_for
from facebatch.config import ExtractSettings, RunSettings, resolve_extract
from facebatch.errors import CollectionError, InputError, UsageError
from facebatch.extract.pictures import template_of
from facebatch.faces.quality import Gate
from facebatch.identify.choosing import Problem
from facebatch.identify.enrol import enrol_snapshot, from_people
from facebatch.ids import from_arrow
from facebatch.jobs.enrol import choosing
from facebatch.jobs.plan import check_input, check_models
from facebatch.jobs.run import Extraction, run_extract
from facebatch.media.sources.roots import parse_root
from facebatch.monitor.stages import Report
from facebatch.stages import good_faces
from facebatch.train import NamedChips

_CHIPS: Mapping[str, Any] = {"chips": True}
"""What photos are extracted with, whatever else is said."""


@dataclass(frozen=True, eq=False)
class Learnt:
    """The people of a training, and what was left out of the photos.

    Args:
        chips: They.
        data: What was given: a folder of photos, or a collection.
        settings: How the faces were extracted.
        problems: What a person should look at.
        extraction: Of the photos, where any were to be extracted.
    """

    chips: NamedChips
    data: str
    settings: ExtractSettings
    problems: tuple[Problem, ...] = ()
    extraction: Extraction | None = None

    def left_out(self) -> dict[str, Any]:
        """Returns, as plain data, how many photos gave nothing, and who has no face."""
        codes = Counter(each.code for each in self.problems if each.is_left_out)
        without = {each.folder for each in self.problems if not each.source and not each.enrolled}
        return {"photos": dict(codes.most_common()), "people": sorted(without)}


def check_data(data: str, url: str, flags: Mapping[str, Any], run: RunSettings) -> None:
    """Refuses what people can't be had from, before anything is written; see `learnt_from`.

    Raises:
        UsageError: The photos aren't there or can't be listed, or a setting or a model can't be
            used.
        SettingsMismatch: The data are a collection that was made with other settings.
    """
    info = read_info(data)
    if info is None:
        check_input([parse_root(data)], url, run)
        check_models(settings_for(url, {**flags, **_CHIPS}), run)
        return
    resolve_extract(flags, None, info["extract"])
    for name in ("exclude", "follow_links"):
        if flags.get(name):
            flag = f"--{name.replace('_', '-')}"
            raise UsageError(f"{flag} is for photos, and {data} is a collection")


def learnt_from(
    data: str,
    url: str,
    flags: Mapping[str, Any],
    run: RunSettings,
    report: Report,
) -> Learnt:
    """Returns the people of a collection, or of photos that are extracted into another.

    Args:
        data: A collection with named people, or a folder with one folder of photos a person.
        url: The collection that photos are extracted into.
        flags: Extraction settings given on the command line.
        run: Workers.
        report: Called with the extraction's progress.

    Raises:
        InputError: Nobody in the collection has a name.
        UsageError: The photos or the settings can't be used.
    """
    if read_info(data) is not None:
        collection = Collection.open(data)
        return Learnt(_chips(named_faces(collection), collection), data, collection.settings)
    root = parse_root(data)
    check_input([root], url, run)
    collection = Collection.for_extraction(url, {**flags, **_CHIPS})
    done = run_extract([root], collection, run, report)
    good = good_faces(collection, done.snapshot, Gate())
    rows, problems = enrol_snapshot(done.snapshot, good, choosing(collection.settings))
    chips = _chips(rows, collection)
    return Learnt(chips, data, collection.settings, tuple(problems), done)


def named_faces(collection: Collection) -> pa.Table:
    """Returns the good faces of a collection's named people, with the columns of a gallery's.

    Raises:
        InputError: Nobody has a name.
        CollectionError: It has no people yet.
    """
    snapshot = collection.snapshot()
    rows = from_people(collection, snapshot)
    if not len(rows):
        raise InputError(f"nobody in {collection.storage.public} has a name")
    good = good_faces(collection, snapshot, Gate())
    usable = np.isin(from_arrow(rows["face_id"]), snapshot.face_ids[good])
    return rows.filter(pa.array(usable))


def _chips(rows: pa.Table, collection: Collection) -> NamedChips:
    if rows["chip"].null_count:
        raise CollectionError(
            f"{collection.storage.public} has no chips, since it was made with --no-chips: give "
            "the photos"
        )
    chips, names, sources = (rows[name].to_pylist() for name in ("chip", "name", "source"))
    return NamedChips(chips, names, sources, template_of(collection.settings))
