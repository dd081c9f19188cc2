"""The law: whatever minutes come, the panel gives what the per-symbol code gives."""

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streaming.jobs.strategies import Actions, Rows, Strategy, actions, select
from streaming.rules.indicators import close

from indicators.samples import some_bars
from strategies.market import lively_market
from .twins import Twins, minutes_of, play


def mirror(anchor: str, source: str, was: bool) -> Strategy:
    """A strategy that acts at every row, as surely as a close of `source` tells it there."""
    one = close() if source == anchor else close(source)

    def signals(self: Strategy, now: Rows, before: Rows) -> Actions:
        seen = (before if was else now)[one]
        return actions(buy=seen > 0.0, sell=False, confidence=seen / 1_000.0)

    body = {
        "id": f"mirror_{anchor}_{source}_{was}",
        "version": 1,
        "family": "trend",
        "buys": "always",
        "sells": "never",
        "anchor": anchor,
        "needs": lambda self: [one],
        "signals": signals,
    }
    made = dataclasses.dataclass(frozen=True, kw_only=True)(type("Mirror", (Strategy,), body))
    return made()


SEEN = ("M1", "M5", "H1")
MIRRORS = [mirror(a, b, was) for a in SEEN for b in SEEN for was in (False, True)]

kinds = st.builds(
    lambda seed, rows, gaps, volumes: some_bars(seed, rows, gaps=gaps, volumes=volumes),
    st.integers(0, 2**32),
    st.integers(1, 60),
    st.sampled_from([0.0, 0.3, 0.95]),
    st.booleans(),
)


@settings(max_examples=25)
@given(
    market=st.lists(kinds, min_size=1, max_size=4),
    listed=st.integers(1, 4),
    seed=st.integers(0, 2**32),
)
def test_any_minutes_with_any_switches_between(market, listed, seed):
    twins = Twins(MIRRORS, min(listed, len(market)), published=False)
    play(twins, market, seed, minutes_of(market), stir=0.1)


@pytest.mark.parametrize("seed", range(2))
def test_every_strategy_and_published_feature(seed):
    """Warm from a stretch of days, then minute by minute across the boundaries of a day."""
    market = [lively_market(seed + 10 * k, days=8) for k in range(3)]
    market.append(some_bars(seed, 400, gaps=0.9))
    twins = Twins(select("all"), 3, published=True)
    minutes = minutes_of(market[:3])
    twins.warm_up(market, minutes[7 * 1440 - 120])
    play(twins, market, seed, minutes[7 * 1440 - 120 :][:160], stir=0.02)
    assert twins.signals > 10
