"""What a report says, as plain data: read from a collection's tables and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

import facebatch
from facebatch.collection import STAGES, Collection, Manifest, Snapshot
from facebatch.collection.snapshot import with_notes
from facebatch.collection.sources import Sources
from facebatch.media.sources.ignored import Ignored
from facebatch.models import registry
from facebatch.models.card import Card
from facebatch.people import PeopleView
from facebatch.report.doubts import Doubts, Suggest, make_doubts, plan_doubts
from facebatch.report.faces import FaceList, show
from facebatch.report.failures import FailureGroup, collect_failures
from facebatch.report.matches import Matches, make_matches, plan_matches
from facebatch.report.overview import Overview, collect_overview
from facebatch.report.sheets import Sheets, make_sheets, plan_sheets, read_groups
from facebatch.storage.urls import public_text

_PROVENANCE = ["engine", "device", "precision", "cpu"]


@dataclass(frozen=True)
class Totals:
    """Numbers of media items, of one root or of all.

    Args:
        ok: Items that were processed and whose content no earlier one has.
        duplicate: Items whose content another item has too.
        quarantined: Items that could not be processed.
        faces: Faces, each counted once, with the item that is ``ok``.
        bytes: Size of the files.
    """

    ok: int
    duplicate: int
    quarantined: int
    faces: int
    bytes: int

    @property
    def items(self) -> int:
        """Number of items."""
        return self.ok + self.duplicate + self.quarantined


@dataclass(frozen=True)
class Captured:
    """Capture times, on the cameras' own clocks."""

    first: datetime
    last: datetime
    known: int


@dataclass(frozen=True)
class Setting:
    """One setting or provenance, as it is shown."""

    name: str
    value: str


@dataclass(frozen=True)
class SettingsGroup:
    """Settings that belong together."""

    title: str
    settings: tuple[Setting, ...]


@dataclass(frozen=True)
class ReportData:
    """Everything a report says.

    Args:
        name: The collection's name.
        url: Where it lies, without any name and password in it.
        made_at: When this was read, UTC.
        version: The facebatch that read it.
        has_chips: Whether the collection stores chips.
        totals: Numbers over all roots.
        roots: Numbers of each root, by name.
        captured: Capture times, where any is known.
        failures: What failed, the most frequent reason first.
        noted: Items that were processed with a note, such as photos that are cut off.
        shots: Shots that have several files.
        ignored: What the last run left out of its roots, the most frequent kind first.
        sheets: People, and faces that belong to nobody.
        doubts: What is worth a second look.
        matches: Who of a gallery the faces are; None where nobody was looked for.
        overview: What the plots show.
        widest: The mean d2 above which a group of faces is broken up; None before clustering.
        settings: All settings and generations.
        models: The registry's entries of the detector and the embedder.
    """

    name: str
    url: str
    made_at: datetime
    version: str
    has_chips: bool
    totals: Totals
    roots: Mapping[str, Totals]
    captured: Captured | None
    failures: tuple[FailureGroup, ...]
    noted: int
    shots: int
    ignored: tuple[Ignored, ...]
    sheets: Sheets
    doubts: Doubts
    matches: Matches | None
    overview: Overview
    widest: float | None
    settings: tuple[SettingsGroup, ...]
    models: tuple[Card, ...]


