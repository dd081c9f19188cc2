"""How assets are cut: by UTC day, by month, by month and strategy.

All begin with the setting `history.start`. `end_offset=1`, so that the day and the month
in progress have partitions too: they are filled again and again until they end.
"""

import datetime as dt

import dagster as dg
import numpy as np

MONTH = "month"
"""The dimension of `backtests` that is a month."""

STRATEGY = "strategy"
"""The dimension of `backtests` that is a strategy."""

_MONTH_KEYS = "%Y-%m"


def days(start: dt.date) -> dg.DailyPartitionsDefinition:
    """Give UTC days as the lake cuts them, from `start` on; keys YYYY-MM-DD.

    The bars of D are those with D 00:00 < ts <= D+1 00:00, because a bar is labelled by
    its close.
    """
    return dg.DailyPartitionsDefinition(start.isoformat(), end_offset=1)


def months(start: dt.date) -> dg.MonthlyPartitionsDefinition:
    """Give UTC months, from that of `start` on; keys YYYY-MM."""
    return dg.MonthlyPartitionsDefinition(
        start.strftime(_MONTH_KEYS), fmt=_MONTH_KEYS, end_offset=1
    )


def backtests(start: dt.date) -> dg.MultiPartitionsDefinition:
    """Give every month with every strategy; keys YYYY-MM|strategy."""
    # Here, because it brings numba: a location that has no backtests need not pay for it.
    from streaming.jobs.strategies import STRATEGIES

    return dg.MultiPartitionsDefinition(
        {MONTH: months(start), STRATEGY: dg.StaticPartitionsDefinition(sorted(STRATEGIES))}
    )


def month_bounds(month: str) -> tuple[int, int]:
    """Give the time after which, and up to which, a month (YYYY-MM) lasts: microseconds UTC."""
    first = np.datetime64(month, "M")
    begin, end = (int(one.astype("datetime64[us]").astype(np.int64)) for one in (first, first + 1))
    return begin, end
