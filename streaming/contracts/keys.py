"""Columns that many tables share, and the keys made of them."""

from streaming.contracts.columns import Column, key, one_of, text
from streaming.rules.timeframes import TIMEFRAMES

ACCOUNT = key("accountId", "account; paper accounts are paper:<account>, backtests bt:<name>")
STRATEGY = key("strategyId", "strategy that decided; UNATTRIBUTED for fills of unknown orders")
# No market has them in a symbol; a quote that was misread leaves the one, a wrong encoding the
# other.
SYMBOL = key("symbol", "instrument", without='"\ufffd')
TIMEFRAME = one_of("timeframe", list(TIMEFRAMES), "length of the bar")

POSITION_KEY: tuple[Column, ...] = (ACCOUNT, STRATEGY, SYMBOL)
"""A position: the engine's key."""

SERIES_KEY: tuple[Column, ...] = (SYMBOL, TIMEFRAME)
"""A series of bars of one length: the indicators' key."""

ORDER = key("orderId", "hash of the accepted signal, or the broker's id of an unknown order")

RUN = text("runId", "backtest run that wrote the row; null where live", nullable=True)


def action(description: str) -> Column:
    """Describe a BUY or SELL."""
    return one_of("action", ["BUY", "SELL"], description)


def position_side(description: str) -> Column:
    """Describe a LONG or SHORT."""
    return one_of("side", ["LONG", "SHORT"], description)
