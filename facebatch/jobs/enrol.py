"""Enrol: photos of people, in a folder each or with named regions, by way of the extract stage.

The photos are extracted into a collection of their own that lasts as long as the enrolment; what
the gallery keeps of them are its entries.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from facebatch.collection import Collection, Snapshot
from facebatch.config import ExtractSettings, RunSettings, resolve_extract
from facebatch.errors import InputError
from facebatch.export.named_in_photos import FoundNames, find_names
from facebatch.faces.quality import Gate
from facebatch.identify import Calibration, Gallery
from facebatch.identify.choosing import CONSENSUS, Problem, Rule
from facebatch.identify.consensus import Limit, limit_by
from facebatch.identify.enrol import Enrolling, enrol_named, enrol_snapshot, from_people
from facebatch.identify.fit_calibration import calibrate_gallery, calibrate_pairs, pair_distances
from facebatch.identify.marking import UNLIKE
from facebatch.identify.thresholds import known_for
from facebatch.jobs.known_sources import prepared
from facebatch.jobs.plan import check_input, check_models
from facebatch.jobs.run import Extraction, run_extract
from facebatch.media.sources.listing import folders_of, shown
from facebatch.media.sources.roots import Root
from facebatch.monitor.stages import Report, Step
from facebatch.stages import good_faces
from facebatch.storage.urls import public_url
from facebatch.tables import matrix


@dataclass(frozen=True)
class Enrolment:
    """What an enrolment did.

    Args:
        gallery: The gallery.
        added: New entries.
        problems: What a person should look at.
        rule: How faces of photos were chosen; None where they were of people that were named.
    """

    gallery: Gallery
    added: int
    problems: tuple[Problem, ...] = ()
    rule: Rule | None = None

    def as_json(self) -> dict[str, Any]:
        """Returns the summary as plain data.

        ``left_out`` counts photos by why they gave nothing; ``unlike_the_others`` names the entries
        that don't vote, and ``disagree`` the people of whose entries no majority agrees.
        """
        people = self.gallery.people()
        doubts = self.gallery.doubts()
        codes = Counter(each.code for each in self.problems if each.is_left_out)
        unlike = doubts.rows.filter(doubts.rows[UNLIKE]).select(["name", "source"])
        return {
            "gallery": self.gallery.storage.public_path,
            "added": self.added,
            "people": len(people),
            "entries": sum(entries for _, entries in people),
            "face": self.rule,
            "left_out": dict(codes.most_common()),
            "unlike_the_others": unlike.to_pylist(),
            "disagree": list(doubts.disagree),
            "problems": [asdict(problem) for problem in self.problems],
        }


def build_gallery(
    roots: Sequence[Root],
    url: str,
    flags: Mapping[str, Any],
    settings: RunSettings,
    report: Report,
    *,
    rule: Rule = CONSENSUS,
    strict: bool = False,
    config_file: Path | None = None,
) -> Enrolment:
    """Enrols folders of photos, one folder a person, into a gallery that may be there already.

    Args:
        roots: What is enrolled; a person's name is the first folder below a root.
        url: The gallery.
        flags: Extraction settings that were asked for. Those of a gallery that is there are the
            default.
        settings: Runner and workers.
        report: Called with the extraction's progress.
        rule: Which face of a photo is enrolled. Without a FAR for the embedder ``consensus`` can't
            tell who agrees, and ``largest`` takes its place.
        strict: Whether photos of several faces give nothing.
        config_file: TOML file with further settings.

    Raises:
        UsageError: The roots, the settings or the gallery can't be used.
        InputError: Nobody could be enrolled.
    """
    extraction = resolve_extract(flags, config_file, _enrolled_with(url))
    with extracted(roots, extraction, settings, report) as (collection, _):
        report(Step("enrolment"))
        how = _how(url, extraction, rule, strict)
        rows, problems = _chosen(collection, how)
        listed = prepared(roots, collection.storage, settings)
        problems = [*problems, *_without_photos(listed, collection.snapshot())]
        return _added(collection, url, rows, problems, how.rule)


def enrol_regions(
    roots: Sequence[Root],
    url: str,
    flags: Mapping[str, Any],
    settings: RunSettings,
    report: Report,
    *,
    config_file: Path | None = None,
) -> Enrolment:
    """Enrols the people whom photos name by face regions of their own, in their XMP or a sidecar's.

    Args:
        roots: The photos.
        url: As for `build_gallery`, and so on for the others.
        flags: Likewise.
        settings: Likewise.
        report: Likewise.
        config_file: Likewise.

    Raises:
        UsageError: As `build_gallery`.
        InputError: No photo has a named face region, or nobody could be enrolled.
    """
    extraction = resolve_extract(flags, config_file, _enrolled_with(url))
    with extracted(roots, extraction, settings, report) as (collection, _):
        report(Step("enrolment"))
        snapshot = collection.snapshot()
        held = set(snapshot.media["root"].to_pylist())
        listed = prepared(roots, collection.storage, settings)
        found = find_names(snapshot, [root for root in listed if root.name in held])
        if not found.regions:
            raise InputError(
                "no photo has a named face region, in its own XMP or in a sidecar beside it "
                f"({found.photos:,} read)"
            )
        how = _how(url, extraction, CONSENSUS, strict=False)
        good = good_faces(collection, snapshot, Gate())
        rows, problems = enrol_named(snapshot, good, found.names, how)
        problems = [*problems, *_without_name(found)]
        return _added(collection, url, rows, problems, how.rule)


def _without_name(found: FoundNames) -> list[Problem]:
    """Returns the problems of regions that name no face."""
    several = [
        Problem("several_names", "", one["path"], f"one face is called {', '.join(one['names'])}")
        for one in found.conflicts
    ]
    nobody = [
        Problem("no_face_there", one["name"], one["path"], "no face was found in the region")
        for one in found.without_face
    ]
    broken = [
        Problem("bad_xmp", "", one["path"], f"its XMP can't be read: {one['message']}")
        for one in found.unreadable
    ]
    return [*several, *nobody, *broken]


def _added(
    collection: Collection, url: str, rows: pa.Table, problems: Sequence[Problem], rule: Rule
) -> Enrolment:
    """Puts entries into a gallery.

    Raises:
        InputError: There is none.
        SpaceMismatch: The gallery is of another space.
    """
    if not len(rows):
        raise InputError(_nobody(problems))
    gallery = Gallery.create(url, collection.settings)
    gallery.check_space(collection.space, collection.settings)
    return Enrolment(gallery, gallery.add(rows), tuple(problems), rule)


def _how(url: str, extraction: ExtractSettings, rule: Rule, strict: bool) -> Enrolling:
    """Returns how faces are chosen for a gallery, which may be there already."""
    if not Gallery.exists(url):
        return choosing(extraction, rule, strict)
    gallery = Gallery.open(url)
    limit = gallery.limit()
    return Enrolling(_possible(rule, limit), strict, limit, gallery.known())


def choosing(
    extraction: ExtractSettings, rule: Rule = CONSENSUS, strict: bool = False
) -> Enrolling:
    """Returns how faces are chosen where nobody is known yet; see `build_gallery` of the rule."""
    limit = limit_by(known_for(extraction.embedder, extraction.tta, extraction.space()))
    return Enrolling(_possible(rule, limit), strict, limit)


def _possible(rule: Rule, limit: Limit | None) -> Rule:
    return "largest" if rule == CONSENSUS and limit is None else rule


def _chosen(collection: Collection, how: Enrolling) -> tuple[pa.Table, list[Problem]]:
    snapshot = collection.snapshot()
    return enrol_snapshot(snapshot, good_faces(collection, snapshot, Gate()), how)


def enrol_people(collection: Collection, url: str) -> Enrolment:
    """Enrols the named people of a collection, with all of their faces.

    Raises:
        InputError: Nobody in it has a name.
        UsageError: The gallery can't be used, or the collection has no people yet.
    """
    rows = from_people(collection, collection.snapshot())
    if not len(rows):
        raise InputError(f"nobody in {collection.storage.public} has a name")
    gallery = Gallery.create(url, collection.settings)
    gallery.check_space(collection.space, collection.settings)
    return Enrolment(gallery, gallery.add(rows))


def calibrate_photos(
    roots: Sequence[Root],
    extraction: ExtractSettings,
    settings: RunSettings,
    report: Report,
    *,
    methods: Sequence[str],
    rule: Rule = "largest",
) -> Calibration:
    """Measures thresholds on labelled photos, one folder a person.

    Args:
        roots: The photos.
        extraction: The settings of the embeddings that the thresholds are for.
        settings: Runner and workers.
        report: Called with the extraction's progress.
        methods: Methods whose thresholds against a gallery are measured.
        rule: Which face of a photo counts: ``largest`` or ``central``. Faces chosen because they
            agree would make the thresholds look better than they are.

    Raises:
        InputError: Fewer than two people have a face, or nobody has two.
    """
    with extracted(roots, extraction, settings, report) as (collection, _):
        report(Step("calibration"))
        rows, problems = _chosen(collection, Enrolling(rule))
        names = rows["name"].to_pylist()
        if len(set(names)) < 2 or len(set(names)) == len(names):
            raise InputError(
                "calibration needs two people at least, one of them with two photos, in a folder "
                f"each. {_nobody(problems) if not names else ''}".rstrip()
            )
        embeddings = matrix(rows["embedding"])
        source = f"{', '.join(public_url(root.url) for root in roots)}: {len(names):,} photos of "
        source += f"{len(set(names)):,} people"
        distances, same = pair_distances(embeddings, names)
        calibration = calibrate_pairs(
            distances,
            same,
            embedder=extraction.embedder,
            tta=extraction.tta,
            space=collection.space,
            source=source,
        )
        for method in methods:
            measured = calibrate_gallery(method, embeddings, names, source=source)
            calibration = calibration.with_identification(measured)
    return calibration


@contextmanager
def extracted(
    roots: Sequence[Root],
    extraction: ExtractSettings,
    settings: RunSettings,
    report: Report,
) -> Iterator[tuple[Collection, Extraction]]:
    """Gives a collection of the roots' photos, which is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="facebatch-") as folder:
        url = str(Path(folder) / "collection")
        check_input(roots, url, settings)
        check_models(extraction, settings)
        collection = Collection.create(url, extraction)
        yield collection, run_extract(roots, collection, settings, report)


