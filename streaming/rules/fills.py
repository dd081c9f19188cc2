"""Fill simulation: the price and fee of an order that fills at a bar's close.

Slippage and tick size move the price against the trader; all amounts are int64 x 1e8.
"""

from typing import Any

from streaming.rules.compile import inlined
from streaming.rules.money import times

RATE_PER_BPS = 10_000
"""One basis point as a rate x 1e8; rates are settable to a ten-thousandth of one."""


@inlined
def fill_price(close: int, buys: bool, slippage: int, tick_size: int) -> Any:
    """Give close + R(close x slippage) for a BUY, close - R(close x slippage) for a SELL.

    Parameters
    ----------
    close : int64
        Close of the bar, x 1e8, positive.
    slippage : int64
        Rate x 1e8 (`RATE_PER_BPS` for each basis point), 0 <= slippage < 1e8.
    tick_size : int64
        x 1e8; the price moves on to the next multiple against the trader. 0: no ticks.

    Returns
    -------
    int64
        Price x 1e8; a SELL's is at least one tick, or 1e-8.
    """
    slip = times(close, slippage)
    price = close + slip if buys else close - slip
    if tick_size > 0:
        over = price % tick_size
        if over > 0:
            price += tick_size - over if buys else -over
    return max(price, max(tick_size, 1))


@inlined
def fill_fee(notional: int, fee_rate: int) -> Any:
    """Give R(notional x rate) of a fill's notional R(price x quantity x point value)."""
    return times(notional, fee_rate)
