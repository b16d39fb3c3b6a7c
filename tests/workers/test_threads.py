"""Work in threads: results in order, errors in their turn, and only the next few items begun."""

from __future__ import annotations

import threading
import time

import pytest

from facebatch.workers.threads import ahead, in_order


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_results_come_in_the_items_order(threads: int) -> None:
    def slow_when_even(number: int) -> int:
        time.sleep(0.005 * (number % 2 == 0))
        return number * number

    assert list(in_order(slow_when_even, range(20), threads)) == [n * n for n in range(20)]
    assert list(in_order(slow_when_even, [], threads)) == []


@pytest.mark.parametrize("threads", [1, 3])
def test_an_error_comes_in_its_items_turn(threads: int) -> None:
    results = in_order(lambda number: 1 // number, [1, 1, 0, 1], threads)
    assert [next(results), next(results)] == [1, 1]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_only_the_next_few_items_are_begun() -> None:
    begun = []
    futures = ahead(begun.append, iter(range(100)), 3)
    next(futures).result()
    time.sleep(0.05)
    assert len(begun) <= 4
    futures.close()
    assert len(begun) <= 4


def test_work_goes_on_while_the_caller_is_busy() -> None:
    second = threading.Event()
    futures = ahead(lambda event: event.set(), [threading.Event(), second], 1)
    next(futures)
    assert second.wait(5)
    assert len(list(futures)) == 1
