from __future__ import annotations

import itertools
import json
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facebatch.extract.decide import (
    DEAD_ATTEMPTS,
    MAX_ATTEMPTS,
    RETRYABLE,
    STATES,
    Rules,
    decide,
    decide_file,
    decide_segments,
    decide_unopened,
    is_absent,
    winners,
)
from facebatch.extract.items import Item, Known, Video, version_key
from facebatch.extract.plan import (
    SHARD_MS,
    SHARDS_PER_WORKER,
    SHORTEST_SHARD_MS,
    Plan,
    cut,
    pack_containers,
    shard_cost,
)
from facebatch.media.kinds import install_hint
from facebatch.media.reasons import REASONS
from facebatch.media.sources.ignored import Ignored, summed
from facebatch.media.sources.listing import MediaFile
from facebatch.media.sources.roots import Root
from facebatch.media.video.frames import Segment

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
NO_RULES = Rules()
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
    assert decide(Item(photo()), None, Rules()) == ("new", Item(photo()))


@pytest.mark.parametrize("status", ["ok", "duplicate"])
def test_an_item_of_the_same_version_is_unchanged(status: str) -> None:
    assert decide(Item(photo()), known(status), Rules(frozenset(REASONS))) == ("unchanged", None)


@pytest.mark.parametrize("listed", [photo(size=1001), photo(marker="2")])
@pytest.mark.parametrize("status", ["ok", "quarantined"])
def test_an_item_of_another_version_is_extracted_anew(listed: MediaFile, status: str) -> None:
    row = known(status, "corrupt" if status == "quarantined" else None, MAX_ATTEMPTS)
    expected = Item(listed, attempt=1, supersedes="s1", superseded_at=NOON)
    assert decide(Item(listed), row, Rules()) == ("changed", expected)


def decided(
    listed: MediaFile | None, *rows: Known, rules: Rules = NO_RULES
) -> list[tuple[str, object]]:
    return list(decide_file(listed, rows, rules))


def test_an_item_that_isnt_listed_any_more_has_vanished_once() -> None:
    gone = replace(known(), status="vanished", committed_at=NOON + timedelta(hours=1), shard="s2")
    assert decided(None, known()) == [("vanished", known())]
    assert decided(None, known(), gone) == []


def test_an_item_that_came_back_is_new_and_takes_over_from_its_row() -> None:
    gone = replace(known(), status="vanished")
    assert decided(photo(), gone) == [
        ("new", Item(photo(), supersedes="s1", superseded_at=NOON)),
    ]


def film(size: int = 1000) -> MediaFile:
    return photo("a.mp4", size)


def part(number: int, of: int | None, status: str = "ok", reason: str | None = None) -> Known:
    row = known(status, reason)
    return replace(row, path="a.mp4", segment=number, segments=of, shard=f"s{number}")


SEGMENTS = tuple(Segment(number, number * 1_000_000, (number + 1) * 1_000_000) for number in (0, 1))


def test_a_new_video_has_to_be_opened() -> None:
    assert decided(film()) == [("new", Video(film()))]


def test_a_video_is_opened_only_when_it_has_work_left() -> None:
    both = (part(0, 2), part(1, 2))
    assert decided(film(), *both) == [("unchanged", None)] * 2
    assert decided(film(), both[0]) == [("new", Video(film(), (both[0],)))]
    assert decided(film(1001), *both) == [("new", Video(film(1001), both))]


def test_a_video_that_couldnt_be_opened_is_no_work_until_it_changes() -> None:
    broken = part(0, None, "quarantined", "truncated")
    assert decided(film(), broken) == [("given_up", None)]
    assert decided(film(1001), broken) == [("new", Video(film(1001), (broken,)))]


def test_only_the_segments_with_work_left_are_extracted() -> None:
    rows = (part(0, 2), part(1, 2, "quarantined", "io_error"))
    segments = dict.fromkeys(SEGMENTS, 7)
    [first, second] = decide_segments(Video(film(), rows), segments, NO_RULES)
    assert first == ("unchanged", None)
    state, item = second
    assert state == "retried"
    assert isinstance(item, Item)
    assert (item.segment, item.segments, item.attempt) == (SEGMENTS[1], 2, 2)
    assert item.frames == 7


def test_segments_that_a_shorter_video_has_no_more_have_vanished() -> None:
    rows = (part(0, 2), part(1, 2))
    shorter = Video(film(1001), rows)
    states = [state for state, _ in decide_segments(shorter, {SEGMENTS[0]: 1}, NO_RULES)]
    assert states == ["changed", "vanished"]


FAILURE = ("truncated", "no index")


def test_a_video_that_cant_be_opened_is_one_item_that_says_so() -> None:
    [(state, item)] = decide_unopened(Video(film()), FAILURE, NO_RULES)
    assert (state, item) == ("new", Item(film(), failure=FAILURE))


def test_what_is_known_of_a_video_stays_while_it_cant_be_opened() -> None:
    rows = (part(0, 3), part(1, 3), part(2, 3, "quarantined", "io_error"))
    decisions = list(decide_unopened(Video(film(), rows), FAILURE, NO_RULES))
    assert decisions == [("unchanged", None), ("unchanged", None), ("given_up", None)]


