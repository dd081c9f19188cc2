"""Merge bars into intervals: the kernel of `streaming.rules.timeframes`."""

import math

from streaming.rules.bars import Bars
from streaming.rules.compile import inlined, kernel


@inlined
def put_bar(
    out: Bars, at: int, ts: int, opened: int, high: int, low: int, close: int, volume: float
) -> None:
    """Write one bar into columns."""
    out.ts[at] = ts
    out.open[at] = opened
    out.high[at] = high
    out.low[at] = low
    out.close[at] = close
    out.volume[at] = volume


@kernel
def merge_bars(bars: Bars, length: int, count: int, out: Bars) -> int:
    """Add bars, in order, to intervals.

    Parameters
    ----------
    bars : Bars
        All later than the bars that are already in `out`.
    length : int
        Microseconds of an interval; its boundaries are the multiples.
    count : int
        Intervals in `out` so far: 0, or 1 that may still grow.
    out : Bars
        Receives the intervals; long enough.

    Returns
    -------
    int
        Intervals in `out` now.
    """
    rows = len(bars.ts)
    if rows == 0:
        return count
    # The interval being added to is kept out of the arrays, where each change would be a write.
    # An end before all bars stands for none.
    at = count - 1
    end, opened, high, low, close, volume = bars.ts[0] - 1, 0, 0, 0, 0, math.nan
    if at >= 0:
        end, opened, high, low = out.ts[at], out.open[at], out.high[at], out.low[at]
        close, volume = out.close[at], out.volume[at]
    for i in range(rows):
        if bars.ts[i] > end:
            if at >= 0:
                put_bar(out, at, end, opened, high, low, close, volume)
            at += 1
            end = -(-bars.ts[i] // length) * length
            opened, high, low = bars.open[i], bars.high[i], bars.low[i]
            close, volume = bars.close[i], bars.volume[i]
            continue
        high = max(high, bars.high[i])
        low = min(low, bars.low[i])
        close = bars.close[i]
        if math.isnan(volume):
            volume = bars.volume[i]
        elif not math.isnan(bars.volume[i]):
            volume += bars.volume[i]
    put_bar(out, at, end, opened, high, low, close, volume)
    return at + 1
