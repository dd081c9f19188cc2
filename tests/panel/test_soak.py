"""The law on many random markets: three for each batch of a soak's sequences."""

import pytest
from rules import soak

from streaming.jobs.strategies import select

from .test_law import MIRRORS, bars_of
from .twins import Twins, minutes_of, play


@pytest.mark.slow
@pytest.mark.parametrize("shard", range(soak.SHARDS))
def test_the_panel_equals_the_per_symbol_code(shard):
    for seed, _, rng in soak.batches(shard):
        for published in (False, False, True):
            market = [
                bars_of(
                    rng.randrange(2**32),
                    rng.randrange(1, 60 if published else 120),
                    rng.choice([0.0, 0.3, 0.95]),
                    rng.random() < 0.7,
                    rng.choice([1, 5, 15, 60, 240, 1440]),
                )
                for _ in range(rng.randrange(1, 6))
            ]
            strategies = [*select("all"), *MIRRORS] if published else MIRRORS
            twins = Twins(strategies, rng.randint(1, len(market)), published=published)
            try:
                play(twins, market, seed, minutes_of(market), stir=rng.choice([0.02, 0.1, 0.3]))
            except AssertionError as error:
                raise AssertionError(f"seed {seed}: {error}") from error
