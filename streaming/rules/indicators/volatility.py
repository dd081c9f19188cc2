"""Volatility: how far prices move within a bar and from bar to bar."""

import math

import numpy as np

from streaming.rules.bars import Bars, Float
from streaming.rules.compile import inlined, kernel
from streaming.rules.indicators.exact import fma
from streaming.rules.indicators.rows import UNIT, Out, blank
from streaming.rules.indicators.windows import block_rows, tree_sums


@inlined
def true_range(high: int, low: int, before: int) -> int:
    """Give the bar's range, stretched to the close before it; x 1e8."""
    return max(high, before) - min(low, before)


@kernel
def atr(bars: Bars, first: int, seen: int, params: Float, state: Float, out: Out) -> None:
    """Give the average true range.

    Wilder (1978); as TA-Lib's ATR. The average starts as the mean of the first `length`
    true ranges (first value at row `length`: the first bar has none), then average =
    (average x (length - 1) + range) / length.

    State: the average, x 1e8.
    """
    length = int(params[0])
    share = 1.0 / length
    keep = 1.0 - share
    row = out[0]
    start = blank(row, seen, length)
    if start == len(row):
        return
    average = state[0]
    if seen + start == length:
        average = 0.0
        for i in range(first + start - length + 1, first + start + 1):
            average += float(true_range(bars.high[i], bars.low[i], bars.close[i - 1]))
        average /= length
        row[start] = average * UNIT
        start += 1
    highs = bars.high[first + start :]
    lows = bars.low[first + start :]
    befores = bars.close[first + start - 1 :]
    rest = row[start:]
    for i in range(len(rest)):
        average = fma(keep, average, share * float(true_range(highs[i], lows[i], befores[i])))
        rest[i] = average * UNIT
    state[0] = average


@kernel
def realised_volatility(
    bars: Bars, first: int, seen: int, params: Float, state: Float, out: Out
) -> None:
    """Give the root mean square of the last `length` log returns of the close.

    Per bar and not annualised, as a fraction: times the root of a number of bars, it is the
    volatility over them. The mean return is taken for zero, as usual for short bars
    (Andersen, Bollerslev, Diebold and Labys 2003). First value at row `length`.
    """
    length = int(params[0])
    start = blank(out[0], seen, length)
    step = block_rows(length)
    squares = np.empty(step + length)
    for block in range(start, len(out[0]), step):
        row = out[0][block : block + step]
        closes = bars.close[first + block - length : first + block + len(row)]
        used = squares[: len(closes) - 1]
        for i in range(len(used)):
            # Called bar by bar: vector versions of log round by the place in the vector.
            change = math.log(float(closes[i + 1]) / float(closes[i]))
            used[i] = change * change
        sums = tree_sums(used, length)[length - 1 :]
        for i in range(len(row)):
            row[i] = math.sqrt(sums[i] / length)
