"""The bar's own prices, as doubles."""

from streaming.rules.bars import Bars, Float, Int
from streaming.rules.compile import kernel
from streaming.rules.indicators.exact import EXACT, divide, quotient
from streaming.rules.indicators.rows import UNIT, Out
from streaming.rules.indicators.windows import BLOCK, largest_sum
from streaming.rules.units import SCALE


@kernel
def to_doubles(prices: Int, out: Float) -> None:
    """Give the double nearest to each price; prices int64[>= n] x 1e8, out float64[n]."""
    for block in range(0, len(out), BLOCK):
        part = out[block : block + BLOCK]
        some = prices[block : block + len(part)]
        if largest_sum(some, 1) <= EXACT:
            for i in range(len(part)):
                part[i] = divide(float(some[i]), SCALE, UNIT)
        else:
            for i in range(len(part)):
                part[i] = quotient(some[i], SCALE)


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
