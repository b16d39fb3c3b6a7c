"""From media items to face rows: the plan, one shard's work, the guarded decoder, progress."""
