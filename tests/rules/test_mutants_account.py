"""What an account refuses, and the edges of its fills (found by mutants that survived)."""

from dataclasses import replace

import pytest
from oracle.gate import Settings, Signal
from oracle.money import units
from oracle.samples import MINUTE, START, TradingCase

from rules.fast_account import Fast, expected
from streaming.errors import MoneyError, StateError

FREE = Settings(capital=units("1000"), order_limit=None, symbol_limit=None, gross_limit=None)


def case(closes, *signals, rules=FREE, until=1000):
    """Minutes by hand: closes of A from minute 1 on, signals (minute, action[, size])."""
    bars = {
        "A": [
            (START + minute * MINUTE, units(close))
            for minute, close in enumerate(closes.split(), start=1)
        ]
    }
    made = [
        Signal(START + row[0] * MINUTE, "s", "A", row[1], *[units(size) for size in row[2:]])
        for row in signals
    ]
    return TradingCase(rules, bars, made, START + until * MINUTE)


@pytest.mark.parametrize("other", ["acc", "accu", "a", "z"])
def test_the_state_of_an_account_of_another_name_is_refused(other):
    one = Fast(case("10 10", (1, "BUY")))
    saved = one.account.to_bytes()
    one.account.name = other
    with pytest.raises(StateError, match=f"not for {other} "):
        one.account.restore(saved)


@pytest.mark.parametrize("others", [["r"], ["t"], [], ["s", "t"]])
def test_the_state_of_other_strategies_is_refused(others):
    one = Fast(case("10 10", (1, "BUY")))
    saved = one.account.to_bytes()
    one.account.strategies = others
    with pytest.raises(StateError, match="strategies"):
        one.account.restore(saved)


def test_a_sale_whose_notional_does_not_fit_is_refused():
    # Bought 1000 for 1000; at the dearest price there is they are worth 1e13.
    dear = "9999999999.99999999"
    sale = case(f"1 1 {dear} {dear}", (1, "BUY"), (3, "SELL"))
    with pytest.raises(MoneyError):
        Fast(sale).advance(sale.complete_to)


def test_a_sale_of_the_dearest_notional_that_fits_goes_through():
    # 1 bought for 1, sold for the most that fits.
    rules = replace(FREE, capital=units("1"))
    sale = case("1 1 9999999999.99999999 9999999999.99999999", (1, "BUY"), (3, "SELL"), rules=rules)
    fast = Fast(sale)
    fast.advance(sale.complete_to)
    assert fast.rows == expected(sale)[0]
    assert fast.rows.matches[0][3] == units("9999999998.99999999")
