"""How assets are partitioned: UTC days, months, and months by strategy.

A day D holds the bars with D 00:00 < ts <= D+1 00:00 UTC, a month those of its days.
"""

from datetime import date

import dagster as dg
import numpy as np

from streaming.jobs.strategies import STRATEGIES

MONTH, STRATEGY = "month", "strategy"
_MONTH_KEY = "%Y-%m"

STANDARD_TIMEFRAMES = ("M5", "M15", "H1", "H4", "D1")
"""What a month of indicators stands for. M1 has as many rows as there are bars."""


def days(start: date) -> dg.DailyPartitionsDefinition:
    """Give the UTC days from one on, the day in progress among them; keys YYYY-MM-DD."""
    return dg.DailyPartitionsDefinition(start.isoformat(), timezone="UTC", end_offset=1)


def months(start: date) -> dg.MonthlyPartitionsDefinition:
    """Give the months from a day's on, the month in progress among them; keys YYYY-MM."""
    return dg.MonthlyPartitionsDefinition(
        start.strftime(_MONTH_KEY), fmt=_MONTH_KEY, timezone="UTC", end_offset=1
    )


def backtests(start: date) -> dg.MultiPartitionsDefinition:
    """Give every month of every strategy; keys YYYY-MM|strategy."""
    return dg.MultiPartitionsDefinition(
        {MONTH: months(start), STRATEGY: dg.StaticPartitionsDefinition(sorted(STRATEGIES))}
    )


def month_bounds(month: str) -> tuple[int, int]:
    """Give the time after which, and up to which, a month (YYYY-MM) lasts: microseconds UTC."""
    first = np.datetime64(month, "M")
    begin, end = (int(one.astype("datetime64[us]").astype(np.int64)) for one in (first, first + 1))
    return begin, end
