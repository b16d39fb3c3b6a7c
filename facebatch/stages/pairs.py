"""Two people who may be one, for whoever has the faces' embeddings at hand."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from facebatch import ids
from facebatch.collection import Collection, Snapshot
from facebatch.errors import UsageError
from facebatch.people.deciding import People


def likely_pairs(
    collection: Collection,
    snapshot: Snapshot,
    embeddings: npt.NDArray[np.float32],
    limit: int,
) -> list[tuple[bytes, bytes, float]] | None:
    """Returns the people whom it is worth most to ask about, with the probability of a yes.

    Args:
        collection: The collection.
        snapshot: Its shards.
        embeddings: (n, d) of the snapshot's faces, in the order of their ids.
        limit: How many pairs at most.

    Returns:
        Person ids and probability of each pair, that of more faces first; None where nothing was
        measured of the collection's space, or there are no people.
    """
    # FAISS is loaded for it, which stages that find nothing new do without.
    from facebatch.stages.suggestions import Suggester

    try:
        people = People.of(collection, snapshot)
        listed = snapshot.listed["face_id"].combine_chunks()
        if not np.array_equal(people.face_ids, ids.from_arrow(listed)):
            places = pc.index_in(ids.to_arrow(people.face_ids), listed)
            there = places.is_valid().to_numpy(zero_copy_only=False)
            clustered = np.zeros((len(there), embeddings.shape[1]), np.float32)
            clustered[there] = embeddings[places.drop_null().to_numpy()]
            embeddings = clustered
        found = Suggester.of(people, embeddings).best(limit)
    except UsageError:
        return None
    return [(one.person_id, one.other, one.probability) for one in found if one.kind == "people"]
