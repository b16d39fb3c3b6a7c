"""What a command says of the stage that it is in, to whoever shows it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from facebatch.extract.progress import Progress

T = TypeVar("T")


@dataclass(frozen=True)
class Step:
    """How far a stage is that isn't the extraction, which has `Progress`.

    Args:
        stage: Its name.
        done: What is done of it, in whatever it counts.
        total: What there is to do; None where nothing tells.
        within: The stage that it is a part of, and that goes on after it.
        note: What else it has to say of itself now.
    """

    stage: str
    done: int = 0
    total: int | None = None
    within: str | None = None
    note: str = ""


Report = Callable[["Progress | Step"], None]
"""Called as a stage begins, and a few times a second in one that tells how far it is."""


def nobody(_said: Progress | Step) -> None:
    """Is told, and shows nothing."""


@contextmanager
def neighbors(report: Report) -> Iterator[Callable[[int, int], None]]:
    """Says that neighbours are searched for, which is a part of clustering.

    Yields:
        A function that is to be called with what is done of it, and what there is to do.
    """
    report(Step("neighbors", within="clusters"))
    yield lambda done, total: report(Step("neighbors", done, total, "clusters"))
    report(Step("clusters"))


def telling(report: Report, find: Callable[..., T]) -> Callable[..., T]:
    """Returns a function that finds neighbours and says so.

    Args:
        report: Told how far it is.
        find: Finds them; takes what is to be called with how far it is as its last argument.
    """

    def found(*asked: Any) -> T:
        with neighbors(report) as tell:
            return find(*asked, tell)

    return found
