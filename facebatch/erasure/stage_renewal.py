"""Making generations anew without what is erased, and removing those that hold it.

People come last among the stages, since they hold the names that an erasure may be asked for by.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from facebatch import ids
from facebatch.collection import (
    STAGES,
    Collection,
    Generation,
    MatchesManifest,
    Snapshot,
    Suppression,
    generation_name,
    read_matches,
    write_table,
)
from facebatch.collection.generations import write_manifest
from facebatch.erasure.verification import ErasureTargets
from facebatch.people import PeopleView
from facebatch.people.membership import people_without_faces
from facebatch.stages import build_index, cluster_people


def renew_stages(
    collection: Collection,
    old_hash: str,
    after: Snapshot,
    targets: ErasureTargets,
    stages: Container[str],
) -> None:
    """Makes the current generations of some stages anew, and removes all that were before."""
    if "index" in stages:
        had_index = collection.current("index") is not None
        _remove_generations(collection, ("index",), kept=())
        if had_index:
            build_index(collection, after)
    if "matches" in stages:
        matches = collection.current("matches")
        kept = _without_erased(collection, matches, old_hash, after, targets) if matches else None
        _remove_generations(collection, ("matches",), kept=(kept.name,) if kept else ())
    if any(stage in stages for stage in ("matches", "clusters", "people")):
        made: list[str] = []
        if collection.current("clusters") is not None:
            _forget_people(collection, targets.suppression)
            made = [result.generation.name for result in cluster_people(collection, after)]
        _remove_generations(collection, ("clusters", "people"), kept=made)
    _forget_parents(collection)


def _remove_generations(collection: Collection, stages: Iterable[str], kept: Sequence[str]) -> None:
    for stage in stages:
        for name in collection.storage.folders(stage):
            if name not in kept:
                collection.storage.remove(f"{stage}/{name}")


def _forget_parents(collection: Collection) -> None:
    """Takes generations that are gone from the manifests of those that were made from them."""
    left = [made for stage in STAGES for made in collection.generations(stage)]
    names = {made.name for made in left}
    for made in left:
        there = tuple(name for name in made.manifest.parents if name in names)
        if there != made.manifest.parents:
            manifest = replace(made.manifest, parents=there)
            write_manifest(collection.storage, replace(made, manifest=manifest))


def _without_erased(
    collection: Collection,
    matches: Generation[MatchesManifest],
    old_hash: str,
    after: Snapshot,
    targets: ErasureTargets,
) -> Generation[MatchesManifest]:
    """Writes the matches anew without erased faces and names; nobody is identified again."""
    rows = read_matches(collection, matches)
    hidden = targets.suppression.hidden_faces(ids.from_arrow(rows["face_id"]))
    rows = rows.filter(pa.array(~hidden))
    erased = pa.array(sorted(targets.names), pa.string())
    for name, instead in (("person", None), ("nearest", "")):
        at = rows.schema.get_field_index(name)
        left = pc.if_else(pc.is_in(rows[name], erased), pa.scalar(instead, pa.string()), rows[name])
        rows = rows.set_column(at, rows.schema.field(at), left)
    person = rows["person"].drop_null()
    before = matches.manifest
    manifest = replace(
        before,
        faces_hash=after.faces_hash if before.faces_hash == old_hash else before.faces_hash,
        faces=len(rows),
        below_gate=min(before.below_gate or 0, rows["probability"].null_count),
        matched=len(person),
        people=len(person.unique()),
    )
    made = Generation(generation_name(matches), manifest)
    write_table(collection, made, "matches", rows)
    return collection.finish(made)


def _forget_people(collection: Collection, suppression: Suppression) -> None:
    """Writes the people anew without those who have no face left, before they are carried over.

    Carried over they would stay, as people who were dissolved, with their names.
    """
    people = PeopleView.of(collection)
    gone, _ = people_to_forget(people, suppression)
    if people.generation is None or not gone:
        return
    stay = [one not in gone for one in people.table["person_id"].to_pylist()]
    rows = people.table.filter(pa.array(stay, pa.bool_()))
    manifest = people.generation.manifest.counting(rows["status"].to_pylist())
    made = Generation(generation_name(people.generation), manifest)
    write_table(collection, made, "people", rows)
    collection.finish(made)


def people_to_forget(people: PeopleView, suppression: Suppression) -> tuple[set[bytes], set[str]]:
    """Returns the ids and names of people who have no face left, or were asked for."""
    asked = [who for who in people.known if suppression.was_asked([who])]
    return people_without_faces(people, suppression.hides_face, asked)
