"""Rows shard by shard, so that each shard's work looks at its own rows and at no others."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa


def places_by_shard(shard: pa.ChunkedArray) -> dict[str, npt.NDArray[np.intp]]:
    """Returns for each shard where its rows stand, ascending.

    Args:
        shard: The shard of each row: strings, or a dictionary of them, which may differ from chunk
            to chunk.
    """
    coded = shard.dictionary_encode().unify_dictionaries().combine_chunks()
    codes = coded.indices.to_numpy()
    order = np.argsort(codes, kind="stable")
    ends = np.cumsum(np.bincount(codes, minlength=len(coded.dictionary)))
    found = zip(coded.dictionary.to_pylist(), np.split(order, ends)[:-1], strict=True)
    return {name: places for name, places in found if len(places)}
