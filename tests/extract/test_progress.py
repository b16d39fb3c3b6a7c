from __future__ import annotations

import json

import pytest
from support import rows

from facebatch.collection import Collection
from facebatch.extract.plan import Plan
from facebatch.extract.progress import Progress, ProgressReader
from facebatch.media.sources.ignored import Ignored

PLAN_PATH = "attempts/plan-1.json"


@pytest.fixture
def collection() -> Collection:
    return rows.memory_collection()


def commit(collection: Collection, shard: str, *media: dict[str, object]) -> None:
    collection.commit_shard(shard, rows.media(*media), rows.faces([]))


def test_nothing_done_is_no_progress(collection: Collection) -> None:
    assert ProgressReader(collection.storage, PLAN_PATH).poll() == Progress()


def test_progress_counts_what_was_committed_since_it_began(collection: Collection) -> None:
    commit(collection, "before", rows.media_row("old.jpg", faces=9))
    reader = ProgressReader(collection.storage, PLAN_PATH)
    commit(
        collection,
        "one",
        rows.media_row("a.jpg", faces=2),
        rows.media_row("b.jpg", "duplicate", faces=2),
        rows.media_row("c.jpg", "quarantined", reason="empty"),
    )
    first = reader.poll()
    assert (first.items, first.faces, first.duplicates) == (3, 2, 1)
    assert first.failures == {"empty": 1}
    commit(collection, "two", rows.media_row("d.jpg", "quarantined", reason="empty"))
    commit(collection, "three", rows.media_row("e.jpg", "quarantined", reason="corrupt"))
    second = reader.poll()
    assert second.items == 5
    assert second.failures == {"empty": 2, "corrupt": 1}
    assert second.quarantined == 3


def test_a_commit_is_counted_once_however_often_one_looks(collection: Collection) -> None:
    reader = ProgressReader(collection.storage, PLAN_PATH)
    commit(collection, "one", rows.media_row("a.jpg", faces=2))
    assert reader.poll() == reader.poll()


def test_faces_without_a_commit_are_no_progress(collection: Collection) -> None:
    reader = ProgressReader(collection.storage, PLAN_PATH)
    rows.put_shard(collection.storage, "orphan", None, rows.faces([("a.jpg", 1, 0)]))
    assert reader.poll() == Progress()


def test_the_plan_is_known_as_soon_as_it_is_written_and_stays_known(
    collection: Collection,
) -> None:
    reader = ProgressReader(collection.storage, PLAN_PATH)
    assert reader.poll().plan is None
    left_out = (Ignored("hidden", "", 2, ("photos/.a",)),)
    plan = Plan({"new": 3, "vanished": 1}, left_out, unreadable=("photos/x: no",), cost=210)
    collection.storage.write(PLAN_PATH, json.dumps(plan.as_json()).encode())
    known = reader.poll().plan
    assert known is not None
    assert (known.to_extract, known.ignored, known.unreadable) == (3, 2, ("photos/x: no",))
    collection.storage.remove(PLAN_PATH)
    assert reader.poll().plan == known
