"""How long an extraction still takes, by the planned costs of what is committed and what isn't.

Costs are what planning reckons an item at (`facebatch.extract.items.Item.cost`): a millisecond of
one worker each. What a millisecond really takes differs by machine, network and photos, and is
learned from the shards committed so far.
"""

from __future__ import annotations

from dataclasses import dataclass

from facebatch.extract.plan import shard_cost

PRIOR_SHARE = 1 / 32
"""Share of the whole cost that counts as done at the planned pace: what is believed at first, and
soon outweighed by what is measured."""


@dataclass(frozen=True)
class Commits:
    """What was committed up to a moment.

    Args:
        cost: Planned cost of it.
        at: When the last of it was, seconds since the plan.
    """

    cost: int = 0
    at: float = 0.0


@dataclass(frozen=True)
class Pace:
    """Where an extraction stands.

    Args:
        total: Planned cost of all that is to be done.
        workers: Worker processes, at least 1.
        last: What is committed.
        warm: What was committed when every worker might have committed its first shard, in which
            it also loads its models; None before.
    """

    total: int
    workers: int
    last: Commits = Commits()
    warm: Commits | None = None

    def seconds_left(self, now: float) -> float:
        """Returns the estimated seconds to the last commit; 0 where all is committed.

        At a commit one worker begins a shard and the others are halfway through theirs, on
        average. Where no commit comes for longer than the pace says, none of the shards that are
        being worked on can have been finished, and the pace is taken to be slower.

        Args:
            now: Seconds since the plan.
        """
        done, at = self.last.cost, self.last.at
        if done >= self.total:
            return 0.0
        shard = shard_cost(self.total, self.workers)
        base = self.warm or Commits()
        pace = self._pace(done - base.cost, at - base.at) if self.warm else self._pace(0, 0)
        if at:  # models were loaded in this time as well, so that the pace is faster, if anything
            pace = max(pace, done / at)
        reached = done + pace * (now - at) + (shard * (self.workers - 1) / 2 if done else 0.0)
        most = done + shard * self.workers
        if reached > most:
            reached, pace = most, min(pace, self._pace(most - base.cost, now - base.at))
        return max(0.0, self.total - reached) / pace

    def _pace(self, done: float, seconds: float) -> float:
        """Returns the cost that is done in a second, of which so much was measured."""
        believed = max(1.0, self.total * PRIOR_SHARE)
        return (done + believed) / (seconds + believed / (1000 * self.workers))
