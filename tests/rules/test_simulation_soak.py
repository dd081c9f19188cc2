"""The simulated account on many random cases against the oracle, cut and restarted."""

import pytest
from oracle import samples
from oracle.money import DoesNotFitError

from rules import soak
from rules.fast_account import Fast, expected, moments
from streaming.errors import MoneyError


@pytest.mark.slow
@pytest.mark.parametrize("shard", range(soak.SHARDS))
def test_the_simulation_equals_the_oracle(shard):
    for seed, size, rng in soak.batches(shard):
        for number in range(size):
            case = samples.trading_case(rng)
            if not case.signals:
                continue
            fast = Fast(case)
            try:
                rows, _ = expected(case)
            except DoesNotFitError:  # a tick of 0.25 under a price of 1e-8 makes such fills
                with pytest.raises(MoneyError, match="does not fit"):
                    fast.advance(case.complete_to)
                continue
            if number % 4 == 0:  # a restart costs more than most cases
                fast.advance(rng.choice(moments(case)))
                fast.restart()
            fast.advance(case.complete_to)
            assert fast.rows == rows, f"case {number} of seed {seed}"
            if case.settings.reserve_on_open:
                assert rows.breaches == []
