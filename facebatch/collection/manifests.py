"""What the manifests say: one class for each stage, and the JSON beside a generation's tables.

Manifests of every release are read. A key that a release didn't write yet is None here and isn't
written with the rest; one that this facebatch doesn't know is kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import Any, ClassVar, Literal, Self, get_args

from facebatch.config import DEFAULT_ALGORITHM, in_todays_names

Stage = Literal["index", "matches", "clusters", "people"]
STAGES: tuple[Stage, ...] = get_args(Stage)

_IDENTITY = ("stage", "generation")
"""Keys that say which generation it is, which the folder's name does already."""


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What the manifests of all stages say.

    Args:
        faces_hash: `Snapshot.faces_hash` of the faces that it is of.
        parents: Names of the generations that it was made from.
        config: The stage's settings.
        space: Space of the embeddings.
        others: Keys that this facebatch doesn't know.
    """

    stage: ClassVar[Stage]
    _nullable: ClassVar[frozenset[str]] = frozenset()
    former: ClassVar[Mapping[str, str]] = {}
    """Former names of what is said, each with today's."""

    faces_hash: str | None = None
    parents: tuple[str, ...] = ()
    config: Mapping[str, Any] = field(default_factory=dict)
    space: str | None = None
    others: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Returns the manifest of a release's JSON.

        Raises:
            TypeError: It isn't an object, or its parents aren't a list.
        """
        if not isinstance(data, Mapping):
            raise TypeError(f"a manifest is an object, not {data!r}")
        data = {cls.former.get(name, name): value for name, value in data.items()}
        known = {one.name for one in fields(cls)} - {"others"}
        said = {name: value for name, value in data.items() if name in known}
        said["parents"] = tuple(said.get("parents", ()))
        others = {name: data[name] for name in data if name not in {*known, *_IDENTITY}}
        return cls(**said, others=others)

    def as_json(self) -> dict[str, Any]:
        """Returns plain data, without what isn't known."""
        values = {one.name: getattr(self, one.name) for one in fields(self) if one.name != "others"}
        values["parents"] = list(self.parents)
        said = {
            name: value
            for name, value in values.items()
            if value is not None or name in self._nullable
        }
        return {**said, **self.others}

    def is_of(self, space: str) -> bool:
        """Tells whether its distances are a space's; the first releases didn't say whose."""
        return self.space in (None, space)


@dataclass(frozen=True, kw_only=True)
class IndexManifest(Manifest):
    """What is said of an index.

    Args:
        listing: `Snapshot.listing` of the files that its places are of.
        asked: The kind and the recall that a user asked for.
        recall: What it finds, measured.
        faces: Number of faces.
        dimension: Length of the embeddings.
    """

    stage: ClassVar[Stage] = "index"

    listing: str | None = None
    asked: Mapping[str, Any] | None = None
    recall: Mapping[str, Any] | None = None
    faces: int | None = None
    dimension: int | None = None


@dataclass(frozen=True, kw_only=True)
class MatchesManifest(Manifest):
    """What is said of the matches against a gallery; ``config`` says which gallery, and how.

    Args:
        gate: What a face had to pass to be looked at.
        gallery_people: People in the gallery.
        faces: Number of faces.
        below_gate: Faces that didn't pass.
        matched: Faces that are somebody's.
        expected_wrong: How many of these names are wrong, by their probabilities; None where
            nothing was measured for the method.
        people: People whom they are.
        archive: What the archive's own faces tell of the threshold: on how many faces in how many
            photos, the FPIR there, and the ends of its 80 % interval; None where they are too few.
    """

    stage: ClassVar[Stage] = "matches"

    gate: Mapping[str, Any] | None = None
    gallery_people: int | None = None
    faces: int | None = None
    below_gate: int | None = None
    matched: int | None = None
    expected_wrong: float | None = None
    people: int | None = None
    archive: Mapping[str, Any] | None = None

    @property
    def inputs(self) -> tuple[object, ...]:
        """What the result depends on."""
        return (self.faces_hash, self.gate, self.config)


