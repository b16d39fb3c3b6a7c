from __future__ import annotations

import json

import pytest
from support import rows

from facebatch.collection import Collection
from facebatch.extract.plan import Plan
from facebatch.extract.progress import REST_SHARE, Progress, ProgressReader, Tally
from facebatch.media.sources.ignored import Ignored

PLAN_PATH = "attempts/plan-1.json"


@pytest.fixture
def collection() -> Collection:
    return rows.memory_collection()


def commit(collection: Collection, shard: str, *media: dict[str, object], cost: int = 0) -> None:
    collection.commit_shard(shard, rows.media(*media), rows.faces([]), cost=cost)


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
    first = reader.look()
    assert (first.items, first.faces, first.duplicates) == (3, 2, 1)
    assert first.failures == {"empty": 1}
    commit(collection, "two", rows.media_row("d.jpg", "quarantined", reason="empty"))
    commit(collection, "three", rows.media_row("e.jpg", "quarantined", reason="corrupt"))
    second = reader.look()
    assert second.items == 5
    assert second.failures == {"empty": 2, "corrupt": 1}
    assert second.quarantined == 3


def test_a_commit_is_counted_once_however_often_one_looks(collection: Collection) -> None:
    reader = ProgressReader(collection.storage, PLAN_PATH)
    commit(collection, "one", rows.media_row("a.jpg", faces=2))
    assert reader.look() == reader.look()


def test_faces_without_a_commit_are_no_progress(collection: Collection) -> None:
    reader = ProgressReader(collection.storage, PLAN_PATH)
    rows.put_shard(collection.storage, "orphan", None, rows.faces([("a.jpg", 1, 0)]))
    assert reader.poll() == Progress()


def test_the_plan_is_known_as_soon_as_it_is_written_and_stays_known(
    collection: Collection,
) -> None:
    reader = ProgressReader(collection.storage, PLAN_PATH)
    assert reader.look().plan is None
    left_out = (Ignored("hidden", "", 2, ("photos/.a",)),)
    plan = Plan({"new": 3, "vanished": 1}, left_out, unreadable=("photos/x: no",), cost=210)
    collection.storage.write(PLAN_PATH, json.dumps(plan.as_json()).encode())
    known = reader.look().plan
    assert known is not None
    assert (known.to_extract, known.ignored, known.unreadable) == (3, 2, ("photos/x: no",))
    collection.storage.remove(PLAN_PATH)
    assert reader.look().plan == known


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def write_plan(collection: Collection, cost: int) -> None:
    plan = Plan({"new": 4}, cost=cost)
    collection.storage.write(PLAN_PATH, json.dumps(plan.as_json()).encode())


def test_the_time_left_goes_by_what_the_commits_cost(collection: Collection) -> None:
    clock = Clock()
    write_plan(collection, 40_000)
    reader = ProgressReader(collection.storage, PLAN_PATH, 1, clock)
    assert reader.look().seconds_left == pytest.approx(40.0)
    left = []
    for number, cost in enumerate((5_000, 5_000, 20_000)):
        clock.now += 2 * cost / 1000  # this machine takes twice as long as was planned
        commit(collection, f"s{number}", rows.media_row(f"{number}.jpg"), cost=cost)
        seen = reader.look()
        left.append(seen.seconds_left)
    assert left[1] == pytest.approx(60.0, rel=0.35)
    assert left[2] == pytest.approx(20.0, rel=0.1)
    assert seen.seconds == 60.0


def test_a_look_that_takes_long_is_followed_by_a_rest(
    collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, looks = Clock(), []
    reader = ProgressReader(collection.storage, PLAN_PATH, 1, clock)
    look = reader.look

    def slowly() -> Progress:
        looks.append(clock.now)
        clock.now += 0.3
        return look()

    monkeypatch.setattr(reader, "look", slowly)
    while clock.now < 160.0:
        reader.poll()
        clock.now += 0.25
    assert len(looks) <= 60 / (REST_SHARE * 0.3) + 1
    commit(collection, "one", rows.media_row("a.jpg", faces=2))
    clock.now += REST_SHARE
    assert reader.poll().faces == 2


def test_a_listing_tells_how_far_it_is(collection: Collection) -> None:
    tally = Tally()
    reader = ProgressReader(collection.storage, PLAN_PATH, tally=tally)
    assert list(tally.counted("photos", [1, "not an item", 2], int)) == [1, "not an item", 2]
    assert reader.look().listed == 2
    assert list(tally.counted("more", range(3), int)) == [0, 1, 2]
    tally.planned += 4
    assert (reader.look().listed, reader.look().planned) == (5, 4)
