from __future__ import annotations

import itertools
import json
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facebatch.media.sources import MediaFile
from facebatch.plan import (
    DEAD_ATTEMPTS,
    MAX_ATTEMPTS,
    RETRYABLE,
    SHARD_MS,
    SHARDS_PER_WORKER,
    SHORTEST_SHARD_MS,
    STATES,
    Item,
    Known,
    Plan,
    cut,
    decide,
    pack_containers,
    shard_cost,
    version_key,
    winner,
)
from facebatch.reasons import REASONS

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
FOLDERS = ("", "2019", "2019/x", "2020", "caf\udce9")


def photo(path: str = "a.jpg", size: int = 1000, marker: str = "1") -> MediaFile:
    return MediaFile("photos", "/photos", path, size, marker)


def known(status: str = "ok", reason: str | None = None, attempts: int = 1) -> Known:
    return Known("photos", "a.jpg", 1000, "1", status, reason, attempts, NOON, "s1")


ITEMS = st.lists(
    st.builds(
        lambda folder, name, size, isolated: Item(
            photo(f"{folder}/{name}.jpg".lstrip("/"), size), isolated=isolated
        ),
        st.sampled_from(FOLDERS),
        st.integers(0, 30),
        st.integers(0, 400_000_000),
        st.sampled_from([False, False, False, True]),
    ),
    unique_by=lambda item: item.file.path,
    max_size=25,
)
TARGETS = st.integers(SHORTEST_SHARD_MS, SHARD_MS)


@given(ITEMS, TARGETS)
def test_every_item_is_in_exactly_one_shard(items: list[Item], target: int) -> None:
    members = [item for shard in cut(items, target) for item in shard.items]
    assert sorted(members, key=lambda item: item.file.path) == sorted(
        items, key=lambda item: item.file.path
    )


@given(ITEMS, TARGETS, st.randoms(use_true_random=False))
def test_shards_are_the_same_in_whatever_order_items_arrive(
    items: list[Item], target: int, shuffler: random.Random
) -> None:
    shuffled = items[:]
    shuffler.shuffle(shuffled)
    assert list(cut(shuffled, target)) == list(cut(items, target))


@given(ITEMS, TARGETS)
def test_a_shard_costs_no_more_than_the_target_and_one_item(items: list[Item], target: int) -> None:
    for shard in cut(items, target):
        costs = [item.cost for item in shard.items]
        assert 0 < sum(costs) <= target + max(costs)


