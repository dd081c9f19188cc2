"""Each strategy's rule, on rows made by hand: what it buys, what it sells, what it lets pass."""

import math

import numpy as np
import pytest

from streaming.jobs.strategies import BUY, SELL, STRATEGIES, make
from streaming.jobs.strategies.signals import Signals
from streaming.rules.program_loop import run_program

SIGMA = 0.001
LEVEL = 100.0 * math.sqrt(240) * SIGMA

# For each strategy: (before, now) of a BUY and its confidence, of a SELL, and of a row that
# looks like a BUY but for one thing. The values go in the order of the strategy's features.
RULES = {
    "sma_cross": (((1, 2), (3, 2)), 0.5, ((2, 2), (1, 2)), ((3, 2), (4, 2))),
    "ema_cross": (
        ((1, 2, 30), (3, 2, 30)), 0.6,
        ((3, 2, 10), (1, 2, 10)),
        ((1, 2, 20), (3, 2, 20)),
    ),
    "macd_cross": (
        ((-3, -2, 4), (-1, -2, 4)), 0.25,
        ((3, 2, 4), (1, 2, 4)),
        ((1, 2, 4), (3, 2, 4)),
    ),
    "atr_channel": (
        ((102, 100, 1), (102.5, 100, 1)), 0.5,
        ((98, 100, 1), (97.5, 100, 1)),
        ((102, 100, 1), (102.5, 100, 2)),
    ),
    "rsi_reversion": (((31,), (25,)), 0.5, ((55,), (56,)), ((25,), (24,))),
    "bollinger_reversion": (
        ((99, 98, 100), (97, 98, 100)), 0.75,
        ((99, 98, 100), (101, 98, 100)),
        ((97, 98, 100), (96, 98, 100)),
    ),
    "zscore_reversion": (
        ((-1.5, 20), (-3, 20)), 0.75,
        ((-1, 50), (0.5, 50)),
        ((-1.5, 30), (-3, 30)),
    ),
    "vwap_reversion": (
        ((95, 100, 2), (91, 100, 2)), 0.75,
        ((99, 100, 2), (101, 100, 2)),
        ((93, 100, 2), (91, 100, 3)),
    ),
    "connors_rsi": (
        ((100, 15, 101, 90), (99, 5, 101, 90)), 0.5,
        ((99, 5, 100, 90), (101, 60, 100, 90)),
        ((100, 15, 101, 110), (99, 5, 101, 110)),
    ),
    "roc_momentum": (((0.1,), (0.3,)), 0.75, ((0.1,), (-0.1,)), ((0.3,), (0.4,))),
    "rsi_momentum": (((60,), (75,)), 0.5, ((45,), (39,)), ((75,), (76,))),
    "dual_horizon_momentum": (((-1, 1), (1, 1)), 0.6, ((1, 1), (1, -1)), ((-1, -1), (1, -1))),
    "time_series_momentum": (
        ((LEVEL, SIGMA), (1.5 * LEVEL, SIGMA)), 0.75,
        ((0.5, SIGMA), (-0.5, SIGMA)),
        ((LEVEL, SIGMA), (1.5 * LEVEL, 2 * SIGMA)),
    ),
    "donchian_breakout": (
        ((104, 104.5, 105, 95, 2), (106, 106.5, 106.5, 95, 2)), 0.5,
        ((101, 102, 105, 95, 2), (99, 101, 105, 95, 2)),
        ((104, 105, 105, 95, 2), (106, 106.5, 106.5, 95, 2)),
    ),
    "bollinger_breakout": (
        ((101, 102, 100), (103, 102, 100)), 0.75,
        ((101, 102, 100), (99, 102, 100)),
        ((103, 102, 100), (104, 102, 100)),
    ),
    "atr_breakout": (
        ((100, 1, 99), (103, 2, 99.5)), 0.75,
        ((100, 1, 99), (98, 1, 99)),
        ((100, 1, 110), (103, 2, 110)),
    ),
    "previous_day_breakout": (
        ((100, 101, 91), (102, 101, 91)), 0.5,
        ((97, 101, 91), (95, 101, 91)),
        ((100, 105, 91), (101, 99, 91)),
    ),
    "squeeze": (
        ((101, 102, 100, 2), (102, 104, 100, 2)), 0.25,
        ((101, 102, 100, 2), (99, 102, 100, 2)),
        ((99.5, 102, 100, 2), (99, 104, 100, 2)),
    ),
    "volatility_target": (
        ((99, 100, 2, 1), (101, 100, 2, 1)), 0.5,
        ((101, 100, 2, 1), (99, 100, 2, 1)),
        ((101, 100, 2, 1), (102, 100, 2, 1)),
    ),
    "calm_trend": (
        ((100, 90, 0.8, 1), (100, 90, 0.7, 1)), 0.5,
        ((100, 90, 1.2, 1), (100, 90, 1.3, 1)),
        ((100, 110, 0.8, 1), (100, 110, 0.7, 1)),
    ),
    "hour_trend_pullback": (
        ((2, 1, 39), (2, 1, 41)), 0.6,
        ((2, 1, 50), (0.5, 1, 50)),
        ((1, 2, 39), (1, 2, 41)),
    ),
    "day_trend_entry": (
        ((10, 9, 1, 2), (10, 9, 3, 2)), 0.6,
        ((10, 9, 3, 2), (10, 9, 1, 2)),
        ((8, 9, 1, 2), (8, 9, 3, 2)),
    ),
    "four_hour_breakout": (
        ((100, 101, 91, 1), (102, 101, 91, 1)), 0.75,
        ((97, 101, 91, -1), (95, 101, 91, -1)),
        ((100, 101, 91, 0), (102, 101, 91, 0)),
    ),
    "triple_screen": (
        ((99, 100, 30, 1), (101, 101, 25, 1)), 0.5,
        ((99, 100, 30, 1), (99, 100, 30, -1)),
        ((99, 100, 30, -1), (101, 101, 25, -1)),
    ),
}  # fmt: skip


