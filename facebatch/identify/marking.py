"""Which entries of a gallery are unlike the others of their person, and so don't vote."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from facebatch import tables
from facebatch.identify.consensus import Limit, unlike_the_others

UNLIKE = "unlike_the_others"
"""The column of the table ``gallery``."""


@dataclass(frozen=True)
class Marked:
    """A gallery's entries, looked at.

    Args:
        rows: The entries, with the column `UNLIKE` filled in.
        disagree: People of two entries or more without a majority that agrees, by name.
    """

    rows: pa.Table
    disagree: tuple[str, ...]


def marked(rows: pa.Table, limit: Limit | None) -> Marked:
    """Says of each entry whether it is unlike the others of its person.

    Args:
        rows: Entries, columns of the table ``gallery``, ordered by name.
        limit: How near two faces must lie; None where that isn't known, so that nothing is said.
    """
    place = rows.schema.get_field_index(UNLIKE)
    if limit is None or not len(rows):
        column = pa.nulls(len(rows), pa.bool_())
        return Marked(rows.set_column(place, rows.schema.field(place), column), ())
    embeddings = tables.matrix(rows["embedding"])
    names = rows["name"].combine_chunks().dictionary_encode()
    person = names.indices.to_numpy()
    starts = np.flatnonzero(np.diff(person, prepend=-1))
    unlike, disagree = [], []
    for start, stop in zip(starts, [*starts[1:], len(rows)], strict=True):
        found, is_majority = unlike_the_others(embeddings[start:stop], limit)
        unlike.append(found)
        if not is_majority:
            disagree.append(names.dictionary[int(person[start])].as_py())
    column = pa.array(np.concatenate(unlike))
    return Marked(rows.set_column(place, rows.schema.field(place), column), tuple(disagree))


def voting(rows: pa.Table) -> pa.Table:
    """Returns the entries that name people: all but those unlike the others of their person."""
    return rows.filter(pc.invert(pc.fill_null(rows[UNLIKE], fill_value=False)))
