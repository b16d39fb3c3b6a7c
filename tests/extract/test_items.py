from __future__ import annotations

import os
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples

from facebatch.extract.items import Item, Shard
from facebatch.media.sources.listing import MediaFile
from facebatch.media.video.frames import Segment

NUMBERS = st.integers(0, 2**53)
PATHS = st.binary(min_size=1, max_size=12).map(os.fsdecode)  # whatever a file system allows


def files(beside: st.SearchStrategy[tuple[MediaFile, ...]]) -> st.SearchStrategy[MediaFile]:
    return st.builds(
        MediaFile, st.text(), st.just(""), PATHS, NUMBERS, st.text(), st.just(""), beside
    )


ITEMS = st.builds(
    Item,
    file=files(st.lists(files(st.just(())), max_size=2).map(tuple)),
    attempt=NUMBERS,
    supersedes=st.text(),
    superseded_at=st.none() | st.datetimes(timezones=st.just(UTC)),
    isolated=st.booleans(),
    segment=st.none() | st.builds(Segment, NUMBERS, NUMBERS, NUMBERS),
    segments=NUMBERS,
    frames=NUMBERS,
    failure=st.none() | st.tuples(st.text(), st.text()),
    contents=st.lists(st.tuples(st.binary(max_size=16), NUMBERS), max_size=2).map(tuple),
)


@examples(50, 300)
@given(st.builds(Shard, st.text(), st.lists(ITEMS, max_size=3).map(tuple), st.booleans()))
def test_a_shard_is_what_its_text_says(shard: Shard) -> None:
    assert Shard.from_json(shard.as_json()) == shard


def test_the_moment_of_a_row_is_read_with_its_zone() -> None:
    moment = datetime(2024, 5, 1, 12, 30, 15, 123456, tzinfo=UTC)
    item = Item(MediaFile("photos", "", "a.jpg", 1, "1"), superseded_at=moment)
    assert Shard.from_json(Shard("1", (item,)).as_json()).superseded_at == moment
