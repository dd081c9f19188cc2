"""Markets small enough to work out by hand: times are minutes, amounts are decimal texts."""

from oracle.engine import simulate
from oracle.gate import Settings, Signal
from oracle.money import units

MINUTE = 60_000_000
FREE = Settings(capital=units("1000"), order_limit=None, symbol_limit=None, gross_limit=None)


def market(**closes):
    """market(A="10 11 - 12"): closes of minutes 1, 2 and 4; minute 3 has no bar."""
    return {
        symbol: [
            (minute * MINUTE, units(close))
            for minute, close in enumerate(text.split(), start=1)
            if close != "-"
        ]
        for symbol, text in closes.items()
    }


def signal(minute, action, symbol="A", strategy="s", size="1", weight="1", confidence=1.0):
    return Signal(minute * MINUTE, strategy, symbol, action, units(size), confidence, units(weight))


def run(bars, *signals, settings=FREE, until=1000):
    return simulate("acct", settings, bars, list(signals), until * MINUTE)


def codes(outcome):
    return [decision.code for decision in outcome.decisions]


def quantities(outcome):
    return [decision.qty for decision in outcome.decisions]


def held(outcome, symbol="A", strategy="s"):
    return outcome.books()[strategy, symbol].net


FOUR = market(A="10 10 10 10", B="10 10 10 10", C="10 10 10 10", D="10 10 10 10")
