"""The k-nearest-neighbour graph of embeddings: the one thing that clustering sees of all pairs.

An index proposes candidates by similarity; their distances are then reckoned anew from the
embeddings, because inner products of near-duplicates lose in rounding exactly the digits that
order them. `choose` decides which index, `find_neighbors` builds and asks it, `recall` measures
what was missed. The graph is the same for any number of threads and any division into shards of
whole blocks of queries.
"""

from facebatch.neighbors.graph import Neighbors, contract, empty, join
from facebatch.neighbors.graph_search import (
    BLOCK_ROWS,
    GraphRecall,
    choose,
    exact_neighbors,
    find_neighbors,
    neighbors_of_rows,
    query_order,
    recall,
)

__all__ = [
    "BLOCK_ROWS",
    "GraphRecall",
    "Neighbors",
    "choose",
    "contract",
    "empty",
    "exact_neighbors",
    "find_neighbors",
    "join",
    "neighbors_of_rows",
    "query_order",
    "recall",
]
