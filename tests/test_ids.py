from __future__ import annotations

import hashlib
import itertools
import os
import random

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facebatch import ids

SIXTEEN = st.binary(min_size=16, max_size=16)
ID_LISTS = st.lists(st.sampled_from([bytes([n]) * 16 for n in range(256)]) | SIXTEEN, max_size=40)
MEMBERS = st.lists(
    st.tuples(SIXTEEN, st.integers(0, 2**40), st.text(max_size=5), st.text(max_size=5)), max_size=8
)


def prefixed(*fields: bytes) -> bytes:
    """The hash as the module's docstring has it, written down a second time."""
    joined = b"".join(len(field).to_bytes(8, "little") + field for field in fields)
    return hashlib.blake2b(joined, digest_size=16).digest()


@given(st.lists(st.binary(max_size=6), max_size=5))
def test_digest_is_blake2b_of_length_prefixed_fields(fields: list[bytes]) -> None:
    assert ids.digest(*fields) == prefixed(*fields)


@given(st.lists(st.binary(max_size=3), max_size=4), st.lists(st.binary(max_size=3), max_size=4))
def test_different_fields_have_different_digests(one: list[bytes], other: list[bytes]) -> None:
    assert (ids.digest(*one) == ids.digest(*other)) == (one == other)


def test_content_id_is_what_other_tools_give() -> None:
    # printf abc | b2sum -l 128 (GNU coreutils 9.1)
    assert ids.content_id(b"abc").hex() == "cf4ab791c62b8d2b2109c90275287816"


def test_media_id_names_root_path_and_segment() -> None:
    named = ids.media_id("photos", "2020/a.jpg", 3)
    assert named == prefixed(b"photos", b"2020/a.jpg", (3).to_bytes(8, "little"))


def test_media_id_of_a_name_that_is_not_utf8_is_that_of_its_bytes() -> None:
    name = b"caf\xe9/\xff.jpg"
    assert ids.media_id("photos", os.fsdecode(name)) == prefixed(b"photos", name, bytes(8))


def test_names_that_look_alike_are_different_items() -> None:
    composed, decomposed = "\u00e9.jpg", "e\u0301.jpg"
    assert ids.media_id("photos", composed) != ids.media_id("photos", decomposed)


def test_face_id_knows_the_content_and_no_path() -> None:
    named = ids.face_id(b"c" * 16, 1, 2_000_000, 3)
    assert named == prefixed(b"c" * 16, *(n.to_bytes(8, "little") for n in (1, 2_000_000, 3)))


@given(MEMBERS, st.randoms())
def test_shard_name_does_not_depend_on_the_order_of_members(
    members: list[tuple[bytes, int, str, str]], shuffler: random.Random
) -> None:
    shuffled = members[:]
    shuffler.shuffle(shuffled)
    assert ids.shard_name(shuffled) == ids.shard_name(members)


@pytest.mark.parametrize(
    "changed",
    [
        (b"b" * 16, 1, "m", "s"),
        (b"a" * 16, 2, "m", "s"),
        (b"a" * 16, 1, "n", "s"),
        (b"a" * 16, 1, "m", "t"),
    ],
)
def test_shard_name_depends_on_everything_that_makes_a_member(
    changed: tuple[bytes, int, str, str],
) -> None:
    assert ids.shard_name([changed]) != ids.shard_name([(b"a" * 16, 1, "m", "s")])


def test_shard_name_is_lower_case_hex() -> None:
    name = ids.shard_name([(b"a" * 16, 1, "m", "")])
    assert len(name) == 32
    assert bytes.fromhex(name).hex() == name


@given(ID_LISTS)
def test_arrays_and_arrow_columns_give_back_the_ids(values: list[bytes]) -> None:
    array = ids.as_array(values)
    assert array.dtype == np.dtype("V16")
    column = ids.to_arrow(array)
    assert column.type == pa.binary(16)
    assert column.to_pylist() == values
    assert ids.from_arrow(column).tolist() == values


@given(ID_LISTS, st.data())
def test_slices_of_chunked_columns_give_their_own_ids(
    values: list[bytes], data: st.DataObject
) -> None:
    array = pa.array(values, pa.binary(16))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(values)), max_size=3)))
    edges = [0, *cuts, len(values)]
    chunks = [array.slice(a, b - a) for a, b in itertools.pairwise(edges)]
    column = pa.chunked_array(chunks, pa.binary(16))
    start = data.draw(st.integers(0, len(values)))
    length = data.draw(st.integers(0, len(values)))
    assert ids.from_arrow(column.slice(start, length)).tolist() == values[start : start + length]


@given(st.lists(SIXTEEN | st.none(), max_size=30), st.integers(0, 30))
def test_what_is_left_of_a_column_with_nulls_gives_its_ids(
    values: list[bytes | None], start: int
) -> None:
    column = pa.chunked_array([pa.array(values, pa.binary(16))]).slice(start).drop_null()
    assert ids.from_arrow(column).tolist() == [value for value in values[start:] if value]


def test_an_empty_column_has_no_ids() -> None:
    assert ids.from_arrow(pa.array([], pa.binary(16))).shape == (0,)
    assert ids.from_arrow(pa.chunked_array([], pa.binary(16))).shape == (0,)


@given(ID_LISTS)
def test_order_is_that_of_sorted_bytes_and_stable(values: list[bytes]) -> None:
    expected = sorted(range(len(values)), key=lambda place: values[place])
    assert ids.order(ids.as_array(values)).tolist() == expected


@given(ID_LISTS)
def test_first_of_each_finds_each_id_once_where_it_stands_first(values: list[bytes]) -> None:
    expected = [values.index(value) for value in sorted(set(values))]
    assert ids.first_of_each(ids.as_array(values)).tolist() == expected


@given(ID_LISTS)
def test_starts_marks_where_another_id_begins(values: list[bytes]) -> None:
    ordered = sorted(values)
    expected = [place == 0 or ordered[place - 1] != value for place, value in enumerate(ordered)]
    assert ids.starts(ids.as_array(ordered)).tolist() == expected