def _without_photos(roots: Sequence[Root], snapshot: Snapshot) -> list[Problem]:
    """Returns the problems of people's folders that hold no photo, or are links to such folders."""
    seen = {path.partition("/")[0] for path in snapshot.media["path"].to_pylist()}
    return [
        Problem(
            "nobody_enrolled",
            shown(folder),
            "",
            "a link to a folder: --follow-links reads it"
            if is_link
            else "no photo or video is in the folder",
        )
        for root in roots
        for folder, is_link in sorted(folders_of(root).items())
        if shown(folder) not in seen
    ]


def _enrolled_with(url: str) -> Mapping[str, Any] | None:
    return asdict(Gallery.open(url).settings) if Gallery.exists(url) else None


def _nobody(problems: Sequence[Problem]) -> str:
    if not problems:
        return "nobody could be enrolled: there are no photos"
    if all(problem.code == "no_person" for problem in problems):
        return (
            f"nobody could be enrolled: {problems[0].source} and all others lie in no person's "
            "folder; put each person's photos into a folder of their own, such as known/Ada/1.jpg"
        )
    told = [f"{problem.source or problem.folder}: {problem.message}" for problem in problems[:3]]
    more = f"; and {len(problems) - 3:,} more" if len(problems) > 3 else ""
    return f"nobody could be enrolled: {'; '.join(told)}{more}"
