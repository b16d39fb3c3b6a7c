"""Convert: every shard's faces embedded again from their chips, one element a shard."""

from __future__ import annotations

from functools import partial

from facebatch import tables
from facebatch.collection import Collection
from facebatch.collection.lease import Lease
from facebatch.config import Execution
from facebatch.errors import CollectionError
from facebatch.extract import stopping
from facebatch.extract.reembed import reembed_shard
from facebatch.pipelines.work import PerProcess, kept_embedder


class ReembedShard:
    """Commits a shard to the target as the source has it, but for its embeddings.

    One that can't be read is left out: whoever began the conversion sees that it isn't there.
    """

    def __init__(
        self, source: Collection, target: Collection, execution: Execution, lease: Lease
    ) -> None:
        self._source = source
        self._target = target
        self._execution = execution
        self._lease = lease
        self._embedder = PerProcess()

    def __call__(self, shard: str, /) -> None:
        """Converts one shard, unless it is there already."""
        source, target = self._source, self._target
        if target.storage.exists(f"media/{shard}.parquet"):
            return
        try:
            media = tables.read(source.storage, f"media/{shard}.parquet", "media")
            faces = tables.read(source.storage, f"faces/{shard}.parquet", "faces")
            load = partial(kept_embedder, self._embedder, target.settings, self._execution)
            media, faces = reembed_shard(
                media, faces, load, source.settings, target.settings, self._execution
            )
        except CollectionError:
            return
        with stopping.writing():
            self._lease.check_held()
            target.commit_shard(shard, media, faces, keep_times=True)
