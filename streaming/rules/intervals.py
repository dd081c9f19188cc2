"""Merge bars into intervals: the kernel of `streaming.rules.timeframes`."""

import math

from streaming.rules.bars import Bars
from streaming.rules.compile import kernel


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
    for i in range(len(bars.ts)):
        ts = bars.ts[i]
        if count == 0 or ts > out.ts[count - 1]:
            out.ts[count] = -(-ts // length) * length
            out.open[count] = bars.open[i]
            out.high[count] = bars.high[i]
            out.low[count] = bars.low[i]
            out.close[count] = bars.close[i]
            out.volume[count] = bars.volume[i]
            count += 1
            continue
        at = count - 1
        out.high[at] = max(out.high[at], bars.high[i])
        out.low[at] = min(out.low[at], bars.low[i])
        out.close[at] = bars.close[i]
        if math.isnan(out.volume[at]):
            out.volume[at] = bars.volume[i]
        elif not math.isnan(bars.volume[i]):
            out.volume[at] += bars.volume[i]
    return count
