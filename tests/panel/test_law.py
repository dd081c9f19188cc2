"""The law: whatever minutes come, the panel gives what the per-symbol code gives."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from indicators.samples import some_bars
from strategies.market import lively_market, real_bars

from streaming.jobs.panel import PanelSignals, SeriesRows, SymbolPanel
from streaming.jobs.strategies import select
from streaming.jobs.symbol_stage import SymbolStage
from streaming.rules.bars import MINUTE_US, Bars, join_bars

from .twins import Twins, assert_same_signals, at_minute, minutes_of, mirror, play

SEEN = ("M1", "M5", "H1")
MIRRORS = [mirror(a, b, was) for a in SEEN for b in SEEN for was in (False, True)]


def bars_of(seed: int, rows: int, gaps: float, volumes: bool, rounded: int) -> Bars:
    """Bars of which some come late, so that they are the last minute of an interval."""
    bars = some_bars(seed, rows, gaps=gaps, volumes=volumes)
    length = rounded * MINUTE_US
    late = np.random.default_rng(seed).random(rows) < 0.4
    moved = np.maximum.accumulate(np.where(late, -(-bars.ts // length) * length, bars.ts))
    ts, first = np.unique(moved, return_index=True)
    return Bars(ts, *(column[first] for column in bars[1:]))


kinds = st.builds(
    bars_of,
    st.integers(0, 2**32),
    st.integers(1, 60),
    st.sampled_from([0.0, 0.3, 0.95]),
    st.booleans(),
    st.sampled_from([1, 5, 60]),
)


@settings(max_examples=60)
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


def test_real_bars_minute_by_minute_are_the_backtests(real_bars_folder):
    """A panel that knows no batch against `SymbolStage` over everything at once."""
    found = real_bars(real_bars_folder)
    names = [name for name in ("SPY", "AIG", "XAUUSD.OANDA", "ES_201312") if name in found]
    market = [found[name].rows(0, 700) for name in names]
    strategies = select("all")
    stage = SymbolStage(strategies, published=True)
    panel = SymbolPanel(strategies, names, published=True)
    parts = []
    minutes = minutes_of(market)
    for minute in minutes:
        bars = at_minute(market, range(len(names)), minute)
        parts.append(panel.advance(np.array([*bars]), join_bars([*bars.values()]), minute))
    signals = panel.by_symbol(PanelSignals._make(joined(one.signals for one in parts)))
    rows = {name: joined_rows([one.features[name] for one in parts]) for name in parts[0].features}
    for code, bars in enumerate(market):
        state = stage.new_state()
        ((features, wanted),) = stage.blocks(state, bars, minutes[-1])
        assert state.to_bytes() == panel.states(np.array([code]))[0]
        assert sum(len(one.ts) for one in wanted) > 50
        for strategy, one in zip(strategies, wanted, strict=True):
            assert_same_signals(signals[strategy.id][code], one)
        for timeframe, expected in features.items():
            mine = np.flatnonzero(rows[timeframe].codes == code)
            assert rows[timeframe].ts[mine].tolist() == expected.ts.tolist()
            for feature, column in expected.values.items():
                given = rows[timeframe].values[feature][mine]
                np.testing.assert_array_equal(given, column, f"{timeframe} {feature}")


def joined(parts):
    return [np.concatenate(column) for column in zip(*parts, strict=True)]


def joined_rows(parts):
    codes, ts = joined(one[:2] for one in parts)
    values = joined(one.values.values() for one in parts)
    return SeriesRows(codes, ts, dict(zip(parts[0].values, values, strict=True)))