@given(ITEMS, TARGETS)
def test_there_are_no_more_shards_than_the_cost_asks_for(items: list[Item], target: int) -> None:
    for isolated in (False, True):
        costs = [item.cost for item in items if item.isolated == isolated]
        shards = [shard for shard in cut(items, target) if shard.isolated == isolated]
        assert len(shards) <= -(-sum(costs) // target)


@given(ITEMS, TARGETS)
def test_items_that_need_isolation_share_no_shard_with_others(
    items: list[Item], target: int
) -> None:
    for shard in cut(items, target):
        assert {item.isolated for item in shard.items} == {shard.isolated}


@given(ITEMS, TARGETS)
def test_shards_follow_one_another_by_folder_and_path(items: list[Item], target: int) -> None:
    for isolated in (False, True):
        shards = [shard for shard in cut(items, target) if shard.isolated == isolated]
        places = [(i.file.container, i.file.path) for shard in shards for i in shard.items]
        assert places == sorted(places, key=lambda place: (place[0], _bytes(place[1])))


def _bytes(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")


@given(ITEMS, TARGETS)
def test_every_shard_has_a_name_of_its_own(items: list[Item], target: int) -> None:
    names = [shard.name for shard in cut(items, target)]
    assert len(set(names)) == len(names)


def test_a_retry_is_never_the_shard_that_it_supersedes() -> None:
    names = {
        shard.name
        for supersedes in ("", "s1", "s2")
        for shard in cut([Item(photo(), supersedes=supersedes)], SHARD_MS)
    }
    assert len(names) == 3


def test_the_name_doesnt_depend_on_how_items_are_extracted() -> None:
    [alone] = cut([Item(photo(), attempt=2, isolated=True)], SHARD_MS)
    [among] = cut([Item(photo())], SHARD_MS)
    assert alone.name == among.name


@given(st.dictionaries(st.binary(max_size=3), st.integers(70, 20_000), max_size=30), TARGETS)
def test_neighbouring_containers_are_packed_up_to_the_target(
    costs: dict[bytes, int], target: int
) -> None:
    groups = pack_containers(costs, target)
    assert set(groups) == set(costs)
    runs = [list(run) for _, run in itertools.groupby(sorted(costs), key=groups.__getitem__)]
    assert len(runs) == len(set(groups.values())), "a group is a run of neighbours"
    for place, run in enumerate(runs):
        assert groups[run[0]] == run[0], "a group has its first container's name"
        assert sum(costs[container] for container in run[:-1]) < target
        if place < len(runs) - 1:
            assert sum(costs[container] for container in run) >= target, "all but the last are full"


@given(
    st.dictionaries(st.binary(max_size=3), st.integers(70, 20_000)),
    TARGETS,
    st.randoms(use_true_random=False),
)
def test_packing_doesnt_depend_on_the_order_of_containers(
    costs: dict[bytes, int], target: int, shuffler: random.Random
) -> None:
    shuffled = list(costs.items())
    shuffler.shuffle(shuffled)
    assert pack_containers(dict(shuffled), target) == pack_containers(costs, target)


@given(st.integers(0, 10**10), st.integers(1, 256))
def test_shards_are_long_enough_to_pay_and_enough_for_every_worker(
    total: int, workers: int
) -> None:
    target = shard_cost(total, workers)
    assert SHORTEST_SHARD_MS <= target <= SHARD_MS
    if target > SHORTEST_SHARD_MS:
        assert total // target >= workers * SHARDS_PER_WORKER


def test_an_unknown_item_is_new() -> None:
    assert decide(photo(), None, frozenset(), {}) == ("new", Item(photo()))


@pytest.mark.parametrize("status", ["ok", "duplicate"])
def test_an_item_of_the_same_version_is_unchanged(status: str) -> None:
    assert decide(photo(), known(status), frozenset(REASONS), {}) == ("unchanged", None)


@pytest.mark.parametrize("listed", [photo(size=1001), photo(marker="2")])
@pytest.mark.parametrize("status", ["ok", "quarantined"])
def test_an_item_of_another_version_is_extracted_anew(listed: MediaFile, status: str) -> None:
    row = known(status, "corrupt" if status == "quarantined" else None, MAX_ATTEMPTS)
    expected = Item(listed, attempt=1, supersedes="s1", superseded_at=NOON)
    assert decide(listed, row, frozenset(), {}) == ("changed", expected)


def test_an_item_that_isnt_listed_any_more_has_vanished() -> None:
    assert decide(None, known(), frozenset(), {}) == ("vanished", None)


@pytest.mark.parametrize("reason", sorted(REASONS))
@pytest.mark.parametrize("attempts", range(1, MAX_ATTEMPTS + 1))
def test_only_failures_that_may_pass_are_tried_again_and_three_times(
    reason: str, attempts: int
) -> None:
    state, item = decide(photo(), known("quarantined", reason, attempts), frozenset(), {})
    if reason in RETRYABLE and attempts < 3:
        assert (state, item) == ("retried", Item(photo(), attempts + 1, "s1", NOON))
    else:
        assert (state, item) == ("given_up", None)


@pytest.mark.parametrize("reason", sorted(REASONS))
def test_a_code_that_is_asked_for_is_tried_again_whatever_its_attempts(reason: str) -> None:
    row = known("quarantined", reason, 7)
    state, item = decide(photo(), row, frozenset({reason}), {})
    assert state == "retried"
    assert item is not None
    assert (item.attempt, item.supersedes) == (8, "s1")
    assert decide(photo(), row, frozenset(set(REASONS) - {reason}), {})[0] == "given_up"


@pytest.mark.parametrize("dead", range(DEAD_ATTEMPTS + 2))
def test_two_dead_attempts_at_a_version_bring_isolation(dead: int) -> None:
    counts = {version_key(photo()): dead, version_key(photo(marker="2")): 9}
    for row in (None, known("quarantined", "io_error")):
        _, item = decide(photo(), row, frozenset(), counts)
        assert item is not None
        assert item.isolated == (dead >= 2)


def test_an_item_that_crashed_is_tried_again_in_isolation_only() -> None:
    row = known("quarantined", "crashed")
    _, item = decide(photo(), row, frozenset({"crashed"}), {})
    assert item is not None
    assert item.isolated
    _, changed = decide(photo(marker="2"), row, frozenset({"crashed"}), {})
    assert changed is not None
    assert not changed.isolated, "another version may be whole"


@given(st.permutations([(0, "s9"), (1, "s5"), (2, "s1"), (2, "s2")]))
def test_the_winner_is_the_latest_row_and_of_these_the_greatest_shard(
    order: list[tuple[int, str]],
) -> None:
    rows = [replace(known(), committed_at=NOON + timedelta(hours=h), shard=s) for h, s in order]
    assert winner(rows) == replace(known(), committed_at=NOON + timedelta(hours=2), shard="s2")
    assert winner([]) is None


PLANS = st.builds(
    Plan,
    st.dictionaries(st.sampled_from(STATES), st.integers(0, 9)),
    st.integers(0, 9),
    st.lists(st.sampled_from(["photos/a: no", "photos/\udce9: no"]), max_size=2).map(tuple),
    st.integers(0, 10**9),
    st.integers(0, 10**12),
)


@given(st.lists(PLANS, max_size=5), st.integers(0, 5))
def test_plans_add_up_in_any_grouping(plans: list[Plan], middle: int) -> None:
    whole = Plan.total(plans)
    halves = Plan.total([Plan.total(plans[middle:]), Plan.total(plans[:middle])])
    assert halves.as_json() == whole.as_json()
    assert whole.to_extract == sum(plan.to_extract for plan in plans)
    assert whole.bytes == sum(plan.bytes for plan in plans)


@given(PLANS)
def test_a_plan_comes_back_from_json(plan: Plan) -> None:
    text = json.dumps(plan.as_json()).encode().decode()
    assert Plan.from_json(json.loads(text)).as_json() == plan.as_json()


def test_version_keys_tell_items_and_versions_apart() -> None:
    files = [photo(), photo("b.jpg"), photo(size=1), photo(marker="2")]
    assert len({version_key(file) for file in files}) == 4
