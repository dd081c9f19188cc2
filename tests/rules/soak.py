"""How many random sequences a soak runs, and with which seeds.

`SOAK` in the environment is the number of sequences of each soak test, a small slice where
it is not set; of what costs more than a sequence it is so many for a million of them. They run
in batches of many keys or accounts at once, each batch from its own seed, so that a failure
names what to run again.
"""

import os
from collections.abc import Iterator
from random import Random

SEQUENCES = int(os.environ.get("SOAK", "2000"))
SHARDS = 4  # tests of their own, so that they spread over processors
BATCH = 500


def share(whole: int, least: int) -> int:
    """Give how many of something to do of which a million sequences have a whole."""
    return max(least, min(whole, whole * SEQUENCES // 1_000_000))


def batches(shard: int) -> Iterator[tuple[int, int, Random]]:
    """Give (seed, number of sequences, random source) of each batch of a shard."""
    for seed in range(shard, -(-SEQUENCES // BATCH), SHARDS):
        size = min(BATCH, SEQUENCES - seed * BATCH)
        yield seed, size, Random(seed)
