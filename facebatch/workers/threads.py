"""Working on a few items at a time in threads of this process, with the results in order.

Never more than the next few items are begun, so that memory stays bounded however many there are.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def ahead(function: Callable[[T], R], items: Iterable[T], threads: int) -> Iterator[Future[R]]:
    """Yields every item's future, in order, while the next ``threads`` are being worked on.

    Args:
        function: Called with each item, in a thread.
        items: Taken in the caller's thread, as they are needed.
        threads: Number of threads, at least 1.
    """
    with ThreadPoolExecutor(threads) as pool:
        begun: deque[Future[R]] = deque()
        try:
            for item in items:
                begun.append(pool.submit(function, item))
                if len(begun) > threads:
                    yield begun.popleft()
            while begun:
                yield begun.popleft()
        finally:
            for future in begun:
                future.cancel()


def in_order(function: Callable[[T], R], items: Iterable[T], threads: int) -> Iterator[R]:
    """Yields the function's results in the items' order; one thread is the caller's own.

    Raises:
        Exception: What the function raised, in its item's turn.
    """
    if threads == 1:
        return map(function, items)
    return (future.result() for future in ahead(function, items, threads))
