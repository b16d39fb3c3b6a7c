"""One archive's tables: shards and their commits, snapshots, generations, upkeep.

`Collection` opens an archive, `Collection.snapshot` fixes what is read of it, and a `Generation`
holds one result of one stage with its manifest. Upkeep is in modules of its own: ``rewrite``,
``maintenance``, ``integrity``, ``summary``.
"""

from facebatch.collection.collection import Collection
from facebatch.collection.generation_tables import (
    places_of,
    read_clusters,
    read_matches,
    write_table,
)
from facebatch.collection.generations import Generation, generation_name
from facebatch.collection.manifests import (
    STAGES,
    ClustersManifest,
    IndexManifest,
    Manifest,
    MatchesManifest,
    PeopleManifest,
)
from facebatch.collection.snapshot import Snapshot
from facebatch.collection.suppression import Suppression

__all__ = [
    "STAGES",
    "ClustersManifest",
    "Collection",
    "Generation",
    "IndexManifest",
    "Manifest",
    "MatchesManifest",
    "PeopleManifest",
    "Snapshot",
    "Suppression",
    "generation_name",
    "places_of",
    "read_clusters",
    "read_matches",
    "write_table",
]
