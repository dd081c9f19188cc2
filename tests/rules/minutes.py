"""Trading cases of a few minutes, written by hand, and their run held to the oracle."""

from oracle.gate import Signal
from oracle.money import units
from oracle.samples import MINUTE, START, TradingCase
from oracle.small_markets import FREE

from rules.fast_account import Fast, expected


def small(closes, *signals, rules=FREE, until=1000):
    """A case of minutes: closes {"A": "10 - 11"}, signals (minute, strategy, symbol, action)."""
    bars = {
        symbol: [
            (START + minute * MINUTE, units(close))
            for minute, close in enumerate(text.split(), start=1)
            if close != "-"
        ]
        for symbol, text in closes.items()
    }
    made = [
        Signal(START + row[0] * MINUTE, *row[1:4], *[units(size) for size in row[4:5]])
        for row in signals
    ]
    return TradingCase(rules, bars, made, START + until * MINUTE)


def run(case):
    fast = Fast(case)
    fast.advance(case.complete_to)
    assert fast.rows == expected(case)[0]
    return fast.rows
