"""Volume, and prices weighted by it."""

import math

import numpy as np

from streaming.rules.bars import DAY_US, Bars, Float
from streaming.rules.compile import inlined, kernel
from streaming.rules.indicators.rows import Out, blank
from streaming.rules.indicators.windows import block_rows, tree_sums
from streaming.rules.units import SCALE

_PARTS = 3.0 * SCALE


@inlined
def _typical(bars: Bars, at: int) -> int:
    """Give high + low + close: three times the typical price, x 1e8."""
    return int(bars.high[at] + bars.low[at] + bars.close[at])


@kernel
def volume(bars: Bars, first: int, seen: int, params: Float, state: Float, out: Out) -> None:
    """Give the volume of each bar, NaN where the source has none."""
    row, known = out[0], bars.volume[first:]
    for i in range(len(row)):
        row[i] = known[i]


@kernel
def volume_sma(bars: Bars, first: int, seen: int, params: Float, state: Float, out: Out) -> None:
    """Give the mean volume of the last `length` bars; NaN while one of them has none."""
    length = int(params[0])
    start = blank(out[0], seen, length - 1)
    step = block_rows(length)
    for block in range(start, len(out[0]), step):
        row = out[0][block : block + step]
        oldest = first + block - length + 1
        sums = tree_sums(bars.volume[oldest : first + block + len(row)], length)[length - 1 :]
        for i in range(len(row)):
            row[i] = sums[i] / length


@kernel
def vwap(bars: Bars, first: int, seen: int, params: Float, state: Float, out: Out) -> None:
    """Give the volume-weighted average of (high + low + close) / 3 since the UTC day began.

    A bar belongs to the day in which it ends, 24:00 included. Bars without volume (NaN or
    0) count nothing; before the day's first volume the value is NaN.

    Notes
    -----
    State: end of the day (microseconds UTC), the day's first typical price (3 x 1e8), sum
    of volume x difference from it, sum of volume. The differences are exact integers, so
    prices that stand still give their own price.
    """
    end, base, weighted, total = state[0], state[1], state[2], state[3]
    row = out[0]
    for i in range(len(row)):
        at = first + i
        ts = bars.ts[at]
        if ts > end or seen + i == 0:
            end = float(-(-ts // DAY_US) * DAY_US)
            base = float(_typical(bars, at))
            weighted = total = 0.0
        amount = bars.volume[at]
        if amount > 0.0:
            weighted += amount * float(_typical(bars, at) - int(base))
            total += amount
        row[i] = (base + weighted / total) / _PARTS if total > 0.0 else math.nan
    state[0], state[1], state[2], state[3] = end, base, weighted, total


@kernel
def vwap_rolling(bars: Bars, first: int, seen: int, params: Float, state: Float, out: Out) -> None:
    """Give the volume-weighted average of (high + low + close) / 3 over `length` bars.

    Bars without volume (NaN or 0) count nothing; NaN where no bar of the window has any.
    """
    length = int(params[0])
    start = blank(out[0], seen, length - 1)
    step = block_rows(length)
    for block in range(start, len(out[0]), step):
        row = out[0][block : block + step]
        typical = np.empty(len(row) + length - 1, np.int64)
        amount = np.empty(len(typical))
        oldest = first + block - length + 1
        for i in range(len(typical)):
            typical[i] = _typical(bars, oldest + i)
            amount[i] = bars.volume[oldest + i] if bars.volume[oldest + i] > 0.0 else 0.0
        # Each window is summed anew, newest last, as differences from its newest price. The
        # windows go in the inner loop, so that many are summed side by side.
        newest = typical[length - 1 :]
        weighted = np.zeros(len(row))
        for lag in range(length):
            prices, volumes = typical[lag:], amount[lag:]
            for i in range(len(weighted)):
                weighted[i] += volumes[i] * float(prices[i] - newest[i])
        total = tree_sums(amount, length)[length - 1 :]
        for i in range(len(row)):
            if total[i] > 0.0:
                row[i] = (float(newest[i]) + weighted[i] / total[i]) / _PARTS
            else:
                row[i] = math.nan
