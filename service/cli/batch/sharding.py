"""How an archive is cut into shards."""

import math
from typing import Final

FILMS_PER_SHARD: Final = 64
"""Of a small archive: what is lost at most when a node is, for each of its processors."""

MAX_SHARDS: Final = 4096
"""A large archive gets larger shards: its result is not scattered over more files than this."""


def films_per_shard(films: int) -> int:
    """About how many films a shard of an archive of this size has."""
    return max(FILMS_PER_SHARD, math.ceil(films / MAX_SHARDS))


def shard_count(films: int, per_shard: int | None = None) -> int:
    """How many shards an archive of this size has, at least 1.

    Args:
        films: How many films there are.
        per_shard: Films of a shard, about; by default ``films_per_shard``.
    """
    return max(1, math.ceil(films / (per_shard or films_per_shard(films))))
