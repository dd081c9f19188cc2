"""The simulated account on many random cases against the oracle, cut and restarted."""

import pytest
from oracle import samples

from rules import soak
from rules.fast_account import Fast, expected, moments


@pytest.mark.slow
@pytest.mark.parametrize("shard", range(soak.SHARDS))
def test_the_simulation_equals_the_oracle(shard):
    for seed, size, rng in soak.batches(shard):
        for number in range(size):
            case = samples.trading_case(rng)
            if not case.signals:
                continue
            fast = Fast(case)
            if number % 4 == 0:  # a restart costs more than most cases
                fast.advance(rng.choice(moments(case)))
                fast.restart()
            fast.advance(case.complete_to)
            rows, _ = expected(case)
            assert fast.rows == rows, f"case {number} of seed {seed}"
            if case.settings.reserve_on_open:
                assert rows.breaches == []
