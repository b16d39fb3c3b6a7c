"""Manifests: those of released versions are read and written again as they were."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from facebatch.collection import ClustersManifest, Manifest, PeopleManifest
from facebatch.collection.manifests import MANIFESTS
from facebatch.config import in_todays_names

RELEASED = Path(__file__).parents[1] / "released"
FILES = sorted(RELEASED.glob("*/*/*/manifest.json"))


def read(file: Path) -> tuple[dict[str, object], Manifest]:
    data = json.loads(file.read_bytes())
    manifest = MANIFESTS[data["stage"]].from_json(data)
    return {name: data[name] for name in data if name not in ("stage", "generation")}, manifest


def test_every_stage_of_every_release_is_among_the_files() -> None:
    stages = {(file.parts[-4], file.parts[-3]) for file in FILES}
    assert stages == {(v, s) for v in ("v1", "v2", "v3") for s in ("index", "clusters", "people")}


@pytest.mark.parametrize("file", FILES, ids=lambda file: "-".join(file.parts[-4:-2]))
def test_a_released_manifest_is_written_as_it_was(file: Path) -> None:
    data, manifest = read(file)
    if isinstance(data.get("gate"), dict):
        data["gate"] = in_todays_names(data["gate"])
    if "alone" in data:
        data["unclustered"] = data.pop("alone")
    written = manifest.as_json()
    if "algorithm" not in data:
        assert written.pop("algorithm", "graph") == "graph"
    added = {name for name in written if name not in data}
    assert {name: written[name] for name in data} == data
    # Written by every version that knows them, as null where there are none.
    assert added <= {"matches", "decisions", "decisions_hash"}
    assert {written[name] for name in added} <= {None}
    assert not manifest.others


def test_what_a_later_release_says_is_kept() -> None:
    data = {"stage": "people", "generation": "x", "parents": ["c", "p"], "config": {}, "mood": [1]}
    manifest = PeopleManifest.from_json(data)
    assert (manifest.clusters, manifest.others) == ("c", {"mood": [1]})
    assert manifest.as_json() == {"parents": ["c", "p"], "config": {}, "mood": [1]}


def test_what_an_earlier_release_did_not_say_is_none() -> None:
    manifest = ClustersManifest.from_json({"config": {"tau": 0.1, "guard_factor": 1.5}})
    assert (manifest.tree, manifest.faces, manifest.parents) == (None, None, ())
    assert manifest.widest == pytest.approx(0.15)
    assert PeopleManifest.from_json({}).clusters is None


@pytest.mark.parametrize("damage", [[], None, "text", {"parents": 3}])
def test_what_is_no_manifest_is_refused(damage: object) -> None:
    with pytest.raises(TypeError):
        PeopleManifest.from_json(damage)  # type: ignore[arg-type]