def collect(
    collection: Collection, snapshot: Snapshot, suggest: Suggest | None = None
) -> ReportData:
    """Reads what a report says.

    Args:
        collection: The collection.
        snapshot: Its shards; people are those of the current generation.
        suggest: Says which people may be one; by default nothing does.

    Raises:
        CollectionError: A table can't be read.
    """
    faces = FaceList.of(collection, snapshot)
    media = snapshot.media
    clusters = collection.current("clusters")
    chosen = collection.settings
    sources = Sources.read(collection.storage)
    view = PeopleView.of(collection)
    groups = read_groups(view, faces)
    owned = np.zeros(len(faces), bool) if groups is None else groups.labels >= 0
    matched = plan_matches(faces, owned)
    recognised = matched.recognised if matched else np.zeros(len(faces), bool)
    plan = plan_sheets(faces, groups, recognised)
    doubts = plan_doubts(faces, view, groups, suggest)
    # At once, since reading chips is much of what a report costs.
    parts = [plan.wanted, doubts.wanted, matched.wanted if matched else plan.loose[:0]]
    shown = show(faces, np.concatenate(parts), plan.covers)
    return ReportData(
        name=collection.name,
        url=collection.storage.public,
        made_at=datetime.now(UTC),
        version=facebatch.__version__,
        has_chips=chosen.chips,
        totals=_totals(media, len(faces)),
        roots=_roots(media, faces),
        captured=_captured(media["captured_at"]),
        failures=collect_failures(media, sources.roots, collection.storage.public),
        noted=len(with_notes(media)),
        shots=snapshot.n_shots,
        ignored=sources.ignored or (),
        sheets=make_sheets(plan, faces, shown),
        doubts=make_doubts(doubts, shown),
        matches=make_matches(matched, shown) if matched else None,
        overview=collect_overview(faces, plan, shown),
        widest=clusters.manifest.widest if clusters else None,
        settings=_settings(collection, snapshot),
        models=(registry.card(chosen.detector), registry.card(chosen.embedder)),
    )


def _totals(media: pa.Table, faces: int) -> Totals:
    whole = media.filter(pc.equal(media["segment"], 0))  # each part of a video has its file's size
    counts = {row["values"]: row["counts"] for row in media["status"].value_counts().to_pylist()}
    return Totals(
        ok=counts.get("ok", 0),
        duplicate=counts.get("duplicate", 0),
        quarantined=counts.get("quarantined", 0),
        faces=faces,
        bytes=pc.sum(whole["size"], min_count=0).as_py(),
    )


def _roots(media: pa.Table, faces: FaceList) -> dict[str, Totals]:
    found = media["root"].combine_chunks().dictionary_encode()
    codes = found.indices.to_numpy()
    faces_of = np.bincount(codes[faces.media_rows], minlength=len(found.dictionary))
    roots = {
        name: _totals(media.filter(pa.array(codes == code)), int(faces_of[code]))
        for code, name in enumerate(found.dictionary.to_pylist())
    }
    return dict(sorted(roots.items()))


def _captured(moments: pa.ChunkedArray) -> Captured | None:
    known = len(moments) - moments.null_count
    if not known:
        return None
    span = pc.min_max(moments)
    return Captured(span["min"].as_py(), span["max"].as_py(), known)


def _settings(collection: Collection, snapshot: Snapshot) -> tuple[SettingsGroup, ...]:
    generations = {stage: collection.current(stage) for stage in STAGES}
    collection_wide = {
        "fingerprint": collection.fingerprint,
        "space": collection.space,
        "shards": f"{len(snapshot.shards):,}",
        "faces hash": snapshot.faces_hash,
        **_provenance(snapshot.media),
    }
    groups = {"Extraction": asdict(collection.settings), "Collection": collection_wide}
    for stage, generation in generations.items():
        if generation:
            groups[stage.capitalize()] = {
                "generation": generation.name,
                "parents": ", ".join(generation.manifest.parents) or "none",
                **generation.manifest.config,
                **generation.manifest.as_json().get("gate", {}),
                **_figures(generation.manifest),
            }
    return tuple(
        SettingsGroup(title, tuple(Setting(name, _shown(value)) for name, value in values.items()))
        for title, values in groups.items()
    )


def _figures(manifest: Manifest) -> dict[str, Any]:
    """Returns what a manifest says beside names, configuration and what the collection fixes."""
    said_elsewhere = {
        *("parents", "config", "gate", "space", "faces_hash"),
        *("changes", "events", "health"),
    }
    return {name: value for name, value in manifest.as_json().items() if name not in said_elsewhere}


def _provenance(media: pa.Table) -> dict[str, str]:
    """Returns what ran the networks, with the number of items where it was more than one."""
    ran = media.filter(pc.is_valid(media["engine"]))
    kinds = ran.group_by(_PROVENANCE).aggregate([([], "count_all")])
    kinds = kinds.sort_by([("count_all", "descending")]).to_pylist()
    described = [
        ", ".join(str(kind[name]) for name in _PROVENANCE if kind[name])
        + (f" ({kind['count_all']:,} items)" if len(kinds) > 1 else "")
        for kind in kinds
    ]
    return {"ran on": "; ".join(described)} if described else {}


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else public_text(str(value))
