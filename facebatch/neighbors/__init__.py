"""The near-neighbour graph of embeddings: the one thing that clustering sees of all pairs.

A search through cells of what is near proposes candidates by similarity (``cells``); their
distances are then reckoned anew from the embeddings, because inner products of near-duplicates
lose in rounding exactly the digits that order them, and those within reach are kept (``graph``).
`choose` decides how, `find_neighbors` does it, `recall` measures what was missed. The graph is the
same for any number of threads and any division into shards of whole blocks of queries.
"""

from facebatch.neighbors.cells import Cells, halves, partition
from facebatch.neighbors.graph import Neighbors, contract, gather, join, merged
from facebatch.neighbors.graph_search import (
    BLOCK_ROWS,
    GraphRecall,
    choose,
    clipped,
    exact_neighbors,
    find_neighbors,
    neighbors_of_rows,
    propose,
    recall,
    settle,
)

__all__ = [
    "BLOCK_ROWS",
    "Cells",
    "GraphRecall",
    "Neighbors",
    "choose",
    "clipped",
    "contract",
    "exact_neighbors",
    "find_neighbors",
    "gather",
    "halves",
    "join",
    "merged",
    "neighbors_of_rows",
    "partition",
    "propose",
    "recall",
    "settle",
]
