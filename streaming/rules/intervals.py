"""Merge bars into intervals: the kernel of `streaming.rules.timeframes`."""

import math

import numpy as np

from streaming.rules.bars import Bars, Int
from streaming.rules.compile import inlined, kernel

NONE = -1
"""Stands for the end of an interval that has no bar yet."""


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


@inlined
def _copy_bar(source: Bars, row: int, out: Bars, at: int) -> None:
    put_bar(
        out,
        at,
        source.ts[row],
        source.open[row],
        source.high[row],
        source.low[row],
        source.close[row],
        source.volume[row],
    )


@kernel
def finish_intervals(
    row_of: Int,
    bars: Bars,
    complete_to: int,
    length: int,
    partial: Bars,
    codes: tuple[Int, Int],
    finished: tuple[Bars, Bars],
) -> tuple[int, int]:
    """Add at most one bar to the open interval of each symbol: `timeframes.aggregate` for many.

    Parameters
    ----------
    row_of : int64[symbols]
        The row of each symbol's bar, or -1.
    bars : Bars
        One row for each symbol that has a bar.
    complete_to, length : int
        Microseconds: up to where no bar will come any more; of an interval.
    partial : Bars
        The open interval of each symbol, changed in place; `ts` is `NONE` where there is none.
    codes, finished : int64[symbols] and Bars of as many rows, two of each
        Receive the symbols, ascending, and their first finished interval; and, where one bar
        finishes an older interval and its own, the second.

    Returns
    -------
    int, int
        How many there are of each.
    """
    first = second = 0
    # As `aggregate` lays them out: the open interval, then those that the bar begins.
    merged = Bars(
        np.empty(2, np.int64),
        np.empty(2, np.int64),
        np.empty(2, np.int64),
        np.empty(2, np.int64),
        np.empty(2, np.int64),
        np.empty(2, np.float64),
    )
    for code in range(len(row_of)):
        row = row_of[code]
        if row < 0 and (partial.ts[code] == NONE or partial.ts[code] > complete_to):
            continue
        count = 0
        if partial.ts[code] != NONE:
            _copy_bar(partial, code, merged, 0)
            count = 1
        clock = complete_to
        if row >= 0:
            one = Bars(
                bars.ts[row : row + 1],
                bars.open[row : row + 1],
                bars.high[row : row + 1],
                bars.low[row : row + 1],
                bars.close[row : row + 1],
                bars.volume[row : row + 1],
            )
            count = merge_bars(one, length, count, merged)
            clock = max(clock, bars.ts[row])
        done = count if merged.ts[count - 1] <= clock else count - 1
        if done > 0:
            codes[0][first] = code
            _copy_bar(merged, 0, finished[0], first)
            first += 1
        if done > 1:
            codes[1][second] = code
            _copy_bar(merged, 1, finished[1], second)
            second += 1
        if done == count:
            partial.ts[code] = NONE
        else:
            _copy_bar(merged, count - 1, partial, code)
    return first, second
