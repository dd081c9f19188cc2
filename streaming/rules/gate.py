"""TradePicker: which signals of an account may become orders.

A gate counts symbols: those in which the account (or the account's strategy, as
`tradepicker.key` says) has a position, and those with a live BUY order. Each symbol counts
once, and an order on a symbol that closes meanwhile keeps its place.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streaming.rules.compile import inlined

Int = NDArray[np.int64]

OK = 0
OPEN_LIMIT_EXCEEDED = 1
NO_OPEN_POSITION = 2
BUDGET_EXCEEDED = 3
BELOW_MIN_QTY = 4

CODES = ("OK", "OPEN_LIMIT_EXCEEDED", "NO_OPEN_POSITION", "BUDGET_EXCEEDED", "BELOW_MIN_QTY")
"""Names of the decisions, by their number."""

TRADING_HALTED = 5
DAILY_LOSS_EXCEEDED = 6

HALTS = ("TRADING_HALTED", "DAILY_LOSS_EXCEEDED")
"""Names of why a gate is shut to what opens or adds, numbered on from `CODES`."""


class Gates(NamedTuple):
    """What the gates of one account count; changed in place.

    Attributes
    ----------
    holders : int64[gates, symbols]
        Strategies with a position in the symbol.
    live_buys : int64[gates, symbols]
        Live (unfilled) BUY orders on the symbol.
    opened : int64[gates]
        Symbols with at least one holder.
    taken : int64[gates]
        Symbols that are open or, where places are reserved, have a live BUY order.
    halted : int64[gates]
        Why nothing may open or add, as numbered by `HALTS`; 0 where it may.
    """

    holders: Int
    live_buys: Int
    opened: Int
    taken: Int
    halted: Int


def new_gates(gates: int, symbols: int) -> Gates:
    """Give gates of an account without positions or orders."""
    return Gates(
        np.zeros((gates, symbols), np.int64),
        np.zeros((gates, symbols), np.int64),
        np.zeros(gates, np.int64),
        np.zeros(gates, np.int64),
        np.zeros(gates, np.int64),
    )


@inlined
def admits_buy(gates: Gates, gate: int, symbol: int, max_open: int) -> bool:
    """Tell whether a BUY may go on: the symbol is open, or a place is free."""
    return bool(gates.holders[gate, symbol] > 0 or gates.taken[gate] < max_open)


@inlined
def count_order(gates: Gates, gate: int, symbol: int, change: int, reserve: bool) -> None:
    """Count a BUY order that was sent (change 1), or that filled or was cancelled (-1)."""
    before = gates.live_buys[gate, symbol]
    after = before + change
    gates.live_buys[gate, symbol] = after
    if reserve and gates.holders[gate, symbol] == 0:
        gates.taken[gate] += (1 if after > 0 else 0) - (1 if before > 0 else 0)


@inlined
def count_holder(gates: Gates, gate: int, symbol: int, change: int, reserve: bool) -> bool:
    """Count a strategy's position that opened (1) or closed (-1); tell if a symbol opened."""
    before = gates.holders[gate, symbol]
    after = before + change
    gates.holders[gate, symbol] = after
    if (before > 0) == (after > 0):
        return False
    step = 1 if after > 0 else -1
    gates.opened[gate] += step
    if not (reserve and gates.live_buys[gate, symbol] > 0):
        gates.taken[gate] += step
    return step > 0