@dataclass(frozen=True, kw_only=True)
class ClustersManifest(Manifest):
    """What is said of a clustering; ``config`` is `facebatch.cluster.ClusterSettings`.

    Args:
        gate: What a face had to pass, by the names of `facebatch.config.GroupingSettings`.
        tau_chosen_at_faces: Number of faces at which tau was chosen.
        matches: Name of the matches that gave people names.
        decisions: Name of the newest decision that it follows.
        decisions_hash: Hash of the names of all that it follows.
        tree: Name of the clusters that hold the tree it was cut from.
        graph: How neighbours were found, and what was missed.
        algorithm: What groups all faces; before there was a choice it was the default.
        hdbscan: Version of the package that grouped all faces here.
        faces: Number of faces.
        clusters: Number of clusters.
        unclustered: Faces in none.
        below_gate: Faces that pass no gate.
        largest: Faces of the largest cluster.
        joined_by_vote: Faces that joined without being good enough to found a person.
        broke_photo_constraint: Clusters that held several faces of one picture.
        from_scratch_advised: Whether so many faces came since that tau is better chosen anew.
    """

    stage: ClassVar[Stage] = "clusters"
    _nullable: ClassVar[frozenset[str]] = frozenset({"matches", "decisions", "decisions_hash"})
    former: ClassVar[Mapping[str, str]] = {"alone": "unclustered"}

    gate: Mapping[str, Any] | None = None
    tau_chosen_at_faces: int | None = None
    matches: str | None = None
    decisions: str | None = None
    decisions_hash: str | None = None
    tree: str | None = None
    graph: Mapping[str, Any] | None = None
    algorithm: str = DEFAULT_ALGORITHM
    hdbscan: str | None = None
    faces: int | None = None
    clusters: int | None = None
    unclustered: int | None = None
    below_gate: int | None = None
    largest: int | None = None
    joined_by_vote: int | None = None
    broke_photo_constraint: int | None = None
    from_scratch_advised: bool | None = None

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Returns the manifest of a release's JSON, with the gate by the names of today."""
        manifest = super().from_json(data)
        if manifest.gate is None:
            return manifest
        return replace(manifest, gate=in_todays_names(manifest.gate))

    @property
    def inputs(self) -> tuple[object, ...]:
        """What the result depends on."""
        from_users = (self.matches, self.decisions, self.decisions_hash)
        return (self.faces_hash, *self.policy, *from_users)

    @property
    def policy(self) -> tuple[object, ...]:
        """What clusterings that follow each other have in common."""
        return (self.config, self.gate, self.algorithm, self.tau_chosen_at_faces)

    @property
    def is_extendable(self) -> bool:
        """Whether later clusterings keep its people; those of the first release had no tree."""
        return self.tree is not None or self.algorithm != DEFAULT_ALGORITHM

    @property
    def tau(self) -> float:
        """The longest link, as d2."""
        return float(self.config["tau"])

    @property
    def widest(self) -> float:
        """The mean d2 above which a group of faces is broken up."""
        return float(self.config["guard_factor"]) * self.tau


@dataclass(frozen=True, kw_only=True)
class PeopleManifest(Manifest):
    """What is said of a generation of people.

    Args:
        reason: Why there is a new one, as events have it.
        active: People who have a cluster.
        merged: People who were merged into others.
        dissolved: People who have no face left.
        hidden: Active people whom a user hid.
        named: Active people who have a name and aren't hidden; None in older generations.
        resting: Faces that decisions are about, and whose place another face took.
        changes: How many faces changed hands, and how.
        events: Number of events of each kind.
        health: What `facebatch.people.health.examine` gave.
    """

    stage: ClassVar[Stage] = "people"

    reason: str | None = None
    active: int | None = None
    merged: int | None = None
    dissolved: int | None = None
    hidden: int | None = None
    named: int | None = None
    resting: int | None = None
    changes: Mapping[str, Any] | None = None
    events: Mapping[str, Any] | None = None
    health: Mapping[str, Any] | None = None

    @property
    def clusters(self) -> str | None:
        """Name of the clusters that these are the people of; None where an erasure took it."""
        return self.parents[0] if self.parents else None

    def counting(self, statuses: Sequence[str]) -> Self:
        """Returns the same of people with these statuses."""
        active, merged, dissolved = map(statuses.count, ("active", "merged", "dissolved"))
        return replace(self, active=active, merged=merged, dissolved=dissolved)


MANIFESTS: Mapping[Stage, type[Manifest]] = MappingProxyType(
    {one.stage: one for one in (IndexManifest, MatchesManifest, ClustersManifest, PeopleManifest)}
)
