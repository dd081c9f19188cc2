"""Prices and fees of simulated fills against the oracle."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from oracle import engine
from oracle.gate import Instrument, Settings
from oracle.money import BPS, LIMIT, SCALE, half_even, units

from streaming.rules import fills

CLOSE = st.integers(1, 10**12) | st.integers(1, 200).map(lambda n: n * SCALE // 100)
# Rates of less than the whole price, in 1e-8.
RATE = st.integers(0, SCALE - 1) | st.sampled_from([0, 1, BPS, BPS // 2, 25 * BPS, SCALE // 2])
TICK = st.sampled_from([0, 0, 1, SCALE // 100, SCALE // 4, SCALE, 3 * SCALE])


def oracle_price(close, side, rate, tick):
    # A basis point is 1e-4: a rate in 1e-8 is as many 1e-4 of a basis point.
    settings = replace(
        Settings(), slippage_bps=rate * BPS, instruments={"A": Instrument(tick=tick)}
    )
    return engine.fill_price(close, side, settings, "A")


@given(CLOSE, st.booleans(), RATE, TICK)
@example(15_000, True, BPS, 0)  # 1.5 of the last digit: to 2
@example(5_000, True, BPS, 0)  # 0.5: to 0
@example(units("10"), True, 0, SCALE)  # on the tick already
@example(units("10"), False, 0, SCALE)
@example(1, False, SCALE - 1, 0)
def test_the_price_moves_against_the_trader(close, buys, rate, tick):
    side = "BUY" if buys else "SELL"
    assert fills.fill_price(close, buys, rate, tick) == oracle_price(close, side, rate, tick)


@given(CLOSE, RATE, TICK)
def test_nobody_gets_a_better_price_than_the_close(close, rate, tick):
    assert fills.fill_price(close, True, rate, tick) >= close
    if close >= max(tick, 1):
        assert 0 < fills.fill_price(close, False, rate, tick) <= close


def test_a_basis_point_is_a_ten_thousandth():
    assert fills.RATE_PER_BPS == BPS
    assert fills.fill_price(units("10"), True, 10 * fills.RATE_PER_BPS, 0) == units("10.01")
    assert fills.fill_price(units("12"), False, 10 * fills.RATE_PER_BPS, 0) == units("11.988")


@pytest.mark.parametrize(
    ("close", "buys", "price"),
    [("10", True, "10.25"), ("10", False, "9.75"), ("10.25", False, "10"), ("10.1", True, "10.25")],
)
def test_ticks_by_hand(close, buys, price):
    # One basis point, then on to the next quarter.
    assert fills.fill_price(units(close), buys, fills.RATE_PER_BPS, SCALE // 4) == units(price)


@given(st.integers(0, LIMIT - 1), RATE)
@example(15_000, BPS)
@example(5_000, BPS)
@example(LIMIT - 1, SCALE - 1)
def test_a_fee_is_a_share_of_the_notional_rounded_once(notional, rate):
    assert fills.fill_fee(notional, rate) == half_even(notional * rate, SCALE)


def test_without_ticks_nothing_is_divided_by_them():
    with np.errstate(divide="raise"):
        assert fills.fill_price(np.int64(101), True, np.int64(0), np.int64(0)) == 101
