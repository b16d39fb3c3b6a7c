"""One archive's tables: shards and their commits, snapshots, generations, upkeep."""
