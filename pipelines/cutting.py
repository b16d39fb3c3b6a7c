"""Cutting: items into shards of similar cost, one element each, spread over the workers."""

from __future__ import annotations

from collections.abc import Mapping

import apache_beam as beam
from apache_beam.pvalue import AsSingleton

from facebatch.extract.plan import cut, pack_containers, shard_cost


class CutShards(beam.PTransform):
    """Cuts items into shards of similar cost and spreads them over the workers."""

    def __init__(self, workers: int) -> None:
        super().__init__()
        self._workers = workers

    def expand(self, items: beam.PCollection) -> beam.PCollection:
        """Applies the transform."""
        workers = self._workers
        packing = (
            items
            | "costs" >> beam.Map(lambda item: (item.file.container, item.cost))
            | beam.CombinePerKey(sum)
            | beam.combiners.ToDict()
            | "pack" >> beam.Map(_pack, workers)
        )
        return (
            items
            | "by group"
            >> beam.Map(
                lambda item, packed: (packed[1][item.file.container], item), AsSingleton(packing)
            )
            | beam.GroupByKey()
            | "cut"
            >> beam.FlatMap(
                lambda pair, packed: cut(list(pair[1]), packed[0]), AsSingleton(packing)
            )
            | beam.Reshuffle()
        )


def _pack(costs: Mapping[bytes, int], workers: int) -> tuple[int, dict[bytes, bytes]]:
    target = shard_cost(sum(costs.values()), workers)
    return target, pack_containers(costs, target)
