"""Moving averages of the close."""

from streaming.rules.bars import Bars, Float, Int
from streaming.rules.compile import inlined, kernel
from streaming.rules.indicators.exact import fma
from streaming.rules.indicators.rows import Out, blank
from streaming.rules.indicators.windows import block_rows, window_means
from streaming.rules.units import SCALE


@kernel
def sma(bars: Bars, first: int, seen: int, params: Float, state: Float, out: Out) -> None:
    """Give the simple moving average: the double nearest to the exact mean of the closes.

    As TA-Lib's SMA. Equal means are equal doubles, whatever the lengths: an average of
    equal prices equals the price.
    """
    length = int(params[0])
    start = blank(out[0], seen, length - 1)
    step = block_rows(length)
    for block in range(start, len(out[0]), step):
        mean = out[0][block : block + step]
        window_means(bars.close, first + block, length, mean)


@inlined
def seed_gap(closes: Int, at: int, length: int) -> float:
    """Give the mean of the `length` closes up to row `at` less the close at `at`, x 1e8."""
    total = 0.0
    for i in range(at - length + 1, at):
        total += float(closes[i] - closes[at])
    return total / length


@kernel
def ema(bars: Bars, first: int, seen: int, params: Float, state: Float, out: Out) -> None:
    """Give the exponential moving average, e = a x close + (1 - a) x e with a = 2 / (length + 1).

    As TA-Lib's EMA: the first value, at row length - 1, is the mean of the closes so far.

    Notes
    -----
    Carried is g = e - close (x 1e8), for which the recursion reads g = (1 - a) (g - change
    of the close). Changes are exact integers, so prices that stand still give an average
    that equals the price, or comes ever closer to it from its own side: two averages never
    cross by rounding alone.
    """
    length = int(params[0])
    keep = 1.0 - 2.0 / (length + 1)
    start = blank(out[0], seen, length - 1)
    row = out[0]
    closes = bars.close
    if start == len(row):
        return
    if seen + start == length - 1:
        state[0] = seed_gap(closes, first + start, length)
        row[start] = (float(closes[first + start]) + state[0]) / SCALE
        start += 1
    new = closes[first + start :]
    old = closes[first + start - 1 :]
    rest = row[start:]
    gap = state[0]
    for i in range(len(rest)):
        gap = fma(keep, gap, keep * float(old[i] - new[i]))
        rest[i] = (float(new[i]) + gap) / SCALE
    state[0] = gap