def act(one, before, now):
    """What a strategy does at one row."""

    columns = {
        (feature, was): np.array([value], float)
        for was, values in ((True, before), (False, now))
        for feature, value in zip(one.features, values, strict=True)
    }
    return Signals(*run_program(one.program, columns.__getitem__, 1))


def test_every_strategy_has_its_rows():
    assert set(RULES) == set(STRATEGIES)


@pytest.mark.parametrize("name", RULES)
def test_rule(name):
    one = make(name)
    buy, confidence, sell, quiet = RULES[name]
    bought, sold = act(one, *buy), act(one, *sell)
    assert bought.action.tolist() == [BUY]
    assert bought.confidence.tolist() == pytest.approx([confidence])
    assert sold.action.tolist() == [SELL]
    assert sold.confidence.tolist() == [1.0]
    assert sold.size_hint.tolist() == [100_000_000]
    assert not len(act(one, *quiet).ts)


@pytest.mark.parametrize("name", sorted(set(RULES) - {"volatility_target"}))
def test_three_buys_fit_into_the_capital(name):
    buy, *_ = RULES[name]
    assert act(make(name), *buy).size_hint.tolist() == [33_000_000]


def test_volatility_target_is_small_in_a_wild_market_and_never_above_its_most():
    one = make("volatility_target")
    sizes = [
        act(one, (99, 100, recent, 1), (101, 100, recent, 1)).size_hint.tolist()
        for recent in (2.0, 1.0, 0.1)
    ]
    assert sizes == [[16_500_000], [33_000_000], [50_000_000]]


@pytest.mark.parametrize(
    ("name", "before", "now"),
    [
        ("hour_trend_pullback", (2, 1, 71), (2, 1, 69)),
        ("triple_screen", (99, 100, 60, 1), (99, 100, 66, 1)),
    ],
)
def test_the_other_way_out(name, before, now):
    assert act(make(name), before, now).action.tolist() == [SELL]
