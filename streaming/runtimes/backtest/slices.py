"""Cut a run's time into slices that fit into memory.

A slice is a number of whole days, never across the end of a month, with at most so many
rows. The cuts depend on the lake and the window alone, so files come out the same again;
rows do not depend on them at all.
"""

import datetime as dt
from collections.abc import Iterable, Sequence

import numpy as np

from streaming.lake import DayInfo
from streaming.rules.bars import DAY_US

MOST_ROWS = 4_000_000

_EPOCH = dt.date(1970, 1, 1)


def day_end(day: dt.date) -> int:
    """Give the end of a UTC day, microseconds UTC: the last time that belongs to it."""
    return ((day - _EPOCH).days + 1) * DAY_US


def month_of(ts: int) -> str:
    """Give the month, as YYYY-MM, that a time belongs to; midnight ends the day before."""
    return str(np.datetime64(ts - 1, "us").astype("datetime64[M]"))


def plan(
    days: Iterable[DayInfo], symbols: Sequence[str], start: int, end: int
) -> list[tuple[int, int]]:
    """Give slices (start, end] that together cover (start, end].

    Parameters
    ----------
    days
        What the lake has.
    symbols
        Whose rows count.
    start, end
        Microseconds UTC.
    """
    wanted = set(symbols)
    slices: list[tuple[int, int]] = []
    first, rows, before = start, 0, None
    for info in days:
        last = day_end(info.day)
        if last <= start or last - DAY_US >= end:
            continue
        more = sum(count for name, (count, _) in info.symbols.items() if name in wanted)
        midnight = last - DAY_US
        new_month = before is not None and before != month_of(last)
        if midnight > first and rows and (rows + more > MOST_ROWS or new_month):
            slices.append((first, midnight))
            first, rows = midnight, 0
        rows += more
        before = month_of(last)
    slices.append((first, end))
    return slices
