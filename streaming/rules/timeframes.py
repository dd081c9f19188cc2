"""Timeframes: from 1-minute bars to bars of every length, cut at UTC multiples.

A bar is labelled by the UTC boundary that ends its interval, whatever minute traded last;
the interval is open at its start and closed at its end: (boundary - length, boundary]. D1
is the UTC day. An interval without a 1-minute bar makes no bar.
"""

from difflib import get_close_matches

import numpy as np

from streaming.errors import SettingsError
from streaming.rules.bars import MINUTE_US, Bars, no_bars, plain_bars

TIMEFRAMES = {"M1": 1, "M5": 5, "M15": 15, "H1": 60, "H4": 240, "D1": 1440}
"""Minutes of each timeframe."""


def check_timeframe(timeframe: str) -> str:
    """Give a timeframe back, or say that there is none such.

    Raises
    ------
    SettingsError
        If the timeframe is unknown.
    """
    if timeframe not in TIMEFRAMES:
        near = get_close_matches(str(timeframe).upper(), TIMEFRAMES, n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise SettingsError(
            f"Timeframe {timeframe!r} is unknown. There are: {', '.join(TIMEFRAMES)}.{hint}"
        )
    return timeframe


def aggregate(partial: Bars, bars: Bars, complete_to: int, minutes: int) -> tuple[Bars, Bars]:
    """Merge 1-minute bars into bars of a longer interval.

    Parameters
    ----------
    partial : Bars
        The interval that is not finished yet, from the call before: one row or none.
    bars : Bars
        The next 1-minute bars, all later than those before; may be empty.
    complete_to : int
        Microseconds UTC; no bar at or before it will come any more.
    minutes : int
        Length of the interval.

    Returns
    -------
    finished : Bars
        The intervals at whose boundary, or past it, a bar has come, and those whose
        boundary is at or before `complete_to`. The end of the input finishes nothing.
    partial : Bars
        The interval still open, labelled by its boundary: one row or none.

    Notes
    -----
    Open is the first open, close the last close; volume adds up what is known and is NaN
    where no bar of the interval has one. Bars and partial results are added one by one, in
    order, so that any cut gives the same bits.
    """
    # Here, because the names of the timeframes are wanted in places that never load numba.
    from streaming.rules.intervals import merge_bars

    if len(bars) == 0 and len(partial) == 0:
        return no_bars(), no_bars()
    length = minutes * MINUTE_US
    ends = [int(part.ts[at]) for part in (partial, bars) if len(part) for at in (0, -1)]
    size = min(len(partial) + len(bars), (ends[-1] - ends[0]) // length + 2)
    merged = Bars._make(np.empty(size, column.dtype) for column in no_bars())
    for column, before in zip(merged, partial, strict=True):
        column[: len(before)] = before
    count = merge_bars(plain_bars(bars), length, len(partial), merged)
    clock = max(complete_to, int(bars.ts[-1])) if len(bars) else complete_to
    done = count if merged.ts[count - 1] <= clock else count - 1
    # A copy, so that one waiting row does not hold a whole batch in memory.
    rest = Bars._make(column[done:count].copy() for column in merged)
    return merged.rows(0, done), rest
