"""Calendar days of a time zone, cut out of microseconds UTC.

A day D holds D 00:00 < ts <= D+1 00:00 local time: an event at midnight belongs to the day
that ends. Days of 23 and 25 hours come out of the zone's own rules, asked for each local
midnight; nothing here adds 24 hours to anything.
"""

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
from numpy.typing import NDArray

from streaming.errors import MoneyError, SettingsError

Int = NDArray[np.int64]

_SECOND_US = 1_000_000
# Zones differ from UTC by less than a day, so a local date is at most this far from the UTC one.
_NEIGHBOURS = (timedelta(days=-1), timedelta(0), timedelta(days=1))
# Sums are int64; what could wrap is refused before it is added up.
_SUM_LIMIT = 2.0**63 * (1 - 1e-9)


def zone(tz: str) -> ZoneInfo:
    """Give the time zone of an IANA name.

    Raises
    ------
    SettingsError
        If there is no such zone.
    """
    try:
        return ZoneInfo(tz)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise SettingsError(
            f"time zone {tz!r} is unknown. Give an IANA name such as Europe/Oslo or UTC."
        ) from error


@lru_cache(maxsize=512)
def _year_midnights(tz: str, year: int) -> Int:
    """Give the local midnights that begin each day of a year and the next 1 January."""
    place = zone(tz)
    first = date(year, 1, 1).toordinal()
    last = date(year + 1, 1, 1).toordinal() + 1
    # A midnight that the clock skips is read with the offset before it: the very instant of
    # the change, where that day begins. One that comes twice is read as the first (fold 0).
    starts = [
        int(datetime.combine(date.fromordinal(day), datetime.min.time(), place).timestamp())
        for day in range(first, last)
    ]
    midnights = np.array(starts, np.int64) * _SECOND_US
    midnights.flags.writeable = False
    return midnights


def day_bounds(start: date, end: date, tz: str) -> Int:
    """Give the instants that separate the days from `start` to `end`, both included.

    Parameters
    ----------
    start, end
        First and last local calendar day, years 1 to 9998.
    tz
        IANA time zone.

    Returns
    -------
    int64[days + 1]
        Microseconds UTC, ascending: bounds[k] is the midnight that begins day k, and
        bounds[k + 1] the one that ends it.

    Raises
    ------
    SettingsError
        If `end` is before `start`, or the zone is unknown.
    """
    if end < start:
        raise SettingsError(f"the window ends ({end}) before it starts ({start}).")
    years = [_year_midnights(tz, year) for year in range(start.year, end.year + 1)]
    # Each year's last midnight is the next one's first.
    midnights = np.concatenate([*(year[:-1] for year in years[:-1]), years[-1]])
    first = start.toordinal() - date(start.year, 1, 1).toordinal()
    count = end.toordinal() - start.toordinal() + 1
    return midnights[first : first + count + 1]


def day_of(ts: int, tz: str) -> date:
    """Give the local calendar day that an instant belongs to.

    Parameters
    ----------
    ts
        Microseconds UTC. Midnight belongs to the day that ends.
    tz
        IANA time zone.
    """
    near = datetime.fromtimestamp(ts // _SECOND_US, UTC).date()
    candidates = [near + step for step in _NEIGHBOURS]
    bounds = day_bounds(candidates[0], candidates[-1], tz)
    return candidates[int(np.searchsorted(bounds, ts, "left")) - 1]


def day_index(ts: Int, bounds: Int) -> Int:
    """Give for each instant the number of its day.

    Parameters
    ----------
    ts : int64[n]
        Microseconds UTC, in any order.
    bounds : int64[days + 1]
        Of `day_bounds`.

    Returns
    -------
    int64[n]
        0 to days - 1; -1 at or before the first midnight, `days` after the last.
    """
    return np.searchsorted(bounds, ts, "left") - 1


def checked_sum_range(amounts: Int, what: str) -> None:
    """Refuse amounts whose sum might not fit an int64.

    Raises
    ------
    MoneyError
        If the magnitudes of the amounts add up to 2**63 or more.
    """
    if amounts.size and float(np.abs(amounts).sum(dtype=np.float64)) >= _SUM_LIMIT:
        raise MoneyError(
            f"{what}: the amounts add up to more than 92 billion, which does not fit an int64 "
            "of 1e-8. Measure in a larger unit or over fewer rows."
        )


def daily_sums(ts: Int, amounts: Int, bounds: Int) -> Int:
    """Add up amounts by day, exactly.

    Parameters
    ----------
    ts : int64[n]
        Microseconds UTC, in any order; what lies outside the bounds is left out. Ascending
        order saves a sort.
    amounts : int64[n]
        Currency x 1e8.
    bounds : int64[days + 1]
        Of `day_bounds`.

    Returns
    -------
    int64[days]
        0 on days without an event.

    Raises
    ------
    MoneyError
        If the sums could leave int64.
    """
    checked_sum_range(amounts, "daily PnL")
    if ts.size > 1 and not bool((ts[1:] >= ts[:-1]).all()):
        order = np.argsort(ts, kind="stable")
        ts, amounts = ts[order], amounts[order]
    running = np.zeros(ts.size + 1, np.int64)
    np.cumsum(amounts, out=running[1:])
    # 'right' counts the events at a midnight into the day that ends there.
    return np.diff(running[np.searchsorted(ts, bounds, "right")])


def daily_pnl(
    match_ts: Int, net: Int, start: date, end: date, tz: str = "Europe/Oslo"
) -> tuple[NDArray[np.datetime64], Int]:
    """Give the net PnL of every calendar day of a window; idle days are 0.

    Parameters
    ----------
    match_ts : int64[n]
        `matchTimestamp`, microseconds UTC, in any order; rows outside the window do not count.
    net : int64[n]
        realizedPnl - fees, currency x 1e8.
    start, end
        First and last local calendar day.
    tz
        IANA time zone of the days.

    Returns
    -------
    datetime64[D][days], int64[days]
        The days, and their net PnL x 1e8.
    """
    days = np.arange(np.datetime64(start, "D"), np.datetime64(end, "D") + 1)
    return days, daily_sums(match_ts, net, day_bounds(start, end, tz))
