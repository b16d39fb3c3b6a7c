"""Deciding which index to build, from the number of embeddings, their dimension and the memory.

A plan is plain data: it crosses processes, and goes into the manifest with its reasons. Nothing
here loads faiss.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

Kind = Literal["flat", "ivf", "hnsw", "ivfpq"]

KINDS: Sequence[Kind] = ("flat", "ivf", "hnsw", "ivfpq")

DEFAULT_RECALL = 0.95
"""Share of the ten nearest faces that a search finds, if nothing else is asked for."""

_FLAT_ROWS = 100_000
"""Up to here every query is compared with every row: 51 MB of 128-d embeddings, 2 ms a query."""

_HNSW_ROWS = 300_000
"""Up to here building an HNSW graph with one thread, as equal results ask for, takes a minute."""

_HIGH_RECALL = 0.99
_LINKS = 32
_ROWS_PER_LIST = 250
MOST_LISTS = 65_536
"""Training takes rows and time in proportion to the square of the lists: 2.6 million rows here."""

_PROBED_SHARE = 1 / 256
_CANDIDATES_PER_RESULT = 10
_ID_BYTES = 8


@dataclass(frozen=True)
class Plan:
    """One index that may be built.

    Args:
        kind: ``flat`` compares with everything; ``ivf`` parts the rows into lists by nearness
            and looks through some; ``hnsw`` walks a graph; ``ivfpq`` is lists of compressed rows
            whose best candidates are compared again in half precision.
        rows: Embeddings that it is for.
        dimension: Of the embeddings.
        bytes: Memory that a search with it takes at most, when all of it is touched.
        reasons: Why it was chosen, in words.
        lists: Lists of ``ivf`` and ``ivfpq``, else 0.
        probes: Lists that a query looks through, else 0.
        links: Links of each row in ``hnsw``, else 0.
        breadth: Candidates that a walk in ``hnsw`` keeps, else 0.
        codes: Bytes of a compressed row in ``ivfpq``, else 0.
        candidates: Rows compared again for each one wanted in ``ivfpq``, else 0.
        half: Whether rows are held in float16; ``ivf`` alone.
    """

    kind: Kind
    rows: int
    dimension: int
    bytes: int
    reasons: tuple[str, ...]
    lists: int = 0
    probes: int = 0
    links: int = 0
    breadth: int = 0
    codes: int = 0
    candidates: int = 0
    half: bool = False

    @property
    def divisible(self) -> bool:
        """Whether shards of rows can be added in several processes and merged."""
        return self.kind != "hnsw"

    def as_json(self) -> dict[str, Any]:
        """Returns the plan as plain data, for a manifest."""
        return {**asdict(self), "reasons": list(self.reasons)}


def choose(
    n: int, d: int, memory: int, recall: float = DEFAULT_RECALL, kind: Kind | None = None
) -> Plan:
    """Chooses the search index.

    Args:
        n: Number of embeddings, 0 or more.
        d: Their dimension.
        memory: Bytes that searching may take.
        recall: Share of the ten nearest that a search must find, above 0 and up to 1; building
            probes more lists, or walks more broadly, until it is reached.
        kind: The kind wanted; chosen by default.

    Raises:
        ValueError: There is no such kind.
    """
    if kind is not None and kind not in KINDS:
        raise ValueError(f"the kind {kind!r} of an index isn't one of {', '.join(KINDS)}")
    full = n * d * 4
    if kind == "flat" or (kind is None and n <= _FLAT_ROWS and full <= memory):
        return Plan("flat", n, d, full, _reasons(kind, f"{n:,} rows are quickly compared with all"))
    hnsw = full + n * _LINKS * 2 * 4
    if kind == "hnsw" or (
        kind is None and recall > _HIGH_RECALL and n <= _HNSW_ROWS and hnsw <= memory
    ):
        why = f"a recall of {recall:g} needs the fewest comparisons in a graph"
        return Plan("hnsw", n, d, hnsw, _reasons(kind, why), links=_LINKS, breadth=64)
    if kind == "ivfpq" or (kind is None and list_bytes(n, d, half=True) > memory):
        return _compressed(n, d, memory, kind)
    half = list_bytes(n, d, half=False) > memory
    why = (
        f"{n:,} rows of float32 don't fit into {memory:,} bytes, those of float16 do"
        if half
        else f"{n:,} rows are too many to compare with all, and fit into memory"
    )
    return in_lists(n, d, half, _reasons(kind, why))


def list_bytes(n: int, d: int, *, half: bool) -> int:
    """Returns the bytes of n rows in lists."""
    return n * (d * (2 if half else 4) + _ID_BYTES)


def in_lists(
    n: int, d: int, half: bool, reasons: tuple[str, ...], lists: int = 0, probes: int = 0
) -> Plan:
    """Returns the plan of an index in lists.

    Args:
        n: Number of embeddings.
        d: Their dimension.
        half: Whether they are held in float16.
        reasons: Why it was chosen.
        lists: How many; by default such that each holds some 250 rows.
        probes: Lists that a query looks through; by default one in 256, at least 8.
    """
    lists = lists or _lists(n)
    probes = min(lists, probes or _probes(lists))
    size = list_bytes(n, d, half=half) + lists * d * 4
    where = f"{lists} lists hold about {max(1, n // lists)} rows each, of which {probes} are probed"
    return Plan("ivf", n, d, size, (*reasons, where), lists=lists, probes=probes, half=half)


def _compressed(n: int, d: int, memory: int, kind: Kind | None) -> Plan:
    lists, codes = _lists(n), _code_bytes(d)
    size = n * (codes + _ID_BYTES) + lists * d * 4
    why = f"{n:,} rows don't fit into {memory:,} bytes, their codes of {codes} bytes do"
    if size > memory:
        why = f"{n:,} rows don't fit into {memory:,} bytes, and their codes are what is smallest"
    again = f"the {_CANDIDATES_PER_RESULT} best of each wanted are compared again from the file"
    probes = min(lists, 2 * _probes(lists))
    return Plan(
        "ivfpq",
        n,
        d,
        size,
        (*_reasons(kind, why), again),
        lists=lists,
        probes=probes,
        codes=codes,
        candidates=_CANDIDATES_PER_RESULT,
    )


def _reasons(kind: Kind | None, chosen: str) -> tuple[str, ...]:
    return (chosen,) if kind is None else (f"{kind} was asked for",)


def _lists(n: int) -> int:
    """Returns the power of two that makes lists of about 250 rows, at least 1, with a limit."""
    return min(MOST_LISTS, 1 << max(0, round(math.log2(max(1, n) / _ROWS_PER_LIST))))


def _probes(lists: int) -> int:
    return max(8, round(lists * _PROBED_SHARE))


def _code_bytes(d: int) -> int:
    """Returns the most bytes, a quarter of the dimension at most, that divide the dimension."""
    return next(codes for codes in range(max(1, d // 4), 0, -1) if d % codes == 0)
