"""The bar's own prices, as doubles."""

from streaming.rules.bars import Bars, Float, Int
from streaming.rules.compile import inlined, kernel
from streaming.rules.indicators.exact import quotient
from streaming.rules.indicators.rows import Out
from streaming.rules.money import SCALE


@inlined
def to_doubles(prices: Int, out: Float) -> None:
    """Give the double nearest to each price; prices int64[n] x 1e8, out float64[n]."""
    for i in range(len(out)):
        out[i] = quotient(prices[i], SCALE)


@kernel
def open_price(bars: Bars, first: int, seen: int, params: Float, state: Float, out: Out) -> None:
    """Give the open of each bar."""
    to_doubles(bars.open[first:], out[0])


@kernel
def high_price(bars: Bars, first: int, seen: int, params: Float, state: Float, out: Out) -> None:
    """Give the high of each bar."""
    to_doubles(bars.high[first:], out[0])


@kernel
def low_price(bars: Bars, first: int, seen: int, params: Float, state: Float, out: Out) -> None:
    """Give the low of each bar."""
    to_doubles(bars.low[first:], out[0])


@kernel
def close_price(bars: Bars, first: int, seen: int, params: Float, state: Float, out: Out) -> None:
    """Give the close of each bar."""
    to_doubles(bars.close[first:], out[0])
