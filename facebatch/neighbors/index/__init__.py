"""The index that answers nearest-neighbour queries over embeddings: choose, build, measure, search.

Rows are numbers from 0 in the order in which the embeddings were given; which face a row is, its
owner keeps beside it (``ids.parquet``). `choose` decides what to build (``plan``), `build` builds
it at once, or `train`, `shard` and `merge` do it in parts (``building``); `search` asks it and
`recall` and `tune` measure it (``searching``); ``files`` keeps it. Nothing here knows of
collections or stages.
"""

from facebatch.neighbors.index.building import SHARD_ROWS, add, build, merge, shard, train
from facebatch.neighbors.index.files import from_bytes, read, to_bytes, write
from facebatch.neighbors.index.plan import Plan, choose
from facebatch.neighbors.index.searching import Recall, effort, recall, search, tune

__all__ = [
    "SHARD_ROWS",
    "Plan",
    "Recall",
    "add",
    "build",
    "choose",
    "effort",
    "from_bytes",
    "merge",
    "read",
    "recall",
    "search",
    "shard",
    "to_bytes",
    "train",
    "tune",
    "write",
]
