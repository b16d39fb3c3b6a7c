from __future__ import annotations

import heapq
import random
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facebatch.extract.plan import shard_cost
from facebatch.extract.time_left import Commits, Pace

COSTS = st.integers(1, 10**9)
WORKERS = st.integers(1, 64)


def extraction(total: int, workers: int, slowness: float, start: float) -> Iterator[Commits]:
    """The commits of an extraction whose workers take shards one after the other.

    Args:
        total: Cost of all shards together.
        workers: Worker processes.
        slowness: Seconds that a second of planned cost takes, .6 to 1.6 times for single shards.
        start: Seconds in which a worker loads its models.
    """
    draw, shard = random.Random(7), shard_cost(total, workers)
    costs = [shard] * (total // shard) + ([total % shard] if total % shard else [])
    free = [start] * workers
    ends = []
    for cost in costs:
        begun = heapq.heappop(free)
        end = begun + cost / 1000 * slowness * draw.uniform(0.6, 1.6)
        heapq.heappush(free, end)
        ends.append((end, cost))
    done = 0
    for end, cost in sorted(ends):
        done += cost
        yield Commits(done, end)


@pytest.mark.parametrize("slowness", [0.25, 1.0, 4.0])
@pytest.mark.parametrize("workers", [1, 2, 8])
@pytest.mark.parametrize("share", [0.25, 0.5, 0.75])
def test_what_is_told_is_right_within_a_factor_of_two(
    slowness: float, workers: int, share: float
) -> None:
    total = 400_000 * workers
    commits = list(extraction(total, workers, slowness, start=6.0))
    end = commits[-1].at
    now = share * end
    seen = [commit for commit in commits if commit.at <= now]
    warm = seen[workers - 1] if len(seen) >= workers else None
    told = Pace(total, workers, seen[-1] if seen else Commits(), warm).seconds_left(now)
    assert 0.5 < told / (end - now) < 2


@given(COSTS, WORKERS, st.floats(0, 1), st.floats(0, 1e6), st.floats(0, 1e6))
def test_there_is_always_an_answer(
    total: int, workers: int, share: float, at: float, since: float
) -> None:
    done = int(share * total)
    for warm in (None, Commits(done // 2, at / 2), Commits(done, at)):
        left = Pace(total, workers, Commits(done, at), warm).seconds_left(at + since)
        assert 0 <= left < float("inf")


def test_at_first_the_plan_is_believed() -> None:
    assert Pace(60_000, 2).seconds_left(0.0) == pytest.approx(30.0)


def test_where_all_is_committed_nothing_is_left() -> None:
    assert Pace(60_000, 2, Commits(60_000, 25.0)).seconds_left(26.0) == 0


@given(st.floats(0, 1000))
def test_time_without_a_commit_never_promises_an_end(since: float) -> None:
    total, workers = 600_000, 2
    pace = Pace(total, workers, Commits(total // 2, 150.0), Commits(total // 10, 30.0))
    missing = total // 2 - workers * shard_cost(total, workers)
    assert pace.seconds_left(150.0 + since) > missing / 1000 / workers / 2