def test_a_video_that_changed_and_cant_be_opened_has_lost_its_segments() -> None:
    rows = (part(0, 2), part(1, 2))
    [(state, item), gone] = decide_unopened(Video(film(1001), rows), FAILURE, NO_RULES)
    assert (state, gone) == ("changed", ("vanished", rows[1]))
    assert isinstance(item, Item)
    assert item.failure == FAILURE


def test_a_video_that_became_shorter_is_opened_once() -> None:
    gone = replace(part(1, 2), status="vanished")
    assert decided(film(), part(0, 1), gone) == [("unchanged", None)]


WHOLE = {"photos": Root("photos", "/photos")}


def test_nothing_is_said_to_have_vanished_that_wasnt_looked_for() -> None:
    row = replace(known(), path="2019/x/a.jpg")
    assert is_absent(row, WHOLE, [])
    assert not is_absent(row, {}, []), "its root wasn't listed"
    selection = {"photos": Root("photos", "/photos", patterns=("2020/*",))}
    assert not is_absent(row, selection, []), "its root was asked for in part"


@pytest.mark.parametrize("folder", ["", "2019", "2019/x"])
def test_what_lies_in_an_unreadable_folder_hasnt_vanished(folder: str) -> None:
    row = replace(known(), path="2019/x/a.jpg")
    assert not is_absent(row, WHOLE, [("photos", folder)])
    assert is_absent(row, WHOLE, [("others", folder)])


def test_a_folder_whose_name_begins_alike_is_another() -> None:
    assert is_absent(replace(known(), path="2019/a.jpg"), WHOLE, [("photos", "201")])


def test_a_missing_decoder_is_asked_for_again_when_it_has_come() -> None:
    row = known("quarantined", "decoder_missing", 9)
    here = replace(row, message=f"HEIF: {install_hint('heif')}")
    state, item = decide(Item(photo()), here, NO_RULES)
    assert state == "retried"
    assert item is not None
    assert decide(Item(photo()), replace(row, message="of no extra"), NO_RULES)[0] == "given_up"


@pytest.mark.parametrize("reason", sorted(REASONS))
@pytest.mark.parametrize("attempts", range(1, MAX_ATTEMPTS + 1))
def test_only_failures_that_may_pass_are_tried_again_and_three_times(
    reason: str, attempts: int
) -> None:
    state, item = decide(Item(photo()), known("quarantined", reason, attempts), NO_RULES)
    if reason in RETRYABLE and attempts < 3:
        assert (state, item) == ("retried", Item(photo(), attempts + 1, "s1", NOON))
    else:
        assert (state, item) == ("given_up", None)


@pytest.mark.parametrize("reason", sorted(REASONS))
def test_a_code_that_is_asked_for_is_tried_again_whatever_its_attempts(reason: str) -> None:
    row = known("quarantined", reason, 7)
    state, item = decide(Item(photo()), row, Rules(frozenset({reason})))
    assert state == "retried"
    assert item is not None
    assert (item.attempt, item.supersedes) == (8, "s1")
    assert decide(Item(photo()), row, Rules(frozenset(set(REASONS) - {reason})))[0] == "given_up"


@pytest.mark.parametrize("dead", range(DEAD_ATTEMPTS + 2))
def test_two_dead_attempts_at_a_version_bring_isolation(dead: int) -> None:
    counts = {version_key(Item(photo())): dead, version_key(Item(photo(marker="2"))): 9}
    for row in (None, known("quarantined", "io_error")):
        _, item = decide(Item(photo()), row, Rules(dead_attempts=counts))
        assert item is not None
        assert item.isolated == (dead >= 2)


def test_an_item_that_crashed_is_tried_again_in_isolation_only() -> None:
    row = known("quarantined", "crashed")
    _, item = decide(Item(photo()), row, Rules(frozenset({"crashed"})))
    assert item is not None
    assert item.isolated
    _, changed = decide(Item(photo(marker="2")), row, Rules(frozenset({"crashed"})))
    assert changed is not None
    assert not changed.isolated, "another version may be whole"


@given(st.permutations([(0, "s9"), (1, "s5"), (2, "s1"), (2, "s2")]))
def test_the_winner_is_the_latest_row_and_of_these_the_greatest_shard(
    order: list[tuple[int, str]],
) -> None:
    rows = [replace(known(), committed_at=NOON + timedelta(hours=h), shard=s) for h, s in order]
    assert winners(rows) == [replace(known(), committed_at=NOON + timedelta(hours=2), shard="s2")]
    assert winners([]) == []


LEFT_OUT = st.builds(
    Ignored,
    st.sampled_from(["extension", "hidden"]),
    st.sampled_from([".xmp", ""]),
    st.integers(1, 9),
    st.lists(st.sampled_from("abcde"), max_size=3).map(tuple),
)
PLANS = st.builds(
    Plan,
    st.dictionaries(st.sampled_from(STATES), st.integers(0, 9)),
    st.lists(LEFT_OUT, max_size=4).map(summed),
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
    items = [*map(Item, files), Item(photo(), segment=SEGMENTS[1])]
    assert len({version_key(item) for item in items}) == 5
